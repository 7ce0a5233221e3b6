//! A deserializer that invents the requested values, and records what was requested.

use std::fmt;

use serde::de::{self, Deserializer, Visitor};

use super::node::{Node, ROOT, variant_of};
use super::parts::{Chosen, Entries, Fields, Parts, Why};
use super::samples;
use super::stack;
use super::tracer::Refused;

/// A name that no variant has.
const NO_VARIANT: &str = "\u{1}no such variant";

impl Node<'_> {
    pub(super) fn parts<'de, V: Visitor<'de>>(
        mut self,
        name: &'static str,
        parts: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let value = visitor.visit_seq(Parts { of: self.reborrow(), name, parts: 0..parts });
        value.inspect(|_| self.accept())
    }

    pub(super) fn fields<'de, V: Visitor<'de>>(
        mut self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.see("struct", fields, 0)?;
        // In order, as bincode has them; a hand-written visitor may want them by name.
        if self.choose::<2>() == 0 {
            return self.parts("field", fields.len(), visitor);
        }
        let value = visitor.visit_map(Fields { of: self.reborrow(), fields, next: 0 });
        value.inspect(|_| self.accept())
    }

    /// Deserializes the outermost enum as one variant.
    fn only<'de, V: Visitor<'de>>(
        self,
        variant: &str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.tracer.root.names = Some(names);
        let of = Node { id: variant_of(self.id, variant, 0), tracer: self.tracer };
        visitor.visit_enum(Chosen { variant, of, why: Why::Root })
    }
}

macro_rules! samples {
    ($($method:ident $visit:ident $samples:ident;)*) => {
        $(fn $method<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
            self.see(stringify!($visit), &[], 0)?;
            visitor.$visit(self.sample(&samples::$samples))
        })*
    };
}

macro_rules! like {
    ($($method:ident is $other:ident;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
            self.$other(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Node<'_> {
    type Error = Refused;

    samples! {
        deserialize_bool visit_bool BOOLS;
        deserialize_i8 visit_i8 I8;
        deserialize_i16 visit_i16 I16;
        deserialize_i32 visit_i32 I32;
        deserialize_i64 visit_i64 I64;
        deserialize_i128 visit_i128 I128;
        deserialize_u8 visit_u8 U8;
        deserialize_u16 visit_u16 U16;
        deserialize_u32 visit_u32 U32;
        deserialize_u64 visit_u64 U64;
        deserialize_u128 visit_u128 U128;
        deserialize_f32 visit_f32 F32;
        deserialize_f64 visit_f64 F64;
        deserialize_char visit_char CHARS;
        deserialize_str visit_str TEXTS;
        deserialize_bytes visit_bytes BYTES;
    }

    like! {
        deserialize_string is deserialize_str;
        deserialize_byte_buf is deserialize_bytes;
        deserialize_ignored_any is deserialize_unit;
    }

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.see("anything", &[], 0)?;
        self.tracer.hide(self.id);
        if self.tracer.ends_at_any() {
            return Err(Refused);
        }
        match self.choose::<3>() {
            0 => visitor.visit_unit(),
            1 => visitor.visit_str(samples::TEXTS.get(0)),
            _ => visitor.visit_u64(1),
        }
    }

    /// Only the keys of a flattened struct are identifiers: those of other structs are not asked for.
    fn deserialize_identifier<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.tracer.hide(self.id);
        if self.tracer.ends_at_any() {
            self.see("visit_str", &[], 0)?;
            return Err(Refused);
        }
        self.deserialize_str(visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.see("unit", &[], 0)?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.see("option", &[], 0)?;
        match self.choose::<2>() {
            0 => self.within("some", |some| visitor.visit_some(some)),
            _ => visitor.visit_none(),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.see("newtype", &[], 0)?;
        self.within("newtype", |inner| visitor.visit_newtype_struct(inner))
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.see("sequence", &[], 0)?;
        let length = 1 - self.choose::<2>();
        self.parts("element", length, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        mut self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.see("tuple", &[], length)?;
        self.parts("part", length, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.see("map", &[], 0)?;
        let entries = 1 - self.choose::<2>();
        visitor.visit_map(Entries { of: self, entries })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let Self { tracer, id } = self;
        if tracer.enter_container(id, (name, fields))? {
            // It contains itself endlessly, unless an outer optional value is empty.
            return Err(Refused);
        }
        let value = Node { tracer: &mut *tracer, id }.fields(fields, visitor);
        tracer.leave_container();
        value
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        if let (ROOT, Some(variant)) = (self.id, self.tracer.root.variant.clone()) {
            return self.only(&variant, variants, visitor);
        }
        let Self { tracer, id } = self;
        let container = (name, variants);
        Node { tracer: &mut *tracer, id }.see("enum", variants, 0)?;
        if tracer.probes(id) {
            let of = Node { tracer, id: variant_of(id, NO_VARIANT, variants.len()) };
            return visitor.visit_enum(Chosen { variant: NO_VARIANT, of, why: Why::Unknown });
        }
        let choice = if tracer.enter_container(id, container)? {
            (tracer.end_of(&container).ok_or(Refused)?, None)
        } else {
            let (variant, before) = tracer.variant(id, &container);
            (variant, Some((variant, before)))
        };
        let (number, before) = choice;
        let variant = *variants.get(number).ok_or(Refused)?;
        let of = Node { tracer: &mut *tracer, id: variant_of(id, variant, number) };
        let value = visitor.visit_enum(Chosen { variant, of, why: Why::Turn });
        tracer.leave_container();
        if let (true, Some(before)) = (value.is_ok(), before) {
            tracer.walked(id, container, before);
        }
        value
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("nothing more can be seen")
    }
}

impl std::error::Error for Refused {}

impl de::Error for Refused {
    fn custom<T: fmt::Display>(_: T) -> Self {
        stack::check();
        Self
    }
}

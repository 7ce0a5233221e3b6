//! A deserializer that invents the requested values, and records what was requested.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use xxhash_rust::xxh3::Xxh3;

use super::tracer::{Refused, Tracer};

/// Samples that types stored as text, or as bytes, are likely to accept.
const TEXTS: [&str; 7] = [
    "a",
    "0",
    "",
    "1970-01-01",
    "1970-01-01T00:00:00Z",
    "00:00:00",
    "00000000-0000-0000-0000-000000000000",
];
const BYTES: [&[u8]; 5] = [&[0; 16], &[], &[0; 32], &[0; 4], &[0; 8]];

/// The deserializer of the whole type.
pub(super) fn root(tracer: &mut Tracer) -> Node<'_> {
    Node { tracer, id: 0 }
}

/// A node of the type. Deserializing from it records what the node is.
pub(super) struct Node<'a> {
    tracer: &'a mut Tracer,
    /// Identifies the node; the same in each walk.
    id: u64,
}

/// Identifies a node within a node, or what a node is.
fn hash(seed: u64, words: &[&str], number: usize) -> u64 {
    let mut hash = Xxh3::with_seed(seed);
    hash.update(&(number as u64).to_le_bytes());
    for word in words {
        hash.update(&(word.len() as u64).to_le_bytes());
        hash.update(word.as_bytes());
    }
    hash.digest()
}

impl Node<'_> {
    fn see(&mut self, kind: &str, names: &[&str], number: usize) -> Result<(), Refused> {
        let seed = hash(0, &[kind], 0);
        self.tracer.see(self.id, hash(seed, names, number))
    }

    fn sample<T: Copy>(&mut self, samples: &[T]) -> T {
        let choice = self.tracer.sample(self.id, samples.len());
        samples[choice.min(samples.len() - 1)]
    }

    /// Deserializes a part of the node.
    fn inner<'de, S: DeserializeSeed<'de>>(
        &mut self,
        name: &str,
        number: usize,
        seed: S,
    ) -> Result<S::Value, Refused> {
        let id = hash(self.id, &[name], number);
        self.tracer.enter();
        let value = seed.deserialize(Node { tracer: self.tracer, id });
        self.tracer.leave();
        value
    }

    /// Returns the node within it, for a node with a single part.
    fn within(self, name: &str) -> Self {
        let id = hash(self.id, &[name], 0);
        Self { tracer: self.tracer, id }
    }

    fn parts<'de, V: Visitor<'de>>(
        self,
        name: &'static str,
        parts: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_seq(Parts { of: self, name, parts: 0..parts })
    }

    fn fields<'de, V: Visitor<'de>>(
        mut self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.see("struct", fields, 0)?;
        // In order, as bincode has them; a hand-written visitor may want them by name.
        match self.sample(&[true, false]) {
            true => self.parts("field", fields.len(), visitor),
            false => visitor.visit_map(Fields { of: self, fields, next: 0 }),
        }
    }
}

macro_rules! samples {
    ($($method:ident $visit:ident $samples:expr;)*) => {
        $(fn $method<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
            self.see(stringify!($visit), &[], 0)?;
            visitor.$visit(self.sample(&$samples))
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
        deserialize_bool visit_bool [false, true];
        deserialize_i8 visit_i8 [1, 0];
        deserialize_i16 visit_i16 [1, 0];
        deserialize_i32 visit_i32 [1, 0];
        deserialize_i64 visit_i64 [1, 0];
        deserialize_i128 visit_i128 [1, 0];
        deserialize_u8 visit_u8 [1, 0];
        deserialize_u16 visit_u16 [1, 0];
        deserialize_u32 visit_u32 [1, 0];
        deserialize_u64 visit_u64 [1, 0];
        deserialize_u128 visit_u128 [1, 0];
        deserialize_f32 visit_f32 [1.0, 0.0];
        deserialize_f64 visit_f64 [1.0, 0.0];
        deserialize_char visit_char ['a', '0'];
        deserialize_str visit_str TEXTS;
        deserialize_bytes visit_bytes BYTES;
    }

    like! {
        deserialize_string is deserialize_str;
        deserialize_identifier is deserialize_str;
        deserialize_byte_buf is deserialize_bytes;
        deserialize_ignored_any is deserialize_unit;
    }

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.see("anything", &[], 0)?;
        match self.sample(&[0, 1, 2]) {
            0 => visitor.visit_unit(),
            1 => visitor.visit_str(TEXTS[0]),
            _ => visitor.visit_u64(1),
        }
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
        match self.sample(&[true, false]) {
            true => visitor.visit_some(self.within("some")),
            false => visitor.visit_none(),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.see("newtype", &[], 0)?;
        visitor.visit_newtype_struct(self.within("newtype"))
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.see("sequence", &[], 0)?;
        let length = self.sample(&[1, 0]);
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
        let entries = self.sample(&[1, 0]);
        visitor.visit_map(Entries { of: self, entries })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let Self { tracer, id } = self;
        if tracer.enter_container((name, fields))? {
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
        let Self { tracer, id } = self;
        let container = (name, variants);
        Node { tracer: &mut *tracer, id }.see("enum", variants, 0)?;
        let choice = if tracer.enter_container(container)? {
            (tracer.end_of(&container).ok_or(Refused)?, None)
        } else {
            let (variant, before) = tracer.variant(id, &container);
            (variant, Some((variant, before)))
        };
        let (number, before) = choice;
        let variant = *variants.get(number).ok_or(Refused)?;
        let of = Node { tracer: &mut *tracer, id: hash(id, &[variant], number) };
        let value = visitor.visit_enum(Chosen { variant, of });
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

/// Yields the parts of a sequence, tuple or struct.
struct Parts<'a> {
    of: Node<'a>,
    name: &'static str,
    parts: std::ops::Range<usize>,
}

impl<'de> SeqAccess<'de> for Parts<'_> {
    type Error = Refused;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refused> {
        let Some(part) = self.parts.next() else { return Ok(None) };
        self.of.inner(self.name, part, seed).map(Some)
    }
}

/// Yields the fields of a struct by their names.
struct Fields<'a> {
    of: Node<'a>,
    fields: &'static [&'static str],
    next: usize,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Refused;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refused> {
        let Some(field) = self.fields.get(self.next) else { return Ok(None) };
        let name: StrDeserializer<'_, Refused> = (*field).into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refused> {
        self.next += 1;
        self.of.inner("field", self.next - 1, seed)
    }
}

/// Yields the entries of a map.
struct Entries<'a> {
    of: Node<'a>,
    entries: usize,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Refused;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refused> {
        if self.entries == 0 {
            return Ok(None);
        }
        self.entries -= 1;
        self.of.inner("key", 0, seed).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refused> {
        self.of.inner("value", 0, seed)
    }
}

/// The variant of an enum that this walk takes.
struct Chosen<'a> {
    variant: &'static str,
    of: Node<'a>,
}

impl<'de, 'a> EnumAccess<'de> for Chosen<'a> {
    type Error = Refused;
    type Variant = Node<'a>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Node<'a>), Refused> {
        let name: StrDeserializer<'_, Refused> = self.variant.into_deserializer();
        Ok((seed.deserialize(name)?, self.of))
    }
}

impl<'de> VariantAccess<'de> for Node<'_> {
    type Error = Refused;

    fn unit_variant(mut self) -> Result<(), Refused> {
        self.see("unit", &[], 0)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(
        mut self,
        seed: S,
    ) -> Result<S::Value, Refused> {
        self.see("newtype", &[], 0)?;
        self.inner("newtype", 0, seed)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.fields(fields, visitor)
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
        Self
    }
}

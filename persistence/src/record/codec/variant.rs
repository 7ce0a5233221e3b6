//! Deserializes an enum from the name of its variant and the variant's content.

use std::cell::Cell;
use std::marker::PhantomData;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

/// What is known about a variant by its name.
pub(super) struct Lookup {
    is_known: Cell<bool>,
}

impl Default for Lookup {
    fn default() -> Self {
        Self { is_known: Cell::new(true) }
    }
}

impl Lookup {
    /// Returns false if there is no variant of that name, once deserialized.
    pub(super) fn is_known(&self) -> bool {
        self.is_known.get()
    }
}

/// Returns the catch-all variant of an event type that has one, for the name of an event that is no
/// other variant. Nothing is known about the content of such an event, so it is not read.
pub(in crate::record) fn catch_all<T: DeserializeOwned>(name: &str) -> Option<T> {
    let lookup = Lookup::default();
    let caught = Variant::new(name, &lookup).deserialize(NoContent).ok();
    caught.filter(|_| !lookup.is_known())
}

/// The content of an event of which nothing is known. It is not read as a value of any kind: a recursive untagged
/// enum would try its variants on that endlessly.
struct NoContent;

impl<'de> Deserializer<'de> for NoContent {
    type Error = de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("there is no content"))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        newtype_struct seq tuple tuple_struct map struct enum identifier
    }
}

/// Reads a `T` whose variant is already known.
pub(super) struct Variant<'a, T> {
    name: &'a str,
    lookup: &'a Lookup,
    event: PhantomData<T>,
}

impl<'a, T> Variant<'a, T> {
    pub(super) fn new(name: &'a str, lookup: &'a Lookup) -> Self {
        Self { name, lookup, event: PhantomData }
    }
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Variant<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, content: D) -> Result<T, D::Error> {
        T::deserialize(Wrap { name: self.name, lookup: self.lookup, content })
    }
}

/// Adds the variant to its content.
struct Wrap<'a, D> {
    name: &'a str,
    lookup: &'a Lookup,
    content: D,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Wrap<'_, D> {
    type Error = D::Error;

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.lookup.is_known.set(variants.contains(&self.name));
        visitor.visit_enum(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, D::Error> {
        Err(de::Error::custom("an event must be an externally tagged enum"))
    }

    fn is_human_readable(&self) -> bool {
        self.content.is_human_readable()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'a, 'de, D: Deserializer<'de>> de::EnumAccess<'de> for Wrap<'a, D> {
    type Error = D::Error;
    type Variant = Inside<D>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Inside<D>), D::Error> {
        let name: StrDeserializer<'a, D::Error> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, Inside(self.content)))
    }
}

/// The content of the variant.
struct Inside<D>(D);

impl<'de, D: Deserializer<'de>> de::VariantAccess<'de> for Inside<D> {
    type Error = D::Error;

    fn unit_variant(self) -> Result<(), D::Error> {
        <()>::deserialize(self.0)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, D::Error> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_struct("", fields, visitor)
    }
}

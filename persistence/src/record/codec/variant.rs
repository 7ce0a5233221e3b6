//! Deserializes an enum from the name of its variant and the variant's content.

use std::cell::Cell;
use std::marker::PhantomData;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

/// Reads a `T` whose variant is already known.
pub(super) struct Variant<'a, T> {
    name: &'a str,
    is_known: &'a Cell<bool>,
    event: PhantomData<T>,
}

impl<'a, T> Variant<'a, T> {
    /// Sets `is_known` to false if there is no variant of that name.
    pub(super) fn new(name: &'a str, is_known: &'a Cell<bool>) -> Self {
        Self { name, is_known, event: PhantomData }
    }
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Variant<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, content: D) -> Result<T, D::Error> {
        T::deserialize(Wrap { name: self.name, is_known: self.is_known, content })
    }
}

/// Adds the variant to its content.
struct Wrap<'a, D> {
    name: &'a str,
    is_known: &'a Cell<bool>,
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
        self.is_known.set(variants.contains(&self.name));
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

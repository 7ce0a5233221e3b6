//! Deserializes from a [`Value`]. Stricter than a self-describing codec: no field is ignored, and no number is
//! rounded, because an upcaster returns exactly what is read.

use std::sync::LazyLock;

use serde::de::value::{Error, MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{self, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, Visitor};

use super::value::Value;

static UNIT: Value = Value::Unit;

/// The numbers below 256.
static OCTETS: LazyLock<Vec<Value>> = LazyLock::new(|| (0..256).map(Value::Unsigned).collect());

impl<'de> IntoDeserializer<'de, Error> for &'de Value {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl Value {
    fn visit_parts<'de, V, I>(parts: I, visitor: V) -> Result<V::Value, Error>
    where
        V: Visitor<'de>,
        I: ExactSizeIterator<Item = &'de Self>,
    {
        let mut parts = SeqDeserializer::new(parts);
        let value = visitor.visit_seq(&mut parts)?;
        parts.end().map(|()| value)
    }

    fn visit_octets<'de, V: Visitor<'de>>(octets: &[u8], visitor: V) -> Result<V::Value, Error> {
        Self::visit_parts(octets.iter().map(|octet| &OCTETS[usize::from(*octet)]), visitor)
    }

    fn visit_fields<'de, V: Visitor<'de>>(
        fields: &'de [(&'static str, Self)],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let entries = fields.iter().map(|(name, value)| (*name, value));
        let mut entries = MapDeserializer::new(entries);
        let value = visitor.visit_map(&mut entries)?;
        entries.end().map(|()| value)
    }

    fn visit_entries<'de, V: Visitor<'de>>(
        entries: &'de [(Self, Self)],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let mut entries = MapDeserializer::new(entries.iter().map(|(key, value)| (key, value)));
        let value = visitor.visit_map(&mut entries)?;
        entries.end().map(|()| value)
    }

    /// Checks that a type with these fields has this one.
    fn check_field(&self, fields: &'static [&'static str]) -> Result<(), Error> {
        match self {
            Self::Text(name) if !fields.contains(&&**name) => {
                Err(Error::unknown_field(name, fields))
            }
            _ => Ok(()),
        }
    }
}

macro_rules! any {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.deserialize_any(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for &'de Value {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Value::Unit => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Signed(value) => visitor.visit_i64(*value),
            Value::Unsigned(value) => visitor.visit_u64(*value),
            Value::Signed128(value) => visitor.visit_i128(*value),
            Value::Unsigned128(value) => visitor.visit_u128(*value),
            Value::Single(value) => visitor.visit_f32(*value),
            Value::Double(value) => visitor.visit_f64(*value),
            Value::Char(value) => visitor.visit_char(*value),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            Value::None => visitor.visit_none(),
            Value::Some(value) => visitor.visit_some(&**value),
            Value::Sequence(all) => Value::visit_parts(all.iter(), visitor),
            Value::Octets(octets) => Value::visit_octets(octets, visitor),
            Value::Map(all) => Value::visit_entries(all, visitor),
            Value::Struct(all) => Value::visit_fields(all, visitor),
            Value::Variant(name, content) if matches!(**content, Value::Unit) => {
                visitor.visit_borrowed_str(name)
            }
            Value::Variant(name, content) => {
                visitor.visit_map(MapDeserializer::new(std::iter::once((*name, &**content))))
            }
        }
    }

    any! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_u128 deserialize_char deserialize_str deserialize_string deserialize_bytes
        deserialize_byte_buf deserialize_map deserialize_identifier
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Value::Single(value) => visitor.visit_f32(*value),
            other => other.deserialize_f64(visitor),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Value::Single(_) | Value::Double(_) => self.deserialize_any(visitor),
            _ => Err(Error::custom("it is not a floating-point number")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            // As in a tree of values, where an absent value is null.
            Value::None | Value::Unit => visitor.visit_none(),
            Value::Some(value) => visitor.visit_some(&**value),
            value => visitor.visit_some(value),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Value::Sequence(all) if all.is_empty() => visitor.visit_unit(),
            Value::Struct(all) if all.is_empty() => visitor.visit_unit(),
            value => value.deserialize_any(visitor),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Value::Bytes(bytes) => Value::visit_octets(bytes, visitor),
            value => value.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        match self {
            // In order: a tuple has no names that could be others.
            Value::Struct(all) => Value::visit_parts(all.iter().map(|(_, value)| value), visitor),
            value => value.deserialize_seq(visitor),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Value::Unit => Value::visit_fields(&[], visitor),
            Value::Struct(all) => match all.iter().find(|(name, _)| !fields.contains(name)) {
                Some((unknown, _)) => Err(Error::unknown_field(unknown, fields)),
                None => Value::visit_fields(all, visitor),
            },
            Value::Map(all) => {
                all.iter().try_for_each(|(name, _)| name.check_field(fields))?;
                Value::visit_entries(all, visitor)
            }
            value => value.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let (variant, content) = match self {
            Value::Variant(variant, content) => (*variant, &**content),
            Value::Text(variant) => (&**variant, &UNIT),
            // In a tree of values.
            Value::Map(all) => match &all[..] {
                [(Value::Text(variant), content)] => (&**variant, content),
                _ => return Err(Error::custom("an enum must have one entry")),
            },
            _ => return Err(Error::custom(format_args!("it is no variant of {name}"))),
        };
        visitor.visit_enum(Variant { variant, content })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

struct Variant<'de> {
    variant: &'de str,
    content: &'de Value,
}

impl<'de> de::EnumAccess<'de> for Variant<'de> {
    type Error = Error;
    type Variant = &'de Value;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, &'de Value), Error> {
        let name: StrDeserializer<'_, Error> = self.variant.into_deserializer();
        Ok((seed.deserialize(name)?, self.content))
    }
}

impl<'de> de::VariantAccess<'de> for &'de Value {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        <() as serde::Deserialize>::deserialize(self)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_struct("", fields, visitor)
    }
}

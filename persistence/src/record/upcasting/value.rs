//! [`Value`]: what an upcaster returns, with the names and kinds of all its parts.

use std::borrow::Cow;
use std::fmt::Display;

use serde::de::value::Error;
use serde::ser::{self, Error as _, Serialize, Serializer};

use super::super::codec::Level;

/// A serialized value. It keeps what a codec that is not self-describing would not store.
#[derive(Debug)]
pub(super) enum Value {
    Unit,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Signed128(i128),
    Unsigned128(u128),
    Single(f32),
    Double(f64),
    Char(char),
    Text(Cow<'static, str>),
    Bytes(Vec<u8>),
    None,
    Some(Box<Value>),
    Sequence(Vec<Value>),
    /// A sequence of numbers below 256, which takes a byte for each.
    Octets(Vec<u8>),
    Map(Vec<(Value, Value)>),
    Struct(Vec<(&'static str, Value)>),
    Variant(&'static str, Box<Value>),
}

impl Value {
    /// Serializes a value. Its depth is counted for the value that is being read or written.
    pub(super) fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, Error> {
        value.serialize(ToValue)
    }
}

struct ToValue;

/// Counts a level until it is dropped.
fn level(entered: Result<Level, impl Display>) -> Result<Level, Error> {
    entered.map_err(Error::custom)
}

macro_rules! scalars {
    ($($method:ident($type:ty) is $variant:ident;)*) => {
        $(fn $method(self, value: $type) -> Result<Value, Error> {
            Ok(Value::$variant(value.into()))
        })*
    };
}

impl Serializer for ToValue {
    type Ok = Value;
    type Error = Error;
    type SerializeSeq = Parts;
    type SerializeTuple = Parts;
    type SerializeTupleStruct = Parts;
    type SerializeTupleVariant = Parts;
    type SerializeMap = Entries;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Fields;

    scalars! {
        serialize_bool(bool) is Bool;
        serialize_i8(i8) is Signed;
        serialize_i16(i16) is Signed;
        serialize_i32(i32) is Signed;
        serialize_i64(i64) is Signed;
        serialize_i128(i128) is Signed128;
        serialize_u8(u8) is Unsigned;
        serialize_u16(u16) is Unsigned;
        serialize_u32(u32) is Unsigned;
        serialize_u64(u64) is Unsigned;
        serialize_u128(u128) is Unsigned128;
        serialize_f32(f32) is Single;
        serialize_f64(f64) is Double;
        serialize_char(char) is Char;
    }

    fn serialize_str(self, text: &str) -> Result<Value, Error> {
        Ok(Value::Text(text.to_owned().into()))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Value, Error> {
        Ok(Value::Bytes(bytes.to_vec()))
    }

    fn serialize_none(self) -> Result<Value, Error> {
        Ok(Value::None)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Error> {
        let _level = level(Level::wrapper())?;
        Ok(Value::Some(Box::new(Value::of(value)?)))
    }

    fn serialize_unit(self) -> Result<Value, Error> {
        Ok(Value::Unit)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, Error> {
        Ok(Value::Unit)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Value, Error> {
        Ok(Value::Variant(variant, Box::new(Value::Unit)))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Value, Error> {
        let _level = level(Level::wrapper())?;
        Value::of(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, Error> {
        let _level = level(Level::container())?;
        Ok(Value::Variant(variant, Box::new(Value::of(value)?)))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts, Error> {
        Parts::begin(None)
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts, Error> {
        Parts::begin(None)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts, Error> {
        Parts::begin(None)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts, Error> {
        Parts::begin(Some(variant))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries, Error> {
        Ok(Entries { all: Vec::new(), key: None, _level: level(Level::container())? })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields, Error> {
        Fields::begin(None)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Fields, Error> {
        Fields::begin(Some(variant))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// Returns the content of a variant as the variant, if there is one.
fn of_variant(variant: Option<&'static str>, content: Value) -> Value {
    match variant {
        Some(variant) => Value::Variant(variant, Box::new(content)),
        None => content,
    }
}

/// A sequence or a tuple that is being serialized.
struct Parts {
    variant: Option<&'static str>,
    /// As long as there is nothing else.
    octets: Vec<u8>,
    all: Vec<Value>,
    _level: Level,
}

impl Parts {
    fn begin(variant: Option<&'static str>) -> Result<Self, Error> {
        let _level = level(Level::container())?;
        Ok(Self { variant, octets: Vec::new(), all: Vec::new(), _level })
    }

    fn put<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        match Value::of(value)? {
            Value::Unsigned(number @ 0..=255) if self.all.is_empty() => {
                self.octets.push(number as u8);
            }
            value => {
                let octets = std::mem::take(&mut self.octets).into_iter();
                self.all.extend(octets.map(|octet| Value::Unsigned(octet.into())));
                self.all.push(value);
            }
        }
        Ok(())
    }

    fn value(self) -> Value {
        match self.octets.is_empty() {
            true => Value::Sequence(self.all),
            false => Value::Octets(self.octets),
        }
    }
}

macro_rules! parts {
    ($($trait:ident::$method:ident;)*) => {
        $(impl ser::$trait for Parts {
            type Ok = Value;
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.put(value)
            }

            fn end(self) -> Result<Value, Error> {
                Ok(of_variant(self.variant, self.value()))
            }
        })*
    };
}

parts! {
    SerializeSeq::serialize_element;
    SerializeTuple::serialize_element;
    SerializeTupleStruct::serialize_field;
    SerializeTupleVariant::serialize_field;
}

/// A map that is being serialized.
struct Entries {
    all: Vec<(Value, Value)>,
    key: Option<Value>,
    _level: Level,
}

impl ser::SerializeMap for Entries {
    type Ok = Value;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key = Some(Value::of(key)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let key = self.key.take().ok_or_else(|| Error::custom("a value without a key"))?;
        self.all.push((key, Value::of(value)?));
        Ok(())
    }

    fn end(self) -> Result<Value, Error> {
        Ok(Value::Map(self.all))
    }
}

/// A struct that is being serialized.
struct Fields {
    variant: Option<&'static str>,
    all: Vec<(&'static str, Value)>,
    _level: Level,
}

impl Fields {
    fn begin(variant: Option<&'static str>) -> Result<Self, Error> {
        Ok(Self { variant, all: Vec::new(), _level: level(Level::container())? })
    }
}

macro_rules! fields {
    ($($trait:ident)*) => {
        $(impl ser::$trait for Fields {
            type Ok = Value;
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Error> {
                self.all.push((name, Value::of(value)?));
                Ok(())
            }

            fn end(self) -> Result<Value, Error> {
                Ok(of_variant(self.variant, Value::Struct(self.all)))
            }
        })*
    };
}

fields!(SerializeStruct SerializeStructVariant);

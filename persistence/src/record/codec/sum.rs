//! A sum of everything that a value gives to serde, in which the order of sequences and maps does not
//! count.
//!
//! A set or a map may have another order after it was decoded. Two values of one type are the same if
//! their sums are, up to the order of their sequences, sets and maps.

use std::fmt;

use serde::ser::{self, Serialize};
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// Returns the sum of a value, or `None` if it does not serialize.
pub(crate) fn sum<T: Serialize + ?Sized>(value: &T, is_human_readable: bool) -> Option<u128> {
    value.serialize(Summing { is_human_readable }).ok()
}

#[derive(Clone, Copy)]
struct Summing {
    is_human_readable: bool,
}

/// Why a value has no sum: its `Serialize` reported an error.
#[derive(Debug)]
pub(super) struct Unserializable;

impl fmt::Display for Unserializable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the value does not serialize")
    }
}

impl std::error::Error for Unserializable {}

impl ser::Error for Unserializable {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

type Result<T = u128> = std::result::Result<T, Unserializable>;

fn leaf(kind: u64, bytes: &[u8]) -> u128 {
    xxh3_128_with_seed(bytes, kind)
}

fn pair(kind: u64, first: u128, second: u128) -> u128 {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&first.to_le_bytes());
    bytes[16..].copy_from_slice(&second.to_le_bytes());
    leaf(kind, &bytes)
}

/// The parts of a value that were summed so far.
struct Parts {
    summing: Summing,
    kind: u64,
    sum: u128,
    key: u128,
}

impl Parts {
    fn ordered<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.sum = pair(self.kind, self.sum, value.serialize(self.summing)?);
        Ok(())
    }

    fn unordered(&mut self, part: u128) {
        self.sum = self.sum.wrapping_add(pair(self.kind, part, part));
    }
}

impl Summing {
    /// Begins a value with parts. Its `length` counts, because all its parts may have the sum 0.
    fn parts(self, kind: u64, length: usize) -> Parts {
        Parts { summing: self, kind, sum: leaf(kind, &length.to_le_bytes()), key: 0 }
    }
}

macro_rules! numbers {
    ($($method:ident($type:ty) = $kind:literal;)*) => {
        $(fn $method(self, value: $type) -> Result {
            Ok(leaf($kind, &value.to_le_bytes()))
        })*
    };
}

impl ser::Serializer for Summing {
    type Ok = u128;
    type Error = Unserializable;
    type SerializeSeq = Unordered;
    type SerializeTuple = Ordered;
    type SerializeTupleStruct = Ordered;
    type SerializeTupleVariant = Ordered;
    type SerializeMap = Unordered;
    type SerializeStruct = Ordered;
    type SerializeStructVariant = Ordered;

    numbers! {
        serialize_i8(i8) = 2;
        serialize_i16(i16) = 3;
        serialize_i32(i32) = 4;
        serialize_i64(i64) = 5;
        serialize_i128(i128) = 6;
        serialize_u8(u8) = 7;
        serialize_u16(u16) = 8;
        serialize_u32(u32) = 9;
        serialize_u64(u64) = 10;
        serialize_u128(u128) = 11;
        serialize_f32(f32) = 14;
        serialize_f64(f64) = 15;
    }

    fn serialize_bool(self, value: bool) -> Result {
        Ok(leaf(1, &[u8::from(value)]))
    }

    fn serialize_char(self, value: char) -> Result {
        Ok(leaf(12, &u32::from(value).to_le_bytes()))
    }

    fn serialize_str(self, value: &str) -> Result {
        Ok(leaf(13, value.as_bytes()))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result {
        Ok(leaf(16, value))
    }

    fn serialize_none(self) -> Result {
        Ok(leaf(17, &[]))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        Ok(pair(18, 0, value.serialize(self)?))
    }

    fn serialize_unit(self) -> Result {
        Ok(leaf(19, &[]))
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result {
        Ok(leaf(20, &[]))
    }

    fn serialize_unit_variant(self, _: &'static str, index: u32, _: &'static str) -> Result {
        Ok(leaf(21, &index.to_le_bytes()))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result {
        Ok(pair(22, 0, value.serialize(self)?))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Result {
        Ok(pair(23, index.into(), value.serialize(self)?))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Unordered> {
        Ok(Unordered(self.parts(24, 0)))
    }

    fn serialize_tuple(self, length: usize) -> Result<Ordered> {
        Ok(Ordered(self.parts(25, length)))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Ordered> {
        Ok(Ordered(self.parts(26, length)))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Ordered> {
        Ok(Ordered(self.parts(27, index as usize)))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Unordered> {
        Ok(Unordered(self.parts(28, 0)))
    }

    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Ordered> {
        Ok(Ordered(self.parts(29, length)))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Ordered> {
        Ok(Ordered(self.parts(30, index as usize)))
    }

    fn is_human_readable(&self) -> bool {
        self.is_human_readable
    }
}

/// A tuple or a struct.
struct Ordered(Parts);

/// A sequence, a set or a map.
struct Unordered(Parts);

impl ser::SerializeSeq for Unordered {
    type Ok = u128;
    type Error = Unserializable;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let part = value.serialize(self.0.summing)?;
        self.0.unordered(part);
        Ok(())
    }

    fn end(self) -> Result {
        Ok(self.0.sum)
    }
}

impl ser::SerializeMap for Unordered {
    type Ok = u128;
    type Error = Unserializable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.0.key = key.serialize(self.0.summing)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let entry = pair(28, self.0.key, value.serialize(self.0.summing)?);
        self.0.unordered(entry);
        Ok(())
    }

    fn end(self) -> Result {
        Ok(self.0.sum)
    }
}

macro_rules! elements {
    ($($trait:ident::$method:ident;)*) => {
        $(impl ser::$trait for Ordered {
            type Ok = u128;
            type Error = Unserializable;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                self.0.ordered(value)
            }

            fn end(self) -> Result {
                Ok(self.0.sum)
            }
        })*
    };
}

elements! {
    SerializeTuple::serialize_element;
    SerializeTupleStruct::serialize_field;
    SerializeTupleVariant::serialize_field;
}

macro_rules! fields {
    ($($trait:ident;)*) => {
        $(impl ser::$trait for Ordered {
            type Ok = u128;
            type Error = Unserializable;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<()> {
                self.0.ordered(name)?;
                self.0.ordered(value)
            }

            fn end(self) -> Result {
                Ok(self.0.sum)
            }
        })*
    };
}

fields! {
    SerializeStruct;
    SerializeStructVariant;
}

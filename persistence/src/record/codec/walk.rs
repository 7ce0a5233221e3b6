//! Walks through a value before it is encoded: bounds its depth, refuses floats that a codec cannot hold, and sums
//! up everything that the value gives to serde.
//!
//! What a codec writes depends on nothing else, so a value that was decoded is the same as the original if the sums
//! are equal. The order of sequences, sets and maps does not count, because a `HashMap` has another order in each
//! copy.

mod parts;
mod state;

use serde::ser::{self, Serialize};

use super::nesting::{CONTAINER, WRAPPER, walking};
use super::sum::Sum;
use crate::personal::checking;
use parts::{Collection, Ordered};
use state::{Ended, Result, Walk};

/// A variant is written as two containers.
const TWO_CONTAINERS: u32 = 2 * CONTAINER;

/// Walks through a value, and returns its sum. JSON has no NaN and no infinity, and is the only codec for humans, as
/// serde calls it.
///
/// # Errors
/// Returns an error if the value is nested too deeply, or cannot be encoded.
#[inline]
pub(super) fn walk<T: Serialize + ?Sized>(
    value: &T,
    is_json: bool,
) -> Result<Sum, impl std::fmt::Display> {
    walking(|nesting| {
        let _clear = checking::in_clear();
        let mut walk = Walk { sum: Sum::new(), nesting, is_json };
        value.serialize(&mut walk).map(|()| walk.sum)
    })
}

macro_rules! numbers {
    ($($method:ident($type:ty) = $kind:literal;)*) => {
        $(#[inline]
        fn $method(self, value: $type) -> Result {
            self.sum.add($kind, value as u64);
            Ok(())
        })*
    };
}

macro_rules! wide {
    ($($method:ident($type:ty) = $kind:literal;)*) => {
        $(#[inline]
        fn $method(self, value: $type) -> Result {
            self.sum.add($kind, value as u64);
            self.sum.add($kind, (value >> 64) as u64);
            Ok(())
        })*
    };
}

impl<'w, 'a> ser::Serializer for &'w mut Walk<'a> {
    type Ok = ();
    type Error = Ended;
    type SerializeSeq = Collection<'w, 'a>;
    type SerializeTuple = Ordered<'w, 'a>;
    type SerializeTupleStruct = Ordered<'w, 'a>;
    type SerializeTupleVariant = Ordered<'w, 'a>;
    type SerializeMap = Collection<'w, 'a>;
    type SerializeStruct = Ordered<'w, 'a>;
    type SerializeStructVariant = Ordered<'w, 'a>;

    numbers! {
        serialize_bool(bool) = 1;
        serialize_i8(i8) = 2;
        serialize_i16(i16) = 3;
        serialize_i32(i32) = 4;
        serialize_i64(i64) = 5;
        serialize_u8(u8) = 7;
        serialize_u16(u16) = 8;
        serialize_u32(u32) = 9;
        serialize_u64(u64) = 10;
        serialize_char(char) = 12;
    }

    wide! {
        serialize_i128(i128) = 6;
        serialize_u128(u128) = 11;
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result {
        self.sum.add(14, value.to_bits().into());
        self.finite(value.is_finite())
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result {
        self.sum.add(15, value.to_bits());
        self.finite(value.is_finite())
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result {
        self.text(13, value.as_bytes());
        Ok(())
    }

    #[inline]
    fn serialize_bytes(self, value: &[u8]) -> Result {
        self.enter(CONTAINER)?;
        self.nesting.leave(CONTAINER);
        self.text(16, value);
        Ok(())
    }

    #[inline]
    fn serialize_none(self) -> Result {
        self.sum.add(17, 0);
        Ok(())
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        self.sum.add(18, 0);
        self.around(WRAPPER, value)
    }

    #[inline]
    fn serialize_unit(self) -> Result {
        self.sum.add(19, 0);
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result {
        self.empty(20, 0)
    }

    #[inline]
    fn serialize_unit_variant(self, _: &'static str, index: u32, _: &'static str) -> Result {
        self.empty(21, index)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result {
        self.sum.add(22, 0);
        self.around(WRAPPER, value)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Result {
        self.sum.add(23, index.into());
        self.around(CONTAINER, value)
    }

    #[inline]
    fn serialize_seq(self, _: Option<usize>) -> Result<Collection<'w, 'a>> {
        self.begin_unordered(24)
    }

    #[inline]
    fn serialize_tuple(self, length: usize) -> Result<Ordered<'w, 'a>> {
        self.begin(25, length as u64, CONTAINER)
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Ordered<'w, 'a>> {
        self.begin(26, length as u64, CONTAINER)
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        length: usize,
    ) -> Result<Ordered<'w, 'a>> {
        self.begin(27, u64::from(index) | (length as u64) << 32, TWO_CONTAINERS)
    }

    #[inline]
    fn serialize_map(self, _: Option<usize>) -> Result<Collection<'w, 'a>> {
        self.begin_unordered(28)
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Ordered<'w, 'a>> {
        self.begin(29, length as u64, CONTAINER)
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        length: usize,
    ) -> Result<Ordered<'w, 'a>> {
        self.begin(30, u64::from(index) | (length as u64) << 32, TWO_CONTAINERS)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.is_json
    }
}

#[cfg(test)]
mod tests;

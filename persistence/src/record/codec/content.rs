//! Serializes the content of an enum's variant and remembers which variant it is.

use std::cell::Cell;

use serde::ser::{self, Error as _, Impossible, Serialize, SerializeStruct, SerializeTuple};

/// An event whose variant is removed and remembered while it is serialized.
pub(super) struct Content<'a, T> {
    event: &'a T,
    variant: Cell<Option<(u32, &'static str)>>,
    mismatch: Cell<Option<&'static str>>,
}

impl<'a, T> Content<'a, T> {
    pub(super) fn of(event: &'a T) -> Self {
        Self { event, variant: Cell::new(None), mismatch: Cell::new(None) }
    }

    /// Returns the index and the name of the variant, once serialized.
    pub(super) fn variant(&self) -> Option<(u32, &'static str)> {
        self.variant.get()
    }

    /// Returns the kind of value, if it is not an externally tagged enum.
    pub(super) fn mismatch(&self) -> Option<&'static str> {
        self.mismatch.get()
    }
}

impl<T: Serialize> Serialize for Content<'_, T> {
    fn serialize<S: ser::Serializer>(&self, inner: S) -> Result<S::Ok, S::Error> {
        self.event.serialize(Unwrap { inner, variant: &self.variant, mismatch: &self.mismatch })
    }
}

/// Removes the outermost variant of a value and serializes its content with `inner`.
struct Unwrap<'a, S> {
    inner: S,
    variant: &'a Cell<Option<(u32, &'static str)>>,
    mismatch: &'a Cell<Option<&'static str>>,
}

impl<S: ser::Serializer> Unwrap<'_, S> {
    fn refuse<Ok>(self, found: &'static str) -> Result<Ok, S::Error> {
        self.mismatch.set(Some(found));
        Err(S::Error::custom("an event must be an externally tagged enum"))
    }
}

macro_rules! refuse {
    ($($method:ident($($type:ty),*) = $found:literal;)*) => {
        $(fn $method(self, $(_: $type),*) -> Result<S::Ok, S::Error> {
            self.refuse($found)
        })*
    };
}

impl<S: ser::Serializer> ser::Serializer for Unwrap<'_, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Impossible<S::Ok, S::Error>;
    type SerializeTuple = Impossible<S::Ok, S::Error>;
    type SerializeTupleStruct = Impossible<S::Ok, S::Error>;
    type SerializeTupleVariant = Fields<S::SerializeTuple>;
    type SerializeMap = Impossible<S::Ok, S::Error>;
    type SerializeStruct = Impossible<S::Ok, S::Error>;
    type SerializeStructVariant = Fields<S::SerializeStruct>;

    fn serialize_unit_variant(
        self,
        _: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.variant.set(Some((index, variant)));
        self.inner.serialize_unit()
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.variant.set(Some((index, variant)));
        value.serialize(self.inner)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.variant.set(Some((index, variant)));
        self.inner.serialize_tuple(length).map(Fields)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.variant.set(Some((index, variant)));
        self.inner.serialize_struct(name, length).map(Fields)
    }

    refuse! {
        serialize_bool(bool) = "a bool";
        serialize_i8(i8) = "a number";
        serialize_i16(i16) = "a number";
        serialize_i32(i32) = "a number";
        serialize_i64(i64) = "a number";
        serialize_i128(i128) = "a number";
        serialize_u8(u8) = "a number";
        serialize_u16(u16) = "a number";
        serialize_u32(u32) = "a number";
        serialize_u64(u64) = "a number";
        serialize_u128(u128) = "a number";
        serialize_f32(f32) = "a number";
        serialize_f64(f64) = "a number";
        serialize_char(char) = "a character";
        serialize_str(&str) = "a text";
        serialize_bytes(&[u8]) = "bytes";
        serialize_none() = "an option";
        serialize_unit() = "a unit";
        serialize_unit_struct(&'static str) = "a unit struct";
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<S::Ok, S::Error> {
        self.refuse("an option")
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: &T,
    ) -> Result<S::Ok, S::Error> {
        self.refuse("a newtype struct")
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.refuse("a sequence")
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.refuse("a tuple")
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.refuse("a tuple struct")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.refuse("a map")
    }

    fn serialize_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStruct, S::Error> {
        self.refuse("a struct")
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// The fields of a variant, written as a plain tuple or struct.
struct Fields<S>(S);

impl<S: SerializeTuple> ser::SerializeTupleVariant for Fields<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        self.0.serialize_element(value)
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.0.end()
    }
}

impl<S: SerializeStruct> ser::SerializeStructVariant for Fields<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    #[inline(always)]
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), S::Error> {
        self.0.serialize_field(key, value)
    }

    fn skip_field(&mut self, key: &'static str) -> Result<(), S::Error> {
        self.0.skip_field(key)
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.0.end()
    }
}

//! Watches a value while it is serialized: bounds its depth, refuses floats that a codec cannot hold, and
//! takes a fingerprint of what the bytes alone do not show.

use std::cell::Cell;
use std::fmt::Display;

use serde::ser::{self, Error as _, Serialize};

use super::nesting::{Level, TooDeep};

/// What is observed while a value is serialized.
pub(super) struct Watch {
    kinds: Cell<u64>,
    /// Whether NaN and infinities are refused.
    only_finite: bool,
}

impl Watch {
    pub(super) fn new(only_finite: bool) -> Self {
        Self { kinds: Cell::new(0), only_finite }
    }

    /// Returns a fingerprint of the kinds of all values in order. Two values of one type with the same
    /// bytes and the same kinds are the same to serde: MessagePack, for example, writes `None` and
    /// `Some(None)` with the same bytes, but they are of different kinds.
    pub(super) fn kinds(&self) -> u64 {
        self.kinds.get()
    }

    #[inline]
    fn see(&self, kind: u64) {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        self.kinds.set((self.kinds.get().rotate_left(5) ^ kind).wrapping_mul(ODD));
    }

    #[inline]
    fn see_sized(&self, kind: u64, size: usize) {
        self.see(kind | (size as u64) << 8);
    }

    /// Not all codecs write the names of fields, and a field may be skipped.
    #[inline]
    fn see_field(&self, name: &str) {
        let first = name.as_bytes().first().copied().unwrap_or_default();
        self.see_sized(u64::from(first), name.len());
    }
}

/// A value that is watched while it is serialized.
pub(super) struct Watched<'a, T: ?Sized>(pub(super) &'a T, pub(super) &'a Watch);

impl<T: Serialize + ?Sized> Serialize for Watched<'_, T> {
    #[inline]
    fn serialize<S: ser::Serializer>(&self, inner: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(Guard { inner, watch: self.1 })
    }
}

struct Guard<'a, S> {
    inner: S,
    watch: &'a Watch,
}

/// A value with parts, until it ends.
pub(super) struct Compound<'a, C> {
    inner: C,
    watch: &'a Watch,
    _level: Level,
}

impl<'a, S: ser::Serializer> Guard<'a, S> {
    #[inline]
    fn finite(&self, is_finite: bool) -> Result<(), S::Error> {
        match is_finite || !self.watch.only_finite {
            true => Ok(()),
            false => Err(S::Error::custom("this codec has no NaN and no infinity")),
        }
    }

    /// Begins a value with parts.
    #[inline]
    fn begin<C>(
        self,
        level: Result<Level, TooDeep>,
        begin: impl FnOnce(S) -> Result<C, S::Error>,
    ) -> Result<Compound<'a, C>, S::Error> {
        let _level = level.map_err(S::Error::custom)?;
        Ok(Compound { inner: begin(self.inner)?, watch: self.watch, _level })
    }
}

macro_rules! scalars {
    ($($method:ident($type:ty) = $kind:literal;)*) => {
        $(#[inline]
        fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            self.watch.see($kind);
            self.inner.$method(value)
        })*
    };
}

impl<'a, S: ser::Serializer> ser::Serializer for Guard<'a, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Compound<'a, S::SerializeSeq>;
    type SerializeTuple = Compound<'a, S::SerializeTuple>;
    type SerializeTupleStruct = Compound<'a, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Compound<'a, S::SerializeTupleVariant>;
    type SerializeMap = Compound<'a, S::SerializeMap>;
    type SerializeStruct = Compound<'a, S::SerializeStruct>;
    type SerializeStructVariant = Compound<'a, S::SerializeStructVariant>;

    scalars! {
        serialize_bool(bool) = 1;
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
        serialize_char(char) = 12;
        serialize_str(&str) = 13;
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        self.watch.see(14);
        self.finite(value.is_finite())?;
        self.inner.serialize_f32(value)
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        self.watch.see(15);
        self.finite(value.is_finite())?;
        self.inner.serialize_f64(value)
    }

    /// Bytes may be read as a sequence.
    #[inline]
    fn serialize_bytes(self, value: &[u8]) -> Result<S::Ok, S::Error> {
        self.watch.see(16);
        let _level = Level::container().map_err(S::Error::custom)?;
        self.inner.serialize_bytes(value)
    }

    #[inline]
    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.watch.see(17);
        self.inner.serialize_none()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.watch.see(18);
        let _level = Level::wrapper().map_err(S::Error::custom)?;
        self.inner.serialize_some(&Watched(value, self.watch))
    }

    #[inline]
    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.watch.see(19);
        self.inner.serialize_unit()
    }

    /// A unit struct may be an empty sequence.
    #[inline]
    fn serialize_unit_struct(self, name: &'static str) -> Result<S::Ok, S::Error> {
        self.watch.see(20);
        let _level = Level::container().map_err(S::Error::custom)?;
        self.inner.serialize_unit_struct(name)
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.watch.see_sized(21, index as usize);
        let _level = Level::container().map_err(S::Error::custom)?;
        self.inner.serialize_unit_variant(name, index, variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.watch.see(22);
        let _level = Level::wrapper().map_err(S::Error::custom)?;
        self.inner.serialize_newtype_struct(name, &Watched(value, self.watch))
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.watch.see_sized(23, index as usize);
        let _level = Level::container().map_err(S::Error::custom)?;
        self.inner.serialize_newtype_variant(name, index, variant, &Watched(value, self.watch))
    }

    #[inline]
    fn serialize_seq(self, length: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.watch.see_sized(24, length.unwrap_or_default());
        self.begin(Level::container(), |inner| inner.serialize_seq(length))
    }

    #[inline]
    fn serialize_tuple(self, length: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.watch.see_sized(25, length);
        self.begin(Level::container(), |inner| inner.serialize_tuple(length))
    }

    #[inline]
    fn serialize_tuple_struct(
        self,
        name: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.watch.see_sized(26, length);
        self.begin(Level::container(), |inner| inner.serialize_tuple_struct(name, length))
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.watch.see_sized(27, index as usize);
        self.begin(Level::two_containers(), |inner| {
            inner.serialize_tuple_variant(name, index, variant, length)
        })
    }

    #[inline]
    fn serialize_map(self, length: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.watch.see_sized(28, length.unwrap_or_default());
        self.begin(Level::container(), |inner| inner.serialize_map(length))
    }

    #[inline]
    fn serialize_struct(
        self,
        name: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStruct, S::Error> {
        self.watch.see_sized(29, length);
        self.begin(Level::container(), |inner| inner.serialize_struct(name, length))
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.watch.see_sized(30, index as usize);
        self.begin(Level::two_containers(), |inner| {
            inner.serialize_struct_variant(name, index, variant, length)
        })
    }

    #[inline]
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.watch.see(13);
        self.inner.collect_str(value)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! elements {
    ($($trait:ident::$method:ident;)*) => {
        $(impl<C: ser::$trait> ser::$trait for Compound<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                self.inner.$method(&Watched(value, self.watch))
            }

            #[inline]
            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        })*
    };
}

elements! {
    SerializeSeq::serialize_element;
    SerializeTuple::serialize_element;
    SerializeTupleStruct::serialize_field;
    SerializeTupleVariant::serialize_field;
}

macro_rules! fields {
    ($($trait:ident;)*) => {
        $(impl<C: ser::$trait> ser::$trait for Compound<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), C::Error> {
                self.watch.see_field(name);
                self.inner.serialize_field(name, &Watched(value, self.watch))
            }

            #[inline]
            fn skip_field(&mut self, name: &'static str) -> Result<(), C::Error> {
                self.watch.see(31);
                self.inner.skip_field(name)
            }

            #[inline]
            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        })*
    };
}

fields! {
    SerializeStruct;
    SerializeStructVariant;
}

impl<C: ser::SerializeMap> ser::SerializeMap for Compound<'_, C> {
    type Ok = C::Ok;
    type Error = C::Error;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        self.inner.serialize_key(&Watched(key, self.watch))
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        self.inner.serialize_value(&Watched(value, self.watch))
    }

    #[inline]
    fn serialize_entry<K: Serialize + ?Sized, V: Serialize + ?Sized>(
        &mut self,
        key: &K,
        value: &V,
    ) -> Result<(), C::Error> {
        self.inner.serialize_entry(&Watched(key, self.watch), &Watched(value, self.watch))
    }

    #[inline]
    fn end(self) -> Result<C::Ok, C::Error> {
        self.inner.end()
    }
}

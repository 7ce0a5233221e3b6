//! Walks through the parts of a value.

use serde::ser::{self, Serialize};

use super::super::nesting::CONTAINER;
use super::super::sum::{Sum, Unordered};
use super::state::{Ended, Result, Walk};

impl<'a> Walk<'a> {
    /// Walks through the only part of a value.
    #[inline]
    pub(super) fn around<T: Serialize + ?Sized>(&mut self, levels: u32, value: &T) -> Result {
        self.enter(levels)?;
        value.serialize(&mut *self)?;
        self.nesting.leave(levels);
        Ok(())
    }

    /// Begins a tuple or a struct, whose parts are walked through in order.
    #[inline]
    pub(super) fn begin(&mut self, kind: u64, size: u64, levels: u32) -> Result<Ordered<'_, 'a>> {
        self.enter(levels)?;
        self.sum.add(kind, size);
        Ok(Ordered { walk: self, levels })
    }

    /// Begins a sequence or a map, whose parts are summed one by one.
    #[inline]
    pub(super) fn begin_unordered(&mut self, kind: u64) -> Result<Collection<'_, 'a>> {
        self.enter(CONTAINER)?;
        let whole = self.sum;
        Ok(Collection { walk: self, kind, whole, parts: Unordered::new() })
    }
}

/// A tuple or a struct, until it ends.
pub(super) struct Ordered<'w, 'a> {
    walk: &'w mut Walk<'a>,
    levels: u32,
}

/// A sequence, a set or a map, until it ends.
pub(super) struct Collection<'w, 'a> {
    walk: &'w mut Walk<'a>,
    kind: u64,
    /// The sum of what is before the collection.
    whole: Sum,
    parts: Unordered,
}

impl Ordered<'_, '_> {
    #[inline]
    fn end(self) {
        self.walk.nesting.leave(self.levels);
    }
}

impl Collection<'_, '_> {
    /// Walks through a part from scratch.
    #[inline]
    fn part<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.walk.sum = Sum::new();
        value.serialize(&mut *self.walk)
    }

    #[inline]
    fn end(mut self) {
        self.parts.add_to(&mut self.whole, self.kind);
        self.walk.sum = self.whole;
        self.walk.nesting.leave(CONTAINER);
    }
}

impl ser::SerializeSeq for Collection<'_, '_> {
    type Ok = ();
    type Error = Ended;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.part(value)?;
        self.parts.add(self.walk.sum);
        Ok(())
    }

    #[inline]
    fn end(self) -> Result {
        self.end();
        Ok(())
    }
}

impl ser::SerializeMap for Collection<'_, '_> {
    type Ok = ();
    type Error = Ended;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result {
        self.part(key)
    }

    /// The value continues the sum of its key.
    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        value.serialize(&mut *self.walk)?;
        self.parts.add(self.walk.sum);
        Ok(())
    }

    #[inline]
    fn end(self) -> Result {
        self.end();
        Ok(())
    }
}

macro_rules! elements {
    ($($trait:ident::$method:ident;)*) => {
        $(impl ser::$trait for Ordered<'_, '_> {
            type Ok = ();
            type Error = Ended;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
                value.serialize(&mut *self.walk)
            }

            #[inline]
            fn end(self) -> Result {
                self.end();
                Ok(())
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
        $(impl ser::$trait for Ordered<'_, '_> {
            type Ok = ();
            type Error = Ended;

            // The name is a constant where this is inlined.
            #[inline(always)]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result {
                self.walk.sum.add_name(name);
                value.serialize(&mut *self.walk)
            }

            #[inline]
            fn end(self) -> Result {
                self.end();
                Ok(())
            }
        })*
    };
}

fields! {
    SerializeStruct;
    SerializeStructVariant;
}

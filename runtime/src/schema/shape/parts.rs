//! The parts of a container that is being traced: elements, fields, entries, and the variant of an enum.

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::node::Node;
use super::tracer::Refused;

/// Yields the parts of a sequence, tuple or struct.
pub(super) struct Parts<'a> {
    pub(super) of: Node<'a>,
    pub(super) name: &'static str,
    pub(super) parts: std::ops::Range<usize>,
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
pub(super) struct Fields<'a> {
    pub(super) of: Node<'a>,
    pub(super) fields: &'static [&'static str],
    pub(super) next: usize,
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
pub(super) struct Entries<'a> {
    pub(super) of: Node<'a>,
    pub(super) entries: usize,
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
pub(super) struct Chosen<'a, 'n> {
    pub(super) variant: &'n str,
    pub(super) of: Node<'a>,
    pub(super) why: Why,
}

/// Why a walk takes a variant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It is its turn.
    Turn,
    /// The enum is the whole type, and traced for this variant.
    Root,
    /// The enum does not have it, unless a catch-all variant takes it.
    Unknown,
}

impl<'de, 'a> EnumAccess<'de> for Chosen<'a, '_> {
    type Error = Refused;
    type Variant = Node<'a>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        mut self,
        seed: S,
    ) -> Result<(S::Value, Node<'a>), Refused> {
        let name: StrDeserializer<'_, Refused> = self.variant.into_deserializer();
        let variant = seed.deserialize(name);
        match self.why {
            Why::Turn => {}
            Why::Root => self.of.named(variant.is_ok()),
            Why::Unknown => self.of.tracer.probed(variant.is_ok()),
        }
        Ok((variant?, self.of))
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

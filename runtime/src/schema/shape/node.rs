//! [`Node`]: a node of a type, and how it is recorded while a value is deserialized from it.

use serde::de::DeserializeSeed;

use super::samples::Samples;
use super::tracer::{Refused, Seen, Tracer, hash};

/// The deserializer of the whole type.
pub(super) fn root(tracer: &mut Tracer) -> Node<'_> {
    Node { tracer, id: 0 }
}

/// A node of the type. Deserializing from it records what the node is.
pub(in crate::schema) struct Node<'a> {
    pub(super) tracer: &'a mut Tracer,
    /// Identifies the node; the same in each walk.
    pub(super) id: u64,
}

/// The node of the whole type.
pub(super) const ROOT: u64 = 0;

impl<'a> Node<'a> {
    pub(super) fn see(
        &mut self,
        kind: &'static str,
        names: &'static [&'static str],
        number: usize,
    ) -> Result<(), Refused> {
        let what = self.tracer.hash_of(kind, names, number);
        self.tracer.see(self.id, Seen { what, kind, names, number })
    }

    pub(super) fn sample<T: Copy>(&mut self, samples: &Samples<T>) -> T {
        let count = samples.count(self.tracer.is_thorough());
        samples.get((self.tracer.sample(self.id, count) + self.tracer.shift) % count)
    }

    pub(super) fn choose<const N: usize>(&mut self) -> usize {
        self.tracer.sample(self.id, N).min(N - 1)
    }

    pub(super) fn reborrow(&mut self) -> Node<'_> {
        Node { tracer: self.tracer, id: self.id }
    }

    /// Deserializes a part of the node.
    pub(super) fn inner<'de, S: DeserializeSeed<'de>>(
        &mut self,
        name: &str,
        number: usize,
        seed: S,
    ) -> Result<S::Value, Refused> {
        let id = hash(self.id, &[name], number);
        self.tracer.enter();
        let value = seed.deserialize(Node { tracer: self.tracer, id });
        self.tracer.leave();
        if value.is_ok() {
            self.tracer.accept(id);
        }
        value
    }

    /// Deserializes the only part of the node.
    pub(super) fn within<T>(
        mut self,
        name: &str,
        visit: impl FnOnce(Node<'_>) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let id = hash(self.id, &[name], 0);
        // A type may contain itself through newtypes and options alone.
        self.tracer.enter();
        let value = visit(Node { tracer: self.tracer, id });
        self.tracer.leave();
        if value.is_ok() {
            self.tracer.accept(id);
            self.accept();
        }
        value
    }

    pub(super) fn accept(&mut self) {
        self.tracer.accept(self.id);
    }

    /// Records whether the outermost enum has the variant that it is traced for.
    pub(super) fn named(&mut self, is_variant: bool) {
        self.tracer.root.is_variant = Some(is_variant);
    }
}

/// Identifies the content of a variant.
pub(super) fn variant_of(node: u64, variant: &str, number: usize) -> u64 {
    hash(node, &[variant], number)
}

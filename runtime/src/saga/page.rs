//! `InstancePage`: a page of the live instances of a saga.

use std::ops::Deref;

use super::status::SagaInstance;

/// A page of the live instances of a saga, returned by [`Sagas::list`](super::Sagas::list). It dereferences to them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstancePage {
    /// The instances, in the order of their ids.
    pub instances: Vec<SagaInstance>,
    /// The id after which the next page begins; `None` if this is the last one.
    pub next: Option<String>,
}

impl InstancePage {
    /// Takes at most `limit` of the instances.
    pub(super) fn of(instances: impl Iterator<Item = SagaInstance>, limit: usize) -> Self {
        let mut instances: Vec<_> = instances.take(limit + 1).collect();
        let has_more = instances.len() > limit;
        instances.truncate(limit);
        let next = instances.last().filter(|_| has_more).map(|last| last.id.clone());
        Self { instances, next }
    }
}

impl Deref for InstancePage {
    type Target = [SagaInstance];

    fn deref(&self) -> &[SagaInstance] {
        &self.instances
    }
}

impl IntoIterator for InstancePage {
    type Item = SagaInstance;
    type IntoIter = std::vec::IntoIter<SagaInstance>;

    fn into_iter(self) -> Self::IntoIter {
        self.instances.into_iter()
    }
}

//! Reads stored instances of sagas without a runtime, and without their types where the codec allows it.

use std::collections::BTreeMap;

use actuarius_domain::{Saga, Version};
use actuarius_persistence::{CodecError, CommitView, EventView};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::history::{SagaStep, shown, without_state};
use super::instance_index::{InstanceIndex, SagaCounts};
use super::status::SagaInstance;
use super::stepped::{Stepped, is_step};
use super::stored::Step;

/// The instances of all sagas, built from a log that no runtime has open.
///
/// Instances stored with bincode are read if their saga is [known](Self::knowing). A live instance takes
/// a few hundred bytes of memory; of the ended ones, the last 1,000 of each saga are kept.
#[derive(Default)]
pub struct SagaIndexes {
    boards: BTreeMap<String, InstanceIndex>,
    known: BTreeMap<&'static str, ReadStep>,
    unreadable: BTreeMap<String, u64>,
}

/// Decodes a step without its state.
type ReadStep = fn(&EventView<'_>) -> Result<Step, CodecError>;

impl SagaIndexes {
    /// Reads the steps of this saga whatever codec they were stored with.
    #[must_use]
    pub fn knowing<S: Saga>(mut self) -> Self {
        self.known.insert(S::TYPE, |event| step::<S>(event).map(|(_, step)| step));
        self
    }

    /// Applies the next commit of the log. Events that are no steps of instances are skipped.
    pub fn take(&mut self, commit: &CommitView<'_>) {
        let steps = (commit.version.get()..).zip(commit.events());
        for (number, event) in steps.filter(|(_, event)| is_step(event.event_type)) {
            let read = self.known.get(commit.category).map_or_else(
                || step::<IgnoredAny>(&event).map(|(_, step)| step),
                |read| read(&event),
            );
            match read {
                Ok(step) => {
                    let index = self.boards.entry(commit.category.to_owned()).or_default();
                    index.take((commit.id, number), &step, (event.position, commit.time));
                }
                Err(_) => *self.unreadable.entry(commit.category.to_owned()).or_default() += 1,
            }
        }
    }

    /// Returns the sagas that were found, with how many instances have each status.
    pub fn sagas(&self) -> impl Iterator<Item = (&str, SagaCounts)> {
        self.boards.iter().map(|(saga, index)| (saga.as_str(), index.counts()))
    }

    /// Returns the aggregate types with events that have the name of steps and could not be decoded, and
    /// how many: of sagas stored with bincode, or of aggregates that are no sagas.
    pub fn unreadable(&self) -> impl Iterator<Item = (&str, u64)> {
        self.unreadable.iter().map(|(category, events)| (category.as_str(), *events))
    }

    /// Returns the live instances of a saga after the id `after`, in the order of their ids.
    pub fn live<'a>(
        &'a self,
        saga: &str,
        after: &'a str,
    ) -> impl Iterator<Item = SagaInstance> + 'a {
        self.boards.get(saga).into_iter().flat_map(move |index| index.live_after(after))
    }

    /// Returns the instances of a saga that ended last, the latest first.
    pub fn ended<'a>(&'a self, saga: &str) -> impl Iterator<Item = &'a SagaInstance> + 'a {
        self.boards.get(saga).into_iter().flat_map(InstanceIndex::ended)
    }
}

/// Decodes the steps of an instance in one of its commits, after the version `after`. `S` is the saga, or
/// a tree of values if the codec is JSON or MessagePack.
///
/// A step that left the state as it was is stored without it. So call this for one commit of the instance after the
/// other, from the first one on, and each time with the same `state`: `None` at first, then the state after the last
/// step.
///
/// # Errors
/// [`CodecError`]: an event is no step, or `S` does not fit.
pub fn saga_steps<S: DeserializeOwned + Clone>(
    commit: &CommitView<'_>,
    after: Version,
    state: &mut Option<S>,
) -> Result<Vec<SagaStep<S>>, CodecError> {
    let mut steps = Vec::new();
    for event in commit.events() {
        let (saga, step) = step::<S>(&event)?;
        *state = saga.or(state.take());
        if event.version > after {
            let saga = state.clone().ok_or_else(without_state)?;
            steps.push(shown((event.version, event.position, commit.time), saga, &step));
        }
    }
    Ok(steps)
}

fn step<S: DeserializeOwned>(event: &EventView<'_>) -> Result<(Option<S>, Step), CodecError> {
    event.decode::<Stepped<S>>().map(Stepped::into_parts)
}

//! What is stored of sagas, read without their types where the codec tells what stands where.

use std::collections::BTreeMap;

use actuarius_domain::{Saga, Version};
use actuarius_persistence::{CodecError, CommitView, EventView};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::history::{SagaStep, shown};
use super::instance_index::{InstanceIndex, SagaCounts};
use super::status::SagaInstance;
use super::stored::{Step, Stepped};

/// The name of the one event type that instances have.
const STEPPED: &str = "Stepped";

/// Where the instances of all sagas are: a view to be made of a log that no runtime has open.
///
/// Instances that were stored with bincode are read if their saga is [known](Self::knowing). Whoever
/// lives takes some hundred bytes of memory; of those that have ended, the last 1,000 of each saga do.
#[derive(Default)]
pub struct SagaBoards {
    boards: BTreeMap<String, InstanceIndex>,
    known: BTreeMap<&'static str, ReadStep>,
    unreadable: BTreeMap<String, u64>,
}

/// Reads a step without its state.
type ReadStep = fn(&EventView<'_>) -> Result<Step, CodecError>;

impl SagaBoards {
    /// Reads the steps of this saga whatever codec they were stored with.
    #[must_use]
    pub fn knowing<S: Saga>(mut self) -> Self {
        self.known.insert(S::TYPE, |event| step::<S>(event).map(|(_, step)| step));
        self
    }

    /// Takes the next commit of the log. What is no step of an instance is passed.
    pub fn take(&mut self, commit: &CommitView<'_>) {
        for event in commit.events().filter(|event| event.event_type == STEPPED) {
            let read = self.known.get(commit.category).map_or_else(
                || step::<IgnoredAny>(&event).map(|(_, step)| step),
                |read| read(&event),
            );
            match read {
                Ok(step) => {
                    let index = self.boards.entry(commit.category.to_owned()).or_default();
                    index.take(commit.id, &step, commit.time);
                }
                Err(_) => *self.unreadable.entry(commit.category.to_owned()).or_default() += 1,
            }
        }
    }

    /// The sagas that were found, and how many of their instances are where.
    pub fn sagas(&self) -> impl Iterator<Item = (&str, SagaCounts)> {
        self.boards.iter().map(|(saga, index)| (saga.as_str(), index.counts()))
    }

    /// Of which aggregate types so many events are called as steps are and could not be read: of sagas
    /// that are stored with bincode, or of aggregates that are none.
    pub fn unreadable(&self) -> impl Iterator<Item = (&str, u64)> {
        self.unreadable.iter().map(|(category, events)| (category.as_str(), *events))
    }

    /// The living instances of a saga behind `after`, in the order of their ids.
    pub fn live<'a>(
        &'a self,
        saga: &str,
        after: &'a str,
    ) -> impl Iterator<Item = SagaInstance> + 'a {
        self.boards.get(saga).into_iter().flat_map(move |index| index.live_behind(after))
    }

    /// The instances of a saga that have ended lately, the last one first.
    pub fn ended<'a>(&'a self, saga: &str) -> impl Iterator<Item = &'a SagaInstance> + 'a {
        self.boards.get(saga).into_iter().flat_map(InstanceIndex::ended)
    }
}

/// The steps of an instance in one of its commits, behind the step `after`. `S` is the saga; or a tree
/// of values, when the codec is JSON or MessagePack.
///
/// # Errors
/// [`CodecError`]: it is no step, or `S` does not fit.
pub fn saga_steps<S: DeserializeOwned>(
    commit: &CommitView<'_>,
    after: Version,
) -> Result<Vec<SagaStep<S>>, CodecError> {
    let mut steps = Vec::new();
    for event in commit.events().filter(|event| event.version > after) {
        let (saga, step) = step::<S>(&event)?;
        steps.push(shown((event.version, event.position, commit.time), saga, &step));
    }
    Ok(steps)
}

fn step<S: DeserializeOwned>(event: &EventView<'_>) -> Result<(S, Step), CodecError> {
    let Stepped::Stepped { saga, step } = event.decode::<Stepped<S>>()?;
    Ok((saga, step))
}

//! The live instances of all sagas of a store that is migrated, and what a migration would take from them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use actuarius_domain::{CommandId, InvalidId, StreamId};
use actuarius_persistence::migrate::{MigrateError, Moves, Rewrite};
use actuarius_persistence::{CommitView, EncodedEvent, EventView, ReadError};
use thiserror::Error;

use super::instance_state::InstanceState;
use super::moving::{AsStep, moved};
use super::stepped;
use super::stored::{Due, Step};

/// Why a migration does not take along the live instances of a saga. Nothing was written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SagaNotCarried {
    /// Steps of a live instance are left out, or go to another stream. Let the instance end or cancel it before, or
    /// keep its steps.
    #[error("steps of {instance}, which is live, are left out or renamed")]
    Instance {
        /// The stream of the instance.
        instance: StreamId,
    },
    /// A live instance has sent a command to this stream, or is going to, and the stream, or the commit of the
    /// command, is left out or renamed: the command would be carried out again, or by another
    /// aggregate. Let the instance end or cancel it before, or keep the stream.
    #[error("{instance}, which is live, sends to {target}, which is left out or renamed")]
    Target {
        /// The stream of the instance.
        instance: StreamId,
        /// The stream that it sends to.
        target: StreamId,
    },
    /// Events move to other positions, which the steps of this instance contain, and they cannot be changed there. Steps
    /// that are stored with bincode are first encoded with another codec, by
    /// [`Reencode::on_saga`](crate::operations::Reencode::on_saga).
    #[error("the positions in the steps of {instance} cannot be changed: {why}")]
    Opaque {
        /// The stream of the instance.
        instance: StreamId,
        /// Why they cannot be changed.
        why: String,
    },
    /// The name of a stream is invalid, because of damage.
    #[error(transparent)]
    Name(#[from] InvalidId),
    /// The old store cannot be read, or its commits cannot be transformed.
    #[error(transparent)]
    Unread(#[from] Box<MigrateError>),
}

impl From<ReadError> for SagaNotCarried {
    fn from(error: ReadError) -> Self {
        Self::Unread(Box::new(error.into()))
    }
}

/// Changes the positions in the steps of a commit that a transform has put.
pub(crate) fn move_steps(
    commit: &CommitView<'_>,
    out: &mut Rewrite,
    moves: &Moves,
) -> Result<(), SagaNotCarried> {
    let is_step = |event: &EncodedEvent| !matches!(AsStep::of(event), AsStep::Other);
    let put = events(commit, out);
    if !put.iter().any(is_step) {
        return Ok(());
    }
    out.take_events(commit);
    for event in put {
        let why = match AsStep::of(&event) {
            AsStep::Other => {
                out.put(event);
                continue;
            }
            AsStep::Step(step) => match moved(&event, &step, moves) {
                Ok(moved) => {
                    out.put(moved);
                    continue;
                }
                Err(why) => why,
            },
            AsStep::Unknown => IN_BINCODE.to_owned(),
        };
        let instance = StreamId::new(commit.category, commit.id)?;
        return Err(SagaNotCarried::Opaque { instance, why });
    }
    Ok(())
}

const IN_BINCODE: &str = "it is stored with bincode";

/// Returns the events that a commit becomes.
fn events(commit: &CommitView<'_>, out: &Rewrite) -> Vec<EncodedEvent> {
    match out.is_kept() {
        true => commit.events().map(|event| EncodedEvent::from(&event)).collect(),
        false => out.events().to_vec(),
    }
}

type Name = (String, String);

/// The live instances, found in the order of the log.
#[derive(Default)]
pub(crate) struct LiveInstances {
    live: BTreeMap<Name, InstanceState>,
    /// Instances with steps that are left out or renamed.
    cut: BTreeSet<Name>,
    /// Instances whose steps only their saga can read.
    unknown: BTreeSet<Name>,
    /// The open commands.
    sent: HashMap<CommandId, Name>,
    /// The open commands whose commits are left out or renamed, with their streams.
    lost: BTreeMap<CommandId, Name>,
}

impl LiveInstances {
    /// Takes a commit, and what becomes of it.
    pub(crate) fn take(&mut self, commit: &CommitView<'_>, out: &Rewrite, afterwards: u64) {
        let name = (commit.category.to_owned(), commit.id.to_owned());
        let is_renamed = out.stream().is_some_and(|to| !commit.belongs_to(to));
        if (afterwards == 0 || is_renamed) && self.sent.contains_key(&commit.command_id) {
            self.lost.insert(commit.command_id, name.clone());
        }
        let is_step = |event: &EventView<'_>| stepped::is_step(event.event_type);
        // With another codec it may be readable.
        let becomes =
            if commit.events().any(|it| is_step(&it)) { events(commit, out) } else { vec![] };
        let is_whole = becomes.len() as u64 == commit.events;
        for (number, event) in commit.events().enumerate() {
            if event.deletion().is_some() {
                self.forget(&name);
                continue;
            }
            if !is_step(&event) {
                continue;
            }
            let stored = EncodedEvent::from(&event);
            let read = becomes.get(number).filter(|_| is_whole).unwrap_or(&stored);
            match AsStep::of(read) {
                AsStep::Step(step) => {
                    if afterwards != commit.events || is_renamed {
                        self.cut.insert(name.clone());
                    }
                    self.step(&name, &step);
                }
                AsStep::Unknown => {
                    self.unknown.insert(name.clone());
                }
                AsStep::Other => {}
            }
        }
    }

    fn step(&mut self, name: &Name, step: &Step) {
        let state = self.live.entry(name.clone()).or_default();
        for open in &state.open {
            self.sent.remove(&open.effect.command(&name.0, &name.1));
        }
        state.take(step);
        let open: Vec<_> =
            state.open.iter().map(|open| open.effect.command(&name.0, &name.1)).collect();
        let is_over = state.is_over();
        self.sent.extend(open.into_iter().map(|command| (command, name.clone())));
        if is_over {
            self.forget(name);
        }
    }

    fn forget(&mut self, name: &Name) {
        for open in self.live.remove(name).into_iter().flat_map(|state| state.open) {
            self.sent.remove(&open.effect.command(&name.0, &name.1));
        }
        self.cut.remove(name);
        self.unknown.remove(name);
    }

    /// Checks that a migration takes along whatever the live instances need.
    ///
    /// # Errors
    /// Returns the first instance that could not continue afterwards. `keeps` says whether a stream stays.
    pub(crate) fn check(
        &self,
        moves: &Moves,
        mut keeps: impl FnMut(&StreamId) -> Result<bool, SagaNotCarried>,
    ) -> Result<(), SagaNotCarried> {
        if let Some(name) = self.cut.first() {
            return Err(SagaNotCarried::Instance { instance: stream(name)? });
        }
        let lost = self.lost.iter().find_map(|(id, target)| Some((self.sent.get(id)?, target)));
        if let Some((name, target)) = lost {
            let (instance, target) = (stream(name)?, stream(target)?);
            return Err(SagaNotCarried::Target { instance, target });
        }
        if let (Some(name), false) = (self.unknown.first(), moves.is_empty()) {
            let (instance, why) = (stream(name)?, IN_BINCODE.to_owned());
            return Err(SagaNotCarried::Opaque { instance, why });
        }
        let mut checked = BTreeSet::new();
        for (name, state) in &self.live {
            for to in targets(state).filter(|to| checked.insert(*to)) {
                let target = StreamId::new(to.0, to.1)?;
                if !keeps(&target)? {
                    return Err(SagaNotCarried::Target { instance: stream(name)?, target });
                }
            }
        }
        Ok(())
    }
}

fn stream((category, id): &Name) -> Result<StreamId, InvalidId> {
    StreamId::new(category.as_str(), id.as_str())
}

/// Returns the aggregates that an instance sends to or may have to send an undo to.
fn targets(state: &InstanceState) -> impl Iterator<Item = (&str, &str)> {
    let open = state.open.iter().map(|open| &*open.outgoing);
    let undos = state.undos.iter().map(|undo| &**undo);
    let later = state.deadlines.iter().filter_map(|(_, scheduled)| match &scheduled.what {
        Due::Send(outgoing) => Some(&**outgoing),
        Due::Remind(_) => None,
    });
    open.chain(undos).chain(later).map(|it| (&*it.aggregate, &*it.id))
}

//! The index of all instances of a saga: live ones, their keys and deadlines, and those that ended lately.

use std::collections::{BTreeMap, VecDeque};

use actuarius_domain::{Position, Saga, Timestamp};
use actuarius_persistence::personal::uncollected;
use actuarius_persistence::{CommitView, EventView};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::due_set::DueSet;
use super::instance::Instance;
use super::key_holders::KeyHolders;
use super::shared_map::SharedMap;
use super::status::{InstanceStatus, SagaInstance};
use super::stepped::Stepped;
use super::stored::{At, Due, EffectId, Input, Life, Step, Trouble};
use super::unread::Unread;
use crate::base::panics::guarded;
use crate::schema::decoding::Decoder;

/// How many ended instances are listed. Older ones are found by their id.
const ENDED_LISTED: usize = 1_000;

/// The live instances, what each of them waits for, and the instances that ended last: an in-memory view
/// of the instances' events. A live instance takes a few hundred bytes here.
///
/// It is saved from a copy, while events change it: a copy shares all parts that have not changed since.
#[derive(Default, Clone, Serialize, Deserialize)]
pub(super) struct InstanceIndex {
    /// The live instances with a step that could not be read at all. What it has set is missing here, so that the
    /// index is not saved: a release that can read the step computes the index from the log.
    unread: Unread,
    live: SharedMap<Live>,
    due: DueSet,
    /// How many commands are open, of the live instances with any that are not in trouble.
    sending: SharedMap<u64>,
    keys: KeyHolders,
    ended: VecDeque<SagaInstance>,
    /// How many live instances are quarantined or stuck, and how many commands are open.
    in_trouble: u64,
    under_way: u64,
    completed: u64,
    compensated: u64,
    failed: u64,
    /// The live instances with a step whose state could not be read, and why. They may be readable by now.
    suspects: BTreeMap<String, String>,
    /// The aggregate types that steps have sent to.
    types: Vec<String>,
}

/// A live instance.
#[derive(Default, Clone, Serialize, Deserialize)]
struct Live {
    life: Life,
    trouble: Option<Trouble>,
    steps: u64,
    /// How many commands are open.
    open: u64,
    deadlines: Vec<(EffectId, Timestamp)>,
    keys: Vec<String>,
    since: Timestamp,
    last: Timestamp,
    /// A bit for each of the types that the instance has sent to.
    sends: u64,
}

/// Folds a stored step into the index. A state that cannot be read hides neither its instance nor the others.
///
/// The state is read only to find out whether it can be read. Nothing of it is kept, so no clear text is, either.
pub(super) fn fold<S: Saga>(
    decoder: Decoder<Instance<S>>,
) -> impl Fn(&mut InstanceIndex, &CommitView<'_>, &EventView<'_>) {
    move |index, commit, event| {
        let at = (event.position, commit.time);
        let instance = (commit.id, event.version.get());
        let decode = || decoder.facts(event).map_err(|error| error.to_string());
        let decoded = guarded(|| uncollected(decode));
        match decoded.and_then(|decoded| decoded) {
            Ok(steps) => steps.iter().for_each(|stepped| index.take(instance, stepped.step(), at)),
            Err(why) => match event.decode::<Stepped<IgnoredAny>>() {
                Ok(stepped) => {
                    index.take(instance, stepped.step(), at);
                    index.set_suspect(commit.id, &why);
                }
                // A codec that is not self-describing.
                Err(_) => index.take_unread(instance, at, &why),
            },
        }
    }
}

impl InstanceIndex {
    /// Takes the step with this number, counted from 1: an instance may begin again after it has ended.
    pub(super) fn take(
        &mut self,
        (id, number): (&str, u64),
        step: &Step,
        (position, now): (Position, Timestamp),
    ) {
        let sends = self.types_of(step);
        let Self { live, due, keys, in_trouble, under_way, sending, .. } = self;
        let live = live.get_or_insert_with(id, || Live { since: now, ..Live::default() });
        due.remove(id, &live.deadlines);
        (*in_trouble, *under_way) = (*in_trouble - live.in_trouble(), *under_way - live.open);
        live.take(number, step, now);
        live.sends |= sends;
        (*in_trouble, *under_way) = (*in_trouble + live.in_trouble(), *under_way + live.open);
        let since = step.since(position);
        let granted = step.keys.iter().filter(|key| keys.grant(key, id, since));
        live.keys.extend(granted.cloned());
        if live.life != Life::Running {
            // It receives no more events.
            live.keys.drain(..).for_each(|key| keys.release(key, since));
        }
        if live.is_over() {
            self.end(id);
        } else {
            due.add(id, live.pending());
            match live.to_resume() {
                0 => drop(sending.remove(id)),
                open => sending.insert(id, open),
            }
        }
    }

    /// Takes a step that cannot be read at all.
    fn take_unread(
        &mut self,
        (id, number): (&str, u64),
        (_, now): (Position, Timestamp),
        why: &str,
    ) {
        let live = self.live.get_or_insert_with(id, || Live { since: now, ..Live::default() });
        (live.steps, live.last) = (number, now);
        self.unread.add(id);
        self.set_suspect(id, why);
    }

    /// Returns the bits of the types that a step sends to, now or later.
    fn types_of(&mut self, step: &Step) -> u64 {
        let later = step.scheduled.iter().filter_map(|scheduled| match &scheduled.what {
            Due::Send(outgoing) => Some(outgoing),
            Due::Remind(_) => None,
        });
        let types = step.sent.iter().chain(later).map(|outgoing| &*outgoing.aggregate);
        types.fold(0, |bits, aggregate| bits | self.bit(aggregate))
    }

    fn bit(&mut self, aggregate: &str) -> u64 {
        let known = self.types.iter().position(|it| it == aggregate);
        let index = known.unwrap_or_else(|| {
            self.types.push(aggregate.to_owned());
            self.types.len() - 1
        });
        // All further types share a bit.
        1 << index.min(63)
    }

    /// Returns the live instances that have sent to one of the types, or are going to.
    pub(super) fn sending_to(&self, is_one: impl Fn(&str) -> bool) -> Vec<String> {
        let wanted = self.types.iter().enumerate().filter(|(_, it)| is_one(it));
        let wanted = wanted.fold(0_u64, |bits, (index, _)| bits | 1 << index.min(63));
        let sending = self.live.iter().filter(|(_, live)| live.sends & wanted != 0);
        sending.map(|(id, _)| id.to_owned()).collect()
    }

    fn set_suspect(&mut self, id: &str, why: &str) {
        if self.live.contains(id) {
            self.suspects.insert(id.to_owned(), why.to_owned());
        }
    }

    /// Returns the live instances that may be unreadable.
    pub(super) fn suspects(&self) -> impl Iterator<Item = &str> {
        self.suspects.keys().map(String::as_str)
    }

    /// Whether an instance is live and not known to be in trouble.
    pub(super) fn is_well(&self, id: &str) -> bool {
        self.live.get(id).is_some_and(|live| live.trouble.is_none())
    }

    fn end(&mut self, id: &str) {
        let Some(live) = self.live.remove(id) else { return };
        self.sending.remove(id);
        self.suspects.remove(id);
        self.unread.remove(id);
        match live.life {
            Life::Completed => self.completed += 1,
            Life::Compensated(_) => self.compensated += 1,
            _ => self.failed += 1,
        }
        if self.ended.len() == ENDED_LISTED {
            self.ended.pop_front();
        }
        self.ended.push_back(live.shown(id));
    }

    /// Returns the deadlines that are due by `now`, the oldest first.
    pub(super) fn due(&self, now: Timestamp) -> impl Iterator<Item = (&str, EffectId)> {
        self.due.due(now)
    }

    /// Whether no deadline is due and no command is open, except of instances in trouble.
    pub(super) fn is_idle(&self, now: Timestamp) -> bool {
        self.due(now).next().is_none() && self.sending.len() == 0
    }

    /// Returns when the next deadline after `now` is due.
    pub(super) fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        self.due.next_after(now)
    }

    /// Returns the instances after `after` with open commands, in the order of their ids, with the number of
    /// open commands.
    pub(super) fn open_after<'a>(
        &'a self,
        after: &'a str,
    ) -> impl Iterator<Item = (&'a str, u64)> + 'a {
        self.sending.after(after).map(|(id, open)| (id, *open))
    }

    /// Whether an instance has keys that it loses when it ends.
    pub(super) fn has_keys(&self, id: &str) -> bool {
        self.live.get(id).is_some_and(|live| !live.keys.is_empty())
    }

    /// Returns which instance has which key.
    pub(super) fn keys(&self) -> &KeyHolders {
        &self.keys
    }

    /// Returns the live instances after `after`, in the order of their ids.
    pub(super) fn live_after<'a>(
        &'a self,
        after: &'a str,
    ) -> impl Iterator<Item = SagaInstance> + 'a {
        self.live.after(after).map(|(id, live)| live.shown(id))
    }

    /// Returns the instances that ended last, the latest first.
    pub(super) fn ended(&self) -> impl Iterator<Item = &SagaInstance> {
        self.ended.iter().rev()
    }

    pub(super) fn counts(&self) -> SagaCounts {
        SagaCounts {
            live: self.live.len() as u64,
            in_trouble: self.in_trouble,
            commands_under_way: self.under_way,
            completed: self.completed,
            compensated: self.compensated,
            failed: self.failed,
        }
    }
}

/// How many instances of a saga have each status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SagaCounts {
    /// Instances that have not ended.
    pub live: u64,
    /// Live instances that are quarantined or stuck.
    pub in_trouble: u64,
    /// Commands of all live instances whose outcome is not recorded yet.
    pub commands_under_way: u64,
    /// Instances that completed.
    pub completed: u64,
    /// Instances that were compensated.
    pub compensated: u64,
    /// Instances that failed without compensating.
    pub failed: u64,
}

impl Live {
    fn is_over(&self) -> bool {
        self.life.has_ended() && self.open == 0 && self.trouble.is_none()
    }

    fn in_trouble(&self) -> u64 {
        u64::from(self.trouble.is_some())
    }

    /// Returns how many commands are to be resumed if no task sends them.
    fn to_resume(&self) -> u64 {
        if self.trouble.is_none() { self.open } else { 0 }
    }

    /// Returns the deadlines that come. Those of an instance that is quarantined or stuck do not.
    fn pending(&self) -> &[(EffectId, Timestamp)] {
        if self.trouble.is_none() { &self.deadlines } else { &[] }
    }

    fn take(&mut self, number: u64, step: &Step, now: Timestamp) {
        self.steps = number;
        self.last = now;
        if let Input::Due { deadline } = step.input {
            self.deadlines.retain(|(it, _)| *it != deadline);
        }
        if let (Input::Skipped, Some(At::Deadline(skipped))) =
            (&step.input, self.trouble.as_ref().map(|trouble| trouble.at))
        {
            self.deadlines.retain(|(it, _)| *it != skipped);
        }
        self.deadlines.retain(|(it, _)| !step.cancelled.contains(it));
        let new = (0..).zip(&step.scheduled);
        let new = new.map(|(index, it)| (EffectId { step: self.steps, index }, it.at));
        self.deadlines.extend(new);
        if step.life != Life::Running {
            self.deadlines.clear();
        }
        self.life = step.life.clone();
        self.trouble = step.trouble.clone();
        self.open = step.open;
    }

    fn shown(&self, id: &str) -> SagaInstance {
        SagaInstance {
            id: id.to_owned(),
            status: InstanceStatus::of(&self.life, self.trouble.as_ref()).with_open(self.open),
            steps: self.steps,
            commands_under_way: self.open,
            next_deadline: self.deadlines.iter().map(|(_, at)| *at).min(),
            since: self.since,
            last: self.last,
        }
    }
}

#[cfg(test)]
mod tests;

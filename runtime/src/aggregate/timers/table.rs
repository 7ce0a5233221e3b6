//! [`Table`]: the timers of all aggregates of one type, in memory as in their notes.
//!
//! Every change of a note is handed to `write` while the part of its aggregate is locked, so notes reach the
//! committer in the order of the changes.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actuarius_domain::Timestamp;
use foldhash::fast::RandomState;
use smallvec::SmallVec;

use super::note::{ASK_NOW, Marks};

/// The number of parts, each with a lock of its own: a turn holds one for well under a microsecond.
const PARTS: usize = 16;

/// The number of a timer among those of its type.
pub(crate) type Timer = u8;

/// A timer of an aggregate, and the time for which its note is armed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DueTimer {
    pub(crate) at: Timestamp,
    pub(crate) id: Arc<str>,
    pub(crate) timer: Timer,
}

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Ended {
    /// The command was carried out or rejected. `again` if nothing was stored, so the state still says the time.
    Delivered { again: bool },
    /// The state said another time, or none.
    NotDue,
    /// The aggregate does not exist.
    Missing,
}

/// The timers of all aggregates of one type.
pub(super) struct Table {
    parts: [Mutex<Part>; PARTS],
    hasher: RandomState,
    /// Where the next search for due timers starts.
    next: AtomicUsize,
}

#[derive(Default)]
struct Part {
    noted: HashMap<Arc<str>, SmallVec<[Noted; 1]>, RandomState>,
    /// The armed ones, except for those that are being delivered.
    due: BTreeSet<DueTimer>,
    delivering: HashMap<(Arc<str>, Timer), Said, RandomState>,
}

/// What the note of a timer says.
struct Noted {
    timer: Timer,
    /// Its command may have been carried out before: it was armed before this process started, or for a time in the past.
    is_earlier: bool,
    marks: Marks,
}

/// What states have said while a time is being delivered. Their notes stay as they are: that time is earlier.
struct Said {
    at: Timestamp,
    /// A state says the time that is being delivered.
    again: bool,
    /// A state says the time that was delivered before.
    says_delivered: bool,
    /// The stream has ended since the command was decided.
    has_ended: bool,
    /// The earliest other time. An earlier one than the last is harmless, and the last one may not become durable.
    earliest: Option<Timestamp>,
}

impl Said {
    fn nothing(at: Timestamp) -> Self {
        Self { at, again: false, says_delivered: false, has_ended: false, earliest: None }
    }

    /// Adds a time that a state says. The one that was delivered before is no other time: as the earliest one, it would
    /// hide those that are not delivered yet.
    fn add(&mut self, at: Timestamp, delivered: Option<Timestamp>) {
        if at == self.at {
            self.again = true;
        } else if Some(at) == delivered {
            self.says_delivered = true;
        } else {
            self.earliest = Some(self.earliest.map_or(at, |earliest| earliest.min(at)));
        }
    }
}

impl Default for Table {
    fn default() -> Self {
        let parts = std::array::from_fn(|_| Mutex::default());
        Self { parts, hasher: RandomState::default(), next: AtomicUsize::new(0) }
    }
}

impl Table {
    fn part(&self, id: &str) -> MutexGuard<'_, Part> {
        use std::hash::BuildHasher;
        let hash = self.hasher.hash_one(id);
        lock(&self.parts[(hash >> 32) as usize % PARTS])
    }

    /// Takes over a note that was stored before the process started.
    pub(super) fn load(&self, id: Arc<str>, timer: Timer, marks: Marks) {
        let mut part = self.part(&id);
        part.set(&id, timer, marks, true);
    }

    /// A state says when the timer is due. Its events are not durable yet: the note is handed over before them if the
    /// time is new, or earlier than the noted one. Returns whether there was a note to write.
    ///
    /// The command of a time that `is_past` may have been carried out before: the state may have said the time, then
    /// another one, and now the first one again.
    pub(super) fn says(
        &self,
        id: &Arc<str>,
        timer: Timer,
        at: Option<Timestamp>,
        (is_past, write): (impl FnOnce(Timestamp) -> bool, impl FnOnce(Marks)),
    ) -> bool {
        let mut part = self.part(id);
        let marks = part.marks(id, timer).unwrap_or_default();
        if let Some(said) = part.said(id, timer) {
            if let Some(at) = at {
                said.add(at, marks.delivered);
            }
            return false;
        }
        let is_said_no_more = at.is_none() && marks.armed.is_none() && marks.delivered.is_some();
        // Once the events are durable, the aggregate is asked, and the note is removed.
        let Some(at) = at.or(is_said_no_more.then_some(ASK_NOW)) else { return false };
        if marks.delivered == Some(at) || marks.armed.is_some_and(|armed| armed <= at) {
            return false;
        }
        let is_earlier = part.is_earlier(id, timer) || is_past(at);
        let marks = Marks { armed: Some(at), ..marks };
        part.set(id, timer, marks, is_earlier);
        write(marks);
        true
    }

    /// The stream of the aggregate ends: its timers are looked at once it has, and removed. If its id is used again, a time
    /// that was delivered before comes again.
    pub(super) fn ends(&self, id: &Arc<str>, mut write: impl FnMut(Timer, Marks)) -> bool {
        let mut part = self.part(id);
        let noted = part.noted.get(&**id).into_iter().flatten();
        let all: SmallVec<[_; 1]> = noted.map(|it| (it.timer, it.marks)).collect();
        let mut has_any = false;
        for (timer, marks) in all {
            if let Some(said) = part.said(id, timer) {
                said.add(ASK_NOW, None);
                said.has_ended = true;
                part.forget_delivered(id, timer);
            } else if marks != Marks::ASK_NOW {
                // If the end does not become durable, the history knows what was carried out.
                part.set(id, timer, Marks::ASK_NOW, true);
                write(timer, Marks::ASK_NOW);
                has_any = true;
            }
        }
        has_any
    }

    /// Takes a timer that is due by `now`, to deliver it; in each part the oldest first.
    pub(super) fn take_due(&self, now: Timestamp) -> Option<DueTimer> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        (0..PARTS).find_map(|step| {
            let mut part = lock(&self.parts[first.wrapping_add(step) % PARTS]);
            if part.due.first()?.at > now {
                return None;
            }
            let due = part.due.pop_first()?;
            part.delivering.insert((due.id.clone(), due.timer), Said::nothing(due.at));
            Some(due)
        })
    }

    /// Returns when the next timer is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.parts.iter().filter_map(|part| lock(part).due.first().map(|due| due.at)).min()
    }

    /// Returns whether the command of a timer that is being delivered may have been carried out before.
    pub(super) fn may_have_been_sent(&self, due: &DueTimer) -> bool {
        self.part(&due.id).is_earlier(&due.id, due.timer)
    }

    /// The outcome of a delivery is not known.
    pub(super) fn perhaps_sent(&self, due: &DueTimer) {
        let mut part = self.part(&due.id);
        let mut noted = part.noted.get_mut(&*due.id).into_iter().flatten();
        if let Some(noted) = noted.find(|it| it.timer == due.timer) {
            noted.is_earlier = true;
        }
    }

    /// The aggregate is asked whether it exists. What it said before may have been said by the state of an aggregate that
    /// does not.
    pub(super) fn asks(&self, due: &DueTimer) {
        if let Some(said) = self.part(&due.id).said(&due.id, due.timer) {
            said.again = false;
        }
    }

    /// The command is decided now, on a state that says the time: what states said before is obsolete.
    pub(super) fn fires(&self, due: &DueTimer) {
        if let Some(said) = self.part(&due.id).said(&due.id, due.timer) {
            *said = Said::nothing(due.at);
        }
    }

    /// Gives up a delivery whose time has not come, because the clock was set back.
    pub(super) fn put_back(&self, due: &DueTimer) {
        if let Some(said) = self.part(&due.id).said(&due.id, due.timer) {
            said.again = true;
        }
    }

    /// Ends a delivery, after which the note is another one, or is removed. The command of a time that `is_past` may have
    /// been carried out before, as in [`says`](Self::says).
    pub(super) fn ended(
        &self,
        due: &DueTimer,
        ended: Ended,
        (is_past, write): (impl FnOnce(Timestamp) -> bool, impl FnOnce(Option<Marks>)),
    ) {
        let mut part = self.part(&due.id);
        let Some(said) = part.delivering.remove(&(due.id.clone(), due.timer)) else { return };
        let before = part.marks(&due.id, due.timer).unwrap_or_default();
        let marks = said.marks_after(ended, before);
        let is_kept =
            !matches!(ended, Ended::Delivered { .. }) && part.is_earlier(&due.id, due.timer);
        match marks {
            Some(marks) => {
                let is_earlier = is_kept || marks.armed.is_some_and(is_past);
                part.set(&due.id, due.timer, marks, is_earlier);
            }
            None => part.remove(due),
        }
        write(marks);
    }

    /// Returns how many timers are armed.
    pub(super) fn armed(&self) -> usize {
        let of = |part: &Mutex<Part>| {
            let part = lock(part);
            part.due.len() + part.delivering.len()
        };
        self.parts.iter().map(of).sum()
    }
}

impl Said {
    /// Returns what the note says after the delivery, if it stays.
    fn marks_after(&self, ended: Ended, before: Marks) -> Option<Marks> {
        let (delivered, again) = match ended {
            Ended::Delivered { again } => (Some(self.at), again || self.again),
            Ended::NotDue => (before.delivered, self.again),
            // It may have come into being since.
            Ended::Missing => (None, self.again),
        };
        // Another life of the id knows nothing of what came before.
        let delivered = delivered.filter(|_| !self.has_ended);
        let is_new = |at: &Timestamp| delivered != Some(*at);
        let before = before.delivered.filter(|_| self.says_delivered);
        let said = [again.then_some(self.at), self.earliest, before];
        let armed = said.into_iter().flatten().filter(is_new).min();
        // A state that still says a time that was delivered must not set it again.
        let says_delivered = said.into_iter().flatten().any(|at| !is_new(&at));
        (armed.is_some() || says_delivered).then_some(Marks { armed, delivered })
    }
}

impl Part {
    fn marks(&self, id: &str, timer: Timer) -> Option<Marks> {
        let mut noted = self.noted.get(id)?.iter();
        noted.find(|it| it.timer == timer).map(|it| it.marks)
    }

    fn is_earlier(&self, id: &str, timer: Timer) -> bool {
        let mut noted = self.noted.get(id).into_iter().flatten();
        noted.any(|it| it.timer == timer && it.is_earlier)
    }

    fn forget_delivered(&mut self, id: &str, timer: Timer) {
        let mut noted = self.noted.get_mut(id).into_iter().flatten();
        if let Some(noted) = noted.find(|it| it.timer == timer) {
            noted.marks.delivered = None;
        }
    }

    fn said(&mut self, id: &Arc<str>, timer: Timer) -> Option<&mut Said> {
        if self.delivering.is_empty() {
            return None;
        }
        self.delivering.get_mut(&(id.clone(), timer))
    }

    fn set(&mut self, id: &Arc<str>, timer: Timer, marks: Marks, is_earlier: bool) {
        let noted = Noted { timer, is_earlier, marks };
        let all = self.noted.entry(id.clone()).or_default();
        let before = match all.iter_mut().find(|it| it.timer == timer) {
            Some(found) => std::mem::replace(found, noted).marks.armed,
            None => {
                all.push(noted);
                None
            }
        };
        let due = |at| DueTimer { at, id: id.clone(), timer };
        if let Some(before) = before {
            self.due.remove(&due(before));
        }
        self.due.extend(marks.armed.map(due));
    }

    fn remove(&mut self, due: &DueTimer) {
        let Some(all) = self.noted.get_mut(&*due.id) else { return };
        all.retain(|it| it.timer != due.timer);
        if all.is_empty() {
            self.noted.remove(&*due.id);
        }
    }
}

fn lock(part: &Mutex<Part>) -> MutexGuard<'_, Part> {
    // Nothing panics under the lock.
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

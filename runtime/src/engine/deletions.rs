//! [`Deletions`]: which streams are being removed from the log, so that no follower takes a part of one.
//!
//! The events of a deleted stream are removed a few at a time. A reader of the log that took what it finds would take
//! the events that are not removed yet, and not those before them. So every event of a stream counts as removed from
//! the moment its removal begins, also one that was read before and one that the tail still has.

mod turns;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use actuarius_domain::{Position, StreamId};
use actuarius_persistence::{Commit, Damage, Gone, stub_frame};

pub(crate) use turns::{Turn, Turns};

/// How many complete removals are remembered. What was read before the oldest of them is read again, so this is many
/// more than are completed while a page is read, and few enough to take no memory worth counting.
pub(crate) const REMOVALS_REMEMBERED: usize = 1_024;

/// The removals under way, and the last that are complete.
#[derive(Default)]
pub(crate) struct Deletions {
    removals: RwLock<Removals>,
    turns: Turns,
}

#[derive(Default)]
struct Removals {
    /// The end of each stream, by aggregate type and id.
    ends: HashMap<Box<str>, HashMap<Box<str>, End>>,
    /// How many of them are not complete.
    under_way: usize,
    /// The last of their positions.
    last_end: Position,
    /// The complete ones with their numbers, the oldest first. One that begins again leaves a gap.
    complete: VecDeque<(u64, StreamId)>,
    /// How many have begun or were completed.
    changes: u64,
    /// The number of the last one that was completed, and of the last one that is forgotten.
    completed: u64,
    forgotten: u64,
}

/// The end of a stream, before which its events are removed.
#[derive(Clone, Copy)]
struct End {
    position: Position,
    /// The end could not be read, so it may be an earlier one.
    is_assumed: bool,
    is_under_way: bool,
}

/// A moment before a read of the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BeforeRead {
    /// `None` if it is not known what was removed since.
    changes: Option<u64>,
    completed: u64,
    forgotten: u64,
    is_of_tail: bool,
}

impl BeforeRead {
    /// The moment before a read of the tail at this moment. The tail has what is removed, until it is forgotten.
    pub(crate) fn of_tail(self) -> Self {
        Self { changes: None, is_of_tail: true, ..self }
    }

    /// Returns whether a removal that was not complete then is forgotten. The tail may have had what was removed
    /// before, too, so what was read of it is too old once anything else is forgotten.
    fn is_too_old(self, removals: &Removals) -> bool {
        match self.is_of_tail {
            true => removals.forgotten != self.forgotten,
            false => removals.forgotten > self.completed,
        }
    }
}

/// What was read is too old to know what was removed since. Read again.
#[derive(Debug)]
pub(crate) struct TooOld;

impl Deletions {
    /// Waits until no other deletion of the stream changes its note or its events.
    pub(crate) async fn turn(&self, stream: &StreamId) -> Turn {
        self.turns.of(stream).await
    }

    /// Called when the events of the stream before its end are about to be removed. An end before the one that is known
    /// changes nothing.
    pub(crate) fn begin(&self, stream: &StreamId, end: Position) {
        self.begin_at(stream, end, false);
    }

    /// Called instead when its end could not be read: it is not after `head`.
    pub(crate) fn begin_before(&self, stream: &StreamId, head: Position) {
        self.begin_at(stream, head, true);
    }

    fn begin_at(&self, stream: &StreamId, position: Position, is_assumed: bool) {
        let mut removals = self.write();
        let ids = removals.ends.entry(stream.category().into()).or_default();
        let new = End { position, is_assumed, is_under_way: false };
        let end = ids.entry(stream.id().into()).or_insert(new);
        if !end.is_assumed && position < end.position {
            return;
        }
        // A removal that was interrupted is under way until it is complete.
        let is_new = !end.is_under_way;
        *end = End { is_under_way: true, ..new };
        removals.complete.retain(|(_, other)| other != stream);
        removals.under_way += usize::from(is_new);
        removals.last_end = removals.last_end.max(position);
        removals.changes += 1;
    }

    /// Called when a stream whose end was assumed has none.
    pub(crate) fn withdraw(&self, stream: &StreamId) {
        let mut removals = self.write();
        let Some(ids) = removals.ends.get_mut(stream.category()) else { return };
        if ids.get(stream.id()).is_some_and(|end| end.is_assumed) {
            ids.remove(stream.id());
            removals.under_way -= 1;
            removals.changes += 1;
        }
    }

    /// Called when all events before `end` are removed. It changes nothing if the stream has ended again since. Returns
    /// the position up to which the tail of the log must be forgotten first, if so: call
    /// [`forget_oldest`](Self::forget_oldest) after that.
    pub(crate) fn complete(&self, stream: &StreamId, end: Position) -> Option<Position> {
        let mut removals = self.write();
        let known = removals.ends.get_mut(stream.category())?.get_mut(stream.id())?;
        if !known.is_under_way || known.position != end {
            return None;
        }
        known.is_under_way = false;
        removals.under_way -= 1;
        removals.completed += 1;
        let number = removals.completed;
        removals.complete.push_back((number, stream.clone()));
        removals.changes += 1;
        let is_full = removals.complete.len() > REMOVALS_REMEMBERED;
        let (_, oldest) = removals.complete.front().filter(|_| is_full)?;
        removals.end_of(oldest.category(), oldest.id())
    }

    /// Forgets the oldest complete removals that are too many.
    pub(crate) fn forget_oldest(&self) {
        let mut removals = self.write();
        while removals.complete.len() > REMOVALS_REMEMBERED
            && let Some((number, stream)) = removals.complete.pop_front()
        {
            removals.forgotten = number;
            if let Some(ids) = removals.ends.get_mut(stream.category()) {
                ids.remove(stream.id());
            }
        }
    }

    /// Returns the present moment. Called before a read of the log.
    pub(crate) fn before_read(&self) -> BeforeRead {
        let removals = self.read();
        BeforeRead {
            changes: Some(removals.changes),
            completed: removals.completed,
            forgotten: removals.forgotten,
            is_of_tail: false,
        }
    }

    /// Returns what was read with every event removed whose stream is deleted after it.
    ///
    /// # Errors
    /// [`Damage`] if a commit cannot be replaced; [`TooOld`] inside.
    pub(crate) fn without_deleted(
        &self,
        commits: Arc<[Commit]>,
        read: BeforeRead,
    ) -> Result<Result<Arc<[Commit]>, TooOld>, Damage> {
        let removals = self.read();
        let is_unchanged = removals.under_way == 0 && read.changes == Some(removals.changes);
        let is_later = commits.first().is_none_or(|first| first.position() > removals.last_end);
        if is_unchanged || is_later {
            return Ok(Ok(commits));
        }
        if read.is_too_old(&removals) {
            return Ok(Err(TooOld));
        }
        if !commits.iter().any(|commit| removals.has_deleted(commit)) {
            return Ok(Ok(commits));
        }
        let replaced = commits.iter().map(|commit| match removals.has_deleted(commit) {
            true => Commit::from_frame(&stub_frame(commit, Gone::Removed), commit.position()),
            false => Ok(commit.clone()),
        });
        replaced.collect::<Result<Arc<[Commit]>, Damage>>().map(Ok)
    }

    /// Returns whether an event of a commit at `position`, which was read at a moment, may have been removed since.
    pub(crate) fn may_have_removed(
        &self,
        stream: &StreamId,
        position: Position,
        read: BeforeRead,
    ) -> bool {
        let removals = self.read();
        let end = removals.end_of(stream.category(), stream.id());
        read.is_too_old(&removals) || end.is_some_and(|end| position < end)
    }

    /// Returns whether the stream of a commit that was read just now is deleted after it.
    pub(crate) fn has_deleted(&self, commit: &Commit) -> bool {
        self.read().has_deleted(commit)
    }

    fn read(&self) -> RwLockReadGuard<'_, Removals> {
        self.removals.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Removals> {
        self.removals.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Removals {
    fn end_of(&self, category: &str, id: &str) -> Option<Position> {
        Some(self.ends.get(category)?.get(id)?.position)
    }

    /// Returns whether the stream of a commit is deleted after it, and it still has its events.
    fn has_deleted(&self, commit: &Commit) -> bool {
        let view = commit.view();
        let end = self.end_of(view.category, view.id);
        end.is_some_and(|end| view.position < end) && commit.gone() != Some(Gone::Removed)
    }
}

#[cfg(test)]
mod tests;

//! [`Deletions`]: which streams are being removed from the log, so that no follower takes a part of one.
//!
//! The events of a deleted stream are removed a few at a time. A reader of the log that took what it finds would take
//! the events that are not removed yet, and not those before them. So every event of a stream counts as removed from
//! the moment its removal begins, also one that was read before and one that the tail still has.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use actuarius_domain::{Position, StreamId};
use actuarius_persistence::{Commit, Damage, Gone, stub_frame};

/// How many complete removals are remembered. What was read before the oldest of them is read again, so this is many
/// more than are completed while a page is read, and few enough to take no memory worth counting.
pub(crate) const REMOVALS_REMEMBERED: usize = 1_024;

/// The removals under way, and the last that are complete.
#[derive(Default)]
pub(crate) struct Deletions(RwLock<Removals>);

#[derive(Default)]
struct Removals {
    /// The position of the end of each stream, by aggregate type and id.
    ends: HashMap<Box<str>, HashMap<Box<str>, Position>>,
    /// How many of them are not complete.
    under_way: usize,
    /// The last of these positions.
    last_end: Position,
    /// The complete ones, the oldest first.
    complete: VecDeque<(StreamId, Position)>,
    /// How many have begun or were completed.
    changes: u64,
    /// How many were completed, and how many of these are forgotten.
    completed: u64,
    forgotten: u64,
}

/// A moment before a read of the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BeforeRead {
    /// `None` if it is not known what was removed since.
    changes: Option<u64>,
    completed: u64,
}

impl BeforeRead {
    /// The moment before a read of the tail at this moment. The tail has what is removed, until it is forgotten.
    pub(crate) fn of_tail(self) -> Self {
        Self { changes: None, ..self }
    }
}

/// What was read is too old to know what was removed since. Read again.
#[derive(Debug)]
pub(crate) struct TooOld;

impl Deletions {
    /// Called when the events of the stream before its end are about to be removed.
    pub(crate) fn begin(&self, stream: &StreamId, end: Position) {
        let mut removals = self.write();
        // A removal that was interrupted is under way until it is complete.
        let is_new = removals.end_of(stream.category(), stream.id()).is_none_or(|known| {
            removals.complete.iter().any(|(other, at)| other == stream && *at == known)
        });
        removals.complete.retain(|(other, _)| other != stream);
        removals.under_way += usize::from(is_new);
        let ids = removals.ends.entry(stream.category().into()).or_default();
        ids.insert(stream.id().into(), end);
        removals.last_end = removals.last_end.max(end);
        removals.changes += 1;
    }

    /// Called when all of them are removed. Returns the position up to which the tail of the log must be forgotten
    /// first, if so: call [`forget_oldest`](Self::forget_oldest) after that.
    pub(crate) fn complete(&self, stream: &StreamId) -> Option<Position> {
        let mut removals = self.write();
        let end = removals.end_of(stream.category(), stream.id())?;
        if removals.complete.iter().any(|(other, _)| other == stream) {
            return None;
        }
        removals.under_way -= 1;
        removals.completed += 1;
        removals.complete.push_back((stream.clone(), end));
        removals.changes += 1;
        let is_full = removals.complete.len() > REMOVALS_REMEMBERED;
        removals.complete.front().filter(|_| is_full).map(|(_, end)| *end)
    }

    /// Forgets the oldest complete removals that are too many.
    pub(crate) fn forget_oldest(&self) {
        let mut removals = self.write();
        while removals.complete.len() > REMOVALS_REMEMBERED
            && let Some((stream, _)) = removals.complete.pop_front()
        {
            removals.forgotten += 1;
            if let Some(ids) = removals.ends.get_mut(stream.category()) {
                ids.remove(stream.id());
            }
        }
    }

    /// Returns the present moment. Called before a read of the log.
    pub(crate) fn before_read(&self) -> BeforeRead {
        let removals = self.read();
        BeforeRead { changes: Some(removals.changes), completed: removals.completed }
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
        if removals.forgotten > read.completed {
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
        removals.forgotten > read.completed || end.is_some_and(|end| position < end)
    }

    /// Returns whether the stream of a commit that was read just now is deleted after it.
    pub(crate) fn has_deleted(&self, commit: &Commit) -> bool {
        self.read().has_deleted(commit)
    }

    fn read(&self) -> RwLockReadGuard<'_, Removals> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Removals> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Removals {
    fn end_of(&self, category: &str, id: &str) -> Option<Position> {
        self.ends.get(category)?.get(id).copied()
    }

    /// Returns whether the stream of a commit is deleted after it, and it still has its events.
    fn has_deleted(&self, commit: &Commit) -> bool {
        let view = commit.view();
        let end = self.end_of(view.category, view.id);
        end.is_some_and(|end| view.position < end) && commit.gone() != Some(Gone::Removed)
    }
}

#[cfg(test)]
mod tests {
    use actuarius_domain::{CommandId, Metadata, Timestamp, Version};
    use actuarius_persistence::{Append, Codec, NewCommit};

    use super::*;

    fn stream(id: &str) -> StreamId {
        StreamId::new("sum", id).unwrap()
    }

    fn commit(id: &str, position: u64) -> Commit {
        let mut append = Append::new(stream(id), Version::new(position - 1));
        let commit = NewCommit {
            time: Timestamp::default(),
            command_id: CommandId::from("a command"),
            named_by_caller: false,
            metadata: &Metadata::default(),
        };
        append.push(commit, Codec::Json, &[Numbered::Is(7)], |_| 1).unwrap();
        let (frame, _) = append.frames().next().unwrap();
        Commit::from_frame(&frame.to_vec().into(), Position::new(position)).unwrap()
    }

    #[derive(serde::Serialize)]
    enum Numbered {
        Is(u32),
    }

    /// Returns how many events each of five commits of the stream `a` has, read at a moment.
    fn events(deletions: &Deletions, read: BeforeRead) -> Option<Vec<usize>> {
        let commits: Arc<[Commit]> = (1..=5).map(|position| commit("a", position)).collect();
        let found = deletions.without_deleted(commits, read).unwrap().ok()?;
        Some(found.iter().map(|commit| commit.view().events().count()).collect())
    }

    #[test]
    fn every_event_before_the_end_counts_as_removed_while_the_removal_is_under_way() {
        let deletions = Deletions::default();
        let read = deletions.before_read();
        assert_eq!(events(&deletions, read).unwrap(), [1; 5]);
        deletions.begin(&stream("a"), Position::new(4));
        assert_eq!(events(&deletions, read).unwrap(), [0, 0, 0, 1, 1]);
        assert_eq!(events(&deletions, deletions.before_read()).unwrap(), [0, 0, 0, 1, 1]);
        deletions.begin(&stream("b"), Position::new(9));
        assert_eq!(deletions.complete(&stream("a")), None);
        assert_eq!(events(&deletions, read).unwrap(), [0, 0, 0, 1, 1], "it was read before");
        deletions.complete(&stream("b"));
        assert_eq!(events(&deletions, deletions.before_read()).unwrap(), [1; 5], "of the store");
        let tail = deletions.before_read().of_tail();
        assert_eq!(events(&deletions, tail).unwrap(), [0, 0, 0, 1, 1]);
    }

    #[test]
    fn what_was_read_before_a_removal_that_is_forgotten_is_read_again() {
        let deletions = Deletions::default();
        let read = deletions.before_read();
        let mut oldest = None;
        for number in 0..=REMOVALS_REMEMBERED as u64 {
            let stream = stream(&format!("other {number}"));
            deletions.begin(&stream, Position::new(100 + number));
            oldest = deletions.complete(&stream);
        }
        assert_eq!(oldest, Some(Position::new(100)));
        assert!(events(&deletions, read).is_some());
        deletions.forget_oldest();
        assert!(events(&deletions, read).is_none());
        assert!(events(&deletions, deletions.before_read()).is_some());
    }

    #[test]
    fn a_removal_that_was_interrupted_and_begins_again_is_completed_once() {
        let deletions = Deletions::default();
        for _ in 0..2 {
            deletions.begin(&stream("a"), Position::new(4));
        }
        deletions.complete(&stream("a"));
        deletions.complete(&stream("a"));
        assert_eq!(deletions.read().under_way, 0);
        deletions.begin(&stream("a"), Position::new(6));
        assert_eq!(deletions.read().under_way, 1);
        assert_eq!(events(&deletions, deletions.before_read()).unwrap(), [0; 5]);
    }
}

//! [`Tail`]: the end of the log in memory, which wakes the followers and serves the newest commits.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use actuarius_domain::Position;
use actuarius_persistence::personal::Sealer;
use actuarius_persistence::{Append, AppendOutcome, Commit, Damage};
use bytes::{Bytes, BytesMut};
use tokio::sync::watch;

/// How many bytes of the end of the log are kept for followers: some 30,000 small events, a fraction of a
/// second of work. A follower with more lag reads the store.
const KEPT_BYTES: usize = 8 * 1024 * 1024;
/// How many groups are kept at most, so that finding one stays cheap even if each holds one event.
const KEPT_GROUPS: usize = 4_096;
/// After how many bytes a follower that lets events gather takes them: well before the tail drops them.
const FILLED_BYTES: usize = 2 * 1024 * 1024;
/// After how many events: a batch of so many is no cheaper per event if it is larger.
const FILLED_EVENTS: u64 = 4_096;

/// The end of the log. Publishing a batch moves it and wakes the followers, which find the newest
/// commits here without touching the disk. The tail does not know its followers.
pub(crate) struct Tail {
    head: watch::Sender<Position>,
    /// Counts how often as much was kept as a follower takes at once.
    filled: watch::Sender<u64>,
    followers: AtomicUsize,
    recent: Mutex<Recent>,
    /// Unseal personal data in commits.
    keys: Option<Arc<dyn Sealer>>,
}

/// The last groups, each of which begins where the group before it ends.
#[derive(Default)]
struct Recent {
    groups: VecDeque<Arc<Group>>,
    bytes: usize,
    /// What was kept since `filled` was counted last.
    filling: Filling,
}

/// How much was kept.
#[derive(Default)]
struct Filling {
    events: u64,
    bytes: usize,
}

/// Commits that became durable together, shared by all followers.
pub(crate) struct Group {
    first: Position,
    last: Position,
    /// The commits' frames, concatenated.
    frames: Bytes,
    /// Where each frame ends in `frames`, and the position of its commit.
    places: Vec<(usize, Position)>,
    /// Decoded when the first follower reads them.
    commits: OnceLock<Result<Arc<[Commit]>, Damage>>,
    keys: Option<Arc<dyn Sealer>>,
}

impl Tail {
    #[cfg(test)]
    pub(crate) fn at(head: Position) -> Arc<Self> {
        Self::with_sealer(head, None)
    }

    pub(crate) fn with_sealer(head: Position, keys: Option<Arc<dyn Sealer>>) -> Arc<Self> {
        let (head, filled) = (watch::Sender::new(head), watch::Sender::new(0));
        let (followers, recent) = (AtomicUsize::new(0), Mutex::default());
        Arc::new(Self { head, filled, followers, recent, keys })
    }

    /// Returns the last durable position.
    pub(crate) fn head(&self) -> Position {
        *self.head.borrow()
    }

    /// Shows the followers what a batch has stored.
    pub(crate) fn publish(&self, appends: &[Append], outcomes: &[AppendOutcome]) {
        let stored = || {
            let pairs = appends.iter().zip(outcomes);
            pairs.filter_map(|(append, outcome)| Some((append, *outcome.as_ref().ok()?)))
        };
        let Some(head) = stored().filter_map(|(append, first)| last_of(append, first)).max() else {
            return;
        };
        let follow = self.followers.load(Ordering::Acquire) > 0;
        let is_full = follow && self.recent().keep(Group::of(stored(), head, self.keys.clone()));
        self.head.send_replace(head);
        if is_full {
            self.filled.send_modify(|times| *times += 1);
        }
    }

    /// Returns the group with the event after `after` and the groups after it, up to `commits` commits but
    /// at least one group; an empty list if that event is no longer kept.
    pub(crate) fn groups_after(&self, after: Position, commits: usize) -> Vec<Arc<Group>> {
        let recent = self.recent();
        let place = recent.groups.partition_point(|group| group.last <= after);
        let mut groups = recent.groups.range(place..).peekable();
        if groups.peek().is_none_or(|group| group.first > after.next()) {
            return Vec::new();
        }
        let mut taken = 0;
        let fit = groups.take_while(|group| {
            let is_first = taken == 0;
            taken += group.places.len();
            is_first || taken <= commits
        });
        fit.cloned().collect()
    }

    /// Drops the groups that begin at or before `position`. Followers read the store instead.
    pub(crate) fn forget_up_to(&self, position: Position) {
        self.recent().forget_up_to(position);
    }

    /// Returns whether the event after `after` is still kept.
    pub(crate) fn keeps_after(&self, after: Position) -> bool {
        self.recent().groups.front().is_some_and(|group| group.first <= after.next())
            && self.head() > after
    }

    /// Returns a handle that waits for moves of the head. While it is held, the newest groups are kept.
    pub(crate) fn follow(self: &Arc<Self>) -> Following {
        self.followers.fetch_add(1, Ordering::AcqRel);
        let (head, filled) = (self.head.subscribe(), self.filled.subscribe());
        Following { tail: self.clone(), head, filled }
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn last_of(append: &Append, first: Position) -> Option<Position> {
    Some(first.plus(append.events().checked_sub(1)?))
}

impl Recent {
    fn forget_up_to(&mut self, position: Position) {
        while self.groups.front().is_some_and(|group| group.first <= position)
            && let Some(oldest) = self.groups.pop_front()
        {
            self.bytes -= oldest.frames.len();
        }
    }

    /// Keeps a group. Returns whether as much was kept since the last time as a follower takes at once.
    fn keep(&mut self, group: Group) -> bool {
        let is_full = self.filling.add(&group);
        // Groups that were stored while there was no follower are missing, so the older ones are useless.
        if self.groups.back().is_some_and(|newest| newest.last.next() != group.first) {
            *self = Self::default();
        }
        self.bytes += group.frames.len();
        self.groups.push_back(Arc::new(group));
        while self.groups.len() > 1 && (self.bytes > KEPT_BYTES || self.groups.len() > KEPT_GROUPS)
        {
            let oldest = self.groups.pop_front();
            self.bytes -= oldest.map_or(0, |group| group.frames.len());
        }
        is_full
    }
}

impl Filling {
    fn add(&mut self, group: &Group) -> bool {
        self.events += group.last.get().saturating_sub(group.first.get()) + 1;
        self.bytes += group.frames.len();
        let is_full = self.events >= FILLED_EVENTS || self.bytes >= FILLED_BYTES;
        if is_full {
            *self = Self::default();
        }
        is_full
    }
}

impl Group {
    fn of<'a>(
        stored: impl Iterator<Item = (&'a Append, Position)>,
        last: Position,
        keys: Option<Arc<dyn Sealer>>,
    ) -> Self {
        let stored: Vec<_> = stored.collect();
        let (size, commits) = stored.iter().fold((0, 0), |(size, commits), (append, _)| {
            (size + append.bytes(), commits + append.commits())
        });
        let (mut bytes, mut places) = (BytesMut::with_capacity(size), Vec::with_capacity(commits));
        for (append, first) in stored {
            let mut position = first;
            for (frame, events) in append.frames() {
                bytes.extend_from_slice(frame);
                places.push((bytes.len(), position));
                position = position.plus(u64::from(events));
            }
        }
        let first = places.first().map_or(last, |&(_, position)| position);
        Self { first, last, frames: bytes.freeze(), places, commits: OnceLock::new(), keys }
    }

    /// Returns its commits, in order.
    pub(crate) fn commits(&self) -> Result<Arc<[Commit]>, Damage> {
        self.commits.get_or_init(|| self.read()).clone()
    }

    fn read(&self) -> Result<Arc<[Commit]>, Damage> {
        let mut start = 0;
        let commits = self.places.iter().map(|&(end, position)| {
            let frame = self.frames.slice(start..end);
            start = end;
            let mut commit = Commit::from_frame(&frame, position)?;
            if let Some(keys) = &self.keys {
                commit.set_sealer(keys);
            }
            Ok(commit)
        });
        commits.collect()
    }
}

/// Waits for moves of the head.
pub(crate) struct Following {
    tail: Arc<Tail>,
    head: watch::Receiver<Position>,
    filled: watch::Receiver<u64>,
}

impl Following {
    pub(crate) fn tail(&self) -> &Arc<Tail> {
        &self.tail
    }

    /// Waits until the head has moved past `position`. The future may be dropped at any time.
    pub(crate) async fn moved_past(&mut self, position: Position) {
        // The sender lives as long as the tail, which `self` holds.
        let _ = self.head.wait_for(|head| *head > position).await;
    }

    /// From now on, what is stored counts for [`filled`](Self::filled).
    pub(crate) fn start_filling(&mut self) {
        self.filled.mark_unchanged();
    }

    /// Waits until as much was stored as a follower takes at once. The future may be dropped at any time.
    pub(crate) async fn filled(&mut self) {
        // `self` holds the sender.
        let _ = self.filled.changed().await;
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        if self.tail.followers.fetch_sub(1, Ordering::AcqRel) == 1 {
            *self.tail.recent() = Recent::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use actuarius_domain::{CommandId, Metadata, StreamId, Timestamp, Version};
    use actuarius_persistence::{Codec, NewCommit};

    use super::*;

    fn append(events: u32) -> Append {
        let mut append = Append::new(StreamId::new("sum", "a").unwrap(), Version::NONE);
        for number in 0..events {
            let metadata = Metadata::default();
            let commit = NewCommit {
                time: Timestamp::default(),
                command_id: CommandId::from("a command"),
                named_by_caller: false,
                metadata: &metadata,
            };
            append.push(commit, Codec::Json, &[Numbered::Is(number)], |_| 1).unwrap();
        }
        append
    }

    #[derive(serde::Serialize)]
    enum Numbered {
        Is(u32),
    }

    fn positions(group: &Group) -> Vec<u64> {
        group.commits().unwrap().iter().map(|commit| commit.position().get()).collect()
    }

    #[test]
    fn a_follower_finds_the_group_after_its_position_and_nothing_older() {
        let tail = Tail::at(Position::new(10));
        let _following = tail.follow();
        tail.publish(&[append(2), append(1)], &[Ok(Position::new(11)), Ok(Position::new(13))]);
        tail.publish(&[append(1)], &[Ok(Position::new(14))]);
        let found = |after, commits| {
            let groups = tail.groups_after(Position::new(after), commits);
            groups.iter().map(|it| positions(it)).collect::<Vec<_>>()
        };
        assert!(found(9, 10).is_empty() && !tail.keeps_after(Position::new(9)));
        assert_eq!(found(10, 10), [vec![11, 12, 13], vec![14]]);
        assert_eq!(found(10, 2), [vec![11, 12, 13]]);
        assert_eq!(found(12, 1), [vec![11, 12, 13]]);
        assert_eq!(found(13, 10), [vec![14]]);
        assert!(tail.keeps_after(Position::new(13)));
        assert!(found(14, 10).is_empty() && !tail.keeps_after(Position::new(14)));
        assert_eq!(tail.head(), Position::new(14));
    }

    #[test]
    fn groups_stored_without_followers_leave_no_gap() {
        let tail = Tail::at(Position::NONE);
        drop(tail.follow());
        tail.publish(&[append(1)], &[Ok(Position::new(1))]);
        let _following = tail.follow();
        tail.publish(&[append(1)], &[Ok(Position::new(2))]);
        assert!(!tail.keeps_after(Position::NONE));
        assert!(tail.keeps_after(Position::new(1)));
    }

    #[test]
    fn no_more_than_the_bound_is_kept() {
        let tail = Tail::at(Position::NONE);
        let _following = tail.follow();
        for position in 1..=KEPT_GROUPS as u64 + 5 {
            tail.publish(&[append(1)], &[Ok(Position::new(position))]);
        }
        assert!(!tail.keeps_after(Position::new(4)));
        assert!(tail.keeps_after(Position::new(5)));
    }
}

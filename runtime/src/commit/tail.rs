use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use actuarius_domain::Position;
use actuarius_persistence::keys::Keys;
use actuarius_persistence::{Append, AppendOutcome, Commit, Damage};
use bytes::{Bytes, BytesMut};
use tokio::sync::watch;

/// How much of the end of the log is kept for those who follow it: some 30,000 small events, a
/// fraction of a second of work. Who is further behind reads the store.
const KEPT_BYTES: usize = 8 * 1024 * 1024;
/// Groups of one event each are kept in at most this number, so that finding one stays cheap.
const KEPT_GROUPS: usize = 4_096;

/// The end of the log. To publish means to move it: who follows the log is woken, and finds the
/// newest commits here without touching the disk. It does not know who follows.
pub(crate) struct Tail {
    head: watch::Sender<Position>,
    followers: AtomicUsize,
    recent: Mutex<Recent>,
    /// What personal data in commits is opened with.
    keys: Option<Arc<Keys>>,
}

/// The last groups, each beginning where the one before it ends.
#[derive(Default)]
struct Recent {
    groups: VecDeque<Arc<Group>>,
    bytes: usize,
}

/// Commits that were made durable together, shared by all who follow.
pub(crate) struct Group {
    first: Position,
    last: Position,
    /// One behind the other.
    frames: Bytes,
    /// Where each frame ends, and where its commit stands.
    places: Vec<(usize, Position)>,
    /// Read when the first follower asks.
    commits: OnceLock<Result<Arc<[Commit]>, Damage>>,
    keys: Option<Arc<Keys>>,
}

impl Tail {
    #[cfg(test)]
    pub(crate) fn at(head: Position) -> Arc<Self> {
        Self::with_keys(head, None)
    }

    pub(crate) fn with_keys(head: Position, keys: Option<Arc<Keys>>) -> Arc<Self> {
        let (head, _) = watch::channel(head);
        let (followers, recent) = (AtomicUsize::new(0), Mutex::default());
        Arc::new(Self { head, followers, recent, keys })
    }

    /// The last durable position.
    pub(crate) fn head(&self) -> Position {
        *self.head.borrow()
    }

    /// Lets everyone who follows see what a batch has stored.
    pub(crate) fn publish(&self, appends: &[Append], outcomes: &[AppendOutcome]) {
        let stored = || {
            let pairs = appends.iter().zip(outcomes);
            pairs.filter_map(|(append, outcome)| Some((append, *outcome.as_ref().ok()?)))
        };
        let Some(head) = stored().filter_map(|(append, first)| last_of(append, first)).max() else {
            return;
        };
        if self.followers.load(Ordering::Acquire) > 0 {
            self.recent().keep(Group::of(stored(), head, self.keys.clone()));
        }
        self.head.send_replace(head);
    }

    /// The group that holds the event behind `after` and those behind it, up to so many commits; none
    /// if it is not kept any more. One group is given whatever its size.
    pub(crate) fn groups_behind(&self, after: Position, commits: usize) -> Vec<Arc<Group>> {
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

    /// Whether the event behind `after` is still kept.
    pub(crate) fn keeps_behind(&self, after: Position) -> bool {
        self.recent().groups.front().is_some_and(|group| group.first <= after.next())
            && self.head() > after
    }

    /// Tells of every move of the head. While it is held, the newest groups are kept.
    pub(crate) fn follow(self: &Arc<Self>) -> Following {
        self.followers.fetch_add(1, Ordering::AcqRel);
        Following { tail: self.clone(), head: self.head.subscribe() }
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn last_of(append: &Append, first: Position) -> Option<Position> {
    Some(first.plus(append.events().checked_sub(1)?))
}

impl Recent {
    fn keep(&mut self, group: Group) {
        // Groups that came while nobody followed are missing: what is older is no use any more.
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
    }
}

impl Group {
    fn of<'a>(
        stored: impl Iterator<Item = (&'a Append, Position)>,
        last: Position,
        keys: Option<Arc<Keys>>,
    ) -> Self {
        let (mut bytes, mut places) = (BytesMut::new(), Vec::new());
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

    /// Its commits, in order.
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
                commit.give_keys(keys);
            }
            Ok(commit)
        });
        commits.collect()
    }
}

/// Hears of every move of the head.
pub(crate) struct Following {
    tail: Arc<Tail>,
    head: watch::Receiver<Position>,
}

impl Following {
    pub(crate) fn tail(&self) -> &Arc<Tail> {
        &self.tail
    }

    /// Waits until the head has moved past `position`. May be dropped at any time.
    pub(crate) async fn moved_past(&mut self, position: Position) {
        // The sender lives as long as the tail, which is held here.
        let _ = self.head.wait_for(|head| *head > position).await;
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
    fn a_follower_finds_the_group_behind_its_place_and_nothing_older() {
        let tail = Tail::at(Position::new(10));
        let _following = tail.follow();
        tail.publish(&[append(2), append(1)], &[Ok(Position::new(11)), Ok(Position::new(13))]);
        tail.publish(&[append(1)], &[Ok(Position::new(14))]);
        let found = |after, commits| {
            let groups = tail.groups_behind(Position::new(after), commits);
            groups.iter().map(|it| positions(it)).collect::<Vec<_>>()
        };
        assert!(found(9, 10).is_empty() && !tail.keeps_behind(Position::new(9)));
        assert_eq!(found(10, 10), [vec![11, 12, 13], vec![14]]);
        assert_eq!(found(10, 2), [vec![11, 12, 13]]);
        assert_eq!(found(12, 1), [vec![11, 12, 13]]);
        assert_eq!(found(13, 10), [vec![14]]);
        assert!(tail.keeps_behind(Position::new(13)));
        assert!(found(14, 10).is_empty() && !tail.keeps_behind(Position::new(14)));
        assert_eq!(tail.head(), Position::new(14));
    }

    #[test]
    fn what_was_stored_while_nobody_followed_leaves_no_hole() {
        let tail = Tail::at(Position::NONE);
        drop(tail.follow());
        tail.publish(&[append(1)], &[Ok(Position::new(1))]);
        let _following = tail.follow();
        tail.publish(&[append(1)], &[Ok(Position::new(2))]);
        assert!(!tail.keeps_behind(Position::NONE));
        assert!(tail.keeps_behind(Position::new(1)));
    }

    #[test]
    fn no_more_than_the_bound_is_kept() {
        let tail = Tail::at(Position::NONE);
        let _following = tail.follow();
        for position in 1..=KEPT_GROUPS as u64 + 5 {
            tail.publish(&[append(1)], &[Ok(Position::new(position))]);
        }
        assert!(!tail.keeps_behind(Position::new(4)));
        assert!(tail.keeps_behind(Position::new(5)));
    }
}

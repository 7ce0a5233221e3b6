//! [`WaitingSnapshots`]: snapshots of unloaded aggregates that wait in memory to be stored.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use actuarius_domain::{StreamId, Timestamp};
use actuarius_persistence::NewSnapshot;

/// How many bytes of snapshots may wait, with [`ENTRY_BYTES`] for each. Snapshots are optional: beyond the bound they
/// are dropped, and their aggregates recover from an older snapshot and more events.
const WAITING_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What a waiting snapshot takes beside its payload.
const ENTRY_BYTES: usize = 512;

/// How many snapshots are stored with one group of events, and how many bytes of them: about what fits into the sync of
/// the group. Each is put into a page of its own, which sled may write whole. A larger one does not wait here: the store
/// writes it in pieces, and the committer bounds what waits for that.
const STORED_AT_ONCE: usize = 64;
const BYTES_AT_ONCE: usize = 12 * 1024;

/// How much is stored at once.
#[derive(Clone, Copy)]
pub(crate) enum Share {
    /// Beside a group of events.
    OfGroup,
    /// While nothing else is to be stored. A command that arrives meanwhile waits for it.
    Idle,
    /// At the end.
    Last,
}

impl Share {
    /// How many times as much as beside a group of events.
    fn factor(self) -> usize {
        match self {
            Self::OfGroup => 1,
            Self::Idle => 4,
            Self::Last => 16,
        }
    }
}

/// Snapshots that wait to be stored: the newest one of each stream, the oldest one first.
///
/// A few are stored with each group of events, and all of them as soon as nothing else is to be stored. An aggregate that
/// is needed again before that is loaded from here, and its next snapshot replaces this one. So when aggregates come and
/// go quickly, most snapshots never reach the disk. If the process is killed, they are lost, and the aggregates are
/// recovered from older ones and from events.
#[derive(Default)]
pub(crate) struct WaitingSnapshots(Mutex<Waiting>);

/// A snapshot of a state that holds no clear text of a subject.
#[derive(Clone)]
pub(crate) struct WaitingSnapshot {
    pub(crate) snapshot: NewSnapshot,
    /// When its last event was decided.
    pub(crate) last_event: Timestamp,
}

#[derive(Default)]
struct Waiting {
    by_stream: HashMap<StreamId, WaitingSnapshot, foldhash::fast::RandomState>,
    /// Each of these streams, and some whose snapshot was forgotten.
    order: VecDeque<StreamId>,
    bytes: usize,
}

/// What became of a snapshot that was to wait.
#[derive(Debug, PartialEq)]
pub(crate) enum Kept {
    /// It is the first one: the committer must be woken.
    First,
    Another,
    /// There is no room.
    Dropped,
}

impl WaitingSnapshots {
    /// Returns whether a snapshot with this payload may wait.
    pub(crate) fn takes(payload: usize) -> bool {
        payload <= BYTES_AT_ONCE
    }

    /// Keeps a snapshot in place of an older one of its stream.
    pub(crate) fn keep(&self, new: WaitingSnapshot) -> Kept {
        let mut waiting = self.waiting();
        let is_first = waiting.by_stream.is_empty();
        let replaced =
            waiting.by_stream.get(&new.snapshot.stream).map_or(0, WaitingSnapshot::bytes);
        let bytes = waiting.bytes - replaced + new.bytes();
        if bytes > WAITING_BYTES_MAX {
            return Kept::Dropped;
        }
        waiting.bytes = bytes;
        let stream = new.snapshot.stream.clone();
        if waiting.by_stream.insert(stream.clone(), new).is_none() {
            waiting.order.push_back(stream);
        }
        if is_first { Kept::First } else { Kept::Another }
    }

    /// Returns the snapshot of a stream, if one waits.
    pub(crate) fn of(&self, stream: &StreamId) -> Option<WaitingSnapshot> {
        self.waiting().by_stream.get(stream).cloned()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting().by_stream.is_empty()
    }

    /// Takes out as many as are stored at once.
    pub(crate) fn take(&self, share: Share) -> Vec<NewSnapshot> {
        let (mut waiting, mut taken, mut bytes) = (self.waiting(), vec![], 0);
        while taken.len() < STORED_AT_ONCE * share.factor()
            && let Some(stream) = waiting.order.front()
        {
            let Some(next) = waiting.by_stream.get(stream) else {
                waiting.order.pop_front();
                continue;
            };
            bytes += next.snapshot.payload.len();
            if bytes > BYTES_AT_ONCE * share.factor() {
                break;
            }
            let stream = waiting.order.pop_front();
            taken.extend(stream.and_then(|stream| waiting.forget(&stream)));
        }
        taken
    }

    /// Drops the snapshots of streams.
    pub(crate) fn forget(&self, streams: &[StreamId]) {
        let mut waiting = self.waiting();
        for stream in streams {
            waiting.forget(stream);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn forget(&mut self, stream: &StreamId) -> Option<NewSnapshot> {
        let waiting = self.by_stream.remove(stream)?;
        self.bytes -= waiting.bytes();
        Some(waiting.snapshot)
    }
}

impl WaitingSnapshot {
    fn bytes(&self) -> usize {
        self.snapshot.payload.len() + ENTRY_BYTES
    }
}

#[cfg(test)]
mod tests {
    use actuarius_domain::{Position, Version};

    use super::*;

    fn stream(id: usize) -> StreamId {
        StreamId::new("sum", id.to_string()).expect("valid")
    }

    fn snapshot(id: usize, version: u64, bytes: usize) -> WaitingSnapshot {
        let snapshot = NewSnapshot {
            stream: stream(id),
            version: Version::new(version),
            position: Position::new(version),
            as_of: Position::new(version),
            state_version: 1,
            time: Timestamp::default(),
            payload: vec![7; bytes].into(),
            keep: 2,
            keep_since: None,
        };
        WaitingSnapshot { snapshot, last_event: Timestamp::default() }
    }

    fn taken(waiting: &WaitingSnapshots) -> Vec<(String, u64)> {
        let taken = waiting.take(Share::OfGroup).into_iter();
        taken.map(|it| (it.stream.id().to_owned(), it.version.get())).collect()
    }

    #[test]
    fn the_newest_of_each_stream_is_stored_and_the_longest_waiting_first() {
        let waiting = WaitingSnapshots::default();
        assert_eq!(waiting.keep(snapshot(1, 1, 10)), Kept::First);
        assert_eq!(waiting.keep(snapshot(2, 1, 10)), Kept::Another);
        assert_eq!(waiting.keep(snapshot(1, 2, 10)), Kept::Another);
        let found = waiting.of(&stream(1)).expect("it waits");
        assert_eq!(found.snapshot.version, Version::new(2));
        assert_eq!(taken(&waiting), [("1".to_owned(), 2), ("2".to_owned(), 1)]);
        assert!(waiting.is_empty() && waiting.of(&stream(1)).is_none());
        assert_eq!(waiting.keep(snapshot(2, 2, 10)), Kept::First);
    }

    #[test]
    fn no_more_are_taken_than_fit_one_group() {
        let waiting = WaitingSnapshots::default();
        for id in 0..STORED_AT_ONCE + 1 {
            waiting.keep(snapshot(id, 1, 1));
        }
        assert_eq!(taken(&waiting).len(), STORED_AT_ONCE);
        waiting.keep(snapshot(100, 1, BYTES_AT_ONCE));
        waiting.keep(snapshot(101, 1, BYTES_AT_ONCE));
        assert_eq!(taken(&waiting), [(STORED_AT_ONCE.to_string(), 1)]);
        assert_eq!(taken(&waiting), [("100".to_owned(), 1)]);
        assert_eq!(taken(&waiting), [("101".to_owned(), 1)]);
        assert!(taken(&waiting).is_empty());
        assert!(!WaitingSnapshots::takes(BYTES_AT_ONCE + 1));
        for id in 0..STORED_AT_ONCE * 5 {
            waiting.keep(snapshot(id, 1, 1));
        }
        assert_eq!(waiting.take(Share::Idle).len(), 4 * STORED_AT_ONCE);
        assert_eq!(waiting.take(Share::Last).len(), STORED_AT_ONCE);
    }

    #[test]
    fn further_ones_are_dropped_beyond_the_bound_and_replacing_one_frees_its_room() {
        let waiting = WaitingSnapshots::default();
        let fit = WAITING_BYTES_MAX / (BYTES_AT_ONCE + ENTRY_BYTES);
        for id in 0..fit {
            assert_ne!(waiting.keep(snapshot(id, 1, BYTES_AT_ONCE)), Kept::Dropped);
        }
        assert_eq!(waiting.keep(snapshot(fit, 1, BYTES_AT_ONCE)), Kept::Dropped);
        assert_eq!(waiting.keep(snapshot(0, 2, 1)), Kept::Another);
        assert_eq!(waiting.keep(snapshot(fit, 1, BYTES_AT_ONCE - 1)), Kept::Another);
        assert_eq!(waiting.keep(snapshot(fit + 1, 1, BYTES_AT_ONCE)), Kept::Dropped);
    }

    /// The snapshot of a deleted aggregate would have brought back what was erased with it.
    #[test]
    fn a_forgotten_one_is_neither_read_nor_stored() {
        let waiting = WaitingSnapshots::default();
        waiting.keep(snapshot(1, 1, 10));
        waiting.forget(&[stream(1), stream(9)]);
        assert!(waiting.is_empty() && taken(&waiting).is_empty());
        assert_eq!(waiting.keep(snapshot(1, 5, 10)), Kept::First);
        waiting.keep(snapshot(2, 1, 10));
        assert_eq!(taken(&waiting), [("1".to_owned(), 5), ("2".to_owned(), 1)]);
        assert_eq!(waiting.waiting().bytes, 0);
    }
}

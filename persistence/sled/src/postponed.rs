//! Tests of large snapshots, which are stored and removed in pieces, and of the parts that a crash leaves.

use std::sync::Arc;

use actuarius_domain::{Position, StreamId, Timestamp, Version};
use actuarius_persistence::archive::Mounted;
use actuarius_persistence::verify::Verify;
use actuarius_persistence::{
    Batch, Commit, Gone, Maintenance, NewSnapshot, PageLimit, Reader, Removal, Writer,
};
use tempfile::TempDir;

use crate::files::Files;
use crate::log::reader::SledReader;
use crate::log::recover;
use crate::log::shared::Shared;
use crate::log::writer::SledWriter;
use crate::testing::append;
use crate::{SledOptions, create, keys, open};

const LARGE: usize = 4_000_000;

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        create::create(directory.path(), &SledOptions::default()).expect("created");
        let place = Self(directory);
        let appends = vec![append("account", "alice", 0, &[10; 4])];
        place.open().commit(&Batch { appends, ..Batch::default() });
        place
    }

    fn open(&self) -> Opened {
        let (files, archive) = (Files::store(self.0.path()), Mounted::at("none".into()));
        let opened =
            open::open_parts(files, archive, None, &SledOptions::default(), recover::manifest);
        let (shared, writer) = opened.expect("opens");
        Opened { shared, writer }
    }
}

struct Opened {
    shared: Arc<Shared>,
    writer: SledWriter,
}

impl Opened {
    fn commit(&mut self, batch: &Batch) {
        self.writer.commit(batch).expect("stored");
    }

    /// Stores an event of the stream `busy`.
    fn event(&mut self, version: u64) {
        let appends = vec![append("account", "busy", version, &[20])];
        self.commit(&Batch { appends, ..Batch::default() });
    }

    fn keep(&mut self, snapshots: Vec<NewSnapshot>) {
        self.commit(&Batch { snapshots, ..Batch::default() });
    }

    fn drop_snapshots(&mut self) {
        self.commit(&Batch { snapshots_dropped: vec![alice()], ..Batch::default() });
    }

    fn settle(&mut self) {
        self.writer.settle().expect("settled");
    }

    /// Returns the versions and sizes of the snapshots that are found, the newest first.
    fn found(&self) -> Vec<(u64, usize)> {
        let reader = SledReader::new(self.shared.clone());
        let (mut found, mut before) = (Vec::new(), None);
        while let Some(next) = reader.snapshot(&alice(), before).expect("readable") {
            assert!(next.payload.iter().all(|&byte| u64::from(byte) == next.version.get()));
            found.push((next.version.get(), next.payload.len()));
            before = Some(next.version);
        }
        found
    }

    fn keys(&self, prefix: &[u8]) -> usize {
        self.shared.engine.keys(prefix).count()
    }

    /// Checks that sled has the snapshots that are found and nothing else.
    fn check(&self, expected: &[(u64, usize)]) {
        assert_eq!(self.found(), expected);
        let parts = |&(_, size): &(u64, usize)| (size + 60).div_ceil(keys::VALUE_MAX);
        assert_eq!(self.keys(keys::SNAPSHOTS), expected.iter().map(parts).sum::<usize>());
        assert_eq!(self.keys(keys::LEFTOVERS), 0);
        let reader = SledReader::new(self.shared.clone());
        assert!(reader.verify(&mut Verify::default()).expect("readable").is_whole());
    }

    /// Closes the store without finishing anything, as a kill does.
    fn kill(self) {
        let Self { shared, writer } = self;
        drop(writer);
        assert_eq!(Arc::strong_count(&shared), 1);
    }
}

fn alice() -> StreamId {
    StreamId::new("account", "alice").expect("valid")
}

/// A snapshot whose bytes are its version.
fn snapshot(version: u64, size: usize) -> NewSnapshot {
    NewSnapshot {
        stream: alice(),
        version: Version::new(version),
        position: Position::new(version),
        as_of: Position::new(4),
        state_version: 1,
        time: Timestamp::from_micros(1),
        payload: vec![version as u8; size].into(),
        keep: 1,
        keep_since: None,
    }
}

/// A snapshot of 64 MiB was written at once. Everyone else waited for it, more than a second.
#[test]
fn a_large_snapshot_is_stored_in_pieces_between_the_batches_of_others() {
    let place = Place::new();
    let mut store = place.open();
    store.keep(vec![snapshot(1, 100)]);
    store.keep(vec![snapshot(2, LARGE)]);
    let mut batches = 0;
    while store.found() == [(1, 100)] {
        assert_eq!(store.writer.waiting_bytes(), LARGE);
        store.event(batches);
        batches += 1;
    }
    assert!(batches >= 40, "{batches} batches had a piece of {LARGE} bytes each");
    assert_eq!(store.writer.waiting_bytes(), 0);
    store.check(&[(2, LARGE)]);
    store.keep(vec![snapshot(3, 100)]);
    assert_eq!(store.found(), [(3, 100)], "the old one is not found any more");
    assert!(store.keys(keys::SNAPSHOTS) > 700, "its parts are removed in pieces, too");
    while store.writer.advance().expect("removed") {}
    store.check(&[(3, 100)]);
}

/// Whatever happens to the stream while its snapshot is half written, the newest whole one is found, and
/// nothing is left over.
#[test]
fn a_stream_may_get_another_snapshot_or_be_deleted_while_one_is_half_written() {
    type Then = fn(&mut Opened);
    let cases: [(Then, &[(u64, usize)]); 6] = [
        (|store| store.keep(vec![snapshot(3, 100)]), &[(3, 100)]),
        (|store| store.keep(vec![snapshot(3, LARGE + 9)]), &[(3, LARGE + 9)]),
        (|store| store.keep(vec![snapshot(2, 200_000)]), &[(2, 200_000)]),
        (|store| store.keep(vec![snapshot(1, 100)]), &[(2, LARGE)]),
        (Opened::drop_snapshots, &[]),
        (
            |store| {
                store.drop_snapshots();
                store.keep(vec![snapshot(2, LARGE), snapshot(4, LARGE)]);
            },
            &[(4, LARGE)],
        ),
    ];
    for (number, (then, expected)) in cases.into_iter().enumerate() {
        for batches in [0, 1, 10, 30] {
            let place = Place::new();
            let mut store = place.open();
            store.keep(vec![snapshot(2, 300_000)]);
            store.settle();
            store.keep(vec![snapshot(2, LARGE)]);
            (0..batches).for_each(|version| store.event(version));
            then(&mut store);
            if expected.is_empty() {
                assert!(store.found().is_empty(), "none is found once the deletion is durable");
            }
            store.settle();
            assert_eq!(store.found(), expected, "case {number} after {batches} batches");
            store.check(expected);
        }
    }
}

/// A kill at any moment leaves the old snapshot or the new one, and what it leaves of the other is removed.
#[test]
fn what_a_kill_leaves_of_a_snapshot_is_removed_at_the_next_start() {
    for batches in [0, 1, 2, 20, 46, 47, 48, 49, 50, 60] {
        let place = Place::new();
        let mut store = place.open();
        store.keep(vec![snapshot(1, 200_000)]);
        store.settle();
        store.keep(vec![snapshot(2, LARGE)]);
        (0..batches).for_each(|version| store.event(version));
        let found = store.found();
        assert!(found == [(1, 200_000)] || found == [(2, LARGE)], "after {batches}: {found:?}");
        store.kill();
        let mut store = place.open();
        assert_eq!(store.found(), found, "after {batches} batches");
        store.settle();
        store.check(&found);
        store.keep(vec![snapshot(2, LARGE)]);
        store.settle();
        store.check(&[(2, LARGE)]);
    }
}

/// Snapshots that wait take memory: they are bounded, whatever the caller hands over.
#[test]
fn waiting_snapshots_are_bounded_in_bytes() {
    let place = Place::new();
    let mut store = place.open();
    for id in 0..12 {
        let stream = StreamId::new("account", format!("a-{id}")).expect("valid");
        store.keep(vec![NewSnapshot { stream, ..snapshot(1, LARGE) }]);
        assert!(store.writer.waiting_bytes() <= 16 * 1024 * 1024);
    }
    store.settle();
    assert_eq!(store.writer.waiting_bytes(), 0);
}

/// The 3,276 parts of a removed commit of 16 MiB were removed in one group, for which sled wrote 13 MB.
#[test]
fn the_parts_of_a_removed_commit_are_removed_in_pieces_even_after_a_kill() {
    let place = Place::new();
    let mut store = place.open();
    let large = vec![append("account", "alice", 4, &[LARGE, LARGE])];
    store.commit(&Batch { appends: large, ..Batch::default() });
    let (after, all) = (Position::new(4), PageLimit { bytes: usize::MAX, ..PageLimit::default() });
    let page = SledReader::new(store.shared.clone()).read_raw(after, all);
    let commits: Vec<Commit> = page.expect("readable").commits;
    assert_eq!(commits.len(), 2);
    for commit in &commits {
        let removals = vec![Removal::of(commit, Gone::Removed)];
        store.commit(&Batch { removals, ..Batch::default() });
    }
    assert!(store.keys(b"e") > 1_000);
    store.kill();
    let mut store = place.open();
    let reader = SledReader::new(store.shared.clone());
    let page = reader.read_log(after, all).expect("readable");
    assert!(page.commits.iter().all(|commit| commit.gone() == Some(Gone::Removed)));
    drop(reader);
    store.settle();
    assert_eq!(store.keys(b"e"), 3);
    store.check(&[]);
}

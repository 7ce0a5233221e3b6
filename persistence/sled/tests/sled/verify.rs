//! Verification reports everything that differs from what was stored, and nothing else.

use std::sync::atomic::{AtomicBool, Ordering};

use actuarius_domain::{Position, Timestamp, Version};
use actuarius_persistence::chain::ChainEnd;
use actuarius_persistence::verify::{Location, Verified, Verify};
use actuarius_persistence::{Batch, Gone, NewSnapshot, Notes, PageLimit, Removal, Store};
use actuarius_sled::SledOptions;

use crate::common::{append, commit, events};

/// A run has few commits, so that the index has runs of several levels.
fn open(directory: &tempfile::TempDir) -> Store {
    actuarius_sled::open_with(directory.path(), &SledOptions::default().index_runs(16, 4))
        .expect("opens")
}

fn fill(store: &mut Store, commits: u64) {
    for number in 0..commits {
        let (stream, version) = (format!("stream-{}", number % 7), number / 7);
        let large = if number % 50 == 20 { 20_000 } else { 10 };
        commit(store, append(&stream, version * 2, &[large, 30]));
    }
}

fn verify(store: &Store) -> Verified {
    store.reader.maintenance().verify(&mut Verify::default()).expect("readable")
}

fn snapshot(position: u64, version: u64) -> NewSnapshot {
    NewSnapshot {
        stream: crate::common::stream("stream-0"),
        version: Version::new(version),
        position: Position::new(position),
        as_of: Position::new(position),
        state_version: 1,
        time: Timestamp::from_micros(1),
        payload: vec![7; 9_000].into(),
        keep: 3,
        keep_since: None,
    }
}

#[test]
fn an_intact_store_has_no_findings_and_everything_is_counted() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = open(&directory);
    fill(&mut store, 200);
    let mut notes = Notes::default();
    notes.put(b"one", b"value").expect("small");
    notes.put(b"two", b"value").expect("small");
    let (notes, snapshots) = (vec![notes], vec![snapshot(2, 2), snapshot(16, 4)]);
    let batch = Batch { notes, snapshots, ..Batch::default() };
    store.writer.commit(&batch).expect("stored");
    for _ in 0..2 {
        let verified = verify(&store);
        assert_eq!(verified.findings, [], "no findings");
        assert_eq!((verified.events, verified.commits, verified.streams), (400, 400, 7));
        assert_eq!((verified.snapshots, verified.notes), (2, 2));
        assert!(verified.index_entries > 300, "most of the index is on disk");
        assert_eq!(verified.chain, store.reader.maintenance().chain().expect("known"));
        assert_eq!(events(&*store.reader).expect("readable"), verified.events);
        drop(store);
        store = open(&directory);
    }
}

#[test]
fn a_recorded_chain_end_stays_valid_and_a_forged_one_is_reported() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = open(&directory);
    fill(&mut store, 20);
    let noted: ChainEnd =
        store.reader.maintenance().chain().expect("known").to_string().parse().expect("text");
    for number in 0..30 {
        commit(&mut store, append("late", number, &[10]));
    }
    let first = store.reader.read_log(Position::NONE, PageLimit::default()).expect("readable");
    let removals = vec![Removal::of(&first.commits[3], Gone::Removed)];
    store.writer.commit(&Batch { removals, ..Batch::default() }).expect("removed");
    let true_one =
        store.reader.maintenance().verify(&mut Verify::default().expect(noted)).expect("readable");
    assert_eq!((true_one.findings, true_one.removed), (vec![], 1));
    let forged = ChainEnd { link: Default::default(), ..noted };
    let beyond = ChainEnd { position: Position::new(500), ..noted };
    let mut both = Verify::default().expect(forged).expect(beyond);
    let verified = store.reader.maintenance().verify(&mut both).expect("readable");
    let places: Vec<_> = verified.findings.into_iter().map(|finding| finding.place).collect();
    assert_eq!(places, [Location::Log(noted.position), Location::Log(Position::new(500))]);
}

#[test]
fn a_snapshot_of_events_that_are_not_in_the_log_is_reported() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = open(&directory);
    fill(&mut store, 20);
    let snapshots = vec![snapshot(3, 2)];
    store.writer.commit(&Batch { snapshots, ..Batch::default() }).expect("stored");
    let verified = verify(&store);
    let expected = Location::Snapshot(Some(crate::common::stream("stream-0")), Version::new(2));
    assert_eq!(verified.findings.len(), 1);
    assert_eq!(verified.findings[0].place, expected);
}

#[test]
fn a_store_is_verified_while_it_is_written_to() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = open(&directory);
    fill(&mut store, 100);
    let (reader, done) = (store.reader.clone(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..300u64 {
                let snapshots = vec![snapshot(2, 2)];
                let appends = vec![append("busy", number, &[10])];
                let batch = Batch { appends, snapshots, ..Batch::default() };
                store.writer.commit(&batch).expect("stored");
            }
            done.store(true, Ordering::Release);
        });
        loop {
            let last = done.load(Ordering::Acquire);
            let verified = reader.maintenance().verify(&mut Verify::default()).expect("readable");
            assert_eq!(verified.findings, []);
            if last {
                break;
            }
        }
    });
}

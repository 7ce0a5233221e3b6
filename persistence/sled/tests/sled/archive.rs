//! Archived events are read like those in the log; if their file is missing, readers report it.

use std::fs;

use actuarius_domain::{Position, StreamId, Version};
use actuarius_persistence::archive::{Moved, Moving};
use actuarius_persistence::verify::{Verified, Verify};
use actuarius_persistence::{Batch, Commit, PageLimit, ReadError, Reader, Removal, Store};
use tempfile::TempDir;

use crate::common::{append, commit, events, stream};

/// The version of an end after all events.
const END: Version = Version::new(u64::MAX);

fn filled() -> (TempDir, Store) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = actuarius_sled::open(directory.path()).expect("opens");
    for number in 0..90u64 {
        let id = (number % 3).to_string();
        let large = if number == 40 { 90_000 } else { 50 };
        commit(&mut store, append(&id, number / 3 * 2, &[large, 10]));
    }
    (directory, store)
}

/// Moves the first 30 versions of stream `0` and all of stream `1`.
fn move_some(store: &mut Store) -> Vec<Moved> {
    let reader = store.reader.clone();
    let directory = reader.maintenance().archive().expect("a store on disk has one").to_owned();
    let wanted = Box::new(|of: &StreamId| {
        Ok(match of.id() {
            "0" => Some(Version::new(30)),
            "1" => Some(Version::new(u64::MAX)),
            _ => None,
        })
    });
    let mut moving = Moving::new(&*reader, directory, wanted);
    let mut moved = Vec::new();
    while let Some(segment) = moving.next_segment().expect("written") {
        let batch = Batch { removals: segment.removals.clone(), ..Batch::default() };
        store.writer.commit(&batch).expect("removed");
        moved.push(segment);
    }
    moved
}

fn log(reader: &dyn Reader) -> Vec<(Position, bytes::Bytes)> {
    let limit = PageLimit { commits: 1_000, bytes: usize::MAX };
    let page = reader.read_log(Position::NONE, limit).expect("readable");
    page.commits.iter().map(|commit| (commit.position(), commit.frame())).collect()
}

fn verify(store: &Store) -> Verified {
    store.reader.maintenance().verify(&mut Verify::default()).expect("readable")
}

#[test]
fn moved_events_are_read_as_before_and_the_chain_is_the_same() {
    let (directory, mut store) = filled();
    let (before, chain) = (log(&*store.reader), store.reader.maintenance().chain().expect("known"));
    let moved = move_some(&mut store);
    assert_eq!(moved.iter().map(|segment| segment.events).sum::<u64>(), 90);
    for _ in 0..2 {
        assert_eq!(log(&*store.reader), before);
        assert_eq!(store.reader.maintenance().chain().expect("known"), chain);
        let verified = verify(&store);
        assert_eq!((verified.findings, verified.archived, verified.missing), (vec![], 90, 0));
        let page = PageLimit { commits: 1, bytes: 0 };
        let found = store.reader.read_stream(&stream("0"), Version::new(20), Position::NONE, page);
        assert_eq!(found.expect("readable").commits[0].view().version, Version::new(21));
        drop(store);
        store = actuarius_sled::open(directory.path()).expect("opens");
    }
    assert!(move_some(&mut store).is_empty(), "nothing is left to move");
    commit(&mut store, append("1", 60, &[10]));
    assert_eq!(events(&*store.reader).expect("readable"), 181);
}

#[test]
fn events_of_a_missing_archive_are_reported_and_never_skipped() {
    let (directory, mut store) = filled();
    move_some(&mut store);
    drop(store);
    let (archive, moved) = (directory.path().join("archive"), directory.path().join("moved"));
    fs::rename(&archive, &moved).expect("moved");
    let store = actuarius_sled::open(directory.path()).expect("opens without its archive");
    let read = |id: &str, after| {
        let after = Version::new(after);
        store.reader.read_stream(&stream(id), after, Position::NONE, PageLimit::default())
    };
    for archived in [read("0", 0), read("0", 29), read("1", 0)] {
        let Err(ReadError::Archived { stream, .. }) = archived else {
            panic!("expected an archived event")
        };
        assert_ne!(stream.id(), "2");
    }
    assert!(store.reader.read_log(Position::NONE, PageLimit::default()).is_err());
    assert_eq!(
        read("0", 30).expect("in the log").commits.len(),
        30,
        "events in the log are still readable"
    );
    assert_eq!(read("2", 0).expect("in the log").commits.len(), 60);
    assert_eq!(store.reader.version(&stream("1")).expect("known"), Version::new(60));
    let verified = verify(&store);
    assert_eq!((verified.findings, verified.missing), (vec![], 90));
    fs::rename(&moved, &archive).expect("moved back");
    assert_eq!(read("1", 0).expect("readable again").commits.len(), 60);
}

#[test]
fn verification_finds_every_change_of_a_segment() {
    let (directory, mut store) = filled();
    let moved = move_some(&mut store);
    drop(store);
    let path = &moved[0].path;
    let whole = fs::read(path).expect("readable");
    for number in 0..60 {
        let mut rng = fastrand::Rng::with_seed(number);
        let mut bytes = whole.clone();
        let at = rng.usize(..bytes.len());
        bytes[at] ^= 1 << rng.u8(..8);
        fs::write(path, &bytes).expect("written");
        let store = actuarius_sled::open(directory.path()).expect("the log is whole");
        let verified = verify(&store);
        assert!(!verified.is_whole(), "flip {number} at byte {at}");
    }
}

#[test]
fn the_archive_of_a_removed_stream_is_purged() {
    let (directory, mut store) = filled();
    let moved = move_some(&mut store);
    let commits: Vec<Commit> = {
        let page = store.reader.maintenance().read_raw(Position::NONE, PageLimit::default());
        page.expect("readable").commits
    };
    let mine = commits.iter().filter(|commit| commit.view().id == "1");
    let removals = mine.map(|it| Removal::of(it, actuarius_persistence::Gone::Removed)).collect();
    store.writer.commit(&Batch { removals, ..Batch::default() }).expect("removed");
    let before = moved[0].bytes;
    assert_eq!(store.reader.maintenance().purge_archive(&stream("1"), END).expect("purged"), 60);
    assert_eq!(store.reader.maintenance().purge_archive(&stream("1"), END).expect("purged"), 0);
    let files: Vec<_> = fs::read_dir(directory.path().join("archive")).expect("there").collect();
    assert_eq!(files.len(), 1, "the old file was removed");
    assert!(files[0].as_ref().expect("there").metadata().expect("there").len() < before);
    let verified = verify(&store);
    assert_eq!((verified.findings, verified.removed, verified.archived), (vec![], 60, 30));
    let page =
        store.reader.read_stream(&stream("1"), Version::NONE, Position::NONE, PageLimit::default());
    let commits = page.expect("readable").commits;
    assert!(commits.iter().all(|commit| commit.view().events().next().is_none()));
}

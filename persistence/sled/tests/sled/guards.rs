//! The store on disk handles leftovers of crashes, damaged files, and other processes that open it.

use std::fs;
use std::time::{Duration, Instant};

use actuarius_domain::{Position, Timestamp, Version};
use actuarius_persistence::{Batch, NewSnapshot, OpenError, PageLimit, Store};
use tempfile::TempDir;

use crate::child;
use crate::common::{append, commit, copy, events, stream};

/// A closed store with `commits` commits of one event each.
fn closed_store(commits: u64) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = actuarius_sled::open(directory.path()).expect("opens");
    for version in 0..commits {
        commit(&mut store, append("a", version, &[20]));
    }
    directory
}

#[test]
fn a_half_written_snapshot_of_the_engine_does_not_keep_a_store_from_opening() {
    let directory = closed_store(3);
    let leftover = directory.path().join("store/log/snap.0000000000000abc.generating");
    fs::write(&leftover, b"cut off").expect("written");
    let store = actuarius_sled::open(directory.path()).expect("opens");
    assert_eq!(events(&*store.reader).expect("readable"), 3);
    assert!(!leftover.exists());
}

#[test]
fn a_store_in_use_is_refused_after_a_short_wait_and_opens_once_it_is_closed() {
    let directory = closed_store(1);
    let store = actuarius_sled::open(directory.path()).expect("opens");
    let begun = Instant::now();
    let refused = actuarius_sled::open(directory.path()).map(|_| ()).expect_err("in use");
    assert!(matches!(refused, OpenError::Locked { .. }), "{refused}");
    assert!(begun.elapsed() < Duration::from_secs(60), "it does not wait for the other to close");
    let Store { writer, reader } = store;
    drop(writer);
    assert!(actuarius_sled::open(directory.path()).is_err(), "a reader keeps it open");
    drop(reader);
    actuarius_sled::open(directory.path()).expect("opens");
}

#[test]
fn another_process_is_refused_too() {
    let directory = closed_store(1);
    let _store = actuarius_sled::open(directory.path()).expect("opens");
    let test = "the_store_named_by_the_environment_is_in_use";
    let mut child = child::running(module_path!(), test);
    child.env("STORE_IN_USE", directory.path());
    child::must_pass(child);
}

/// The work of the child process of the test above. Does nothing without its environment variable.
#[test]
fn the_store_named_by_the_environment_is_in_use() {
    if let Some(directory) = std::env::var_os("STORE_IN_USE") {
        let refused = actuarius_sled::open(directory).map(|_| ()).expect_err("in use");
        assert!(matches!(refused, OpenError::Locked { .. }), "{refused}");
    }
}

#[test]
fn a_store_is_reopened_many_times_at_once_after_it_was_closed() {
    let directory = tempfile::tempdir().expect("a directory");
    for version in 0..20 {
        let mut store = actuarius_sled::open(directory.path()).expect("opens");
        commit(&mut store, append("a", version, &[10]));
    }
}

/// The last sync of a store was made by a destructor, which could only log that it had failed. The
/// service ended with "stopped", and its operator copied the files away.
#[test]
fn closing_the_writer_reports_a_sync_that_failed() {
    let directory = closed_store(1);
    let Store { writer, reader } = actuarius_sled::open(directory.path()).expect("opens");
    assert!(writer.close().is_ok());
    assert_eq!(reader.head(), Position::new(1), "readers stay usable");
    drop(reader);
    let store = actuarius_sled::open(directory.path()).expect("opens");
    // sled never syncs the files in there, so a sync after one appeared must fail.
    fs::write(directory.path().join("store/log/blobs/1"), b"by sled").expect("written");
    let failure = store.writer.close().expect_err("the last sync failed");
    assert!(failure.to_string().contains("does not sync"), "{failure}");
}

#[test]
fn a_newer_or_unknown_format_is_refused() {
    let directory = closed_store(1);
    let marker = directory.path().join("store/FORMAT");
    let open = || actuarius_sled::open(directory.path()).map(|_| ()).expect_err("refused");
    let newer = "actuarius store\nformat 3\nanything\n";
    let checksum = crc32c::crc32c(newer.as_bytes());
    fs::write(&marker, format!("{newer}checksum {checksum:08x}\n")).expect("written");
    assert!(matches!(open(), OpenError::NewerFormat { found: 3, supported: 2, .. }));
    fs::write(&marker, "something else").expect("written");
    assert!(matches!(open(), OpenError::UnknownFormat { .. }));
    fs::remove_file(&marker).expect("removed");
    assert!(matches!(open(), OpenError::UnknownFormat { .. }));
}

#[test]
fn a_log_without_its_acknowledged_end_is_reported() {
    let directory = closed_store(2);
    let before = tempfile::tempdir().expect("a directory");
    let log = directory.path().join("store/log");
    copy(&log, before.path());
    let mut store = actuarius_sled::open(directory.path()).expect("opens");
    commit(&mut store, append("a", 2, &[10, 10]));
    drop(store);
    fs::remove_dir_all(&log).expect("removed");
    copy(before.path(), &log);
    let shorter = actuarius_sled::open(directory.path()).map(|_| ()).expect_err("shorter");
    let OpenError::Shorter { acknowledged, found, .. } = shorter else { panic!("{shorter}") };
    assert_eq!((acknowledged, found), (Position::new(4), Position::new(2)));
}

#[test]
fn a_lost_high_water_mark_is_reported() {
    let directory = closed_store(2);
    let mark = directory.path().join("store/mark");
    fs::write(&mark, [0; 8192]).expect("written");
    let damaged = actuarius_sled::open(directory.path()).map(|_| ()).expect_err("damaged");
    assert!(matches!(damaged, OpenError::Damaged { .. }), "{damaged}");
    fs::remove_file(&mark).expect("removed");
    assert!(actuarius_sled::open(directory.path()).is_err());
}

#[test]
fn an_interrupted_creation_can_be_repeated() {
    let directory = tempfile::tempdir().expect("a directory");
    let leftover = directory.path().join("store.creating");
    fs::create_dir_all(leftover.join("log")).expect("a directory");
    fs::write(leftover.join("FORMAT"), "half a li").expect("written");
    fs::write(leftover.join("log/conf"), "").expect("written");
    fs::write(directory.path().join("unrelated"), "untouched").expect("written");
    let store = actuarius_sled::open(directory.path()).expect("opens");
    assert_eq!(store.reader.head(), Position::NONE);
    assert!(!leftover.exists());
    assert!(directory.path().join("unrelated").exists());
}

#[test]
fn missing_directories_are_created() {
    let directory = tempfile::tempdir().expect("a directory");
    actuarius_sled::open(directory.path().join("some/where/deep")).expect("opens");
    let file = directory.path().join("file");
    fs::write(&file, "in the way").expect("written");
    let refused = actuarius_sled::open(&file).map(|_| ()).expect_err("a file");
    let OpenError::Io { path, .. } = refused else { panic!("{refused}") };
    assert!(path.starts_with(&file));
}

#[test]
fn a_flipped_bit_never_hides_events() {
    let directory = closed_store(200);
    let bytes = fs::read(directory.path().join("store/log/db")).expect("readable");
    let used = bytes.iter().rposition(|&byte| byte != 0).expect("the file has data");
    let mut reported = 0;
    for flip in 0..80 {
        let copied = tempfile::tempdir().expect("a directory");
        copy(directory.path(), copied.path());
        let mut damaged = bytes.clone();
        damaged[flip * used / 80] ^= 1 << (flip % 8);
        fs::write(copied.path().join("store/log/db"), damaged).expect("written");
        let read = actuarius_sled::open(copied.path()).map(|store| events(&*store.reader));
        match read {
            Ok(Ok(count)) => assert_eq!(count, 200, "flip {flip} hid events"),
            _ => reported += 1,
        }
    }
    assert!(reported > 0, "some flips hit data in use");
}

#[test]
fn a_file_that_the_engine_never_syncs_stops_the_writer_permanently() {
    let directory = closed_store(2);
    let mut store = actuarius_sled::open(directory.path()).expect("opens");
    let blob = directory.path().join("store/log/blobs/4711");
    fs::write(&blob, "large").expect("written");
    let batch = |version| Batch { appends: vec![append("a", version, &[10])], ..Batch::default() };
    let failure = store.writer.commit(&batch(2)).expect_err("stopped");
    fs::remove_file(&blob).expect("removed");
    let again = store.writer.commit(&batch(2)).expect_err("permanently");
    assert_eq!(failure.to_string(), again.to_string());
    assert_eq!(store.reader.head(), Position::new(2), "nothing of it is visible");
    assert_eq!(store.reader.version(&stream("a")).expect("readable"), Version::new(2));
    assert_eq!(events(&*store.reader).expect("readable"), 2);
    drop(store);
    let mut store = actuarius_sled::open(directory.path()).expect("opens");
    let version = store.reader.version(&stream("a")).expect("readable").get();
    assert!(version == 2 || version == 3, "whole or not at all");
    commit(&mut store, append("a", version, &[10]));
}

#[test]
fn large_commits_survive_reopening_among_small_ones() {
    let directory = tempfile::tempdir().expect("a directory");
    let sizes = [10, 300_000, 10, 5_000_000, 7_100, 7_200, 10];
    let mut store = actuarius_sled::open(directory.path()).expect("opens");
    commit(&mut store, append("a", 0, &sizes));
    drop(store);
    let store = actuarius_sled::open(directory.path()).expect("opens");
    let limit = PageLimit { commits: 100, bytes: usize::MAX };
    let page = store.reader.read_stream(&stream("a"), Version::NONE, Position::NONE, limit);
    let found: Vec<_> = page.expect("readable").commits;
    let expected = append("a", 0, &sizes);
    for (commit, (frame, _)) in found.iter().zip(expected.frames()) {
        assert_eq!(commit.bytes() + 8, frame.len());
    }
    assert_eq!(found.len(), sizes.len());
    assert_eq!(events(&*store.reader).expect("readable"), sizes.len() as u64);
    let blobs = fs::read_dir(directory.path().join("store/log/blobs")).expect("readable");
    assert_eq!(blobs.count(), 0);
}

#[test]
fn large_snapshots_replace_each_other_and_survive_reopening() {
    let directory = tempfile::tempdir().expect("a directory");
    let snapshot = |version: u64, payload: Vec<u8>| NewSnapshot {
        stream: stream("a"),
        version: Version::new(version),
        position: Position::new(version),
        as_of: Position::new(version),
        state_version: 1,
        time: Timestamp::from_micros(1),
        payload: payload.into(),
        keep: 2,
        keep_since: None,
    };
    let mut store = actuarius_sled::open(directory.path()).expect("opens");
    commit(&mut store, append("a", 0, &[10; 9]));
    for (version, size) in [(1, 2_000_000), (2, 1_000_000), (2, 3_000_000), (2, 5), (9, 1_500_000)]
    {
        let snapshots = vec![snapshot(version, vec![version as u8; size])];
        store.writer.commit(&Batch { snapshots, ..Batch::default() }).expect("stored");
        if version == 2 {
            // The others are stored in pieces with the batches that follow, and at the end.
            store.writer.settle().expect("stored");
        }
    }
    store.writer.close().expect("stored");
    drop(store.reader);
    let store = actuarius_sled::open(directory.path()).expect("opens");
    let read = |before| {
        let found = store.reader.snapshot(&stream("a"), before).expect("readable")?;
        Some((found.version.get(), found.payload.len()))
    };
    assert_eq!(read(None), Some((9, 1_500_000)));
    assert_eq!(read(Some(Version::new(9))), Some((2, 5)));
    assert_eq!(read(Some(Version::new(2))), None);
}

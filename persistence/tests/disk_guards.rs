//! What the store on disk does about leftovers, damage and company.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use actuarius_domain::{CommandId, Metadata, Position, StreamId, Timestamp, Version};
use actuarius_persistence::{
    Append, Batch, Codec, NewCommit, NewSnapshot, OpenError, PageLimit, ReadError, Reader, Store,
    disk,
};
use proptest::prelude::*;
use tempfile::TempDir;

#[derive(serde::Serialize, serde::Deserialize)]
enum Event {
    Noted(Vec<u8>),
}

fn stream(id: &str) -> StreamId {
    StreamId::new("note", id).expect("a valid name")
}

/// A commit per payload size, each of one event.
fn append(id: &str, expected: u64, payloads: &[usize]) -> Append {
    let mut append = Append::new(stream(id), Version::new(expected));
    let metadata = Metadata::default();
    for (number, &payload) in payloads.iter().enumerate() {
        let number = expected * 1_000 + number as u64;
        let commit = NewCommit {
            time: Timestamp::from_micros(number as i64),
            command_id: CommandId::from(uuid::Uuid::from_u128(u128::from(number))),
            named_by_caller: false,
            metadata: &metadata,
        };
        let noise = (0..payload as u64).map(|at| (at.wrapping_mul(number + 3) >> 5) as u8);
        let event = Event::Noted(noise.collect());
        append.push(commit, Codec::default(), &[event], |_| 1).expect("encodable");
    }
    append
}

fn commit(store: &mut Store, append: Append) {
    let batch = Batch { appends: vec![append], ..Batch::default() };
    let outcomes = store.writer.commit(&batch).expect("stored");
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

fn events(reader: &dyn Reader) -> Result<u64, ReadError> {
    let (mut after, mut count) = (Position::NONE, 0);
    loop {
        let page = reader.read_log(after, PageLimit::default())?;
        count += page.commits.iter().map(|commit| commit.view().events).sum::<u64>();
        match page.commits.last() {
            Some(last) if page.more => after = last.view().last_position(),
            _ => return Ok(count),
        }
    }
}

/// A closed store with `commits` commits of one event each.
fn closed_store(commits: u64) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = disk::open(directory.path()).expect("opens");
    for version in 0..commits {
        commit(&mut store, append("a", version, &[20]));
    }
    directory
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("readable") {
        let entry = entry.expect("readable");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}

#[test]
fn a_half_written_snapshot_of_the_engine_does_not_keep_a_store_from_opening() {
    let directory = closed_store(3);
    let leftover = directory.path().join("store/log/snap.0000000000000abc.generating");
    fs::write(&leftover, b"cut off").expect("written");
    let store = disk::open(directory.path()).expect("opens");
    assert_eq!(events(&*store.reader).expect("readable"), 3);
    assert!(!leftover.exists());
}

#[test]
fn a_store_in_use_is_refused_within_a_second_and_opens_once_it_is_closed() {
    let directory = closed_store(1);
    let store = disk::open(directory.path()).expect("opens");
    let begun = Instant::now();
    let refused = disk::open(directory.path()).map(|_| ()).expect_err("in use");
    assert!(matches!(refused, OpenError::Locked { .. }), "{refused}");
    assert!(begun.elapsed() < Duration::from_secs(1));
    let Store { writer, reader } = store;
    drop(writer);
    assert!(disk::open(directory.path()).is_err(), "a reader keeps it open");
    drop(reader);
    disk::open(directory.path()).expect("opens");
}

#[test]
fn another_process_is_refused_too() {
    let directory = closed_store(1);
    let _store = disk::open(directory.path()).expect("opens");
    let mut child = Command::new(std::env::current_exe().expect("this test"));
    child.args(["--exact", "the_store_named_by_the_environment_is_in_use"]);
    let status = child.env("STORE_IN_USE", directory.path()).output().expect("ran").status;
    assert!(status.success());
}

/// What the child process above does; alone it does nothing.
#[test]
fn the_store_named_by_the_environment_is_in_use() {
    if let Some(directory) = std::env::var_os("STORE_IN_USE") {
        let refused = disk::open(directory).map(|_| ()).expect_err("in use");
        assert!(matches!(refused, OpenError::Locked { .. }), "{refused}");
    }
}

#[test]
fn a_store_is_reopened_many_times_at_once_after_it_was_closed() {
    let directory = tempfile::tempdir().expect("a directory");
    for version in 0..20 {
        let mut store = disk::open(directory.path()).expect("opens");
        commit(&mut store, append("a", version, &[10]));
    }
}

#[test]
fn another_format_is_told_from_none() {
    let directory = closed_store(1);
    let marker = directory.path().join("store/FORMAT");
    let open = || disk::open(directory.path()).map(|_| ()).expect_err("refused");
    let newer = "actuarius store\nformat 2\nanything\n";
    let checksum = crc32c::crc32c(newer.as_bytes());
    fs::write(&marker, format!("{newer}checksum {checksum:08x}\n")).expect("written");
    assert!(matches!(open(), OpenError::NewerFormat { found: 2, supported: 1, .. }));
    fs::write(&marker, "something else").expect("written");
    assert!(matches!(open(), OpenError::UnknownFormat { .. }));
    fs::remove_file(&marker).expect("removed");
    assert!(matches!(open(), OpenError::UnknownFormat { .. }));
}

#[test]
fn a_log_shorter_than_what_was_acknowledged_is_told() {
    let directory = closed_store(2);
    let before = tempfile::tempdir().expect("a directory");
    let log = directory.path().join("store/log");
    copy_tree(&log, before.path());
    let mut store = disk::open(directory.path()).expect("opens");
    commit(&mut store, append("a", 2, &[10, 10]));
    drop(store);
    fs::remove_dir_all(&log).expect("removed");
    copy_tree(before.path(), &log);
    let shorter = disk::open(directory.path()).map(|_| ()).expect_err("shorter");
    let OpenError::Shorter { acknowledged, found, .. } = shorter else { panic!("{shorter}") };
    assert_eq!((acknowledged, found), (Position::new(4), Position::new(2)));
}

#[test]
fn a_lost_mark_is_told() {
    let directory = closed_store(2);
    let mark = directory.path().join("store/mark");
    fs::write(&mark, [0; 8192]).expect("written");
    let damaged = disk::open(directory.path()).map(|_| ()).expect_err("damaged");
    assert!(matches!(damaged, OpenError::Damaged { .. }), "{damaged}");
    fs::remove_file(&mark).expect("removed");
    assert!(disk::open(directory.path()).is_err());
}

#[test]
fn a_creation_cut_short_leaves_room_for_another() {
    let directory = tempfile::tempdir().expect("a directory");
    let leftover = directory.path().join("store.creating");
    fs::create_dir_all(leftover.join("log")).expect("a directory");
    fs::write(leftover.join("FORMAT"), "half a li").expect("written");
    fs::write(leftover.join("log/conf"), "").expect("written");
    fs::write(directory.path().join("unrelated"), "untouched").expect("written");
    let store = disk::open(directory.path()).expect("opens");
    assert_eq!(store.reader.head(), Position::NONE);
    assert!(!leftover.exists());
    assert!(directory.path().join("unrelated").exists());
}

#[test]
fn missing_directories_are_created() {
    let directory = tempfile::tempdir().expect("a directory");
    disk::open(directory.path().join("some/where/deep")).expect("opens");
    let file = directory.path().join("file");
    fs::write(&file, "in the way").expect("written");
    let refused = disk::open(&file).map(|_| ()).expect_err("a file");
    let OpenError::Io { path, .. } = refused else { panic!("{refused}") };
    assert!(path.starts_with(&file));
}

#[test]
fn a_flipped_bit_never_makes_the_store_shorter() {
    let directory = closed_store(200);
    let bytes = fs::read(directory.path().join("store/log/db")).expect("readable");
    let used = bytes.iter().rposition(|&byte| byte != 0).expect("something is there");
    let mut told = 0;
    for flip in 0..80 {
        let copy = tempfile::tempdir().expect("a directory");
        copy_tree(directory.path(), copy.path());
        let mut damaged = bytes.clone();
        damaged[flip * used / 80] ^= 1 << (flip % 8);
        fs::write(copy.path().join("store/log/db"), damaged).expect("written");
        let read = disk::open(copy.path()).map(|store| events(&*store.reader));
        match read {
            Ok(Ok(count)) => assert_eq!(count, 200, "flip {flip} hid events"),
            _ => told += 1,
        }
    }
    assert!(told > 0, "some flips hit data in use");
}

#[test]
fn a_file_the_engine_never_syncs_stops_the_writer_for_good() {
    let directory = closed_store(2);
    let mut store = disk::open(directory.path()).expect("opens");
    let blob = directory.path().join("store/log/blobs/4711");
    fs::write(&blob, "large").expect("written");
    let batch = |version| Batch { appends: vec![append("a", version, &[10])], ..Batch::default() };
    let failure = store.writer.commit(&batch(2)).expect_err("stopped");
    fs::remove_file(&blob).expect("removed");
    let again = store.writer.commit(&batch(2)).expect_err("for good");
    assert_eq!(failure.to_string(), again.to_string());
    assert_eq!(store.reader.head(), Position::new(2), "nothing of it is visible");
    assert_eq!(store.reader.version(&stream("a")).expect("readable"), Version::new(2));
    assert_eq!(events(&*store.reader).expect("readable"), 2);
    drop(store);
    let mut store = disk::open(directory.path()).expect("opens");
    let version = store.reader.version(&stream("a")).expect("readable").get();
    assert!(version == 2 || version == 3, "whole or not at all");
    commit(&mut store, append("a", version, &[10]));
}

#[test]
fn large_commits_survive_reopening_among_small_ones() {
    let directory = tempfile::tempdir().expect("a directory");
    let sizes = [10, 300_000, 10, 5_000_000, 7_100, 7_200, 10];
    let mut store = disk::open(directory.path()).expect("opens");
    commit(&mut store, append("a", 0, &sizes));
    drop(store);
    let store = disk::open(directory.path()).expect("opens");
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
    };
    let mut store = disk::open(directory.path()).expect("opens");
    commit(&mut store, append("a", 0, &[10; 9]));
    for (version, size) in [(1, 2_000_000), (2, 1_000_000), (2, 3_000_000), (2, 5), (9, 1_500_000)]
    {
        let snapshots = vec![snapshot(version, vec![version as u8; size])];
        store.writer.commit(&Batch { snapshots, ..Batch::default() }).expect("stored");
    }
    drop(store);
    let store = disk::open(directory.path()).expect("opens");
    let read = |before| {
        let found = store.reader.snapshot(&stream("a"), before).expect("readable")?;
        Some((found.version.get(), found.payload.len()))
    };
    assert_eq!(read(None), Some((9, 1_500_000)));
    assert_eq!(read(Some(Version::new(9))), Some((2, 5)));
    assert_eq!(read(Some(Version::new(2))), None);
}

/// What a store is asked to do.
#[derive(Debug, Clone)]
enum Step {
    /// Streams and payload sizes, an append each.
    Commit(Vec<(u8, usize)>),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![20 => 0..200usize, 1 => 7_000..9_000usize, 1 => Just(40_000usize)];
    let commit = prop::collection::vec((0..6u8, size), 1..12).prop_map(Step::Commit);
    let step = prop_oneof![20 => commit, 1 => Just(Step::Reopen)];
    prop::collection::vec(step, 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// With index runs of a few commits, each case drains, merges and removes hundreds of runs, and
    /// is interrupted in the middle of that.
    #[test]
    fn streams_and_log_equal_their_model_through_runs_and_merges(
        steps in steps(),
        run_commits in 1..9u64,
        buckets in 1..4u16,
    ) {
        let options = disk::DiskOptions::default().index_runs(run_commits, buckets);
        let directory = tempfile::tempdir().expect("a directory");
        let open = || disk::open_with(directory.path(), &options).expect("opens");
        let mut store = open();
        let mut versions = [0u64; 6];
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Commit(appends) => {
                    let appends = appends.into_iter().map(|(id, size)| {
                        versions[usize::from(id)] += 1;
                        append(&id.to_string(), versions[usize::from(id)] - 1, &[size])
                    });
                    let batch = Batch { appends: appends.collect(), ..Batch::default() };
                    let outcomes = store.writer.commit(&batch).expect("stored");
                    prop_assert!(outcomes.iter().all(Result::is_ok));
                }
                Step::Reopen => {
                    drop(store);
                    store = open();
                }
            }
            if number % 8 == 7 {
                check(&*store.reader, &versions);
            }
        }
        check(&*store.reader, &versions);
    }
}

/// Commits until it is killed, and tells its parent of each acknowledgement. Alone it does nothing.
#[test]
fn the_store_named_by_the_environment_is_written_until_the_end() {
    let Some(directory) = std::env::var_os("STORE_TO_WRITE") else { return };
    let mut store = disk::open_with(directory, &small_runs()).expect("opens");
    let mut version = store.reader.version(&stream("0")).expect("readable").get();
    loop {
        let append =
            append("0", version, &[50, 50, if version.is_multiple_of(90) { 400_000 } else { 1 }]);
        commit(&mut store, append);
        version += 3;
        println!("acknowledged {version}");
    }
}

fn small_runs() -> disk::DiskOptions {
    disk::DiskOptions::default().index_runs(5, 2)
}

#[test]
fn a_killed_process_loses_nothing_it_acknowledged() {
    let directory = tempfile::tempdir().expect("a directory");
    for acknowledgements in [1, 3, 40, 7, 100, 31, 64, 2] {
        let acknowledged = write_and_kill(directory.path(), acknowledgements);
        let store = disk::open_with(directory.path(), &small_runs()).expect("opens");
        let version = store.reader.version(&stream("0")).expect("readable").get();
        assert!(
            version >= acknowledged && version.is_multiple_of(3),
            "{version} of {acknowledged}"
        );
        check(&*store.reader, &[version]);
    }
}

/// Has a child process write to the store, and kills it after so many acknowledgements. Returns the
/// version acknowledged last.
fn write_and_kill(directory: &Path, acknowledgements: usize) -> u64 {
    let mut child = Command::new(std::env::current_exe().expect("this test"));
    child.args(["--exact", "--nocapture"]);
    child.arg("the_store_named_by_the_environment_is_written_until_the_end");
    let mut child =
        child.env("STORE_TO_WRITE", directory).stdout(Stdio::piped()).spawn().expect("started");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let versions = lines.map_while(Result::ok).filter_map(|line| {
        line.split_once("acknowledged ").and_then(|(_, version)| version.parse().ok())
    });
    let acknowledged = versions.take(acknowledgements).last().expect("acknowledgements");
    child.kill().expect("killed");
    child.wait().expect("gone");
    acknowledged
}

/// Every stream has exactly the versions it should, from wherever it is read, and so has the log.
fn check(reader: &dyn Reader, versions: &[u64]) {
    let total: u64 = versions.iter().sum();
    assert_eq!(reader.head(), Position::new(total));
    assert_eq!(events(reader).expect("readable"), total);
    for (id, &version) in versions.iter().enumerate() {
        let stream = stream(&id.to_string());
        assert_eq!(reader.version(&stream).expect("readable"), Version::new(version));
        for after in [0, version / 2, version.saturating_sub(1), version] {
            let limit = PageLimit { commits: usize::MAX, bytes: usize::MAX };
            let page = reader.read_stream(&stream, Version::new(after), Position::NONE, limit);
            let page = page.expect("readable");
            let found = page.commits.iter().map(|commit| commit.view().version.get());
            assert!(found.eq(after + 1..=version), "stream {id} after {after}");
        }
    }
}

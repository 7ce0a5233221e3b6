//! Tests of what opening a damaged store leaves of its files.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use actuarius_domain::Position;
use actuarius_persistence::{Batch, OpenError, PageLimit, Reader, Store};
use tempfile::TempDir;

use crate::damaged_pages::last_segments;
use crate::engine::accounting::SEGMENT_BYTES;
use crate::engine::erased;
use crate::files::Files;
use crate::testing::{append, tamper};
use crate::{SledOptions, kept, open_for_forensics, open_with};

const EVENTS: u64 = 250;
const NOTHING: [u64; 0] = [];

fn open(directory: &Path) -> Result<Store, OpenError> {
    open_with(directory, &SledOptions::default())
}

/// Creates a closed store of events of 100 bytes, each in a commit of its own.
fn closed_store(events: u64) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    write(&mut open(directory.path()).expect("opens"), events);
    directory
}

/// Creates a closed store of several segments, the first of which sled reads only where its pages are.
fn large_store() -> TempDir {
    let directory = closed_store(20);
    for _opened in 0..2 {
        let mut store = open(directory.path()).expect("opens");
        for _commit in 0..30 {
            write_one(&mut store, 300_000);
        }
    }
    directory
}

fn write_one(store: &mut Store, size: usize) {
    let appends = vec![append("account", "alice", store.reader.head().get(), &[size])];
    store.writer.commit(&Batch { appends, ..Batch::default() }).expect("stored");
}

fn write(store: &mut Store, events: u64) {
    (0..events).for_each(|_| write_one(store, 100));
}

/// Returns the content of all files of the store.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("listed") {
        let path = entry.expect("listed").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.display().to_string(), fs::read(&path).expect("readable"));
        }
    }
    found
}

fn files_of_store(directory: &TempDir) -> BTreeMap<String, Vec<u8>> {
    files(&directory.path().join("store"))
}

/// Reports the first difference, not megabytes of bytes.
fn assert_same(found: &BTreeMap<String, Vec<u8>>, wanted: &BTreeMap<String, Vec<u8>>, at: usize) {
    assert!(found.keys().eq(wanted.keys()), "{at}: {:?} {:?}", found.keys(), wanted.keys());
    for (path, bytes) in found {
        let other = &wanted[path];
        let differs = bytes.iter().zip(other).position(|(one, other)| one != other);
        assert_eq!((bytes.len(), differs), (other.len(), None), "byte {at} flipped: {path}");
    }
}

fn restore(files: &BTreeMap<String, Vec<u8>>) {
    let db = files.keys().find(|path| path.ends_with("log/db")).expect("exists");
    let log = Path::new(db).parent().expect("a directory");
    for entry in fs::read_dir(log).expect("listed") {
        let path = entry.expect("listed").path();
        if path.to_string_lossy().contains("snap.") {
            fs::remove_file(path).expect("removed");
        }
    }
    files.iter().for_each(|(path, bytes)| fs::write(path, bytes).expect("written"));
}

fn flip(directory: &TempDir, at: usize) {
    change(directory, |bytes| bytes[at] ^= 0xFF);
}

/// Changes sled's file.
fn change<T>(directory: &TempDir, change: impl FnOnce(&mut [u8]) -> T) -> T {
    let path = directory.path().join("store/log/db");
    let mut bytes = fs::read(&path).expect("readable");
    let changed = change(&mut bytes);
    fs::write(path, bytes).expect("written");
    changed
}

/// Returns where the last byte of sled's file is that is not zero.
fn used(directory: &TempDir) -> usize {
    let bytes = fs::read(directory.path().join("store/log/db")).expect("readable");
    bytes.iter().rposition(|&byte| byte != 0).expect("not empty") + 1
}

fn readable(reader: &dyn Reader) -> u64 {
    let limit = PageLimit { commits: 1, bytes: 1 };
    (0..EVENTS)
        .filter(|at| {
            reader.read_log(Position::new(*at), limit).is_ok_and(|page| !page.commits.is_empty())
        })
        .count() as u64
}

/// One flipped byte of a closed store of 250 events cost 198 of them: sled erased everything after it while it
/// opened the file, before the store was refused. What would have been read around the damage was lost.
#[test]
fn a_refused_store_is_byte_for_byte_as_before() {
    let store = closed_store(EVENTS);
    let used = used(&store);
    let places = (0..8).map(|part| used / 8 * part + 7);
    for at in places.chain([used - 700, used - 30, used - 10, used - 1]) {
        flip(&store, at);
        let before = files_of_store(&store);
        let refused = open(store.path()).map(drop).expect_err("acknowledged events are missing");
        assert_same(&files_of_store(&store), &before, at);
        let again = open(store.path()).map(drop).expect_err("still damaged");
        assert_eq!(again.to_string(), refused.to_string(), "byte {at}");
        assert!(refused.to_string().contains("--forensics"), "{refused}");
        assert_same(&files_of_store(&store), &before, at);
        flip(&store, at);
    }
    assert_eq!(readable(&*open(store.path()).expect("whole again").reader), EVENTS);
}

/// In a file of several segments, sled erases all of those after the damage, and replaces its list of pages even if it
/// erases none. Then even the flipped byte itself could not be repaired any more.
#[test]
fn a_refused_store_of_several_segments_is_whole_when_its_byte_is_flipped_back() {
    is_whole_when_repaired(&|segment, _| {
        let at = segment * SEGMENT_BYTES + if segment % 2 == 0 { 9 } else { 300_001 };
        at..at + 1
    });
}

/// A segment whose first sector had become zeros looked like a free one, so sled erased the rest of it without a copy.
#[test]
fn a_refused_store_is_whole_when_the_lost_start_of_a_segment_is_brought_back() {
    is_whole_when_repaired(&|segment, _| segment * SEGMENT_BYTES..segment * SEGMENT_BYTES + 512);
}

/// Zeros at the end of a segment counted as the end of the log, although others follow. sled erased them all.
#[test]
fn a_refused_store_is_whole_when_the_lost_end_of_a_segment_is_brought_back() {
    is_whole_when_repaired(&|segment, bytes| {
        let end = bytes.len().min((segment + 1) * SEGMENT_BYTES);
        let is_last = segment == newest_segment(bytes);
        let half = end.min(segment * SEGMENT_BYTES + SEGMENT_BYTES / 2);
        if is_last { end..end } else { half..end }
    });
}

/// Returns the number of the segment that sled wrote last.
fn newest_segment(bytes: &[u8]) -> usize {
    let is_used = |segment: &usize| bytes[segment * SEGMENT_BYTES..][..20] != [0; 20];
    last_segments(bytes).into_iter().find(is_used).expect("not empty")
}

/// Damages a place in each segment of a store: one byte is flipped, or some become zeros. If the store is refused, all
/// events must be readable after that place is repaired.
fn is_whole_when_repaired(place: &dyn Fn(usize, &[u8]) -> Range<usize>) {
    let store = large_store();
    let whole = files_of_store(&store);
    let (events, mut refused) = (80, 0);
    for segment in 0..=used(&store) / SEGMENT_BYTES {
        let (place, before) = change(&store, |bytes| {
            let place = place(segment, bytes);
            let before = bytes[place.clone()].to_vec();
            bytes[place.clone()].fill(if let [byte] = before[..] { byte ^ 0xFF } else { 0 });
            (place, before)
        });
        if let Err(error) = open(store.path()) {
            refused += 1;
            let again = open(store.path()).map(drop).expect_err("still damaged");
            assert_eq!(again.to_string(), error.to_string(), "segment {segment}");
            change(&store, |bytes| bytes[place].copy_from_slice(&before));
            let opened = open(store.path());
            let opened = opened.unwrap_or_else(|error| panic!("segment {segment}: {error}"));
            assert_eq!(readable(&*opened.reader), events, "segment {segment}");
        }
        restore(&whole);
    }
    assert!(refused > 1, "{refused}");
}

/// What a process erased that was killed while it opened a damaged store would be lost.
#[test]
fn what_an_interrupted_opening_erased_is_written_back() {
    let store = closed_store(EVENTS);
    let at = used(&store) / 2;
    flip(&store, at);
    let (before, files) = (files_of_store(&store), Files::store(store.path()));
    kept::keep(&files, &erased::find(&files.log()).expect("readable")).expect("copied");
    tamper(store.path(), |_| {});
    assert!(files_of_store(&store) != before, "sled erases what follows");
    assert!(open(store.path()).is_err());
    assert_same(&files_of_store(&store), &before, at);
}

/// Power may fail after each step. What a half-written copy contains must not be written back, and a whole one must be.
#[test]
fn a_power_cut_at_any_step_loses_nothing() {
    let store = closed_store(EVENTS);
    let (at, files) = (used(&store) / 2, Files::store(store.path()));
    let (torn, writing) = (files.torn(), files.torn_writing());
    flip(&store, at);
    let before = files_of_store(&store);
    let is_as_before = |step: usize| {
        assert!(open(store.path()).is_err(), "step {step}");
        assert_same(&files_of_store(&store), &before, step);
    };
    let keep =
        || kept::keep(&files, &erased::find(&files.log()).expect("readable")).expect("copied");
    // The copy is half there.
    keep();
    fs::rename(&torn, &writing).expect("renamed");
    let segments = fs::read(writing.join("segments")).expect("readable");
    fs::write(writing.join("segments"), &segments[..segments.len() / 2]).expect("written");
    is_as_before(1);
    // It is whole, and half of it was written back.
    keep();
    tamper(store.path(), |_| {});
    fs::write(files.log().join("db"), [7; 1_000]).expect("written");
    is_as_before(2);
    // It was written back, and half of it was removed.
    keep();
    fs::rename(&torn, &writing).expect("renamed");
    fs::remove_file(writing.join("mark")).expect("removed");
    is_as_before(3);
}

/// A damaged copy, or one of another store, would damage what is left.
#[test]
fn a_copy_that_is_damaged_or_of_another_store_is_not_written_back() {
    let (store, other) = (closed_store(EVENTS), closed_store(EVENTS));
    let (files, others) = (Files::store(store.path()), Files::store(other.path()));
    kept::keep(&others, &[0]).expect("copied");
    fs::rename(others.torn(), files.torn()).expect("renamed");
    assert_eq!(readable(&*open(store.path()).expect("opens").reader), EVENTS);
    assert!(!files.torn().exists());
    kept::keep(&files, &[0]).expect("copied");
    let path = files.torn().join("segments");
    let mut segments = fs::read(&path).expect("readable");
    *segments.last_mut().expect("not empty") ^= 1;
    fs::write(&path, segments).expect("written");
    let before = files_of_store(&store);
    let refused = open(store.path()).map(drop).expect_err("the copy is damaged");
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");
    assert!(refused.to_string().contains("store/torn"), "{refused}");
    assert_same(&files_of_store(&store), &before, 0);
    fs::remove_dir_all(files.torn()).expect("removed");
    assert_eq!(readable(&*open(store.path()).expect("opens").reader), EVENTS);
}

/// sled releases its file late. What was written back beside it could be written over, and the copy was removed.
#[test]
fn a_copy_is_not_written_back_while_sled_uses_its_file() {
    let store = closed_store(EVENTS);
    let files = Files::store(store.path());
    let before = files_of_store(&store);
    kept::keep(&files, &[0]).expect("copied");
    fs::write(files.log().join("db"), [7; 1_000]).expect("written");
    let sled = fs::File::open(files.log().join("db")).expect("opens");
    sled.lock().expect("locked");
    let options = SledOptions::default().lock_wait(Duration::ZERO);
    let refused = open_with(store.path(), &options).map(drop).expect_err("in use");
    assert!(matches!(refused, OpenError::Locked { .. }) && files.torn().exists(), "{refused}");
    drop(sled);
    kept::write_back(&files).expect("written back");
    assert_same(&files_of_store(&store), &before, 0);
}

/// sled began a free segment while the store was looked at, with the number of a segment that was written back after
/// it. sled never opened the file again.
#[test]
fn a_segment_that_sled_began_while_it_looked_is_free_again() {
    let store = large_store();
    let (files, db) = (Files::store(store.path()), store.path().join("store/log/db"));
    let mut bytes = fs::read(&db).expect("readable");
    let free = bytes.len().next_multiple_of(SEGMENT_BYTES);
    bytes.resize(free + SEGMENT_BYTES, 0);
    let newest = newest_segment(&bytes) * SEGMENT_BYTES;
    fs::write(&db, &bytes).expect("written");
    kept::keep(&files, &[newest as u64]).expect("copied");
    bytes.copy_within(newest..newest + 1_000, free);
    bytes[newest..newest + SEGMENT_BYTES].fill(0);
    fs::write(&db, &bytes).expect("written");
    assert_eq!(readable(&*open(store.path()).expect("opens").reader), 80);
}

/// A copy that another release left behind would undo everything that was written since.
#[test]
fn a_copy_from_before_the_last_event_is_not_written_back() {
    let store = closed_store(EVENTS - 1);
    let files = Files::store(store.path());
    kept::keep(&files, &[0]).expect("copied");
    let aside = store.path().join("aside");
    fs::rename(files.torn(), &aside).expect("renamed");
    write(&mut open(store.path()).expect("opens"), 1);
    fs::rename(&aside, files.torn()).expect("renamed");
    assert_eq!(readable(&*open(store.path()).expect("opens").reader), EVENTS);
    assert!(!files.torn().exists());
}

/// The last write of a machine that lost its power is half there. It was never acknowledged.
#[test]
fn a_torn_last_write_is_erased_and_nothing_is_kept() {
    let store = closed_store(EVENTS);
    let end = used(&store);
    (end..end + 90).for_each(|at| flip(&store, at));
    let files = Files::store(store.path());
    assert_eq!(erased::find(&files.log()).expect("readable"), [0]);
    assert_eq!(readable(&*open(store.path()).expect("opens").reader), EVENTS);
    assert!(!files.torn().exists() && !files.torn_writing().exists());
}

/// A look that takes whole files for damaged ones would open each store twice. sled uses segments again, and leaves
/// what they contained after the end of its log.
#[test]
fn nothing_would_be_erased_of_a_store_that_is_whole() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = Files::store(directory.path()).log();
    for round in 0..5 {
        let mut store = open(directory.path()).expect("opens");
        for _commit in 0..40 {
            write_one(&mut store, if round % 3 == 0 { 100 } else { 300_000 });
        }
        // sled's own thread may write at the same moment. Then the file is not that of a killed process.
        let is_whole = || {
            let is_close = || erased::ends_close_to_its_segment(&log).expect("readable");
            erased::find(&log).expect("readable") == NOTHING || is_close()
        };
        assert!((0..1_000).any(|_| is_whole()), "as after a kill, round {round}");
        drop(store);
        assert!(is_whole(), "closed, round {round}");
    }
}

/// The copy was refused as well when the store had been opened after its last event: sled's list of pages named some
/// that it had just erased.
#[test]
fn events_before_the_damage_are_read_in_a_copy() {
    let store = closed_store(EVENTS);
    let at = used(&store) / 2;
    for _opened in 0..2 {
        flip(&store, at);
        let copy = tempfile::tempdir().expect("a directory");
        let left = open_for_forensics(store.path(), copy.path()).expect("opens");
        assert!((100..EVENTS).contains(&readable(&*left.reader)), "{}", left.found);
        assert_eq!(left.acknowledged, Some(Position::new(EVENTS)));
        flip(&store, at);
        drop(open(store.path()).expect("opens"));
    }
}

/// A store whose mark was lost was not readable at all, although its events were whole.
#[test]
fn a_store_without_its_mark_is_read_in_a_copy() {
    let store = closed_store(EVENTS);
    fs::remove_file(store.path().join("store/mark")).expect("removed");
    let copy = tempfile::tempdir().expect("a directory");
    let left = open_for_forensics(store.path(), copy.path()).expect("opens");
    assert_eq!((left.acknowledged, readable(&*left.reader)), (None, EVENTS));
}

//! Tests of what a damaged page of sled costs: a page has up to 17 neighbouring values, and sled can neither
//! read nor write any of them.

use actuarius_domain::{Position, StreamId, Timestamp, Version};
use actuarius_persistence::verify::{Location, Verified, Verify};
use actuarius_persistence::{
    AppendOutcome, Batch, NewSnapshot, Notes, OpenError, Page, PageLimit, ReadError, Reader,
    Refusal, Store,
};
use tempfile::TempDir;

use crate::engine::open_sled;
use crate::index::manifest::Manifest;
use crate::keys::{self, StreamHash};
use crate::testing::{append, tamper};
use crate::{SledOptions, compact, format::Format, open_for_forensics, open_with};

const STREAMS: u64 = 40;
const BUCKETS: u16 = 64;
const SEGMENT: usize = 4 * 1024 * 1024;

/// A store of 40 streams with 20 events each, all indexed, and snapshots at version 20. Everything is in
/// segments that sled does not write to any more.
struct Damageable(TempDir, SledOptions);

impl Damageable {
    fn new() -> Self {
        Self::with_runs_of(64)
    }

    fn with_runs_of(commits: u64) -> Self {
        let options = SledOptions::default().index_runs(commits, BUCKETS);
        let this = Self(tempfile::tempdir().expect("a directory"), options);
        let mut store = this.open().expect("opens");
        for number in 0..STREAMS * 20 {
            let (id, version) = (id(number % STREAMS), number / STREAMS);
            put(&mut store, &id, version).expect("stored");
            if version == 19 {
                keep(&mut store, &id, 900);
            }
        }
        drop(store);
        this.write_more();
        this
    }

    /// Writes a few large commits, so that everything before is in segments that sled does not read when it is
    /// opened.
    fn write_more(&self) {
        let mut store = self.open().expect("opens");
        let first = version_of(&store, "filler").expect("readable");
        for version in first..first + 6 {
            let appends = vec![append("account", "filler", version, &[2_500_000])];
            store.writer.commit(&Batch { appends, ..Batch::default() }).expect("stored");
        }
        drop(store);
        // sled writes down where its pages are when it is opened.
        drop(self.open().expect("opens"));
    }

    fn open(&self) -> Result<Store, OpenError> {
        open_with(self.0.path(), &self.1)
    }

    fn hash(&self, id: &str) -> StreamHash {
        let text = std::fs::read(self.0.path().join("store/FORMAT")).expect("readable");
        let seed = Format::parse(&text).expect("whole").seed();
        StreamHash::of_stream(seed, &stream(id))
    }

    /// Damages the pages of keys, wherever they are in sled's file.
    fn damage(&self, keys: &[&[u8]]) {
        let path = self.0.path().join("store/log/db");
        for _attempt in 0..9 {
            let value = |db: &sled::Db, key: &[u8]| db.get(key).expect("readable").expect("exists");
            let values: Vec<_> =
                tamper(self.0.path(), |db| keys.iter().map(|key| value(db, key)).collect());
            let mut file = std::fs::read(&path).expect("readable");
            let places = values.iter().flat_map(|value| places_of(&file, value));
            let places: Vec<_> = places.collect();
            let read_at_open = last_segments(&file);
            if places.iter().any(|place| read_at_open.contains(&(place / SEGMENT))) {
                // sled has moved a page.
                self.write_more();
                continue;
            }
            assert!(places.len() >= keys.len());
            places.iter().for_each(|&place| file[place] ^= 1);
            std::fs::write(&path, &file).expect("written");
            if !self.is_met_when_sled_opens() {
                return;
            }
            // sled reads the page before the store does, because it is about to move it: that is another case.
            places.iter().for_each(|&place| file[place] ^= 1);
            std::fs::write(&path, file).expect("written");
            self.write_more();
        }
        panic!("sled moves the pages again and again");
    }

    /// Returns whether sled itself refuses a copy of its files.
    fn is_met_when_sled_opens(&self) -> bool {
        let (log, copy) =
            (self.0.path().join("store/log"), tempfile::tempdir().expect("a directory"));
        for entry in std::fs::read_dir(log).expect("readable") {
            let file = entry.expect("readable").path();
            if file.is_file() {
                let name = file.file_name().expect("it has a name");
                std::fs::copy(&file, copy.path().join(name)).expect("copied");
            }
        }
        open_sled(copy.path(), &self.1, None).is_err()
    }

    fn compact(&self) {
        compact(self.0.path(), |_, _| {}).expect("compacted");
        let verified = verify(&self.open().expect("opens"));
        assert_eq!(verified.findings, []);
    }
}

/// Returns the segments that sled wrote last. It reads them when it is opened.
pub(crate) fn last_segments(file: &[u8]) -> Vec<usize> {
    let number = |(_, segment): &(usize, &[u8])| {
        let number: [u8; 8] = segment[4..12].try_into().expect("eight bytes");
        i64::from_le_bytes(number) ^ i64::MAX
    };
    let mut segments: Vec<_> = file.chunks(SEGMENT).enumerate().collect();
    segments.sort_by_key(number);
    segments.into_iter().rev().take(3).map(|(at, _)| at).collect()
}

fn places_of<'a>(file: &'a [u8], value: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let starts = file.windows(4).enumerate().filter(|(_, four)| *four == &value[..4]);
    starts.map(|(at, _)| at).filter(|&at| file[at..].starts_with(value))
}

fn id(number: u64) -> String {
    format!("stream-{number}")
}

fn stream(id: &str) -> StreamId {
    StreamId::new("account", id).expect("valid")
}

fn put(store: &mut Store, id: &str, expected: u64) -> AppendOutcome {
    let appends = vec![append("account", id, expected, &[50])];
    let outcomes = store.writer.commit(&Batch { appends, ..Batch::default() });
    outcomes.expect("the store goes on").remove(0)
}

/// Stores a snapshot of the stream as it is now.
fn keep(store: &mut Store, id: &str, size: usize) {
    let commits = page(&*store.reader, id).expect("readable").commits;
    let last = commits.last().expect("not empty");
    let snapshot = NewSnapshot {
        stream: stream(id),
        version: last.last_version(),
        position: last.last_position(),
        as_of: last.last_position(),
        state_version: 1,
        time: Timestamp::from_micros(1),
        payload: vec![7; size].into(),
        keep: 1,
        keep_since: None,
    };
    let batch = Batch { snapshots: vec![snapshot], ..Batch::default() };
    store.writer.commit(&batch).expect("the store goes on");
}

fn version_of(store: &Store, id: &str) -> Result<u64, ReadError> {
    store.reader.version(&stream(id)).map(Version::get)
}

fn verify(store: &Store) -> Verified {
    store.reader.maintenance().verify(&mut Verify::default()).expect("readable")
}

fn page(reader: &dyn Reader, id: &str) -> Result<Page, ReadError> {
    reader.read_stream(&stream(id), Version::NONE, Position::NONE, PageLimit::default())
}

fn events(reader: &dyn Reader, id: &str) -> Result<usize, ReadError> {
    page(reader, id).map(|page| page.commits.len())
}

/// The upkeep of the index removes old parts, and writes new ones everywhere. The first damaged page that it
/// came to stopped the store, and stopped it again after each restart, although the events were whole.
#[test]
fn a_damaged_page_of_the_index_costs_its_streams_and_compaction_repairs_it() {
    let place = Damageable::new();
    let bucket = keys::bucket(place.hash("stream-3").index(), BUCKETS);
    let lost = costs_some_streams(&place, bucket);
    assert!(lost.contains(&3), "{lost:?}");
}

/// The first bucket of the index is in the page after the end of the log. Verification read on past the end,
/// and reported events that do not exist.
#[test]
fn a_damaged_page_after_the_end_of_the_log_is_of_the_index() {
    costs_some_streams(&Damageable::new(), 0);
}

/// Damages the first part of a bucket. Returns the streams that cannot be read until the store is compacted.
fn costs_some_streams(place: &Damageable, bucket: u16) -> Vec<u64> {
    let runs = tamper(place.0.path(), |db| {
        let manifest = db.get(keys::MANIFEST).expect("readable").expect("exists");
        Manifest::parse(keys::MANIFEST, &manifest).expect("whole").runs
    });
    let part = keys::index_part(bucket, runs[0].number, 0, 0);
    place.damage(&[&part]);
    let mut lost = Vec::new();
    for _restart in 0..2 {
        let mut store = place.open().expect("opens");
        for _round in 0..15 {
            for id in (0..STREAMS).map(id) {
                let version = version_of(&store, &id);
                let stored = put(&mut store, &id, version.clone().unwrap_or(0));
                let is_refused = matches!(stored, Err(Refusal::Unreadable(_)));
                assert!(stored.is_ok() || (is_refused && version.is_err()), "{id}: {stored:?}");
            }
        }
        let found = verify(&store).findings;
        assert!(!found.is_empty(), "the damage is reported");
        assert!(found.iter().all(|it| matches!(it.place, Location::Index)), "{found:?}");
        let unreadable = |number: &u64| events(&*store.reader, &id(*number)).is_err();
        lost = (0..STREAMS).filter(unreadable).collect();
        assert!(lost.len() < STREAMS as usize, "{lost:?}");
    }
    place.compact();
    let mut store = place.open().expect("opens");
    for id in (0..STREAMS).map(id) {
        let version = version_of(&store, &id).expect("readable");
        assert_eq!(events(&*store.reader, &id).expect("readable") as u64, version);
        put(&mut store, &id, version).expect("stored");
    }
    lost
}

/// A snapshot is never needed, and yet one that could not be read stopped the store when the next one was
/// stored beside it.
#[test]
fn a_damaged_page_of_snapshots_costs_its_snapshots_and_compaction_repairs_it() {
    let place = Damageable::new();
    let some = tamper(place.0.path(), |db| db.scan_prefix(keys::SNAPSHOTS).nth(20));
    place.damage(&[&some.expect("exists").expect("readable").0]);
    let mut store = place.open().expect("opens");
    let unreadable = |store: &Store| -> Vec<String> {
        let read = |id: &String| store.reader.snapshot(&stream(id), None);
        (0..STREAMS).map(id).filter(|id| read(id).is_err()).collect()
    };
    let lost = unreadable(&store);
    assert!((1..=17).contains(&lost.len()), "{lost:?}");
    for id in (0..STREAMS).map(id) {
        assert_eq!(events(&*store.reader, &id).expect("readable"), 20);
        put(&mut store, &id, 20).expect("stored");
        keep(&mut store, &id, 900);
        keep(&mut store, &id, 300_000);
        store.writer.settle().expect("the store goes on");
    }
    let dropped = Batch { snapshots_dropped: vec![stream(&lost[0])], ..Batch::default() };
    store.writer.commit(&dropped).expect("the store goes on");
    let found = verify(&store).findings;
    assert!(found.iter().all(|it| matches!(it.place, Location::Snapshot(..))), "{found:?}");
    drop(store);
    place.compact();
    let mut store = place.open().expect("opens");
    assert!(unreadable(&store).is_empty());
    keep(&mut store, &lost[0], 900);
    let found = store.reader.snapshot(&stream(&lost[0]), None).expect("readable");
    assert_eq!(found.expect("stored").version, Version::new(21));
}

/// The list of the runs of the index is one small value. Without its page, the whole store was refused.
#[test]
fn a_damaged_page_with_the_list_of_runs_does_not_keep_a_store_from_opening() {
    let place = Damageable::new();
    place.damage(&[keys::MANIFEST]);
    for restart in 0..2 {
        let mut store = place.open().expect("opens");
        let readable = (0..STREAMS).map(id).filter(|id| events(&*store.reader, id).is_ok());
        let readable: Vec<_> = readable.collect();
        assert!(readable.len() > STREAMS as usize / 2, "{readable:?}");
        for version in 0..200 {
            put(&mut store, &readable[0], 20 + restart * 200 + version).expect("stored");
        }
    }
}

/// If both copies of the list are damaged, a store named no way out, although no event was affected.
#[test]
fn without_the_list_of_its_runs_a_store_is_read_in_a_copy() {
    let place = Damageable::new();
    place.damage(&[keys::MANIFEST, keys::MANIFEST_COPY]);
    let refused = place.open().map(|_| ()).expect_err("the index is not known");
    assert!(refused.to_string().contains("the index cannot be read"), "{refused}");
    let copy = tempfile::tempdir().expect("a directory");
    let left = open_for_forensics(place.0.path(), copy.path()).expect("opens");
    assert_eq!(left.missing(), Some(0));
    assert_eq!(events(&*left.reader, "stream-39").expect("readable"), 20);
}

/// Verification of a store with one damaged page of events never ended, and reported the page until no memory
/// was left.
#[test]
fn verification_reports_a_damaged_page_of_events_once_and_continues_after_it() {
    let place = Damageable::new();
    place.damage(&[&keys::chunk(300, 0)]);
    let store = place.open().expect("opens");
    let verified = verify(&store);
    let Location::Log(first) = verified.findings[0].place else { panic!("of the log") };
    assert!((280..=300).contains(&first.get()), "{first}");
    // The versions of the streams continue later than they should.
    assert!(verified.findings.len() <= 17 + 17, "{:?}", verified.findings);
    assert!(verified.events > STREAMS * 20 - 20, "{}", verified.events);
    let read = |at| store.reader.read_log(Position::new(at), PageLimit { commits: 1, bytes: 1 });
    let lost = (0..800).filter(|at| read(*at).is_err()).count();
    assert!((1..=17).contains(&lost), "{lost}");
    assert_eq!(read(300 + 17).expect("readable").commits[0].position(), Position::new(318));
}

/// A damaged page of events that the index did not cover yet kept even the copy for forensics from opening.
#[test]
fn events_around_a_damaged_page_are_read_in_a_copy() {
    let place = Damageable::with_runs_of(1_000_000);
    place.damage(&[&keys::chunk(300, 0)]);
    let refused = place.open().map(|_| ()).expect_err("versions of streams are not known");
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");
    assert!(refused.to_string().contains("open_for_forensics"), "{refused}");
    let copy = tempfile::tempdir().expect("a directory");
    let left = open_for_forensics(place.0.path(), copy.path()).expect("opens");
    assert_eq!(left.missing(), Some(0));
    let limit = PageLimit { commits: 1, bytes: 1 };
    let read = |at| left.reader.read_log(Position::new(at), limit).is_ok();
    let lost = (0..left.found.get()).filter(|at| !read(*at)).count();
    assert!((1..=17).contains(&lost), "{lost}");
}

/// sled had stored a part of a batch when it came to the damaged page of a note. Events that were reported as failed were
/// found after a restart, and the error did not name the note.
#[test]
fn nothing_is_stored_with_a_note_that_cannot_be_written() {
    let place = Damageable::new();
    let mut store = place.open().expect("opens");
    let write = |store: &mut Store, numbers: &[u8], appends, round: u8| {
        let mut notes = Notes::default();
        numbers.iter().for_each(|it| notes.put([*it], vec![*it + round; 1_000]).expect("small"));
        store.writer.commit(&Batch { notes: vec![notes], appends, ..Batch::default() })
    };
    (0..60).for_each(|it| drop(write(&mut store, &[it], vec![], 0).expect("stored")));
    drop(store);
    place.write_more();
    place.damage(&[&keys::note(&[30])]);
    let mut store = place.open().expect("opens");
    let head = store.reader.head();
    let appends = vec![append("account", "new", 0, &[50])];
    let failed = write(&mut store, &[0, 30, 59], appends, 100).expect_err("its page is damaged");
    let text = failed.to_string();
    assert!(text.contains("note \\x1e") && text.contains("restore a backup"), "{text}");
    drop(store);
    let store = place.open().expect("opens");
    assert_eq!(store.reader.head(), head);
    for it in [0, 59] {
        assert_eq!(store.reader.note(&[it]).expect("readable").expect("stored"), vec![it; 1_000]);
    }
}

//! Tests of what is reported when keys are missing or wrong in sled, as after a lost page.

use actuarius_domain::{Position, StreamId, Timestamp, Version};
use actuarius_persistence::verify::{Location, Verify};
use actuarius_persistence::{
    Append, Batch, NewSnapshot, Notes, OpenError, PageLimit, ReadError, Refusal, Store,
};
use tempfile::TempDir;

use crate::keys::{self, StreamHash, VALUE_MAX};
use crate::log::chunk;
use crate::testing::{self, Warnings, append, frames};
use crate::{SledOptions, format::Format, open_for_forensics, open_with};

/// Creates a closed store of ten commits to one stream in separate chunks. The first eight are indexed.
fn closed_store() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = open(&directory).expect("opens");
    for version in 0..10 {
        let appends = vec![append("account", "alice", version, &[10])];
        store.writer.commit(&Batch { appends, ..Batch::default() }).expect("stored");
    }
    directory
}

fn open(directory: &TempDir) -> Result<Store, OpenError> {
    open_with(directory.path(), &SledOptions::default().index_runs(2, 1))
}

fn tamper(directory: &TempDir, change: impl FnOnce(&sled::Db)) {
    testing::tamper(directory.path(), change);
}

fn alice() -> StreamId {
    StreamId::new("account", "alice").expect("valid")
}

fn hash(directory: &TempDir) -> StreamHash {
    let text = std::fs::read(directory.path().join("store/FORMAT")).expect("readable");
    StreamHash::of_stream(Format::parse(&text).expect("whole").seed(), &alice())
}

fn damaged_position(error: ReadError) -> u64 {
    let ReadError::Damaged(damage) = error else { panic!("{error}") };
    damage.position.get()
}

fn is_damaged<T>(opened: Result<T, OpenError>) -> bool {
    matches!(opened, Err(OpenError::Damaged { .. }))
}

#[test]
fn a_missing_chunk_is_reported_with_its_position() {
    let directory = closed_store();
    tamper(&directory, |db| drop(db.remove(keys::chunk(3, 0)).expect("removed")));
    let reader = open(&directory).expect("the damage is not at the end").reader;
    let (start, none) = (Position::NONE, Version::NONE);
    let log = reader.read_log(start, PageLimit::default()).expect_err("reported");
    assert_eq!(damaged_position(log), 3);
    let log = reader.read_log(Position::new(2), PageLimit::default()).expect_err("reported");
    assert_eq!(damaged_position(log), 3);
    let error =
        reader.read_stream(&alice(), none, start, PageLimit::default()).expect_err("reported");
    assert!(error.to_string().contains("account/alice"), "{error}");
    assert_eq!(damaged_position(error), 3);
    let later = reader.read_stream(&alice(), Version::new(5), start, PageLimit::default());
    assert_eq!(later.expect("untouched").commits.len(), 5, "the rest is readable");
}

#[test]
fn a_misplaced_chunk_is_reported() {
    let directory = closed_store();
    tamper(&directory, |db| {
        let other = db.get(keys::chunk(4, 0)).expect("readable").expect("exists");
        db.insert(keys::chunk(3, 0), other).expect("written");
    });
    let reader = open(&directory).expect("the damage is not at the end").reader;
    let error = reader.read_log(Position::NONE, PageLimit::default()).expect_err("reported");
    assert_eq!(damaged_position(error), 3);
}

#[test]
fn damage_at_the_end_is_reported_when_the_store_opens() {
    let missing = closed_store();
    tamper(&missing, |db| drop(db.remove(keys::chunk(9, 0)).expect("removed")));
    assert!(matches!(open(&missing), Err(OpenError::Shorter { .. } | OpenError::Damaged { .. })));
    let wrong = closed_store();
    tamper(&wrong, |db| drop(db.insert(keys::chunk(10, 0), vec![1; 50]).expect("written")));
    assert!(is_damaged(open(&wrong)));
    let unlisted = closed_store();
    tamper(&unlisted, |db| drop(db.remove(keys::MANIFEST).expect("removed")));
    assert!(open(&unlisted).is_ok(), "there is a copy");
    tamper(&unlisted, |db| {
        for key in [keys::MANIFEST, keys::MANIFEST_COPY] {
            db.remove(key).expect("removed");
        }
    });
    assert!(is_damaged(open(&unlisted)));
}

#[test]
fn events_after_a_gap_are_reported() {
    let directory = closed_store();
    tamper(&directory, |db| {
        let some = db.get(keys::chunk(4, 0)).expect("readable").expect("exists");
        db.insert(keys::chunk(12, 0), some).expect("written");
    });
    assert!(is_damaged(open(&directory)));
}

#[test]
fn parts_of_an_interrupted_large_commit_are_removed() {
    let directory = closed_store();
    tamper(&directory, |db| {
        for part in [7, 8, 9] {
            db.insert(keys::chunk(11, part), vec![7; VALUE_MAX]).expect("written");
        }
    });
    let mut store = open(&directory).expect("opens");
    let appends = vec![append("account", "alice", 10, &[80_000, 5])];
    store.writer.commit(&Batch { appends, ..Batch::default() }).expect("stored");
    drop(store);
    let reader = open(&directory).expect("opens").reader;
    let page = reader.read_log(Position::NONE, PageLimit::default()).expect("readable");
    assert_eq!(page.commits.len(), 12);
}

/// What was cut off was removed without a word, so an operator could not know that it had ever been there.
#[test]
fn the_position_of_an_interrupted_commit_is_logged() {
    let warnings = Warnings::default();
    let _guard = tracing::subscriber::set_default(warnings.clone());
    // tracing keeps for each event whether a subscriber wants it. A test on another thread, which has none, may
    // have stored "no" while the first store is opened; this thread then computes it again.
    for _ in 0..10 {
        tracing::callsite::rebuild_interest_cache();
        let directory = closed_store();
        tamper(&directory, |db| {
            db.insert(keys::chunk(11, 3), vec![7; VALUE_MAX]).expect("written");
        });
        drop(open(&directory).expect("opens"));
    }
    let logged = warnings.0.lock().expect("no panic").join("; ");
    assert!(
        logged.contains("position=11") && logged.contains("was never acknowledged"),
        "{logged}"
    );
}

#[test]
fn a_missing_part_of_the_index_is_never_read_as_an_empty_stream() {
    let directory = closed_store();
    tamper(&directory, |db| {
        for key in db.scan_prefix(b"i").keys() {
            db.remove(key.expect("readable")).expect("removed");
        }
    });
    let reader = open(&directory).expect("the damage is not at the end").reader;
    let (start, none) = (Position::NONE, Version::NONE);
    assert!(reader.read_stream(&alice(), none, start, PageLimit::default()).is_err());
    let unknown = StreamId::new("account", "bob").expect("valid");
    assert!(reader.version(&unknown).is_err(), "its version is unknown");
    assert_eq!(reader.version(&alice()).expect("in the tail"), Version::new(10));
}

#[test]
fn before_a_damaged_snapshot_the_previous_one_is_found() {
    let directory = closed_store();
    let mut store = open(&directory).expect("opens");
    for (version, size) in [(2, 10), (4, 30_000), (6, 30_000), (8, 10)] {
        let snapshot = NewSnapshot {
            stream: alice(),
            version: Version::new(version),
            position: Position::new(version),
            as_of: Position::new(version),
            state_version: 1,
            time: Timestamp::from_micros(1),
            payload: vec![1; size].into(),
            keep: 9,
            keep_since: None,
        };
        let batch = Batch { snapshots: vec![snapshot], ..Batch::default() };
        store.writer.commit(&batch).expect("stored");
    }
    drop(store);
    let key = hash(&directory);
    tamper(&directory, |db| {
        db.insert(keys::snapshot(key, 8, 0), vec![1; 40]).expect("written");
        db.remove(keys::snapshot(key, 6, 3)).expect("removed");
        db.remove(keys::snapshot(key, 4, 0)).expect("removed");
    });
    let reader = open(&directory).expect("opens").reader;
    let mut before = None;
    for damaged in [8, 6] {
        let error = reader.snapshot(&alice(), before).expect_err("reported");
        let ReadError::DamagedSnapshot { version, .. } = error else { panic!("{error}") };
        assert_eq!(version, Version::new(damaged));
        before = Some(version);
    }
    let found = reader.snapshot(&alice(), before).expect("whole").expect("exists");
    assert_eq!(found.version, Version::new(2), "the one at 4 has no part 0");
}

#[test]
fn a_damaged_or_misplaced_note_is_reported_by_name_and_others_are_readable() {
    let directory = closed_store();
    let mut store = open(&directory).expect("opens");
    let mut notes = Notes::default();
    ["a", "b\0", "c", "d"].iter().for_each(|key| notes.put(key, "seventeen").expect("small"));
    store.writer.commit(&Batch { notes: vec![notes], ..Batch::default() }).expect("stored");
    drop(store);
    tamper(&directory, |db| {
        let mut value = db.get(keys::note(b"b\0")).expect("readable").expect("exists").to_vec();
        value[7] ^= 4;
        db.insert(keys::note(b"b\0"), value).expect("written");
        let other = db.get(keys::note(b"a")).expect("readable").expect("exists");
        db.insert(keys::note(b"d"), other).expect("written");
    });
    let mut store = open(&directory).expect("the events are whole");
    for (key, name) in [(&b"b\0"[..], "b\\x00"), (b"d", "d")] {
        let error = store.reader.note(key).expect_err("reported");
        assert!(error.to_string().contains(&format!("the note {name} is damaged")), "{error}");
        let listed = store.reader.notes(key, None, 9).expect_err("reported");
        let ReadError::DamagedNote { key: named, .. } = listed else { panic!("{listed}") };
        assert_eq!(named, key);
    }
    assert_eq!(store.reader.notes(b"", Some(b"b\0"), 1).expect("after it")[0].key, "c");
    let mut repaired = Notes::default();
    repaired.put("b\0", "eighteen").expect("small");
    repaired.remove("d").expect("small");
    store.writer.commit(&Batch { notes: vec![repaired], ..Batch::default() }).expect("stored");
    assert_eq!(store.reader.notes(b"", None, 9).expect("repaired").len(), 3);
}

/// Replaces the chunk at `first` by one with this commit, a valid checksum and the same link.
fn forge(db: &sled::Db, first: u64, forged: &Append) {
    let chunk = chunk::read(first, |part| db.get(keys::chunk(first, part)));
    let before = chunk.expect("whole").expect("exists").before;
    let frames = frames(forged);
    let packed = chunk::Packed { first, before, frames: &frames, commits: 1, events: 1 };
    let [value] = &chunk::pack(&packed)[..] else { panic!("a small commit") };
    db.insert(keys::chunk(first, 0), value.as_slice()).expect("written");
}

/// A forger can recompute the checksum of a commit, but not the chain.
#[test]
fn a_replaced_commit_breaks_the_chain() {
    let directory = closed_store();
    tamper(&directory, |db| {
        forge(db, 9, &append("account", "alice", 8, &[11]));
    });
    assert!(is_damaged(open(&directory)));
}

/// Opening does not read indexed history. A forged commit there has a valid checksum and position, but
/// the next commit is still chained to the original one.
#[test]
fn verification_finds_a_replaced_old_commit() {
    let directory = closed_store();
    let whole = open(&directory).expect("opens");
    let end = whole.reader.maintenance().chain().expect("known");
    drop(whole);
    tamper(&directory, |db| {
        forge(db, 3, &append("account", "alice", 2, &[11]));
    });
    let store = open(&directory).expect("opening checks the end only");
    let verified =
        store.reader.maintenance().verify(&mut Verify::default().expect(end)).expect("readable");
    let places: Vec<_> = verified.findings.into_iter().map(|finding| finding.place).collect();
    assert_eq!(
        places,
        [Location::Log(Position::new(4))],
        "the next commit is chained to the original one"
    );
}

#[test]
fn verification_finds_reordered_commits() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = open(&directory).expect("opens");
    for id in ["a", "b", "c", "d", "e", "f", "g", "h", "i"] {
        let appends = vec![append("account", id, 0, &[10])];
        store.writer.commit(&Batch { appends, ..Batch::default() }).expect("stored");
    }
    drop(store);
    tamper(&directory, |db| {
        forge(db, 2, &append("account", "c", 0, &[10]));
        forge(db, 3, &append("account", "b", 0, &[10]));
    });
    let store = open(&directory).expect("opening checks the end only");
    let verified = store.reader.maintenance().verify(&mut Verify::default()).expect("readable");
    let log = |position| Location::Log(Position::new(position));
    assert!(verified.findings.iter().any(|finding| finding.place == log(3)));
    assert!(verified.findings.iter().any(|finding| finding.place == log(4)));
}

/// After a restart, one damaged page of the index made the first append to any stream in it fail as a
/// failed write does: the whole store stopped, and stopped again after each restart.
#[test]
fn a_damaged_index_part_refuses_the_appends_of_its_streams_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let open = || open_with(directory.path(), &SledOptions::default().index_runs(2, 64));
    let put = |store: &mut Store, id: &str, expected: u64| {
        let appends = vec![append("account", id, expected, &[10])];
        store
            .writer
            .commit(&Batch { appends, ..Batch::default() })
            .expect("the store goes on")
            .remove(0)
    };
    let mut store = open().expect("opens");
    for version in 0..10 {
        put(&mut store, "alice", version).expect("stored");
    }
    let bucket = |id: &str| {
        let stream = StreamId::new("account", id).expect("valid");
        let text = std::fs::read(directory.path().join("store/FORMAT")).expect("readable");
        let seed = Format::parse(&text).expect("whole").seed();
        keys::bucket(StreamHash::of_stream(seed, &stream).index(), 64)
    };
    let other = ["bob", "carol", "dave"].into_iter().find(|id| bucket(id) != bucket("alice"));
    let other = other.expect("three streams in one of 64 buckets");
    // All entries of the first stream are on disk now.
    for version in 0..10 {
        put(&mut store, other, version).expect("stored");
    }
    drop(store);
    tamper(&directory, |db| {
        let damaged = bucket("alice").to_be_bytes();
        for part in db.scan_prefix([b'i', damaged[0], damaged[1]]) {
            let (key, mut value) = part.expect("readable");
            *value.last_mut().expect("not empty") ^= 1;
            db.insert(key, value).expect("written");
        }
    });
    for _ in 0..2 {
        let mut store = open().expect("opens");
        let refusal = put(&mut store, "alice", 10).expect_err("its version cannot be read");
        assert!(matches!(refusal, Refusal::Unreadable(_)), "{refusal}");
        let version = store.reader.version(&StreamId::new("account", other).expect("valid"));
        let stored = put(&mut store, other, version.expect("readable").get());
        stored.expect("another stream is not affected");
        assert!(put(&mut store, "alice", 10).is_err(), "still refused");
    }
}

/// A store that had lost its last events could not even be read: its operator had no way to see what was
/// left of it.
#[test]
fn a_store_that_is_shorter_than_acknowledged_can_be_read_in_a_copy() {
    let directory = closed_store();
    tamper(&directory, |db| {
        for first in [9, 10] {
            db.remove(keys::chunk(first, 0)).expect("removed");
        }
    });
    let Err(OpenError::Shorter { acknowledged, found, .. }) = open(&directory) else {
        panic!("it is refused, because two events are missing")
    };
    let files = |root: &std::path::Path| -> Vec<_> {
        let files = ["store/log/db", "store/mark", "store/FORMAT"];
        files.map(|file| std::fs::read(root.join(file)).expect("readable")).into()
    };
    let before = files(directory.path());
    let copy = tempfile::tempdir().expect("a directory");
    let left = open_for_forensics(directory.path(), copy.path()).expect("opens");
    assert_eq!(
        (left.acknowledged, left.found, left.missing()),
        (Some(acknowledged), found, Some(2))
    );
    let log = left.reader.read_log(Position::NONE, PageLimit::default()).expect("readable");
    assert_eq!(log.commits.len(), 8);
    assert_eq!(left.reader.version(&alice()).expect("readable"), Version::new(8));
    drop(left);
    assert!(before == files(directory.path()), "the store is as it was");
    assert!(open_for_forensics(directory.path(), copy.path()).is_err(), "not overwritten");
}

//! Notes in the store on disk survive damaged files, failed syncs and a killed process, or the loss
//! is reported.

use std::fs;
use std::path::Path;

use actuarius_domain::{Metadata, Position, StreamId, Timestamp, Version};
use actuarius_persistence::{
    Append, Batch, Codec, NOTE_KEY_BYTES_MAX, NewCommit, Note, Notes, ReadError, Reader, Store,
};
use tempfile::TempDir;

use crate::child;
use crate::common::copy;

const NOTES: u64 = 20;

#[derive(serde::Serialize, serde::Deserialize)]
enum Event {
    Happened,
}

/// Sets all notes to one number, as one set.
fn commit(store: &mut Store, number: u64) {
    let mut notes = Notes::default();
    for note in 0..NOTES {
        // The sizes differ, so that the notes are spread over several pages of the engine.
        let value = [&number.to_be_bytes()[..], &vec![note as u8; note as usize * 100]].concat();
        notes.put(format!("note {note:02}"), value).expect("small");
    }
    store.writer.commit(&Batch { notes: vec![notes], ..Batch::default() }).expect("stored");
}

/// Returns the number in all notes, or 0 if there are none.
fn number(reader: &dyn Reader) -> Result<u64, ReadError> {
    let notes = reader.notes(b"", None, 100)?;
    let of = |note: &Note| u64::from_be_bytes(note.value[..8].try_into().expect("eight bytes"));
    let number = notes.first().map_or(0, of);
    assert!(notes.iter().all(|note| of(note) == number), "a part of a set");
    assert!(notes.is_empty() || notes.len() as u64 == NOTES, "a part of a set");
    Ok(number)
}

fn closed_store(numbers: u64) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = actuarius_sled::open(directory.path()).expect("opens");
    (1..=numbers).for_each(|number| commit(&mut store, number));
    directory
}

#[test]
fn a_batch_of_notes_alone_is_synced_without_a_new_high_water_mark() {
    let directory = closed_store(1);
    let mark = fs::read(directory.path().join("store/mark")).expect("readable");
    let mut store = actuarius_sled::open(directory.path()).expect("opens");
    commit(&mut store, 2);
    store.writer.settle().expect("settled");
    // A file where the sync must notice it.
    let blob = directory.path().join("store/log/blobs/4711");
    fs::write(&blob, "large").expect("written");
    let mut notes = Notes::default();
    notes.put("note 00", 3u64.to_be_bytes()).expect("small");
    let batch = Batch { notes: vec![notes], ..Batch::default() };
    assert!(store.writer.commit(&batch).is_err(), "the sync was checked");
    fs::remove_file(&blob).expect("removed");
    let unknown =
        store.reader.note(b"note 00").expect_err("a write without acknowledgement is not visible");
    assert!(matches!(unknown, ReadError::Io(_)), "{unknown}");
    assert!(store.reader.notes(b"", None, 9).is_err());
    assert_eq!(store.reader.head(), Position::NONE, "the log is still readable");
    drop(store);
    assert_eq!(fs::read(directory.path().join("store/mark")).expect("readable"), mark);
    let reader = actuarius_sled::open(directory.path()).expect("opens").reader;
    let value = reader.note(b"note 00").expect("readable").expect("there");
    assert!(value[..8] == 2u64.to_be_bytes() || value[..] == 3u64.to_be_bytes());
}

#[test]
fn each_store_has_an_identity_of_its_own_and_keeps_it() {
    let (one, other) = (closed_store(1), closed_store(1));
    let identity = |of: &TempDir| actuarius_sled::open(of.path()).expect("opens").reader.identity();
    assert_ne!(identity(&one), identity(&other));
    assert_eq!(identity(&one), identity(&one));
    let format = fs::read_to_string(one.path().join("store/FORMAT")).expect("readable");
    assert!(format.contains(&identity(&one).to_string()));
}

/// The engine may silently drop everything after a flipped bit. The high-water mark shows the loss
/// if an event is among it, so this test stores one after the notes.
#[test]
fn a_flipped_bit_never_silently_reverts_a_note() {
    let directory = closed_store(40);
    let mut store = actuarius_sled::open(directory.path()).expect("opens");
    store.writer.commit(&Batch { appends: vec![append()], ..Batch::default() }).expect("stored");
    drop(store);
    let bytes = fs::read(directory.path().join("store/log/db")).expect("readable");
    let used = bytes.iter().rposition(|&byte| byte != 0).expect("the file has data");
    let mut reported = 0;
    for flip in 0..80 {
        let mut damaged = bytes.clone();
        damaged[flip * used / 80] ^= 1 << (flip % 8);
        let copied = tempfile::tempdir().expect("a directory");
        copy(directory.path(), copied.path());
        fs::write(copied.path().join("store/log/db"), damaged).expect("written");
        match actuarius_sled::open(copied.path()).map(|store| number(&*store.reader)) {
            Ok(Ok(found)) => assert_eq!(found, 40, "flip {flip}"),
            _ => reported += 1,
        }
    }
    assert!(reported > 0, "some flips hit data in use");
}

/// An append of one event.
fn append() -> Append {
    let mut append = Append::new(StreamId::new("sample", "a").expect("valid"), Version::NONE);
    let commit = NewCommit {
        time: Timestamp::default(),
        command_id: "one".into(),
        named_by_caller: false,
        metadata: &Metadata::default(),
    };
    append.push(commit, Codec::Json, &[Event::Happened], |_| 1).expect("encodable");
    append
}

/// The engine's inner nodes contain up to about three hundred keys. Even with the longest keys and
/// large values, no node may become a file that the engine does not sync.
#[test]
fn thousands_of_notes_with_the_longest_keys_survive_reopening() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = actuarius_sled::open(directory.path()).expect("opens");
    let key = |number: u64| {
        let mut key = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().to_vec();
        key.resize(NOTE_KEY_BYTES_MAX, 7);
        key
    };
    let count = 5_000;
    for set in 0..count / 25 {
        let mut notes = Notes::default();
        for number in set * 25..(set + 1) * 25 {
            notes.put(key(number), vec![7; (number % 100) as usize * 20]).expect("small");
        }
        store.writer.commit(&Batch { notes: vec![notes], ..Batch::default() }).expect("stored");
    }
    drop(store);
    let reader = actuarius_sled::open(directory.path()).expect("opens").reader;
    assert_eq!(reader.notes(b"", None, usize::MAX).expect("readable").len() as u64, count);
    for number in 0..count {
        let value = reader.note(&key(number)).expect("readable").expect("there");
        assert_eq!(value.len() as u64, number % 100 * 20);
    }
}

/// Sets the notes until it is killed, and reports each acknowledgement to its parent. Does nothing
/// without its environment variable.
#[test]
fn the_notes_named_by_the_environment_are_written_until_the_end() {
    let Some(directory) = std::env::var_os("NOTES_TO_WRITE") else { return };
    let mut store = actuarius_sled::open(directory).expect("opens");
    let first = number(&*store.reader).expect("readable") + 1;
    for number in first.. {
        commit(&mut store, number);
        println!("acknowledged {number}");
    }
}

#[test]
fn a_killed_process_loses_no_acknowledged_note_and_leaves_no_partial_set() {
    let directory = tempfile::tempdir().expect("a directory");
    for acknowledgements in [1, 40, 7, 100, 3] {
        let acknowledged = write_and_kill(directory.path(), acknowledgements);
        let store = actuarius_sled::open(directory.path()).expect("opens");
        let found = number(&*store.reader).expect("readable");
        assert!(found >= acknowledged, "{acknowledged} was acknowledged, {found} was found");
    }
}

/// Lets a child process set the notes, and kills it after `acknowledgements` acknowledgements.
/// Returns the number that was acknowledged last.
fn write_and_kill(directory: &Path, acknowledgements: usize) -> u64 {
    let test = "the_notes_named_by_the_environment_are_written_until_the_end";
    let mut child = child::running(module_path!(), test);
    child.env("NOTES_TO_WRITE", directory);
    child::kill_after(child, acknowledgements)
}

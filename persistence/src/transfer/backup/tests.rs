//! Backups that are killed before every operation that changes a file.

use std::path::Path;

use actuarius_domain::{Metadata, Position, StreamId, Timestamp};

use super::{BackupError, Run, TakeOptions, Until};
use crate::archive::segment::{Kind, SegmentHead, Writing};
use crate::store::memory;
use crate::{
    Append, Batch, Codec, Commit, NewCommit, PageLimit, Reader, RecordedShape, Store, crash_points,
    ignore_progress,
};

#[derive(serde::Serialize)]
enum Event {
    Noted(u64),
}

fn write(store: &mut Store, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let stream = StreamId::new("note", format!("{}", number % 3)).expect("valid");
        let expected = store.reader.version(&stream).expect("readable");
        let mut append = Append::new(stream, expected);
        let commit = NewCommit {
            time: Timestamp::from_micros(1),
            command_id: "".into(),
            named_by_caller: false,
            metadata: &Metadata::default(),
        };
        append.push(commit, Codec::Json, &[Event::Noted(number)], |_| 1).expect("encodable");
        let batch = Batch { appends: vec![append], ..Batch::default() };
        store.writer.commit(&batch).expect("stored");
    }
}

fn log(reader: &dyn Reader) -> Vec<Commit> {
    reader.maintenance().read_raw(Position::NONE, PageLimit::default()).expect("readable").commits
}

fn same(one: &[Commit], other: &[Commit]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.same_bytes(other))
}

fn take(store: &Store, directory: &Path) -> Result<Run, BackupError> {
    let options = TakeOptions::default().segment_bytes(100).archive(directory.join("archive"));
    super::take(&*store.reader, directory.join("saved"), &options, &mut ignore_progress)
}

/// Writes a segment to the archive.
fn archive(store: &Store, directory: &Path, name: &str) {
    let path = directory.join("archive").join(name);
    crate::files::create_directory(&directory.join("archive")).expect("made");
    let head = SegmentHead::new(Kind::Archive, store.reader.identity());
    let mut writing = Writing::create(path, head).expect("created");
    for commit in log(&*store.reader).iter().take(2) {
        writing.put(commit.position(), &commit.frame()).expect("put");
    }
    writing.finish(None).expect("finished");
}

/// Verifies the backup, and returns a store loaded from it.
fn loaded(directory: &Path) -> Store {
    let (saved, mut store) = (directory.join("saved"), memory::open());
    super::verify(&saved, &mut ignore_progress).expect("whole");
    super::load(&saved, &mut store, Until::End, &mut ignore_progress).expect("loaded");
    store
}

#[test]
fn a_run_that_is_killed_anywhere_is_complete_or_not_part_of_the_backup() {
    for number in 0.. {
        let directory = tempfile::tempdir().expect("a directory");
        let directory = directory.path();
        let mut store = memory::open();
        write(&mut store, 0..9);
        archive(&store, directory, "a.seg");
        take(&store, directory).expect("taken");
        let before = log(&*store.reader);
        write(&mut store, 9..15);
        archive(&store, directory, "b.seg");

        let (done, was_killed) = crash_points::killed_at(number, || take(&store, directory));
        assert!(was_killed || done.is_ok(), "{done:?}");
        let runs = super::runs(directory.join("saved")).expect("readable").len();
        let found = log(&*loaded(directory).reader);
        let wanted = if runs == 1 { before } else { log(&*store.reader) };
        assert!(same(&found, &wanted), "killed at {number}");

        take(&store, directory).expect("the next run removes what is left");
        assert!(same(&log(&*loaded(directory).reader), &log(&*store.reader)));
        let left = super::place::names(&directory.join("saved")).expect("listed");
        assert!(!left.iter().any(|name| name.ends_with(".writing")), "{left:?}");
        if !was_killed {
            assert!(number > 15, "there were only {number} operations");
            break;
        }
    }
}

/// Earlier releases copied two versions of an archived segment to one file when a purge was under way. Such a
/// backup could be neither verified nor restored, although one of the two is all that is needed.
#[test]
fn a_backup_of_an_earlier_release_with_an_overwritten_segment_is_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    let mut store = memory::open();
    write(&mut store, 0..9);
    archive(&store, directory, "a.seg");
    take(&store, directory).expect("taken");
    let place = super::place::Place::open(&directory.join("saved")).expect("there");
    let mut manifest = place.manifests().expect("readable").remove(0);
    let mut overwritten = manifest.archived[0].clone();
    (overwritten.bytes, overwritten.hash) = (overwritten.bytes + 100, crate::chain::Link([7; 32]));
    manifest.archived.insert(0, overwritten);
    assert!(place.store(&manifest).is_err(), "this release does not write such a run");
    let path = directory.join("saved").join("run-000001.manifest");
    std::fs::write(path, manifest.to_text()).expect("written");
    assert!(same(&log(&*loaded(directory).reader), &log(&*store.reader)));
    assert_eq!(place.manifests().expect("readable")[0].archived.len(), 1);
    take(&store, directory).expect("the next run can be added");
}

fn record(store: &mut Store, event_type: &str, words: &str) {
    let notes = RecordedShape::new("note", event_type, 1, words).notes().expect("short");
    store.writer.commit(&Batch { notes: vec![notes], ..Batch::default() }).expect("stored");
}

fn shapes(directory: &Path, until: Until) -> Vec<(String, String)> {
    let mut store = memory::open();
    super::load(directory.join("saved"), &mut store, until, &mut ignore_progress).expect("loaded");
    let all = RecordedShape::all(&*store.reader, |error| panic!("{error}")).expect("readable");
    all.into_iter().map(|it| (it.event_type.clone(), it.words().to_owned())).collect()
}

fn known(shapes: &[(&str, &str)]) -> Vec<(String, String)> {
    shapes.iter().map(|(name, words)| ((*name).to_owned(), (*words).to_owned())).collect()
}

/// A store was restored to a point within its first run, without the shapes of its events. The first event that the
/// changed program stored recorded its own shape, and the older events were misread from then on.
#[test]
fn a_store_restored_to_any_point_has_the_shapes_of_its_events() {
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    let mut store = memory::open();
    record(&mut store, "Noted", "u64");
    write(&mut store, 0..9);
    take(&store, directory).expect("taken");
    record(&mut store, "Struck", "{cur: enum(Eur|Usd)}");
    write(&mut store, 9..15);
    let run = take(&store, directory).expect("taken");
    assert_eq!((run.number, run.notes), (2, 2));
    super::verify(directory.join("saved"), &mut ignore_progress).expect("whole");
    let (one, both) = (
        known(&[("Noted", "u64")]),
        known(&[("Noted", "u64"), ("Struck", "{cur: enum(Eur|Usd)}")]),
    );
    let until = |position| Until::Position(Position::new(position));
    assert_eq!(shapes(directory, until(4)), one);
    assert_eq!(shapes(directory, until(9)), both, "the next run is not older");
    assert_eq!(shapes(directory, until(12)), both);
    assert_eq!(shapes(directory, Until::End), both);
}

/// The first bincode event of a type was stored while a backup was taken: after its notes were read, and before the
/// end of the log was. It was in the backup without its shape.
#[test]
fn a_shape_that_is_recorded_while_a_backup_is_taken_is_in_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    let mut store = memory::open();
    write(&mut store, 0..9);
    let (reader, options) = (store.reader.clone(), TakeOptions::default());
    let mut progress = |_: &crate::Progress| {
        record(&mut store, "Noted", "u64");
        std::ops::ControlFlow::Continue(())
    };
    super::take(&*reader, directory.join("saved"), &options, &mut progress).expect("taken");
    assert_eq!(shapes(directory, Until::End), known(&[("Noted", "u64")]));
}

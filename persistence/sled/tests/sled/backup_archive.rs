//! Backups of stores whose archived streams are deleted: before, between and during the runs.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use actuarius_domain::{Metadata, Position, StreamId, Timestamp, Version};
use actuarius_persistence::archive::files as segments;
use actuarius_persistence::backup::{self, Until};
use actuarius_persistence::segment::Segment;
use actuarius_persistence::verify::Verify;
use actuarius_persistence::{
    Append, Batch, Commit, Deletion, Gone, NewCommit, PageLimit, Reader, Removal, Store,
    ignore_progress,
};

use crate::backup::{archive, place, restore, small, take};
use crate::common::log::{stream, write};

/// Ends a stream and removes its events, like a deletion: from the log, then from the archive.
fn delete(store: &mut Store, wanted: &StreamId) {
    let version = end(store, wanted);
    let reader = store.reader.clone();
    reader.maintenance().purge_archive(wanted, version).expect("purged");
}

/// Ends a stream and removes its events from the log. Returns the version of its end.
fn end(store: &mut Store, wanted: &StreamId) -> Version {
    let version = store.reader.version(wanted).expect("readable");
    let mut append = Append::new(wanted.clone(), version);
    let commit = NewCommit {
        time: Timestamp::from_micros(1_000),
        command_id: "end".into(),
        named_by_caller: false,
        metadata: &Metadata::default(),
    };
    append.push_deletion(commit, Deletion { reusable: true }).expect("it is short");
    let batch = Batch { appends: vec![append], ..Batch::default() };
    assert!(store.writer.commit(&batch).expect("stored")[0].is_ok());
    let limit = PageLimit { commits: usize::MAX, bytes: usize::MAX };
    let page = store.reader.maintenance().read_raw_stream(wanted, Version::NONE, limit);
    let commits = page.expect("readable").commits;
    let before = commits.iter().filter(|commit| commit.last_version() <= version);
    let removals = before.map(|commit| Removal::of(commit, Gone::Removed)).collect();
    store.writer.commit(&Batch { removals, ..Batch::default() }).expect("removed");
    version.next()
}

/// Reads the log to its head. Returns the number of commits with events of the stream, and of all others.
fn commits_of(reader: &dyn Reader, wanted: &StreamId) -> (usize, usize) {
    let limit = PageLimit { commits: usize::MAX, bytes: usize::MAX };
    let commits = reader.read_log(Position::NONE, limit).expect("readable to its head").commits;
    assert_eq!(commits.last().map(Commit::last_position), Some(reader.head()));
    let with_events = commits
        .iter()
        .filter(|commit| commit.view().events().any(|event| event.deletion().is_none()));
    let (of_stream, others): (Vec<_>, Vec<_>) =
        with_events.partition(|commit| commit.view().belongs_to(wanted));
    (of_stream.len(), others.len())
}

fn check_whole(store: &Store) {
    let verified = store.reader.maintenance().verify(&mut Verify::default()).expect("readable");
    assert_eq!((verified.findings, verified.missing), (vec![], 0));
}

/// Returns whether a segment in the archive of a store has commits of the stream.
fn archive_has(directory: &Path, wanted: &StreamId) -> bool {
    let paths = segments(&directory.join("archive")).expect("listed");
    paths.iter().any(|path| {
        let segment = Segment::open(path).expect("whole");
        segment.verify().expect("whole");
        let mut commits = segment.commits_from(Position::NONE);
        commits.any(|commit| commit.expect("readable").view().belongs_to(wanted))
    })
}

/// A service archived an aggregate, took a backup, deleted the aggregate, and took the next one. The restored
/// store had a hole: its log referred to events that its archive did not have, so every follower halted
/// there, and the aggregate was quarantined as damaged.
#[test]
fn an_aggregate_that_was_archived_and_deleted_between_two_runs_is_restored_as_deleted() {
    let (directory, [saved, back]) = place();
    let mut store = actuarius_sled::open(directory.path().join("data")).expect("opens");
    write(&mut store, 0..30);
    archive(&mut store, stream(3));
    archive(&mut store, stream(4));
    let first = take(&*store.reader, &saved).expect("taken");
    write(&mut store, [40]);
    let before = store.reader.head();
    delete(&mut store, &stream(3));
    take(&*store.reader, &saved).expect("taken");
    backup::verify(&saved, &mut ignore_progress).expect("whole");

    let restored = restore(&saved, &back, Until::End).expect("restored");
    let wanted = commits_of(&*store.reader, &stream(3));
    assert_eq!(wanted.0, 0);
    assert_eq!(commits_of(&*restored.reader, &stream(3)), wanted);
    assert!(!archive_has(&back, &stream(3)) && archive_has(&back, &stream(4)));
    check_whole(&restored);

    // Before the deletion the events are restored from the version of the segment that has them.
    for until in [first.to.position, before] {
        let to = directory.path().join(format!("{until}"));
        let restored = restore(&saved, &to, until).expect("restored");
        assert!(commits_of(&*restored.reader, &stream(3)).0 > 0);
        check_whole(&restored);
    }
}

/// The same without an archive: the events of the aggregate are in the first run, and its end is in the second.
/// They came back with the restore, and stayed.
#[test]
fn an_aggregate_that_was_deleted_between_two_runs_is_restored_without_events() {
    let (directory, [saved, back]) = place();
    let mut store = actuarius_sled::open(directory.path().join("data")).expect("opens");
    write(&mut store, 0..30);
    let first = take(&*store.reader, &saved).expect("taken");
    delete(&mut store, &stream(3));
    write(&mut store, [3]);
    take(&*store.reader, &saved).expect("taken");
    let report = actuarius_sled::restore(&saved, &back, Until::End, &mut ignore_progress);
    assert!(report.expect("restored").deleted > 0);
    let restored = actuarius_sled::open(&back).expect("opens");
    let (again, others) = commits_of(&*restored.reader, &stream(3));
    assert_eq!(again, 1, "what was written after the deletion");
    assert_eq!((again, others), commits_of(&*store.reader, &stream(3)));
    check_whole(&restored);
    let to = directory.path().join("earlier");
    let restored = restore(&saved, &to, first.to.position).expect("restored");
    assert!(commits_of(&*restored.reader, &stream(3)).0 > 1);
}

/// The aggregate was deleted while a run was taken: after the run had read its archived events from the log,
/// and before it copied the archive.
#[test]
fn an_aggregate_that_is_deleted_during_a_run_is_restored_as_deleted() {
    let (directory, [saved, back]) = place();
    let mut store = actuarius_sled::open(directory.path().join("data")).expect("opens");
    write(&mut store, 0..30);
    archive(&mut store, stream(3));
    archive(&mut store, stream(4));
    let (reader, head) = (store.reader.clone(), store.reader.head());
    let mut deleted = [stream(3), stream(4)].into_iter();
    let run = backup::take(&*reader, &saved, &small(), &mut |progress| {
        // At the end of what is copied. The second stream is deleted while the run is extended, when its
        // segment has been copied.
        if progress.position == progress.end
            && let Some(next) = deleted.next()
        {
            delete(&mut store, &next);
        }
        ControlFlow::Continue(())
    });
    assert!(run.expect("taken").to.position > head, "it contains the ends of the streams");
    backup::verify(&saved, &mut ignore_progress).expect("whole");
    let restored = restore(&saved, &back, Until::End).expect("restored");
    assert_eq!(commits_of(&*restored.reader, &stream(3)).0, 0);
    assert!(commits_of(&*restored.reader, &stream(4)).0 > 0, "its end is not in the run");
    assert!(!archive_has(&back, &stream(3)) && archive_has(&back, &stream(4)));
    check_whole(&restored);
    // Its events are in no run, so before the deletion they are missing as well, and the log is readable.
    let restored = restore(&saved, &directory.path().join("earlier"), head).expect("restored");
    assert_eq!(commits_of(&*restored.reader, &stream(3)).0, 0);
    check_whole(&restored);
}

/// A segment with two aggregates, both deleted later, was only in the first run. A restore to between the two
/// deletions must have the one and not the other.
#[test]
fn a_restore_between_two_deletions_has_the_events_of_one_aggregate_only() {
    let (directory, [saved, back]) = place();
    let mut store = actuarius_sled::open(directory.path().join("data")).expect("opens");
    write(&mut store, 0..30);
    let both = [stream(3), stream(4)];
    let wanted = both.clone();
    crate::backup::archive_where(&mut store, move |of| wanted.contains(of));
    assert_eq!(segments(&directory.path().join("data/archive")).expect("listed").len(), 1);
    take(&*store.reader, &saved).expect("taken");
    delete(&mut store, &both[0]);
    let between = store.reader.head();
    delete(&mut store, &both[1]);
    take(&*store.reader, &saved).expect("taken");
    let restored = restore(&saved, &back, between).expect("restored");
    let (first, second) =
        (commits_of(&*restored.reader, &both[0]), commits_of(&*restored.reader, &both[1]));
    assert!(first.0 == 0 && second.0 > 0, "{first:?} {second:?}");
    assert!(!archive_has(&back, &both[0]) && archive_has(&back, &both[1]));
    check_whole(&restored);
}

/// A run copied the archive while a purge had written the new file of a segment and not yet removed the old
/// one. Both were copied to the same name, the run reported success, and the backup could be neither
/// verified nor restored.
#[test]
fn a_backup_taken_during_a_purge_is_whole() {
    let (directory, [saved, back]) = place();
    let mut store = actuarius_sled::open(directory.path().join("data")).expect("opens");
    write(&mut store, 0..30);
    crate::backup::archive_where(&mut store, |of| *of == stream(3) || *of == stream(4));
    let archive = directory.path().join("data/archive");
    let [old] = &segments(&archive).expect("listed")[..] else { panic!("one segment") };
    let aside = directory.path().join("aside");
    fs::copy(old, &aside).expect("copied");
    delete(&mut store, &stream(3));
    fs::rename(&aside, old).expect("put back");
    assert_eq!(segments(&archive).expect("listed").len(), 2);
    take(&*store.reader, &saved).expect("taken");
    let runs = backup::verify(&saved, &mut ignore_progress).expect("whole");
    assert_eq!(runs.len(), 1);
    let restored = restore(&saved, &back, Until::End).expect("restored");
    assert_eq!(commits_of(&*restored.reader, &stream(3)), commits_of(&*store.reader, &stream(3)));
    check_whole(&restored);
    let again = take(&*store.reader, &saved).expect("taken");
    assert_eq!(files_of(&saved, again.number), 0, "nothing is new in the archive");
}

fn files_of(saved: &Path, run: u32) -> usize {
    let prefix = format!("run-{run:06}.");
    let names = crate::backup::files(&saved.join("archive"));
    let name = |path: &Path| path.file_name().expect("a file").to_string_lossy().into_owned();
    names.iter().filter(|path| name(path).starts_with(&prefix)).count()
}

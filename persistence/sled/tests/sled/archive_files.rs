//! The files of an archive: how many are open, and how they are replaced while others read and write them.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use actuarius_domain::{Metadata, Position, StreamId, Timestamp, Version};
use actuarius_persistence::archive::{Moving, files, purge};
use actuarius_persistence::segment::Segment;
use actuarius_persistence::verify::Verify;
use actuarius_persistence::{
    Append, Batch, Deletion, Gone, NewCommit, PageLimit, ReadError, Reader, Removal, Store,
    crash_points,
};

use crate::child;
use crate::common::{append, commit, stream};

/// The version of an end after all events.
const END: Version = Version::new(u64::MAX);

/// Writes one commit to each of some streams, and archives each by itself: one segment for each.
fn archived_one_by_one(directory: &Path, streams: u64) -> Store {
    let mut store = actuarius_sled::open(directory).expect("opens");
    for id in 0..streams {
        commit(&mut store, append(&id.to_string(), 0, &[40]));
    }
    for id in 0..streams {
        archive(&mut store, |of| of.id() == id.to_string());
    }
    store
}

fn archive(store: &mut Store, which: impl Fn(&StreamId) -> bool + Send) {
    let reader = store.reader.clone();
    let directory = reader.maintenance().archive().expect("a store on disk has one").to_owned();
    let wanted = Box::new(move |of: &StreamId| Ok(which(of).then_some(Version::new(u64::MAX))));
    let mut moving = Moving::new(&*reader, directory, wanted);
    while let Some(segment) = moving.next_segment().expect("written") {
        let batch = Batch { removals: segment.removals, ..Batch::default() };
        store.writer.commit(&batch).expect("removed");
    }
}

/// Removes the commits of a stream from the log, like a deletion before it purges the archive.
fn remove(store: &mut Store, id: &str) {
    let page = store.reader.maintenance().read_raw_stream(
        &stream(id),
        Version::NONE,
        PageLimit::default(),
    );
    let commits = page.expect("readable").commits;
    let removals = commits.iter().map(|it| Removal::of(it, Gone::Removed)).collect();
    store.writer.commit(&Batch { removals, ..Batch::default() }).expect("removed");
}

fn read_all(reader: &dyn Reader) -> Result<usize, ReadError> {
    let page = reader.read_log(Position::NONE, PageLimit::default())?;
    Ok(page.commits.iter().filter(|commit| commit.gone().is_none()).count())
}

/// Archiving a thousand aggregates one by one makes a thousand segments. The first read opened all of
/// them and kept them open; after the limit of the process, existing segments were reported as missing,
/// and the sockets of the service failed as well.
#[cfg(unix)]
#[test]
fn an_archive_of_more_segments_than_descriptors_is_read() {
    let directory = tempfile::tempdir().expect("a directory");
    drop(archived_one_by_one(directory.path(), 300));
    let name = "the_archive_named_by_the_environment_is_read";
    let mut child = child::with_descriptors(&child::running(module_path!(), name), 128);
    child.env("ARCHIVE_TO_READ", directory.path());
    child::must_pass(child);
}

/// Does nothing without its environment variable.
#[cfg(unix)]
#[test]
fn the_archive_named_by_the_environment_is_read() {
    let Some(directory) = std::env::var_os("ARCHIVE_TO_READ") else { return };
    let store = actuarius_sled::open(&directory).expect("opens");
    assert_eq!(read_all(&*store.reader).expect("readable"), 300);
    let mut others = Vec::new();
    while let Ok(file) = fs::File::open(Path::new(&directory)) {
        others.push(file);
    }
    assert!(others.len() > 30, "the archive leaves descriptors for others: {}", others.len());
    let error = read_all(&*store.reader).expect_err("no descriptor is left");
    assert!(matches!(error, ReadError::Io(_)), "it can be tried again: {error}");
    drop(others);
    assert_eq!(read_all(&*store.reader).expect("readable again"), 300);
    let verified = store.reader.maintenance().verify(&mut Verify::default()).expect("readable");
    assert_eq!((verified.findings, verified.missing, verified.archived), (vec![], 0, 300));
}

/// A follower had read the stubs of a page when another aggregate of it was deleted and purged: the segment
/// no longer had the commits, the follower took that for damage, and halted.
#[test]
fn a_reader_beside_deletions_never_sees_damage() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = actuarius_sled::open(directory.path()).expect("opens");
    for id in 0..60 {
        commit(&mut store, append(&id.to_string(), 0, &[40, 40]));
    }
    archive(&mut store, |_| true);
    let (reader, is_over) = (store.reader.clone(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let mut readers = Vec::new();
        for number in 0..3 {
            let (reader, is_over) = (&reader, &is_over);
            readers.push(scope.spawn(move || {
                let mut reads = 0u64;
                while !is_over.load(Ordering::Relaxed) {
                    read_all(&**reader).expect("nothing is damaged");
                    let verified = match number {
                        0 => reader.maintenance().verify(&mut Verify::default()),
                        _ => Ok(Default::default()),
                    };
                    assert_eq!(verified.expect("readable").findings, vec![]);
                    reads += 1;
                }
                reads
            }));
        }
        for id in 0..60 {
            remove(&mut store, &id.to_string());
            let purged = reader.maintenance().purge_archive(&stream(&id.to_string()), END);
            assert_eq!(purged.expect("purged"), 2);
        }
        is_over.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().expect("no reader failed") > 0);
        }
    });
    assert_eq!(read_all(&*reader).expect("readable"), 0);
}

/// Two aggregates of one segment were deleted at the same time. Each purge rewrote the segment without its
/// own stream, so each of the two new files kept the events of the other one.
#[test]
fn two_deletions_at_once_leave_nothing_of_either_in_the_archive() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = actuarius_sled::open(directory.path()).expect("opens");
    for id in 0..12 {
        commit(&mut store, append(&id.to_string(), 0, &[2_000; 20]));
    }
    archive(&mut store, |_| true);
    (0..8).for_each(|id| remove(&mut store, &id.to_string()));
    std::thread::scope(|scope| {
        for id in 0..8 {
            let reader = &store.reader;
            scope.spawn(move || {
                let purged = reader.maintenance().purge_archive(&stream(&id.to_string()), END);
                assert_eq!(purged.expect("purged"), 20);
            });
        }
    });
    let left = files(&directory.path().join("archive")).expect("listed");
    assert_eq!(left.len(), 1, "one file of the segment: {left:?}");
    assert_eq!(Segment::open(&left[0]).expect("whole").summary().commits, 80);
    let verified = store.reader.maintenance().verify(&mut Verify::default()).expect("readable");
    assert_eq!((verified.findings, verified.archived, verified.removed), (vec![], 80, 160));
}

/// An archive that was being written when its aggregate was deleted completed its segment after the purge
/// had looked, and a killed one left an unfinished file: the deleted events stayed on disk permanently.
#[test]
fn events_that_are_being_archived_are_purged_with_their_stream() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = actuarius_sled::open(directory.path()).expect("opens");
    commit(&mut store, append("1", 0, &[40; 30]));
    commit(&mut store, append("2", 0, &[40; 30]));
    let reader = store.reader.clone();
    let archive = reader.maintenance().archive().expect("there is one").to_owned();
    let (asked, is_asked) = std::sync::mpsc::channel();
    let (go, is_deleted) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let moving = scope.spawn(|| {
            let wanted = Box::new(move |of: &StreamId| {
                if of.id() == "2" {
                    // The events of the first stream are in the unfinished file.
                    asked.send(()).expect("waited for");
                    is_deleted.recv().expect("sent");
                }
                Ok(Some(Version::new(u64::MAX)))
            });
            let mut moving = Moving::new(&*reader, archive.clone(), wanted);
            moving.next_segment().expect("written").expect("there are events").removals
        });
        is_asked.recv().expect("asked");
        remove(&mut store, "1");
        let purging = scope.spawn(|| reader.maintenance().purge_archive(&stream("1"), END));
        go.send(()).expect("received");
        let removals = moving.join().expect("moved");
        assert_eq!(purging.join().expect("no panic").expect("purged"), 30);
        store.writer.commit(&Batch { removals, ..Batch::default() }).expect("removed");
    });
    assert_eq!(read_all(&*store.reader).expect("readable"), 30, "those of the other stream");
    let verified = store.reader.maintenance().verify(&mut Verify::default()).expect("readable");
    assert_eq!((verified.findings, verified.archived, verified.removed), (vec![], 30, 30));

    fs::write(archive.join("killed.seg.writing"), "events of a deleted stream").expect("written");
    reader.maintenance().purge_archive(&stream("1"), END).expect("purged");
    let names = fs::read_dir(&archive).expect("listed").count();
    assert_eq!(names, 1, "the unfinished file of a killed process is removed");
}

/// A process that was killed while it archived left a file with events. It stayed, and backups of the directory took
/// it along, until something was archived or deleted again.
#[test]
fn the_unfinished_file_of_a_killed_archive_is_removed_when_the_store_is_opened() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = actuarius_sled::open(directory.path()).expect("opens");
    let archive = store.reader.maintenance().archive().expect("there is one").to_owned();
    drop(store);
    fs::create_dir_all(&archive).expect("created");
    fs::write(archive.join("killed.seg.writing"), "events of a deleted stream").expect("written");
    let _store = actuarius_sled::open(directory.path()).expect("opens");
    assert_eq!(fs::read_dir(&archive).expect("listed").count(), 0);
}

/// A process killed between writing the new file of a segment and removing the old one left both, and so did
/// every further purge.
#[test]
fn a_purge_killed_anywhere_is_completed_by_the_next_and_leaves_one_file() {
    for number in 0.. {
        let directory = tempfile::tempdir().expect("a directory");
        let mut store = actuarius_sled::open(directory.path()).expect("opens");
        for id in 0..3 {
            commit(&mut store, append(&id.to_string(), 0, &[40; 10]));
        }
        archive(&mut store, |_| true);
        remove(&mut store, "1");
        let archive = directory.path().join("archive");
        let killed = || purge(&archive, &stream("1"), END);
        let (done, was_killed) = crash_points::killed_at(number, killed);
        assert!(was_killed || done.is_ok(), "{done:?}");
        drop(store);
        let store = actuarius_sled::open(directory.path()).expect("opens");
        assert_eq!(read_all(&*store.reader).expect("readable"), 20, "killed at {number}");
        store.reader.maintenance().purge_archive(&stream("1"), END).expect("purged");
        let left = files(&archive).expect("listed");
        let commits = |path| Segment::open(path).expect("whole").summary().commits;
        assert_eq!(left.iter().map(commits).collect::<Vec<_>>(), [20], "killed at {number}");
        assert_eq!(fs::read_dir(&archive).expect("listed").count(), 1, "killed at {number}");
        assert_eq!(read_all(&*store.reader).expect("readable"), 20, "killed at {number}");
        if !was_killed {
            assert!(number > 4, "there were only {number} operations");
            break;
        }
    }
}

/// An id was deleted and used again, and everything was archived, also the end of the stream. A deletion that was
/// resumed then no longer found the end, or removed the new events with the old ones from the archive.
#[test]
fn what_is_written_after_a_deletion_stays_in_the_archive_and_the_end_in_the_log() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = actuarius_sled::open(directory.path()).expect("opens");
    commit(&mut store, append("1", 0, &[40; 5]));
    archive(&mut store, |_| true);
    let metadata = Metadata::default();
    let (time, command_id) = (Timestamp::from_micros(9), "end".into());
    let mut end = Append::new(stream("1"), Version::new(5));
    let ended = NewCommit { time, command_id, named_by_caller: false, metadata: &metadata };
    end.push_deletion(ended, Deletion { reusable: true }).expect("it is short");
    commit(&mut store, end);
    commit(&mut store, append("1", 6, &[40; 3]));
    archive(&mut store, |_| true);
    let raw = store.reader.maintenance().read_raw(Position::new(5), PageLimit::default());
    let commits = raw.expect("readable").commits;
    assert!(commits[0].gone().is_none(), "the end stays in the log");
    assert!(commits[1..].iter().all(|commit| commit.gone().is_some()));
    let old = store.reader.maintenance().read_raw(Position::NONE, PageLimit::default());
    let old = &old.expect("readable").commits[..5];
    let removals = old.iter().map(|it| Removal::of(it, Gone::Removed)).collect();
    store.writer.commit(&Batch { removals, ..Batch::default() }).expect("removed");
    let purge = || store.reader.maintenance().purge_archive(&stream("1"), Version::new(6));
    assert_eq!(purge().expect("purged"), 5);
    assert_eq!(purge().expect("nothing is left to purge"), 0);
    assert_eq!(read_all(&*store.reader).expect("readable"), 4, "the end and the new events");
    let verified = store.reader.maintenance().verify(&mut Verify::default()).expect("readable");
    assert_eq!((verified.findings, verified.archived, verified.removed), (vec![], 3, 5));
}

/// Each deletion read all files of the archive, so that deleting some thousand archived aggregates one by one took
/// hours.
#[cfg(unix)]
#[test]
fn a_purge_reads_only_files_that_may_contain_the_stream() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = archived_one_by_one(directory.path(), 40);
    let purge = |id: u64| {
        store.reader.maintenance().purge_archive(&stream(&id.to_string()), END).expect("purged")
    };
    assert_eq!(purge(99), 0, "it reads all files once");
    // A file that is damaged without a trace is passed over if it cannot contain the stream.
    for path in files(&directory.path().join("archive")).expect("listed") {
        let segment = Segment::open(&path).expect("whole");
        let commit = segment.commits_from(Position::NONE).next().expect("one").expect("readable");
        if commit.view().id != "7" {
            let modified = fs::metadata(&path).and_then(|it| it.modified()).expect("known");
            let bytes = vec![0; fs::read(&path).expect("readable").len()];
            fs::write(&path, bytes).expect("written");
            let file = fs::File::options().write(true).open(&path).expect("opens");
            file.set_modified(modified).expect("set");
        }
    }
    remove(&mut store, "7");
    let purged = store.reader.maintenance().purge_archive(&stream("7"), END);
    assert_eq!(purged.expect("purged"), 1);
}

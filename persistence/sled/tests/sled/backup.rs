//! Backups: full and incremental, verified, and restored to any position.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use actuarius_domain::{Position, StreamId, Timestamp, Version};
use actuarius_persistence::archive::Moving;
use actuarius_persistence::backup::{self, BackupError, Run, TakeOptions, Until};
use actuarius_persistence::verify::Verify;
use actuarius_persistence::{
    Batch, Commit, OpenError, PageLimit, ReadError, Reader, Store, ignore_progress, memory,
};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::common::log::{log, note, notes, same, stream, write};

/// The smallest segments and pages.
pub(crate) fn small() -> TakeOptions {
    TakeOptions::default().segment_bytes(2_000).page(PageLimit { commits: 3, bytes: 10_000 })
}

pub(crate) fn take(reader: &dyn Reader, to: &Path) -> Result<Run, BackupError> {
    backup::take(reader, to, &small(), &mut ignore_progress)
}

pub(crate) fn restore(
    from: &Path,
    to: &Path,
    until: impl Into<Until>,
) -> Result<Store, BackupError> {
    let restored = actuarius_sled::restore(from, to, until.into(), &mut ignore_progress)?;
    let store = actuarius_sled::open(to)?;
    assert_eq!(store.reader.maintenance().chain().expect("readable"), restored.end);
    Ok(store)
}

pub(crate) fn place() -> (TempDir, [PathBuf; 2]) {
    let directory = tempfile::tempdir().expect("a directory");
    let places = ["saved", "back"].map(|name| directory.path().join(name));
    (directory, places)
}

pub(crate) fn files(path: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(path).expect("listed").map(|it| it.expect("one").path()).collect();
    files.sort();
    files.retain(|file| file.is_file() && !file.ends_with("backup.lock"));
    files
}

#[test]
fn each_run_continues_after_the_previous_one_and_all_of_them_restore_the_store() {
    let (_directory, [saved, back]) = place();
    let mut store = memory::open();
    let mut end = backup::runs(&saved).expect_err("none").to_string();
    assert!(end.contains("contains no backup"), "{end}");
    for round in 0..4u64 {
        write(&mut store, round * 25..round * 25 + round * 10);
        note(&mut store, "subscription/mailer", &format!("{round}"));
        note(&mut store, &format!("other/{round}"), "");
        let run = take(&*store.reader, &saved).expect("taken");
        assert_eq!((u64::from(run.number), run.notes), (round + 1, round + 2));
        assert_eq!(
            (run.commits, run.to),
            (round * 10, store.reader.maintenance().chain().expect("readable"))
        );
        end = run.to.to_string();
    }
    let runs = backup::verify(&saved, &mut ignore_progress).expect("whole");
    assert_eq!(runs, backup::runs(&saved).expect("readable"));
    assert_eq!(runs.last().map(|run| run.to.to_string()), Some(end));
    let restored = restore(&saved, &back, Until::End).expect("restored");
    assert!(same(&log(&*restored.reader), &log(&*store.reader)));
    assert_eq!(notes(&*restored.reader), notes(&*store.reader));
}

#[test]
fn an_empty_store_is_backed_up_and_restored_like_any_other() {
    let (_directory, [saved, back]) = place();
    let store = memory::open();
    assert_eq!(take(&*store.reader, &saved).expect("taken").commits, 0);
    let mut restored = restore(&saved, &back, Until::End).expect("restored");
    assert_eq!(restored.reader.head(), Position::NONE);
    write(&mut restored, 0..3);
    take(&*restored.reader, &saved).expect("the restored store can continue the backup");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_position_and_any_time_can_be_restored(
        rounds in prop::collection::vec(0u64..30, 1..5),
        wanted in 0u64..150,
        by_time in any::<bool>(),
    ) {
        let (_directory, [saved, _]) = place();
        let mut store = memory::open();
        let (mut number, mut run_ends) = (0, vec![]);
        for round in rounds {
            write(&mut store, number..number + round);
            number += round;
            let head = store.reader.head();
            note(&mut store, "subscription/mailer", &format!("{head}"));
            take(&*store.reader, &saved).expect("taken");
            run_ends.push(store.reader.head());
        }
        let all = log(&*store.reader);
        let head = store.reader.head();
        let position = Position::new(wanted.min(head.get()));
        let time = Timestamp::from_micros(wanted as i64 - 3);
        let until = if by_time { Until::Time(time) } else { Until::Position(position) };
        let wanted: Vec<_> = all.iter().take_while(|commit| match until {
            Until::Time(time) => commit.view().time <= time,
            _ => commit.last_position() <= position,
        }).cloned().collect();

        let mut loaded = memory::open();
        let report = backup::load(&saved, &mut loaded, until, &mut ignore_progress).expect("loaded");
        prop_assert!(same(&log(&*loaded.reader), &wanted));
        prop_assert_eq!(report.end, loaded.reader.maintenance().chain().expect("readable"));
        let run = run_ends.iter().rev().find(|end| **end <= report.end.position).copied();
        prop_assert_eq!(report.notes.map(|it| it.1), run);
        let value = loaded.reader.note(b"subscription/mailer").expect("readable");
        prop_assert_eq!(value.map(|it| it.to_vec()), run.map(|end| format!("{end}").into_bytes()));
    }
}

#[test]
fn a_commit_that_ends_after_the_position_is_not_restored() {
    let (_directory, [saved, back]) = place();
    let mut store = memory::open();
    write(&mut store, [2, 2]);
    take(&*store.reader, &saved).expect("taken");
    let restored = restore(&saved, &back, Position::new(5)).expect("restored");
    assert_eq!(restored.reader.head(), Position::new(3));
    let error =
        backup::load(&saved, &mut memory::open(), Position::new(7).into(), &mut ignore_progress);
    assert!(matches!(error, Err(BackupError::Ahead { .. })), "{error:?}");
}

#[test]
fn a_backup_taken_during_writes_is_a_consistent_snapshot() {
    let (_directory, [saved, _]) = place();
    let data = tempfile::tempdir().expect("a directory");
    let mut store = actuarius_sled::open(data.path()).expect("opens");
    write(&mut store, 0..50);
    let (reader, is_over) = (store.reader.clone(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 50.. {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                write(&mut store, [number]);
                let head = store.reader.head();
                note(&mut store, "subscription/mailer", &format!("{head}"));
            }
        });
        for _ in 0..8 {
            let head = reader.head();
            let run = take(&*reader, &saved).expect("taken");
            assert!(run.to.position >= head);
        }
        is_over.store(true, Ordering::Relaxed);
    });
    backup::verify(&saved, &mut ignore_progress).expect("whole");
    for run in backup::runs(&saved).expect("readable") {
        let mut loaded = memory::open();
        let until = run.to.position.into();
        backup::load(&saved, &mut loaded, until, &mut ignore_progress).expect("loaded");
        let commits = log(&*loaded.reader);
        assert!(same(&commits, &log(&*reader)[..commits.len()]));
        let value = loaded.reader.note(b"subscription/mailer").expect("readable");
        let value =
            value.map_or(0, |it| String::from_utf8_lossy(&it).parse::<u64>().expect("a number"));
        assert!(value <= run.to.position.get(), "a note is never ahead of the log");
    }
}

#[test]
fn a_restored_store_keeps_the_history_and_diverges_with_its_first_write() {
    let (_directory, [saved, back]) = place();
    let mut first = memory::open();
    write(&mut first, 0..10);
    take(&*first.reader, &saved).expect("taken");
    let shared = Position::new(7);
    let mut second = restore(&saved, &back, shared).expect("restored");
    let (old, new) = (first.reader.identity(), second.reader.identity());
    let end = second.reader.head();
    assert!(old != new && end <= shared);
    assert!(
        second.reader.maintenance().lineage().shares(old, end)
            && second.reader.maintenance().lineage().shares(new, Position::new(99))
    );
    assert!(
        !second.reader.maintenance().lineage().shares(old, end.next())
            && !first.reader.maintenance().lineage().shares(new, end)
    );
    write(&mut second, 100..120);
    let error = take(&*second.reader, &saved).expect_err("the histories diverged");
    assert!(matches!(error, BackupError::OtherHistory { .. }), "{error}");
    assert_eq!(backup::runs(&saved).expect("readable").len(), 1);

    let (_other, [saved, back]) = place();
    take(&*second.reader, &saved).expect("a backup of its own");
    drop(second);
    let third = restore(&saved, &back, end).expect("restored");
    assert!(
        third.reader.maintenance().lineage().shares(old, end)
            && third.reader.maintenance().lineage().shares(new, end)
    );
    assert!(
        !third.reader.maintenance().lineage().shares(old, end.next())
            && !third.reader.maintenance().lineage().shares(new, end.next())
    );
}

#[test]
fn a_backup_refuses_another_store_and_one_that_has_lost_events() {
    let (_directory, [saved, _]) = place();
    let mut store = memory::open();
    write(&mut store, 0..10);
    take(&*store.reader, &saved).expect("taken");
    let before = files(&saved);
    let mut other = memory::open();
    write(&mut other, 0..20);
    let error = take(&*other.reader, &saved).expect_err("another store");
    assert!(matches!(error, BackupError::OtherStore { .. }), "{error}");
    assert_eq!(files(&saved), before, "nothing is left of it");
}

#[test]
fn a_restore_refuses_a_target_that_is_not_empty() {
    let (_directory, [saved, back]) = place();
    let mut store = memory::open();
    write(&mut store, 0..10);
    take(&*store.reader, &saved).expect("taken");
    drop(restore(&saved, &back, Until::End).expect("restored"));
    let error = restore(&saved, &back, Until::End).err().expect("there is a store");
    assert!(matches!(error, BackupError::NotEmpty { .. }), "{error}");
    let error =
        backup::load(&saved, &mut store, Until::End, &mut ignore_progress).expect_err("has events");
    assert!(matches!(error, BackupError::NotEmpty { .. }), "{error}");
}

#[test]
fn a_stopped_run_leaves_nothing_and_the_next_run_is_complete() {
    let (_directory, [saved, back]) = place();
    let mut store = memory::open();
    write(&mut store, 0..40);
    for after in 1..6 {
        let mut calls = 0;
        let error = backup::take(&*store.reader, &saved, &small(), &mut |progress| {
            calls += 1;
            assert!(progress.position <= progress.end && progress.end == store.reader.head());
            if calls == after { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(matches!(error, Err(BackupError::Stopped)), "{error:?}");
        assert_eq!(files(&saved), Vec::<PathBuf>::new());
    }
    take(&*store.reader, &saved).expect("taken");
    let stop = &mut |_: &_| ControlFlow::Break(());
    assert!(matches!(backup::verify(&saved, stop), Err(BackupError::Stopped)));
    let error = actuarius_sled::restore(&saved, &back, Until::End, stop);
    assert!(matches!(error, Err(BackupError::Stopped)), "{error:?}");
    assert!(
        matches!(actuarius_sled::open(&back), Err(OpenError::UnknownFormat { .. })),
        "not an empty store"
    );
    let restored = restore(&saved, &back, Until::End).expect("the next run removes the leftovers");
    assert!(same(&log(&*restored.reader), &log(&*store.reader)));
}

pub(crate) fn archive(store: &mut Store, wanted: StreamId) {
    archive_where(store, move |of| *of == wanted);
}

pub(crate) fn archive_where(store: &mut Store, which: impl Fn(&StreamId) -> bool + Send) {
    let reader = store.reader.clone();
    let directory = reader.maintenance().archive().expect("a store on disk has one").to_owned();
    let wanted = Box::new(move |of: &StreamId| Ok(which(of).then_some(Version::new(u64::MAX))));
    let mut moving = Moving::new(&*reader, directory, wanted);
    while let Some(segment) = moving.next_segment().expect("written") {
        let batch = Batch { removals: segment.removals.clone(), ..Batch::default() };
        store.writer.commit(&batch).expect("removed");
    }
}

/// Reads the whole log as readers see it, with archived events.
fn whole(reader: &dyn Reader) -> Result<Vec<bytes::Bytes>, ReadError> {
    let limit = PageLimit { commits: usize::MAX, bytes: usize::MAX };
    let page = reader.read_log(Position::NONE, limit)?;
    Ok(page.commits.iter().map(Commit::frame).collect())
}

#[test]
fn archived_events_are_restored_exactly_once() {
    let (directory, [saved, back]) = place();
    let mut store = actuarius_sled::open(directory.path().join("data")).expect("opens");
    write(&mut store, 0..30);
    let before = whole(&*store.reader).expect("readable");
    archive(&mut store, stream(3));
    let first = take(&*store.reader, &saved).expect("taken");
    archive(&mut store, stream(4));
    let second = take(&*store.reader, &saved).expect("taken");
    assert!(first.commits == 30 && second.commits == 0);
    let archived = files(&saved.join("archive"));
    assert_eq!(archived.len(), 2, "each segment once");
    backup::verify(&saved, &mut ignore_progress).expect("whole");

    let restored =
        actuarius_sled::restore(&saved, &back, Until::End, &mut ignore_progress).expect("restored");
    // The events of the second segment were still in the log when the log was read.
    assert_eq!((restored.archived.len(), restored.archived_missing.len()), (1, 0));
    let found = actuarius_sled::open(&back).expect("opens");
    assert_eq!(whole(&*found.reader).expect("readable"), before);
    let verified = found.reader.maintenance().verify(&mut Verify::default()).expect("readable");
    assert_eq!((verified.findings, verified.missing), (vec![], 0));

    fs::remove_file(&archived[0]).expect("removed");
    let error = backup::verify(&saved, &mut ignore_progress).expect_err("reported").to_string();
    assert!(error.contains("archive"), "{error}");
}

/// An archive may be stored in another place. Then it is not part of the backup, and the restored
/// store reports what is missing.
#[test]
fn a_restored_store_reports_an_archive_that_was_not_in_the_backup() {
    let (directory, [saved, back]) = place();
    let mut store = actuarius_sled::open(directory.path().join("data")).expect("opens");
    write(&mut store, 0..30);
    let before = whole(&*store.reader).expect("readable");
    archive(&mut store, stream(3));
    let (archive, moved) = (directory.path().join("data/archive"), directory.path().join("tape"));
    fs::rename(&archive, &moved).expect("moved");
    take(&*store.reader, &saved).expect("taken");
    let restored =
        actuarius_sled::restore(&saved, &back, Until::End, &mut ignore_progress).expect("restored");
    assert_eq!(restored.archived_missing.len(), 1);
    let found = actuarius_sled::open(&back).expect("opens");
    assert!(matches!(whole(&*found.reader), Err(ReadError::Archived { .. })));
    assert_eq!(
        found.reader.maintenance().chain().expect("known"),
        store.reader.maintenance().chain().expect("known")
    );
    fs::rename(&moved, back.join("archive")).expect("mounted");
    assert_eq!(whole(&*found.reader).expect("readable"), before);
}

#[test]
fn a_backup_in_use_refuses_a_second_run() {
    let (_directory, [saved, _]) = place();
    let mut store = memory::open();
    write(&mut store, 0..12);
    let mut was_reported = false;
    backup::take(&*store.reader, &saved, &small(), &mut |_| {
        let second = take(&*store.reader, &saved);
        was_reported |= matches!(second, Err(BackupError::InUse { .. }));
        ControlFlow::Continue(())
    })
    .expect("taken");
    assert!(was_reported);
}

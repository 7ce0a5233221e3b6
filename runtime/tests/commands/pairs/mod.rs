//! Backup, archive, deletion, purge, compaction, snapshots and recovery, in all pairs: the second one runs at each
//! stage of the first, and after the first was killed at each stage. The store and its backup are whole
//! afterwards, with everything that was acknowledged and nothing that was deleted.

mod site;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use actuarius::store::crash_points;

use site::{Archive, Backup, Compact, Delete, Operation, Recover, Site, Snapshot, Write};

/// The second ledger, if an operation deletes one.
fn deleted_by(operation: Operation) -> Vec<&'static str> {
    match operation {
        Delete(id) => vec![id],
        _ => vec![],
    }
}

/// The number of stages that must exist of an operation, so that a test that skips them fails.
fn stages_min(operation: Operation) -> u64 {
    match operation {
        Backup | Archive | Delete(_) => 10,
        Compact => 6,
        Snapshot | Write | Recover => 2,
    }
}

/// Kills the first operation at each stage. The process starts again, the second one runs, and then the first
/// one is repeated.
fn killed_then(first: Operation, second: Operation) {
    let prepared = Site::new();
    prepared.close();
    for stage in 0.. {
        let site = prepared.copy();
        let (_, was_killed) = crash_points::killed_at(stage, || site.run(first));
        site.reopen();
        let named = format!("{first:?} killed at stage {stage}, then {second:?}");
        site.check(6, &[]);
        site.run(second).unwrap_or_else(|error| panic!("{named}: {error}"));
        site.check(6, &deleted_by(second));
        site.run(first).unwrap_or_else(|error| panic!("{named}, {first:?} again: {error}"));
        let deleted = [deleted_by(first), deleted_by(second)].concat();
        site.check(6, &deleted);
        site.check_backup(6, &deleted);
        if !was_killed {
            assert!(stage >= stages_min(first), "{first:?} has only {stage} stages");
            return;
        }
    }
}

/// Runs the second operation at each stage of the first. If it has to wait for the first, it waits.
fn at_once(first: Operation, second: Operation) {
    let prepared = Site::new();
    prepared.close();
    for stage in 0.. {
        let site = prepared.copy();
        let (other, named) = (site.clone(), format!("{second:?} at stage {stage} of {first:?}"));
        let (started, threads) = mpsc::channel();
        let meanwhile = move || {
            let (finished, is_finished) = mpsc::channel();
            let running = thread::spawn(move || {
                let done = other.run(second);
                let _ = finished.send(());
                done
            });
            // What it waits for is held by the thread that waits here.
            let _ = is_finished.recv_timeout(Duration::from_millis(100));
            started.send(running).unwrap();
        };
        let (done, was_run) = crash_points::meanwhile_at(stage, meanwhile, || site.run(first));
        done.unwrap_or_else(|error| panic!("{named}: {error}"));
        for running in threads.try_iter() {
            let done = running.join().unwrap_or_else(|_| panic!("{named}: it panicked"));
            done.unwrap_or_else(|error| panic!("{named}: {error}"));
        }
        let second = if was_run { deleted_by(second) } else { vec![] };
        let deleted = [deleted_by(first), second].concat();
        site.check(6, &deleted);
        site.check_backup(6, &deleted);
        if !was_run {
            assert!(stage >= stages_min(first).min(2), "{first:?} has only {stage} stages");
            return;
        }
    }
}

/// Checks all pairs of these operations. The first ones are tried at the same time, because most of it is waiting.
fn in_all_pairs(first: &[Operation], second: &[Operation], check: fn(Operation, Operation)) {
    thread::scope(|threads| {
        for &first in first {
            threads.spawn(move || second.iter().for_each(|&second| check(first, second)));
        }
    });
}

/// Operations that were killed left stores, archives or backups that the next operation could not work with.
#[test]
fn any_operation_succeeds_after_another_was_killed_at_any_stage() {
    let first = [Backup, Archive, Delete("first"), Snapshot, Write, Compact];
    let second = [Backup, Archive, Delete("second"), Snapshot, Write, Compact, Recover];
    in_all_pairs(&first, &second, killed_then);
}

/// Operations that ran at the same time left holes in the log, or events of deleted aggregates.
#[test]
fn any_two_operations_run_at_once() {
    let first = [Backup, Archive, Delete("first"), Snapshot, Write];
    let second = [Backup, Archive, Delete("second"), Snapshot, Write];
    in_all_pairs(&first, &second, at_once);
}

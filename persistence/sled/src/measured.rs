//! Tests that measure what the process really writes between two syncs, for each kind of change, and
//! compare it with the account. sled's own thread is off, because what it writes depends on the load of the machine.

use std::env;
use std::path::Path;
use std::process::Command;

use actuarius_domain::{Position, StreamId, Timestamp, Version};
use actuarius_persistence::table::{Changes, TableEngine};
use actuarius_persistence::test_rng::TestRng;
use actuarius_persistence::{Batch, NewSnapshot, Notes, Store};
use sled::Db;

use crate::engine::accounting::{SEGMENT_BYTES, WRITTEN_MAX};
use crate::engine::measuring::{self, Measured};
use crate::engine::{Engine, Group, open_engine};
use crate::keys::{self, StreamHash, VALUE_MAX};
use crate::testing::append;
use crate::{SledOptions, compact, create, open_with};

/// A full group, and half a segment that sled moves. More than a segment can lose the whole store in a power cut.
const BETWEEN_SYNCS_MAX: u64 = (WRITTEN_MAX + SEGMENT_BYTES / 2) as u64;

/// Measures the writes of `change`, and checks that no more than allowed is between two syncs.
fn measured(what: &str, change: impl FnOnce()) -> Measured {
    let measured = measuring::during(change);
    let Measured { most, written, accounted, .. } = measured;
    println!("{what}: at most {most} between two syncs, {written} in all, accounted {accounted}");
    assert!(most <= BETWEEN_SYNCS_MAX, "{what}: {most} bytes between two syncs");
    measured
}

/// Also checks that no more was written than is accounted for.
fn within_account(what: &str, change: impl FnOnce()) {
    let Measured { written, accounted, .. } = measured(what, change);
    assert!(written <= accounted, "{what}: {written} were written, {accounted} accounted for");
}

/// Runs the cases in a process of its own, because other tests write as well.
#[test]
fn every_kind_of_change_stays_within_what_may_lie_between_two_syncs() {
    let mut child = Command::new(env::current_exe().expect("this binary"));
    child.args(["--exact", "--nocapture", "measured::the_cases_of_the_process"]);
    let output = child.env("MEASURED", "yes").output().expect("the process runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{errors}");
}

/// The work of the process of the test above. Does nothing without its environment variable.
#[test]
fn the_cases_of_the_process() {
    if env::var_os("MEASURED").is_some() {
        measuring::without_thread();
        changes_of_keys();
        batches_of_a_store();
        snapshots_of_a_store();
        rows_of_a_table();
    }
}

/// 2,000 removals of 5 KiB went in one group: 40 bytes each by its own account, and 13 MB in sled.
fn changes_of_keys() {
    let directory = tempfile::tempdir().expect("a directory");
    create::create(directory.path(), &SledOptions::default()).expect("created");
    let log = directory.path().join("store/log");
    let (_release, engine) = open_engine(&log, &SledOptions::default()).expect("opens");
    let key = |stream: u128, part| keys::snapshot(StreamHash(stream << 64), 1, part);
    within_account("puts in order", || {
        groups(&engine, 0..6_000, |group, _, part| {
            group.put_in_order(&key(1, part as u16), vec![7; VALUE_MAX]);
        });
    });
    within_account("removals of parts", || {
        groups(&engine, 0..2_000, |group, _, part| group.remove_part(&key(1, part as u16)));
        groups(&engine, (2_000..4_000).rev(), |group, _, part| {
            group.remove_part(&key(1, part as u16));
        });
    });
    within_account("removals among others", || {
        let mut rest: Vec<u64> = (4_000..6_000).collect();
        shuffle(&mut rest);
        groups(&engine, rest, |group, db, part| group.remove(db, &key(1, part as u16)));
    });
    for size in [VALUE_MAX, 2_000, 200] {
        let mut all: Vec<u64> = (0..3_000).collect();
        shuffle(&mut all);
        let key =
            |number: u64, version| keys::snapshot(StreamHash(u128::from(number) << 90), version, 0);
        within_account("puts among others", || {
            groups(&engine, all.clone(), |group, db, at| group.put(db, &key(at, 1), vec![7; size]));
        });
        // In the same order each time, so that many leaves are due to be written at once.
        for round in 1..8 {
            within_account("replacements", || {
                groups(&engine, all.clone(), |group, db, at| {
                    group.put(db, &key(at, round + 1), vec![7; size]);
                    group.remove(db, &key(at, round));
                });
            });
        }
    }
}

/// Changes the keys, with a sync before a group is too full.
fn groups(
    engine: &Engine,
    numbers: impl IntoIterator<Item = u64>,
    change: impl Fn(&mut Group, &Db, u64),
) {
    let mut group = Group::default();
    for number in numbers {
        let mut next = Group::default();
        change(&mut next, engine.db(), number);
        if !group.has_room(next.written()) {
            engine.sync(std::mem::take(&mut group)).expect("synced");
        }
        change(&mut group, engine.db(), number);
    }
    engine.sync(group).expect("synced");
}

fn shuffle(numbers: &mut [u64]) {
    let mut rng = TestRng::new(3);
    for at in (1..numbers.len()).rev() {
        numbers.swap(at, rng.below(at as u64 + 1) as usize);
    }
}

fn open(directory: &Path) -> Store {
    open_with(directory, &SledOptions::default().index_runs(3_000, 256)).expect("opens")
}

/// Full batches of events with the upkeep of an index of many small runs, full sets of notes, and a commit
/// of 16 MiB that was cut short.
fn batches_of_a_store() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = open(directory.path());
    let mut rng = TestRng::new(5);
    let mut versions = vec![0; 5_000];
    measured("events and index", || {
        for _ in 0..60 {
            let mut appends = Vec::new();
            for _ in 0..1_000 {
                let id = rng.below(5_000) as usize;
                appends.push(append("account", &id.to_string(), versions[id], &[100]));
                versions[id] += 1;
            }
            store.writer.commit(&Batch { appends, ..Batch::default() }).expect("stored");
        }
    });
    measured("notes", || {
        for round in 0..60u32 {
            let mut set = Notes::default();
            let size = if round < 40 { 900 } else { 10 };
            while set.put(format!("note-{}", rng.below(2_000)), vec![7; size]).is_ok() {}
            store.writer.commit(&Batch { notes: vec![set], ..Batch::default() }).expect("stored");
        }
    });
    let head = store.reader.head().get();
    store.writer.close().expect("closed");
    drop(store.reader);
    cut_short(directory.path(), head + 1);
    measured("the parts of a commit that was cut short", || drop(open(directory.path())));
    measured("compaction", || {
        compact(directory.path(), |_, _| ()).expect("compacted");
    });
}

/// Leaves the parts of the largest commit without its part 0.
fn cut_short(directory: &Path, first: u64) {
    let log = directory.join("store/log");
    let (_release, engine) = open_engine(&log, &SledOptions::default()).expect("opens");
    groups(&engine, (1..3_277).rev(), |group, _, part| {
        group.put_in_order(&keys::chunk(first, part as u16), vec![7; VALUE_MAX]);
    });
}

/// A snapshot of 64 MiB is stored, replaced by a small one, and another is deleted with its stream; and a
/// thousand small snapshots are renewed among large ones, as when many aggregates are unloaded.
fn snapshots_of_a_store() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = open(directory.path());
    let mut keep = |snapshots: Vec<NewSnapshot>, dropped: Vec<StreamId>| {
        let batch = Batch { snapshots, snapshots_dropped: dropped, ..Batch::default() };
        store.writer.commit(&batch).expect("stored");
        store.writer.settle().expect("stored");
    };
    const LARGEST: usize = 64 * 1024 * 1024;
    measured("a snapshot of 64 MiB", || keep(vec![snapshot("a", 1, LARGEST)], vec![]));
    measured("its replacement", || keep(vec![snapshot("a", 2, 100)], vec![]));
    keep(vec![snapshot("a", 3, LARGEST / 4)], vec![]);
    measured("its deletion", || keep(vec![], vec![snapshot("a", 1, 0).stream]));
    let all = |version| {
        let size = |id: u32| if id.is_multiple_of(4) { 100_000 } else { 100 };
        (0..1_200).map(|id: u32| snapshot(&id.to_string(), version, size(id))).collect()
    };
    keep(all(1), vec![]);
    for version in 2..6 {
        let small = |new: &NewSnapshot| new.payload.len() == 100;
        let renewed: Vec<_> = all(version);
        measured("small snapshots among large ones", || {
            keep(renewed.iter().filter(|new| small(new)).cloned().collect(), vec![]);
        });
        measured("the large ones", || {
            keep(renewed.into_iter().filter(|new| !small(new)).collect(), vec![]);
        });
    }
}

fn snapshot(id: &str, version: u64, size: usize) -> NewSnapshot {
    NewSnapshot {
        stream: StreamId::new("account", id).expect("valid"),
        version: Version::new(version),
        position: Position::new(1),
        as_of: Position::new(1),
        state_version: 1,
        time: Timestamp::from_micros(1),
        payload: vec![7; size].into(),
        keep: 1,
        keep_since: None,
    }
}

/// A thousand small rows between large ones are changed at once, in the same order each time.
fn rows_of_a_table() {
    let directory = tempfile::tempdir().expect("a directory");
    let options = SledOptions::default();
    let mut table = TableEngine::open(&options, directory.path(), Box::new(())).expect("opens");
    let mut order: Vec<u64> = (0..6_000).collect();
    shuffle(&mut order);
    measured("rows", || {
        for round in 0..12u8 {
            for rows in order.chunks(1_000) {
                let mut changes = Changes::default();
                for row in rows {
                    let is_large = row.is_multiple_of(2) && round == 0;
                    let size = if is_large { 1_900 } else { 60 };
                    if round == 0 || !row.is_multiple_of(2) {
                        changes.put(1, &row.to_be_bytes(), &vec![round; size]).expect("small");
                    }
                }
                table.commit(changes).expect("stored");
            }
        }
    });
}

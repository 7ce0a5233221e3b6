//! Flips one bit anywhere in a store: either it is reported, or no acknowledged event has changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use actuarius_domain::{Position, Timestamp, Version};
use actuarius_persistence::verify::{Verified, Verify};
use actuarius_persistence::{Batch, Gone, NewSnapshot, Notes, PageLimit, Removal, Store};
use actuarius_sled::SledOptions;

use crate::common::{append, commit, copy, events};

const FLIPS: u64 = 500;

fn options() -> SledOptions {
    SledOptions::default().index_runs(64, 4).cache_bytes(4 * 1024 * 1024)
}

/// Fills a store with everything a store can contain. The last acknowledged write is an event.
fn fill(store: &mut Store) {
    for number in 0..600u64 {
        let (stream, version) = (format!("stream-{}", number % 9), number / 9);
        let large = if number % 50 == 20 { 15_000 } else { 120 };
        commit(store, append(&stream, version * 2, &[large, 30]));
        if number % 40 == 39 {
            commit_derived(store, &stream, version * 2 + 2);
        }
    }
    let page = store.reader.read_log(Position::new(99), PageLimit { commits: 20, bytes: 9_999 });
    let commits = page.expect("readable").commits;
    let removals = commits.iter().step_by(3).map(|commit| Removal::of(commit, Gone::Removed));
    let removals = removals.collect();
    store.writer.commit(&Batch { removals, ..Batch::default() }).expect("removed");
    commit(store, append("last", 0, &[10]));
}

fn commit_derived(store: &mut Store, stream: &str, version: u64) {
    let position = store.reader.head();
    let snapshot = NewSnapshot {
        stream: crate::common::stream(stream),
        version: Version::new(version),
        position,
        as_of: position,
        state_version: 1,
        time: Timestamp::from_micros(1),
        payload: vec![7; 700].into(),
        keep: 2,
        keep_since: None,
    };
    let mut notes = Notes::default();
    notes.put(stream.as_bytes(), position.to_string().as_bytes()).expect("small");
    let batch = Batch { snapshots: vec![snapshot], notes: vec![notes], ..Batch::default() };
    store.writer.commit(&batch).expect("stored");
}

fn files(below: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(below).expect("listed") {
        let path = entry.expect("listed").path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// Finds the parts of sled's file that contain data: most of the file of a small store is empty.
fn places(directory: &Path) -> Vec<(PathBuf, Vec<u64>)> {
    let mut found = Vec::new();
    files(directory, &mut found);
    found.sort();
    let used = |path: &PathBuf| {
        let bytes = fs::read(path).expect("readable");
        let used = |(_, page): &(usize, &[u8])| page.iter().any(|&byte| byte != 0);
        let pages = bytes.chunks(64).enumerate().filter(used);
        let used: Vec<u64> = pages.map(|(number, _)| number as u64 * 64).collect();
        (path.clone(), used)
    };
    found.iter().map(used).filter(|(_, used)| !used.is_empty()).collect()
}

fn flip(path: &Path, at: u64, bit: u8) {
    let mut bytes = fs::read(path).expect("readable");
    let at = (at as usize).min(bytes.len() - 1);
    bytes[at] ^= 1 << bit;
    fs::write(path, bytes).expect("written");
}

fn verified(store: &Store) -> Verified {
    store.reader.maintenance().verify(&mut Verify::default()).expect("readable")
}

/// The outcome of one flip.
enum Outcome {
    Refused,
    Reported,
    Nothing,
}

fn outcome_of(directory: &Path, whole: &Verified) -> Outcome {
    let Ok(store) = actuarius_sled::open_with(directory, &options()) else {
        return Outcome::Refused;
    };
    let now = verified(&store);
    if !now.is_whole() {
        return Outcome::Reported;
    }
    assert_eq!(now.chain, whole.chain, "an acknowledged event was lost without a report");
    assert_eq!(
        (now.events, now.commits, now.streams, now.removed),
        (whole.events, whole.commits, whole.streams, whole.removed)
    );
    assert_eq!((now.snapshots, now.notes), (whole.snapshots, whole.notes));
    assert_eq!(events(&*store.reader).expect("readable"), whole.events);
    Outcome::Nothing
}

#[test]
fn a_flipped_bit_is_reported_or_changes_no_acknowledged_event() {
    let directory = tempfile::tempdir().expect("a directory");
    let original = directory.path().join("original");
    let mut store = actuarius_sled::open_with(&original, &options()).expect("opens");
    fill(&mut store);
    drop(store);
    // Opens and closes the store again, so that writes of opening itself are done.
    let store = actuarius_sled::open_with(&original, &options()).expect("opens");
    let whole = verified(&store);
    assert_eq!(whole.findings, []);
    drop(store);
    let places = places(&original);
    let counts = [const { AtomicU64::new(0) }; 3];
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let (directory, places, whole) = (directory.path(), &places, &whole);
            let (counts, next, original) = (&counts, &next, &original);
            scope.spawn(move || {
                let copied = directory.join(format!("copy-{worker}"));
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= FLIPS {
                        return;
                    }
                    let mut rng = fastrand::Rng::with_seed(number);
                    // Half of the flips hit the small files, with equal probability.
                    let (path, used) = if number % 2 == 0 {
                        places.iter().max_by_key(|(_, used)| used.len()).expect("there are files")
                    } else {
                        &places[rng.usize(..places.len())]
                    };
                    let at = used[rng.usize(..used.len())] + rng.u64(..64);
                    let bit = rng.u8(..8);
                    drop(fs::remove_dir_all(&copied));
                    copy(original, &copied);
                    let below = path.strip_prefix(original).expect("it is below");
                    flip(&copied.join(below), at, bit);
                    let caught = std::panic::catch_unwind(|| outcome_of(&copied, whole));
                    let Ok(outcome) = caught else {
                        panic!("flip {number}: bit {bit} of byte {at} in {}", below.display());
                    };
                    counts[outcome as usize].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let [refused, reported, nothing] = counts.map(AtomicU64::into_inner);
    println!("{refused} did not open, {reported} were reported, {nothing} changed nothing");
    assert_eq!(refused + reported + nothing, FLIPS);
    assert!(refused > 0 && reported > 0 && nothing > 0);
}

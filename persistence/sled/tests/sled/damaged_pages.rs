//! Destroys sectors of a store that was closed in order: what they contained is reported, everything else is read
//! as it was stored, and the store can be written to.

use std::fs;
use std::path::Path;

use actuarius_domain::{Position, Timestamp, Version};
use actuarius_persistence::{
    Batch, NewSnapshot, OpenError, PageLimit, Refusal, Store, StoreFailure,
};
use actuarius_sled::SledOptions;

use crate::common::{append, commit, copy, stream};

const STREAMS: u64 = 40;
const FILLER: u64 = STREAMS;
const EVENTS: u64 = 40;
const SECTORS: u64 = 40;
const FILLERS: u64 = 4;
/// The commits in a run of the index. As many again may wait to become one.
const RUN: u64 = 64;
const SEGMENT: usize = 4 * 1024 * 1024;

fn options() -> SledOptions {
    SledOptions::default().index_runs(RUN, 16).cache_bytes(4 * 1024 * 1024)
}

fn snapshot(store: &Store, stream: u64, version: u64) -> Batch {
    let position = store.reader.head();
    let snapshot = NewSnapshot {
        stream: crate::common::stream(&stream.to_string()),
        version: Version::new(version),
        position,
        as_of: position,
        state_version: 1,
        time: Timestamp::from_micros(1),
        payload: vec![7; 1_500].into(),
        keep: 2,
        keep_since: None,
    };
    Batch { snapshots: vec![snapshot], ..Batch::default() }
}

/// Fills a store with events, an index in several runs, and snapshots. sled reads only the end of its file when
/// the store is opened again.
fn fill(directory: &Path) {
    let mut store = actuarius_sled::open_with(directory, &options()).expect("opens");
    for number in 0..STREAMS * EVENTS {
        let (stream, version) = (number % STREAMS, number / STREAMS);
        commit(&mut store, append(&stream.to_string(), version, &[200]));
        if version % 5 == 4 {
            store.writer.commit(&snapshot(&store, stream, version + 1)).expect("stored");
        }
    }
    // Random bytes, which are not compressed, fill the segments after those of the events.
    for version in 1..=FILLERS {
        commit(&mut store, append(&FILLER.to_string(), version - 1, &[10]));
        let mut batch = snapshot(&store, FILLER, version);
        batch.snapshots[0].keep = 9;
        let mut rng = fastrand::Rng::with_seed(version);
        let payload: Vec<_> = std::iter::repeat_with(|| rng.u8(..)).take(3_000_000).collect();
        batch.snapshots[0].payload = payload.into();
        store.writer.commit(&batch).expect("stored");
        store.writer.settle().expect("stored");
    }
    drop(store);
    // sled writes down where its pages are when it is opened.
    drop(actuarius_sled::open_with(directory, &options()).expect("opens"));
}

/// Reads all streams and commits. Returns how many cannot be read.
fn unreadable(store: &Store) -> u64 {
    let mut count = 0;
    for number in 0..STREAMS {
        let (stream, all) = (stream(&number.to_string()), PageLimit::default());
        match store.reader.read_stream(&stream, Version::NONE, Position::NONE, all) {
            Ok(page) => assert!(page.commits.len() as u64 >= EVENTS, "events are missing silently"),
            Err(_) => count += 1,
        }
        count += u64::from(store.reader.snapshot(&stream, None).is_err());
    }
    for position in 0..STREAMS * EVENTS {
        match store.reader.read_log(Position::new(position), PageLimit { commits: 1, bytes: 1 }) {
            Ok(page) => assert_eq!(page.commits[0].position().get(), position + 1),
            Err(_) => count += 1,
        }
    }
    count
}

/// Appends to all streams, and stores a snapshot of each.
fn write(store: &mut Store) -> Result<(), StoreFailure> {
    for number in 0..STREAMS {
        let version = store.reader.version(&stream(&number.to_string())).unwrap_or(Version::NONE);
        let appends = vec![append(&number.to_string(), version.get(), &[200])];
        let outcomes = store.writer.commit(&Batch { appends, ..Batch::default() })?;
        assert!(matches!(outcomes[0], Ok(_) | Err(Refusal::Unreadable(_))), "{outcomes:?}");
        store.writer.commit(&snapshot(store, number, version.get() + 1))?;
    }
    Ok(())
}

/// Returns whether a store with this damage must not open: sled reads its last segments whenever it is opened, and
/// nobody knows the versions of streams without the events that are not in the index yet.
fn may_be_refused(file: &[u8], sector: usize, error: &OpenError) -> bool {
    let number = |segment: &[u8]| {
        let number: [u8; 8] = segment[4..12].try_into().expect("eight bytes");
        i64::from_le_bytes(number) ^ i64::MAX
    };
    let numbers: Vec<_> = file.chunks(SEGMENT).map(number).collect();
    let later = numbers.iter().filter(|number| **number > numbers[sector / SEGMENT]).count();
    let position = |position: u64| error.to_string().contains(&format!("position {position}:"));
    let is_damaged = matches!(error, OpenError::Damaged { .. });
    let is_shorter = matches!(error, OpenError::Shorter { .. });
    let end = STREAMS * EVENTS + FILLERS;
    (later < 3 && (is_damaged || is_shorter)) || (end - 2 * RUN..=end).any(position)
}

/// One damaged page of the index or of snapshots stopped the whole store, sooner or later after each restart.
#[test]
fn a_destroyed_sector_costs_what_it_contained_and_the_store_is_written_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let (original, copied) = (directory.path().join("original"), directory.path().join("copy"));
    fill(&original);
    let whole = fs::read(original.join("store/log/db")).expect("readable");
    let sectors: Vec<_> = (0..whole.len() / 512).map(|sector| sector * 512).collect();
    // Those with names of streams: events and snapshots. sled has moved some of them, and left the old ones.
    let is_used = |at: &&usize| whole[**at..][..512].windows(4).any(|name| name == b"note");
    let used: Vec<_> = sectors.iter().filter(is_used).collect();
    let (mut refused, mut roots, mut reported, mut nothing) = (0, 0, 0, 0);
    for seed in 0..SECTORS {
        let at = *used[fastrand::Rng::with_seed(seed).usize(..used.len())];
        drop(fs::remove_dir_all(&copied));
        copy(&original, &copied);
        let mut damaged = whole.clone();
        damaged[at..at + 512].fill(if seed % 2 == 0 { 0 } else { 0xA5 });
        fs::write(copied.join("store/log/db"), damaged).expect("written");
        let mut store = match actuarius_sled::open_with(&copied, &options()) {
            Ok(store) => store,
            Err(error) => {
                refused += 1;
                if !may_be_refused(&whole, at, &error) {
                    println!("sector {at}: {error}");
                    assert!(matches!(error, OpenError::Damaged { .. }), "sector {at}: {error}");
                    roots += 1;
                }
                continue;
            }
        };
        let lost = unreadable(&store);
        let damaged = if lost > 0 { &mut reported } else { &mut nothing };
        *damaged += 1;
        for _round in 0..4 {
            write(&mut store).unwrap_or_else(|failure| panic!("sector {at}: {failure}"));
        }
        assert!(unreadable(&store) <= lost + STREAMS, "sector {at}: damage spreads");
    }
    println!("{refused} did not open, {reported} were reported, {nothing} changed nothing");
    // The pages of sled's root and counter may be in any segment, and sled reads them when it is opened. They are few.
    assert!(roots <= 3, "{roots} of {SECTORS} did not open");
    assert!(reported > 0, "{refused} of {SECTORS} did not open");
}

//! A writer and a verifier of large snapshots and large commits, for simulated power cuts.
//!
//! `large_values write DIR` prints `ACK` with the number of an event once it is durable, while a large
//! snapshot is stored, replaced and deleted in pieces, and a large commit is stored and removed.
//! `large_values verify DIR` prints `FOUND` with the numbers of the events that are there, and `BAD` if
//! anything else is wrong. A third argument is the size of the snapshot in bytes; that of the commit is four times
//! as much, up to 16 MB.

use std::error::Error;

use actuarius_domain::{Metadata, Position, StreamId, Timestamp, Version};
use actuarius_persistence::verify::Verify;
use actuarius_persistence::{
    Append, Batch, Codec, Gone, NewCommit, NewSnapshot, PageLimit, Removal, Store,
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
enum Event {
    Happened(String),
}

const BATCHES: u64 = 120;
const LARGE: usize = 3_000_000;
const COMMIT_MAX: usize = 16_000_000;

type Done = Result<(), Box<dyn Error>>;

fn main() -> Done {
    let mut arguments = std::env::args().skip(1);
    let (mode, directory) = (arguments.next(), arguments.next());
    let large = arguments.next().map_or(Ok(LARGE), |size| size.parse())?;
    let mut store = actuarius_sled::open(directory.ok_or("name a directory")?)?;
    match mode.as_deref() {
        Some("write") => write(&mut store, large)?,
        Some("verify") => verify(&mut store, large)?,
        _ => return Err("write or verify?".into()),
    }
    Ok(store.writer.close()?)
}

fn write(store: &mut Store, large: usize) -> Done {
    for number in 0..BATCHES {
        println!("TRY {number}");
        let mut batch = Batch::default();
        batch.appends.push(append("busy", number, 100)?);
        match number {
            10 | 60 | 80 => batch.snapshots.push(snapshot(number, large)?),
            40 => batch.snapshots_dropped.push(StreamId::new("account", "large")?),
            50 => batch.appends.push(append("huge", 0, (4 * large).min(COMMIT_MAX))?),
            70 => batch.removals = huge(store)?,
            _ => {}
        }
        for outcome in store.writer.commit(&batch)? {
            outcome?;
        }
        println!("ACK {number}");
    }
    Ok(())
}

fn append(id: &str, expected: u64, size: usize) -> Result<Append, Box<dyn Error>> {
    let mut append = Append::new(StreamId::new("account", id)?, Version::new(expected));
    let commit = NewCommit {
        time: Timestamp::from_micros(1),
        command_id: format!("{id}-{expected}").as_str().into(),
        named_by_caller: true,
        metadata: &Metadata::default(),
    };
    append.push(commit, Codec::Json, &[Event::Happened(noise(size))], |_| 1)?;
    Ok(append)
}

/// Text that does not compress.
fn noise(size: usize) -> String {
    let mut random = fastrand::Rng::with_seed(size as u64);
    std::iter::repeat_with(|| random.alphanumeric()).take(size).collect()
}

fn snapshot(number: u64, large: usize) -> Result<NewSnapshot, Box<dyn Error>> {
    Ok(NewSnapshot {
        stream: StreamId::new("account", "large")?,
        version: Version::new(number),
        position: Position::new(number),
        as_of: Position::new(number),
        state_version: 1,
        time: Timestamp::from_micros(1),
        payload: vec![number as u8; large].into(),
        keep: 1,
        keep_since: None,
    })
}

fn huge(store: &Store) -> Result<Vec<Removal>, Box<dyn Error>> {
    let (stream, start) = (StreamId::new("account", "huge")?, Position::NONE);
    let page = store.reader.read_stream(&stream, Version::NONE, start, PageLimit::default())?;
    Ok(page.commits.iter().map(|commit| Removal::of(commit, Gone::Removed)).collect())
}

fn verify(store: &mut Store, large: usize) -> Done {
    let version = store.reader.version(&StreamId::new("account", "busy")?)?.get();
    if version > 0 {
        println!("FOUND 0..{}", version - 1);
    }
    check(store, version, large)?;
    // What the power cut left is removed now.
    store.writer.settle()?;
    check(store, version, large)
}

fn check(store: &Store, version: u64, large: usize) -> Done {
    let found = store.reader.snapshot(&StreamId::new("account", "large")?, None)?;
    if let Some(found) = found {
        let number = found.version.get();
        let is_whole = found.payload.len() == large
            && found.payload.iter().all(|&byte| u64::from(byte) == number);
        let is_deleted = number < 40 && version > 40;
        if !is_whole || is_deleted {
            println!("BAD the snapshot of version {number} with {version} events");
        }
    } else if version >= BATCHES {
        println!("BAD the last snapshot is missing");
    }
    let mut after = Position::NONE;
    while after < store.reader.head() {
        let page = store.reader.read_log(after, PageLimit::default())?;
        after = page.commits.last().ok_or("the log ends early")?.last_position();
    }
    for finding in store.reader.maintenance().verify(&mut Verify::default())?.findings {
        // The stream of the snapshots has no events.
        if !format!("{finding:?}").contains("large") {
            println!("BAD {finding:?}");
        }
    }
    Ok(())
}

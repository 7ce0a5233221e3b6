//! Archives and removes events while others are written, and compacts the store from time to time.

use std::io::Write;
use std::path::{Path, PathBuf};

use actuarius::store::archive::Moving;
use actuarius::store::sled;
use actuarius::store::verify::Verify;
use actuarius::store::{Append, Batch, Codec, Commit, Gone, NewCommit, PageLimit, Removal, Store};
use actuarius::{CommandId, Metadata, OpenError, Position, StreamId, Timestamp, Version};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::verify::Finding;

type Stopped = Box<dyn std::error::Error + Send + Sync>;

/// The stream whose events are archived.
const ARCHIVED: u64 = 1;
/// The stream whose events are removed.
const REMOVED: u64 = 2;
/// The number of streams. The third one keeps all events in the log.
const STREAMS: u64 = 3;

/// How much to write and retire.
#[derive(Debug, Args)]
pub struct RetireOptions {
    /// The directory of the store
    pub directory: PathBuf,
    /// The number of items to write
    #[arg(long, default_value_t = 400)]
    pub items: u64,
}

/// An item, which is its position in the log.
#[derive(Debug, Serialize, Deserialize)]
enum Stored {
    Item(u64, Vec<u8>),
}

/// Writes items and prints `ACK` for each. Every 40 items the earlier events are archived or removed, and every 150
/// items the store is compacted.
///
/// # Errors
/// The first failure, which ends the run.
pub fn retire(options: &RetireOptions) -> Result<(), Stopped> {
    let mut store = sled::open(&options.directory)?;
    let mut out = std::io::stdout();
    for item in store.reader.head().get() + 1..=options.items {
        writeln!(out, "TRY {item}")?;
        commit(&mut store, vec![append(item)], vec![])?;
        writeln!(out, "ACK {item}")?;
        out.flush()?;
        if item.is_multiple_of(40) {
            archive(&mut store)?;
            remove(&mut store)?;
        }
        if item.is_multiple_of(150) {
            drop(store);
            sled::compact(&options.directory, |_, _| {})?;
            store = sled::open(&options.directory)?;
        }
    }
    Ok(())
}

fn stream(number: u64) -> StreamId {
    StreamId::new("retired", number.to_string()).expect("a number is a valid id")
}

fn append(item: u64) -> Append {
    let (number, version) = ((item - 1) % STREAMS, (item - 1) / STREAMS);
    let mut append = Append::new(stream(number), Version::new(version));
    let commit = NewCommit {
        time: Timestamp::from_micros(item as i64),
        command_id: CommandId::from(item.to_string().as_str()),
        named_by_caller: false,
        metadata: &Metadata::default(),
    };
    let bytes = if item.is_multiple_of(33) { 20_000 } else { 300 };
    let event = Stored::Item(item, bytes_of(item, bytes));
    append.push(commit, Codec::Bincode, &[event], |_| 1).expect("the append is small");
    append
}

fn bytes_of(item: u64, count: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(item);
    std::iter::repeat_with(|| rng.u8(..)).take(count).collect()
}

fn commit(store: &mut Store, appends: Vec<Append>, removals: Vec<Removal>) -> Result<(), Stopped> {
    let batch = Batch { appends, removals, ..Batch::default() };
    for outcome in store.writer.commit(&batch)? {
        outcome?;
    }
    Ok(())
}

fn archive(store: &mut Store) -> Result<(), Stopped> {
    let reader = store.reader.clone();
    let directory =
        reader.maintenance().archive().ok_or("a store on disk has an archive")?.to_owned();
    let wanted = |of: &StreamId| Ok((*of == stream(ARCHIVED)).then_some(Version::new(u64::MAX)));
    let mut moving = Moving::new(&*reader, directory, Box::new(wanted));
    while let Some(moved) = moving.next_segment()? {
        commit(store, vec![], moved.removals)?;
    }
    Ok(())
}

fn remove(store: &mut Store) -> Result<(), Stopped> {
    let of = stream(REMOVED);
    let page =
        store.reader.maintenance().read_raw_stream(&of, Version::NONE, PageLimit::default())?;
    let whole = page.commits.iter().filter(|commit| commit.gone().is_none());
    let removals = whole.map(|commit| Removal::of(commit, Gone::Removed)).collect();
    commit(store, vec![], removals)
}

/// Opens the store and reports its content. Each item must be at its place, and may be removed only in one stream.
///
/// # Errors
/// [`OpenError`] if the store does not open.
pub fn retired(directory: &Path, on_finding: &mut dyn FnMut(Finding)) -> Result<(), OpenError> {
    let store = sled::open(directory)?;
    match store.reader.maintenance().verify(&mut Verify::default()) {
        Ok(verified) => {
            verified.findings.iter().for_each(|it| on_finding(Finding::Bad(it.to_string())));
            if verified.missing > 0 {
                on_finding(Finding::Bad(format!("{} commits have no segment", verified.missing)));
            }
        }
        Err(error) => on_finding(Finding::Damaged(error.to_string())),
    }
    let mut at = Position::NONE;
    while at < store.reader.head() {
        let page = match store.reader.read_log(at, PageLimit::default()) {
            Ok(page) => page,
            Err(error) => {
                on_finding(Finding::Damaged(error.to_string()));
                break;
            }
        };
        for commit in &page.commits {
            at = commit.last_position();
            match wrong_with(commit) {
                None => on_finding(Finding::Ended(at.to_string())),
                Some(what) => on_finding(Finding::Bad(format!("item {at}: {what}"))),
            }
        }
    }
    Ok(())
}

fn wrong_with(commit: &Commit) -> Option<&'static str> {
    let item = commit.position().get();
    let number = (item - 1) % STREAMS;
    if commit.view().id != stream(number).id() {
        return Some("it is in another stream");
    }
    if commit.gone() == Some(Gone::Removed) {
        return (number != REMOVED).then_some("it was removed");
    }
    let mut events = commit.view().events().map(|event| event.decode::<Stored>());
    match (events.next(), events.next()) {
        (Some(Ok(Stored::Item(found, bytes))), None)
            if found == item && bytes == bytes_of(item, bytes.len()) =>
        {
            None
        }
        _ => Some("its content differs"),
    }
}

//! Verification of a store: everything in sled, in the order of its keys.

use std::ops::Bound;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use actuarius_domain::{Position, Version};
#[cfg(feature = "archive")]
use actuarius_persistence::archive::{self, segment::Segment};
use actuarius_persistence::chain::ChainEnd;
use actuarius_persistence::verify::{Location, LogCheck, Verified, Verify};
use actuarius_persistence::{Commit, Gone, Note, ReadError};
use bytes::Bytes;
use sled::IVec;

use super::chunk::{self, Chunk};
use super::recover;
use super::shared::Shared;
use crate::error::EngineError;
use crate::index::memtable;
use crate::index::part::{Entry, Part, Place, START};
use crate::index::runs;
use crate::{high_water_mark, keys, snapshots};

/// How many chunks the reading thread may be ahead of the checking one: a few milliseconds of work, half
/// a megabyte.
const AHEAD: usize = 64;

/// How many notes are read at once. Commits with notes wait until then.
const NOTES_AT_ONCE: usize = 200;

/// Verifies the store, which may be written to at the same time.
pub(crate) fn verify(shared: &Shared, verify: &mut Verify<'_>) -> Result<Verified, ReadError> {
    let head = shared.durable();
    let (runs, _pin) = shared.index.runs();
    let indexed = runs.last().map_or(0, |run| run.last);
    let mut check = LogCheck::new(verify, Position::new(head));
    let mut sums = EntrySums::new(shared.index.buckets());
    walk_log(shared, head, |read| match read {
        Ok(chunk) => {
            let before = chunk
                .before
                .map(|link| ChainEnd { position: Position::new(chunk.first - 1), link });
            check.continue_at(chunk.first, before);
            for commit in &chunk.commits {
                check.commit(commit);
                if let Some(Gone::Archived(segment)) = commit.gone() {
                    let fetched = shared.archive.fetch(commit, segment);
                    // It may have been deleted since the chunk was read.
                    if fetched.is_ok() || !was_removed(shared, chunk.first, commit) {
                        check.archived(commit.position(), fetched.map(drop));
                    }
                }
            }
            let entries = recover::entries(&chunk, shared.seed());
            entries.filter(|entry| entry.position <= indexed).for_each(|entry| sums.of_log(&entry));
        }
        Err((first, error)) => check.unreadable(first, error),
    });
    let mut verified = check.finish();
    walk_index(shared, &runs, &mut sums, &mut verified);
    if verified.is_whole() {
        sums.compare(&mut verified);
    }
    walk_snapshots(shared, &check, &mut verified);
    walk_notes(shared, &mut verified)?;
    walk_archive(shared, &mut verified)?;
    high_water_mark::verify(
        &shared.files.high_water_mark(),
        shared.lineage.store(),
        &mut verified,
    )?;
    Ok(verified)
}

type Read = Result<Chunk, (u64, EngineError)>;

/// Reads the chunks up to `head` on another thread, while `inspect` checks those read before.
fn walk_log(shared: &Shared, head: u64, mut inspect: impl FnMut(Read)) {
    let (sender, chunks): (SyncSender<Read>, Receiver<Read>) = mpsc::sync_channel(AHEAD);
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut from = 1;
            while from <= head {
                let start = Bound::Included(keys::chunk(from, 0).to_vec());
                let mut parts = shared.engine.from(start).peekable();
                let mut has_failed = false;
                // The page after the end of the log belongs to the index.
                while from <= head
                    && let Some(read) = next_chunk(shared, &mut parts, (from, head))
                {
                    has_failed = read.as_ref().is_err_and(|(_, error)| is_of_page(error));
                    from = read.as_ref().map_or_else(|(first, _)| first + 1, |read| read.last + 1);
                    if sender.send(read).is_err() {
                        return;
                    }
                }
                // sled does not continue after a page that it cannot read.
                let next = recover::next_readable(&shared.engine, from, head);
                let Some(next) = next.filter(|_| has_failed) else { return };
                from = next.first;
            }
        });
        chunks.into_iter().for_each(&mut inspect);
    });
}

fn is_of_page(error: &EngineError) -> bool {
    matches!(error, EngineError::Sled(_))
}

/// Returns whether the events of a commit have been removed by now.
fn was_removed(shared: &Shared, chunk: u64, commit: &Commit) -> bool {
    let chunk = recover::load(&shared.engine, chunk).ok().flatten();
    let mut commits = chunk.iter().flat_map(|chunk| &chunk.commits);
    let now = commits.find(|now| now.position() == commit.position());
    now.is_some_and(|now| now.gone() == Some(Gone::Removed))
}

type Stored = sled::Result<(IVec, IVec)>;

/// Reads the next chunk, with all parts at its position.
fn next_chunk(
    shared: &Shared,
    stored: &mut std::iter::Peekable<impl Iterator<Item = Stored>>,
    (from, head): (u64, u64),
) -> Option<Read> {
    let (key, value) = match stored.next()? {
        Ok(found) => found,
        Err(error) => return Some(Err((from, error.into()))),
    };
    let (first, part) = keys::chunk_place(&key)?;
    if first > head {
        return None;
    }
    let mut parts = vec![value];
    let same = |next: &Stored| {
        let place = next.as_ref().ok().and_then(|(key, _)| keys::chunk_place(key));
        place.is_some_and(|place| place.0 == first)
    };
    while let Some(Ok((_, value))) = stored.next_if(same) {
        parts.push(value);
    }
    if part != 0 {
        return Some(Err((first, EngineError::Malformed("the first part of a chunk is missing"))));
    }
    let chunk = chunk::read(first, |part| Ok(parts.get(usize::from(part)).cloned()));
    // The writer may be rewriting it.
    let chunk = chunk.or_else(|_| recover::load(&shared.engine, first));
    let chunk = chunk.and_then(|chunk| chunk.ok_or(EngineError::Malformed("a chunk is missing")));
    Some(chunk.map_err(|error| (first, error)))
}

/// For each bucket, the sums of the digests of its entries: in the log and in the runs.
struct EntrySums(Vec<(u128, u128)>);

impl EntrySums {
    fn new(buckets: u16) -> Self {
        Self(vec![(0, 0); usize::from(buckets)])
    }

    fn bucket(&mut self, entry: &Entry) -> &mut (u128, u128) {
        let count = self.0.len() as u16;
        &mut self.0[usize::from(keys::bucket(entry.hash, count))]
    }

    fn of_log(&mut self, entry: &Entry) {
        let sum = &mut self.bucket(entry).0;
        *sum = sum.wrapping_add(digest(entry));
    }

    fn of_index(&mut self, entry: &Entry) {
        let sum = &mut self.bucket(entry).1;
        *sum = sum.wrapping_add(digest(entry));
    }

    fn compare(&self, verified: &mut Verified) {
        for (bucket, _) in self.0.iter().enumerate().filter(|(_, (log, index))| log != index) {
            let what = format!("bucket {bucket} differs from the log");
            verified.find(Location::Index, what);
        }
    }
}

/// Returns a digest of an entry. Sums of digests are equal for equal entries in any order.
fn digest(entry: &Entry) -> u128 {
    let mut bytes = [0; 32];
    let fields = [entry.hash, entry.version, entry.position, entry.chunk];
    for (place, field) in bytes.chunks_exact_mut(8).zip(fields) {
        place.copy_from_slice(&field.to_le_bytes());
    }
    xxhash_rust::xxh3::xxh3_128(&bytes)
}

fn walk_index(
    shared: &Shared,
    runs: &[memtable::Run],
    sums: &mut EntrySums,
    verified: &mut Verified,
) {
    for run in runs {
        let before = verified.index_entries;
        for bucket in 0..shared.index.buckets() {
            if let Err(error) = walk_bucket(shared, (bucket, run.number), sums, verified) {
                let what = format!("run {}, bucket {bucket}: {error}", run.number);
                verified.find(Location::Index, what);
            }
        }
        if verified.index_entries - before != run.entries {
            verified.find(Location::Index, format!("run {} is incomplete", run.number));
        }
    }
}

fn walk_bucket(
    shared: &Shared,
    (bucket, run): (u16, u32),
    sums: &mut EntrySums,
    verified: &mut Verified,
) -> Result<(), EngineError> {
    let mut place: Option<Place> = Some(START);
    let mut entries = Vec::new();
    while let Some((hash, version)) = place {
        let key = keys::index_part(bucket, run, hash, version);
        let (value, key) = runs::part(&shared.engine, key)?;
        let part = Part::open(&key, &value)?;
        part.from(START, &mut entries)?;
        place = part.next.filter(|&next| next > (hash, version));
        verified.index_entries += entries.len() as u64;
        entries.drain(..).for_each(|entry| sums.of_index(&entry));
    }
    Ok(())
}

fn walk_snapshots(shared: &Shared, check: &LogCheck<'_, '_>, verified: &mut Verified) {
    for found in snapshots::all(&shared.engine) {
        let (version, read) = match found {
            Ok(Some(found)) => found,
            Ok(None) => continue,
            Err(error) => return verified.find(Location::Snapshot(None, Version::NONE), error),
        };
        verified.snapshots += 1;
        let version = Version::new(version);
        match read {
            Err(error) => verified.find(Location::Snapshot(None, version), error),
            // A snapshot taken during the verification may be of events that it did not read.
            Ok((stream, snapshot)) if snapshot.position.get() <= verified.chain.position.get() => {
                // What cannot be read was reported before.
                let Ok(last) = shared.newest(&stream, version.get(), 0) else { continue };
                let last = last.map(|last| (last.last_version(), last.last_position()));
                let known = check.version(&stream) >= version;
                if !known || last != Some((version, snapshot.position)) {
                    let what = "it contains a state that is not in the log";
                    verified.find(Location::Snapshot(Some(stream), version), what);
                }
            }
            Ok(_) => {}
        }
    }
}

/// Reports that this build cannot read the archive, if there is one.
#[cfg(not(feature = "archive"))]
fn walk_archive(shared: &Shared, verified: &mut Verified) -> Result<(), ReadError> {
    if verified.archived > 0 {
        let directory = shared.archive.directory().to_owned();
        verified
            .find(Location::File(directory), "not checked: the feature `archive` is not enabled");
    }
    Ok(())
}

/// Reports why segments cannot be opened. Readers only learn that they are missing.
#[cfg(feature = "archive")]
fn walk_archive(shared: &Shared, verified: &mut Verified) -> Result<(), ReadError> {
    for path in archive::files(shared.archive.directory())? {
        match Segment::open(&path) {
            // A deletion has replaced the file since it was listed.
            Err(_) if !path.exists() => {}
            Err(error) => verified.find(Location::File(path), error),
            Ok(_) => {}
        }
    }
    Ok(())
}

fn walk_notes(shared: &Shared, verified: &mut Verified) -> Result<(), ReadError> {
    let mut after: Option<Bytes> = None;
    loop {
        let page = shared.notes(b"", after.as_deref(), NOTES_AT_ONCE);
        let last = match page {
            Ok(page) => {
                verified.notes += page.len() as u64;
                if page.len() < NOTES_AT_ONCE {
                    return Ok(());
                }
                page.last().map(|Note { key, .. }| key.clone())
            }
            Err(ReadError::DamagedNote { key, what }) => {
                verified.find(Location::Note(key.clone()), what);
                verified.notes += 1;
                Some(key)
            }
            Err(error) => return Err(error),
        };
        after = last;
    }
}

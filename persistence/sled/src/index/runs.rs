//! Reading entries from the runs on disk.

use sled::IVec;

use super::memtable::Run;
use super::part::{Entry, Part, Place};
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::keys;

/// Adds the entries of streams with this hash from the version `from` on, by version, until there are
/// `want` of them. May add more.
pub(crate) fn ascending(
    (engine, buckets): (&Engine, u16),
    run: &Run,
    (hash, from): Place,
    want: usize,
    found: &mut Vec<Entry>,
) -> Result<()> {
    let mut place = Some((hash, from));
    while let Some(at) = place
        && found.len() < want
    {
        let start = found.len();
        place = part_at(engine, keys::bucket(hash, buckets), run.number, at, |part| {
            part.find(hash, found)?;
            Ok(part.next.filter(|next| next.0 == hash))
        })?;
        let before = found[start..].partition_point(|entry| entry.version < from);
        found.drain(start..start + before);
    }
    Ok(())
}

/// Returns the entries of streams with this hash, by version, from the part with the last version at or
/// before `to`. Earlier parts may contain earlier entries.
pub(crate) fn before(
    (engine, buckets): (&Engine, u16),
    run: &Run,
    (hash, to): Place,
) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    part_at(engine, keys::bucket(hash, buckets), run.number, (hash, to), |part| {
        part.find(hash, &mut found)
    })?;
    found.retain(|entry| entry.version <= to);
    Ok(found)
}

/// Passes the part of a run's bucket that covers `place` to `read`. The part always exists. If its page was
/// damaged when it was written, it is at its spare place.
pub(crate) fn part_at<T>(
    engine: &Engine,
    bucket: u16,
    run: u32,
    place: Place,
    read: impl FnOnce(&Part<'_>) -> Result<T>,
) -> Result<T> {
    let key = keys::index_part(bucket, run, place.0, place.1);
    let prefix = keys::index_prefix(bucket, run);
    let mut read = Some(read);
    let own = covering(engine, (&key, &prefix), place, &mut read);
    own.or_else(|error| {
        let (key, prefix) = (keys::spare(key), keys::spare(prefix));
        covering(engine, (&key, &prefix), place, &mut read).map_err(|_missing| error)
    })?
}

/// Passes the last part at or before `key` to `read`, if it covers `place`. Returns what `read` returns.
fn covering<T, R: FnOnce(&Part<'_>) -> Result<T>>(
    engine: &Engine,
    (key, prefix): (&[u8], &[u8]),
    place: Place,
    read: &mut Option<R>,
) -> Result<Result<T>> {
    let missing = EngineError::Malformed("a part of the index is missing");
    let found = engine.floor(key)?.filter(|(key, _)| key.starts_with(prefix));
    let Some((key, value)) = found else { return Err(missing) };
    let part = Part::open(&key, &value)?;
    match read.take_if(|_| part.next.is_none_or(|next| next > place)) {
        Some(read) => Ok(read(&part)),
        None => Err(missing),
    }
}

/// Returns the part with this key, and the key at which it is stored.
pub(crate) fn part(engine: &Engine, key: [u8; 23]) -> Result<(IVec, [u8; 23])> {
    let missing = EngineError::Malformed("a part of the index is missing");
    let own = engine.get(&key).map_err(EngineError::from).and_then(|part| part.ok_or(missing));
    let spare = keys::spare(key);
    own.map(|part| (part, key)).or_else(|error| match engine.get(&spare) {
        Ok(Some(part)) => Ok((part, spare)),
        _ => Err(error),
    })
}

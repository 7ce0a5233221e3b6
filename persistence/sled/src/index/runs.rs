//! Reading entries from the runs on disk.

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

/// Passes the part of a run's bucket that covers `place` to `read`. The part always exists.
pub(crate) fn part_at<T>(
    engine: &Engine,
    bucket: u16,
    run: u32,
    place: Place,
    read: impl FnOnce(&Part<'_>) -> Result<T>,
) -> Result<T> {
    let found = engine.floor(&keys::index_part(bucket, run, place.0, place.1))?;
    let own = |key: &[u8]| key.starts_with(&keys::index_prefix(bucket, run));
    let Some((key, value)) = found.filter(|(key, _)| own(key)) else {
        return Err(EngineError::Malformed("a part of the index is missing"));
    };
    let part = Part::open(&key, &value)?;
    if part.next.is_some_and(|next| next <= place) {
        return Err(EngineError::Malformed("a part of the index is missing"));
    }
    read(&part)
}

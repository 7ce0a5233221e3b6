//! Snapshots: each one state of one aggregate, in one value of sled, or in several if it is large.
//!
//! ```text
//! checksum u32 | version u8 | parts u16 | category | id | version | position | as of
//! | state version | time i64 | payload bytes | payload
//! ```
//!
//! Names are texts with their lengths before them, and numbers are varints. The checksum is CRC-32C over
//! everything after it, in all parts. A snapshot exists if its part 0 exists, which is written last and
//! removed first.

pub(super) mod parts;
pub(super) mod surplus;

use actuarius_domain::{Position, StreamId, Timestamp, Version};
use actuarius_persistence::personal::Subjects;
use actuarius_persistence::wire::Cursor;
use actuarius_persistence::{ReadError, Snapshot};
use bytes::Bytes;

use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::keys::{self, StreamHash};
use crate::sealed::{self, CHECKSUM};

const VERSION: u8 = 1;

/// The part 0 of a snapshot that cannot be removed, because a page beside it is damaged. There is none then.
pub(super) const BLANK: &[u8] = &[0];

/// Returns the part 0 of a snapshot, if it is there and not blank.
fn front(engine: &Engine, key: StreamHash, version: u64) -> sled::Result<Option<sled::IVec>> {
    let front = engine.get(&keys::snapshot(key, version, 0))?;
    Ok(front.filter(|front| &front[..] != BLANK))
}

/// Returns the number of parts of the snapshot with this part 0.
fn parts(front: &[u8]) -> Result<u16> {
    let mut cursor = Cursor(front);
    cursor.bytes(CHECKSUM)?;
    if cursor.byte()? != VERSION {
        return Err(EngineError::Malformed("the snapshot has an unknown version"));
    }
    Ok(u16::from_le_bytes(cursor.array()?))
}

/// Returns when the snapshot with this part 0 was taken. Its checksum is not verified.
fn time(front: &[u8]) -> Result<Timestamp> {
    let mut cursor = Cursor(front);
    cursor.bytes(CHECKSUM + 3)?;
    for _name in 0..2 {
        cursor.text()?;
    }
    for _version_position_as_of_and_state_version in 0..4 {
        cursor.varint()?;
    }
    Ok(Timestamp::from_micros(cursor.i64()?))
}

/// Unpacks a snapshot. Returns `None` if it is of another stream with the same hash.
fn unpack(stream: &StreamId, version: u64, bytes: Bytes) -> Result<Option<Snapshot>> {
    let (names, snapshot) = unpack_any(version, &bytes)?;
    Ok((names == (stream.category(), stream.id())).then_some(snapshot))
}

/// Unpacks a snapshot of any stream, with its category and id.
fn unpack_any(version: u64, bytes: &Bytes) -> Result<((&str, &str), Snapshot)> {
    let mut cursor = sealed::open(0, bytes, "the checksum of the snapshot is wrong")?;
    cursor.bytes(3)?;
    let names = (cursor.text()?, cursor.text()?);
    if cursor.varint()? != version {
        return Err(EngineError::Malformed("the snapshot is of another version"));
    }
    let (position, as_of) = (cursor.varint()?, cursor.varint()?);
    let state_version = u32::try_from(cursor.varint()?)
        .map_err(|_| EngineError::Malformed("the state version is too large"))?;
    let time = Timestamp::from_micros(cursor.i64()?);
    let length = cursor.size()?;
    if cursor.0.len() != length {
        return Err(EngineError::Malformed("the length of the snapshot is wrong"));
    }
    let snapshot = Snapshot {
        version: Version::new(version),
        position: Position::new(position),
        as_of: Position::new(as_of),
        state_version,
        time,
        payload: bytes.slice(bytes.len() - length..),
        subjects: Subjects::default(),
    };
    Ok((names, snapshot))
}

/// A snapshot's version, and its stream and content if they are readable.
pub(super) type StoredSnapshot = (u64, Result<(StreamId, Snapshot)>);

/// Reads all snapshots. May leave out a snapshot that is replaced or removed at the same time.
pub(super) fn all(
    engine: &Engine,
) -> impl Iterator<Item = sled::Result<Option<StoredSnapshot>>> + '_ {
    engine.keys_and_values(keys::SNAPSHOTS).map(|entry| {
        let (key, front) = entry?;
        let Some((hash, version, 0)) = keys::any_snapshot_place(&key) else { return Ok(None) };
        if &front[..] == BLANK {
            return Ok(None);
        }
        let read = read_any(engine, (hash, version), &front);
        let stays = read.is_ok() || engine.get(&key)?.is_some_and(|now| now == front);
        Ok(stays.then_some((version, read)))
    })
}

fn read_any(
    engine: &Engine,
    (hash, version): (StreamHash, u64),
    front: &[u8],
) -> Result<(StreamId, Snapshot)> {
    let mut bytes = front.to_vec();
    for part in 1..parts(front)? {
        let more = engine.get(&keys::snapshot(hash, version, part))?;
        bytes.extend_from_slice(
            &more.ok_or(EngineError::Malformed("a part of the snapshot is missing"))?,
        );
    }
    let bytes = Bytes::from(bytes);
    let ((category, id), snapshot) = unpack_any(version, &bytes)?;
    let stream = StreamId::new(category, id);
    let stream = stream
        .map_err(|_| EngineError::Malformed("the stream of the snapshot has an invalid name"))?;
    Ok((stream, snapshot))
}

/// Reads the newest snapshot of a stream before the version `before`. Includes a snapshot of a state that
/// is not in the log, because it proves a loss that the caller must report.
pub(super) fn newest(
    engine: &Engine,
    key: StreamHash,
    stream: &StreamId,
    before: Option<Version>,
) -> Result<Option<Snapshot>, ReadError> {
    let mut before = before.map(Version::get);
    loop {
        let unreadable = |error: EngineError| error.at(0, Some(stream));
        let Some(version) = version_before(engine, key, before).map_err(unreadable)? else {
            return Ok(None);
        };
        match read(engine, key, stream, version) {
            Ok(Some(snapshot)) => return Ok(Some(snapshot)),
            Ok(None) => before = Some(version),
            Err(EngineError::Sled(sled::Error::Io(error))) => return Err(error.into()),
            Err(error) => {
                let (stream, version) = (stream.clone(), Version::new(version));
                let what = error.to_string();
                return Err(ReadError::DamagedSnapshot { stream, version, what });
            }
        }
    }
}

/// Returns the highest version below `before` with any part of a snapshot.
fn version_before(engine: &Engine, key: StreamHash, before: Option<u64>) -> Result<Option<u64>> {
    let last = match before {
        Some(0) => return Ok(None),
        Some(version) => keys::snapshot(key, version - 1, u16::MAX),
        None => keys::snapshot(key, u64::MAX, u16::MAX),
    };
    let found = engine.floor(&last)?;
    Ok(found.and_then(|(found, _)| keys::snapshot_place(key, &found)).map(|(version, _)| version))
}

/// Reads a snapshot, or returns `None` if it has no part 0. The writer may be removing it: if another
/// part is missing, part 0 was removed before.
fn read(
    engine: &Engine,
    key: StreamHash,
    stream: &StreamId,
    version: u64,
) -> Result<Option<Snapshot>> {
    let part = |part| engine.get(&keys::snapshot(key, version, part));
    loop {
        let Some(front) = front(engine, key, version)? else { return Ok(None) };
        let count = parts(&front)?;
        let mut bytes = front.to_vec();
        for number in 1..count {
            if let Some(more) = part(number)? {
                bytes.extend_from_slice(&more);
            }
        }
        let snapshot = unpack(stream, version, bytes.into());
        if snapshot.is_ok() || count <= 1 || part(0)?.as_ref() == Some(&front) {
            return snapshot;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parts::Parts;
    use super::*;
    use crate::keys::VALUE_MAX;
    use actuarius_persistence::NewSnapshot;

    /// Returns all parts, part 0 first.
    fn pack(new: &NewSnapshot) -> Vec<Vec<u8>> {
        let mut parts = Parts::of(new);
        let mut all: Vec<_> = (0..parts.count()).map(|_| parts.take()).collect();
        all.rotate_right(1);
        all
    }
    use actuarius_persistence::mutations::Mutations;

    fn example(payload: usize) -> NewSnapshot {
        NewSnapshot {
            stream: StreamId::new("account", "alice").expect("valid"),
            version: Version::new(5),
            position: Position::new(90),
            as_of: Position::new(100),
            state_version: 3,
            time: Timestamp::from_micros(-7),
            payload: vec![7; payload].into(),
            keep: 1,
            keep_since: None,
        }
    }

    #[test]
    fn small_and_large_snapshots_are_read_as_written() {
        for payload in [0, 1, VALUE_MAX, 1_500_000] {
            let new = example(payload);
            let values = pack(&new);
            assert!(values.iter().all(|value| value.len() <= VALUE_MAX));
            assert_eq!(usize::from(parts(&values[0]).expect("whole")), values.len());
            let read = unpack(&new.stream, 5, values.concat().into()).expect("whole");
            let read = read.expect("its own");
            assert_eq!((read.payload, read.as_of), (new.payload, new.as_of));
            assert_eq!((read.time, read.state_version), (new.time, new.state_version));
        }
    }

    #[test]
    fn damage_and_other_streams_are_distinguished() {
        let new = example(10);
        let value = pack(&new).concat();
        let other = StreamId::new("account", "bob").expect("valid");
        assert!(unpack(&other, 5, value.clone().into()).expect("whole").is_none());
        assert!(unpack(&new.stream, 6, value.clone().into()).is_err(), "at another version");
        for bit in 0..value.len() * 8 {
            let mut damaged = value.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(unpack(&new.stream, 5, damaged.into()).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn no_mutated_snapshot_panics_or_allocates_without_a_bound() {
        let samples = [0, 10, 900].map(|payload| pack(&example(payload)).concat());
        let reseal = |bytes: &mut Vec<u8>| {
            if bytes.len() > CHECKSUM {
                sealed::seal(0, bytes);
            }
        };
        Mutations::of("a snapshot", samples).resealed(reseal).run(
            |work| allocation_counter::measure(work).bytes_max,
            |bytes| {
                let _ = (parts(bytes), surplus::is_too_old(bytes, Some(Timestamp::from_micros(1))));
                let _ = unpack_any(5, &Bytes::copy_from_slice(bytes)).is_ok();
            },
        );
    }
}

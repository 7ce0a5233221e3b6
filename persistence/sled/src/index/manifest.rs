//! The manifest: the list of the index's runs, in one value. It is written in the same batch as the change
//! it records, so a run exists exactly if the manifest lists it. A copy is written with it, into another page
//! of sled: without the manifest, the whole log would have to be read.

use actuarius_persistence::wire::{Cursor, Malformed, put_varint};

use sled::Db;

use super::memtable::Run;
use crate::engine::{Engine, Group};
use crate::error::{EngineError, Result};
use crate::keys::{self, VALUE_MAX};
use crate::sealed::{self, CHECKSUM};

const VERSION: u8 = 1;

/// The runs of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// The last position that the runs cover.
    pub(crate) indexed: u64,
    /// The number of the next run. Numbers are never reused, so that parts of an interrupted run cannot be
    /// mistaken for those of another.
    pub(crate) next_run: u32,
    /// Oldest first.
    pub(crate) runs: Vec<Run>,
    /// Runs that are being written.
    pub(crate) building: Vec<u32>,
    /// Replaced or interrupted runs, whose keys are being removed.
    pub(crate) garbage: Vec<u32>,
    /// How often it was written. Of two copies, the one that was written more often is current.
    pub(crate) writes: u64,
}

impl Default for Manifest {
    fn default() -> Self {
        let (runs, building, garbage) = (vec![], vec![], vec![]);
        Self { indexed: 0, next_run: 1, runs, building, garbage, writes: 0 }
    }
}

impl Manifest {
    /// Returns the number of a new run, and lists it as being written.
    pub(crate) fn begin_run(&mut self) -> u32 {
        let number = self.next_run;
        self.next_run += 1;
        self.building.push(number);
        number
    }

    /// Returns the value for `key`: the manifest's own or that of its copy.
    pub(crate) fn to_value(&self, key: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; CHECKSUM];
        bytes.push(VERSION);
        put_varint(&mut bytes, self.indexed);
        put_varint(&mut bytes, u64::from(self.next_run));
        put_varint(&mut bytes, self.runs.len() as u64);
        for run in &self.runs {
            for number in
                [u64::from(run.number), u64::from(run.level), run.first, run.last, run.entries]
            {
                put_varint(&mut bytes, number);
            }
        }
        for numbers in [&self.building, &self.garbage] {
            put_varint(&mut bytes, numbers.len() as u64);
            numbers.iter().for_each(|&number| put_varint(&mut bytes, u64::from(number)));
        }
        // Earlier releases do not read this, and do not write it.
        put_varint(&mut bytes, self.writes);
        debug_assert!(bytes.len() <= VALUE_MAX);
        sealed::seal(crc32c::crc32c(key), &mut bytes);
        bytes
    }

    pub(crate) fn parse(key: &[u8], bytes: &[u8]) -> Result<Self> {
        let what = "the checksum of the index's manifest is wrong";
        let mut cursor = sealed::open(crc32c::crc32c(key), bytes, what)?;
        if cursor.byte()? != VERSION {
            return Err(EngineError::Malformed("the index's manifest has an unknown version"));
        }
        let (indexed, next_run) = (cursor.varint()?, number(&mut cursor)?);
        let runs = list(&mut cursor, run)?;
        let (building, garbage) = (list(&mut cursor, number)?, list(&mut cursor, number)?);
        let writes = if cursor.0.is_empty() { 0 } else { cursor.varint()? };
        Ok(Self { indexed, next_run, runs, building, garbage, writes }.check()?)
    }

    /// Checks that the runs cover the log from its start without gaps.
    fn check(self) -> Result<Self, Malformed> {
        let gap = Malformed("the runs of the index leave a gap");
        let mut end = 0u64;
        for run in &self.runs {
            if Some(run.first) != end.checked_add(1) || run.last < run.first {
                return Err(gap);
            }
            end = run.last;
        }
        if end == self.indexed { Ok(self) } else { Err(gap) }
    }
}

/// Reads the manifest, or its copy if the manifest is damaged or was not written because its page is.
pub(crate) fn read(engine: &Engine) -> Result<Manifest> {
    match (read_one(engine, keys::MANIFEST), read_one(engine, keys::MANIFEST_COPY)) {
        // An earlier release has written the first one, and no copy.
        (Ok(one), Ok(copy)) if one.writes > 0 && copy.writes > one.writes => Ok(copy),
        (Ok(one), _) => Ok(one),
        (Err(error), Ok(copy)) => {
            tracing::error!(target: "actuarius::store", %error, "a copy of a damaged list is used");
            Ok(copy)
        }
        (Err(error), Err(_)) => Err(error),
    }
}

fn read_one(engine: &Engine, key: &[u8]) -> Result<Manifest> {
    let value = engine.get(key)?;
    let value = value.ok_or(EngineError::Malformed("the manifest of the index is missing"))?;
    Manifest::parse(key, &value)
}

/// Puts the manifest and its copy into the group, or one of them if the page of the other one is damaged.
pub(crate) fn put(manifest: &mut Manifest, db: &Db, group: &mut Group) {
    manifest.writes += 1;
    group.keep_together();
    let is_copied = group.is_writable(db, keys::MANIFEST_COPY);
    if is_copied {
        group.put(db, keys::MANIFEST_COPY, manifest.to_value(keys::MANIFEST_COPY));
    }
    if !is_copied || group.is_writable(db, keys::MANIFEST) {
        group.put(db, keys::MANIFEST, manifest.to_value(keys::MANIFEST));
    }
}

fn list<T>(cursor: &mut Cursor<'_>, item: fn(&mut Cursor<'_>) -> Result<T>) -> Result<Vec<T>> {
    (0..cursor.varint()?).map(|_| item(cursor)).collect()
}

fn run(cursor: &mut Cursor<'_>) -> Result<Run> {
    Ok(Run {
        number: number(cursor)?,
        level: u8::try_from(number(cursor)?)
            .map_err(|_| EngineError::Malformed("the level of a run is too large"))?,
        first: cursor.varint()?,
        last: cursor.varint()?,
        entries: cursor.varint()?,
    })
}

fn number(cursor: &mut Cursor<'_>) -> Result<u32> {
    u32::try_from(cursor.varint()?)
        .map_err(|_| EngineError::Malformed("the number of a run is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actuarius_persistence::mutations::Mutations;

    const KEY: &[u8] = keys::MANIFEST;

    fn example() -> Manifest {
        let run = |number, level, first, last| Run { number, level, first, last, entries: last };
        Manifest {
            indexed: 900,
            next_run: 12,
            runs: vec![run(9, 1, 1, 800), run(3, 0, 801, 900)],
            building: vec![10, 11],
            garbage: vec![1, 2],
            writes: 40,
        }
    }

    #[test]
    fn a_manifest_is_read_as_written() {
        for manifest in [Manifest::default(), example()] {
            assert_eq!(Manifest::parse(KEY, &manifest.to_value(KEY)).expect("whole"), manifest);
        }
    }

    #[test]
    fn damage_and_gaps_are_detected() {
        let value = example().to_value(KEY);
        for bit in 0..value.len() * 8 {
            let mut damaged = value.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Manifest::parse(KEY, &damaged).is_err(), "bit {bit}");
        }
        assert!(Manifest::parse(KEY, b"").is_err());
        let mut gap = example();
        gap.runs[1].first += 1;
        assert!(Manifest::parse(KEY, &gap.to_value(KEY)).is_err());
    }

    #[test]
    fn no_mutated_manifest_panics_or_allocates_without_a_bound() {
        let samples = [Manifest::default(), example()].map(|manifest| manifest.to_value(KEY));
        let reseal = |bytes: &mut Vec<u8>| {
            if bytes.len() > CHECKSUM {
                sealed::seal(crc32c::crc32c(keys::MANIFEST), bytes);
            }
        };
        let decoder = Mutations::of("the list of runs", samples).resealed(reseal);
        decoder.run(
            |work| allocation_counter::measure(work).bytes_max,
            |bytes| drop(Manifest::parse(KEY, bytes)),
        );
    }
}

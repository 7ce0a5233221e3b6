//! Parts of an index run: each has some sorted entries of one bucket, in one value.
//!
//! ```text
//! checksum u32 | version u8 | more u8 | next hash u64 | next version u64 | streams u16
//! | hash u64 × streams | offset u16 × streams | entries
//! ```
//!
//! Hashes and offsets have a fixed width, so that a stream is found by binary search. An entry is
//! `version | position | distance to its chunk`, as varints. From the second entry of a stream on, version
//! and position are differences. The checksum also covers the key. Each part names the next one, and the
//! first part of a bucket is at hash 0 and exists even if the bucket is empty. So a missing part is
//! detected, and never looks like a stream without events.

use actuarius_persistence::wire::{Cursor, Malformed, put_varint};

use crate::error::{EngineError, Result};
use crate::keys::VALUE_MAX;
use crate::sealed::{self, CHECKSUM};

const VERSION: u8 = 1;
const HEAD: usize = CHECKSUM + 1 + 1 + 8 + 8 + 2;
const PER_STREAM: usize = 8 + 2;

/// The largest entry, of three varints.
const ENTRY_MAX: usize = 30;

/// An entry of the index: where a commit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    /// The hash of its stream.
    pub(crate) hash: u64,
    /// The version of its first event.
    pub(crate) version: u64,
    /// The position of its first event.
    pub(crate) position: u64,
    /// The first position of its chunk.
    pub(crate) chunk: u64,
}

impl Entry {
    /// Returns the place by which entries are sorted and parts are keyed.
    pub(crate) fn place(&self) -> Place {
        (self.hash, self.version)
    }
}

/// A place in a bucket: a stream hash and a version.
pub(crate) type Place = (u64, u64);

/// The start of every bucket.
pub(crate) const START: Place = (0, 0);

/// Packs sorted entries until a value is full.
#[derive(Default)]
pub(crate) struct Packer {
    hashes: Vec<u64>,
    offsets: Vec<u16>,
    entries: Vec<u8>,
    last: Option<Entry>,
    pub(crate) count: usize,
}

impl Packer {
    /// Adds the entry, or returns false if the part is full.
    pub(crate) fn push(&mut self, entry: &Entry) -> bool {
        let new_stream = self.last.is_none_or(|last| last.hash != entry.hash);
        // Streams with equal hashes may share a place. They stay together, so that the places of parts
        // differ. There is room for a few.
        let tied = self.last.is_some_and(|last| last.place() == entry.place());
        if !tied && self.bytes() + PER_STREAM + 8 * ENTRY_MAX > VALUE_MAX {
            return false;
        }
        if new_stream {
            self.hashes.push(entry.hash);
            self.offsets.push(self.entries.len() as u16);
        }
        let (version, position) = match self.last {
            Some(last) if !new_stream => (last.version, last.position),
            _ => (0, 0),
        };
        put_varint(&mut self.entries, entry.version - version);
        // Two streams with one hash may be out of order by position. Then the difference wraps around.
        put_varint(&mut self.entries, entry.position.wrapping_sub(position));
        put_varint(&mut self.entries, entry.position - entry.chunk);
        self.last = Some(*entry);
        self.count += 1;
        true
    }

    fn bytes(&self) -> usize {
        HEAD + self.hashes.len() * PER_STREAM + self.entries.len()
    }

    /// Returns the value for `key`. `next` is the place of the next part.
    pub(crate) fn finish(self, key: &[u8], next: Option<Place>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bytes());
        bytes.extend_from_slice(&[0; CHECKSUM]);
        bytes.extend_from_slice(&[VERSION, u8::from(next.is_some())]);
        let (hash, version) = next.unwrap_or_default();
        bytes.extend_from_slice(&hash.to_le_bytes());
        bytes.extend_from_slice(&version.to_le_bytes());
        bytes.extend_from_slice(&(self.hashes.len() as u16).to_le_bytes());
        self.hashes.iter().for_each(|hash| bytes.extend_from_slice(&hash.to_le_bytes()));
        self.offsets.iter().for_each(|offset| bytes.extend_from_slice(&offset.to_le_bytes()));
        bytes.extend_from_slice(&self.entries);
        sealed::seal(crc32c::crc32c(key), &mut bytes);
        bytes
    }
}

/// A part with a valid checksum.
pub(crate) struct Part<'a> {
    /// The place of the next part.
    pub(crate) next: Option<Place>,
    hashes: &'a [u8],
    offsets: &'a [u8],
    entries: &'a [u8],
}

impl<'a> Part<'a> {
    pub(crate) fn open(key: &[u8], bytes: &'a [u8]) -> Result<Self> {
        let what = "the checksum of an index part is wrong";
        let mut cursor = sealed::open(crc32c::crc32c(key), bytes, what)?;
        if cursor.byte()? != VERSION {
            return Err(EngineError::Malformed("an index part has an unknown version"));
        }
        let more = cursor.byte()? != 0;
        let next = (u64::from_le_bytes(cursor.array()?), u64::from_le_bytes(cursor.array()?));
        let streams = usize::from(u16::from_le_bytes(cursor.array()?));
        let (hashes, offsets) = (cursor.bytes(streams * 8)?, cursor.bytes(streams * 2)?);
        Ok(Self { next: more.then_some(next), hashes, offsets, entries: cursor.0 })
    }

    /// Adds the entries of streams with this hash, by version.
    pub(crate) fn find(&self, hash: u64, found: &mut Vec<Entry>) -> Result<()> {
        let (mut low, mut high) = (0, self.streams());
        while low < high {
            let middle = low.midpoint(high);
            if self.hash(middle) < hash { low = middle + 1 } else { high = middle }
        }
        if low < self.streams() && self.hash(low) == hash {
            self.entries_of(low, found)?;
        }
        Ok(())
    }

    /// Adds all entries from `from` on, in order.
    pub(crate) fn from(&self, from: Place, found: &mut Vec<Entry>) -> Result<()> {
        let start = found.len();
        for stream in 0..self.streams() {
            if self.hash(stream) >= from.0 {
                self.entries_of(stream, found)?;
            }
        }
        let before = found[start..].partition_point(|entry| entry.place() < from);
        found.drain(start..start + before);
        Ok(())
    }

    fn streams(&self) -> usize {
        self.hashes.len() / 8
    }

    fn hash(&self, stream: usize) -> u64 {
        let bytes = self.hashes[stream * 8..].first_chunk();
        bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    fn offset(&self, stream: usize) -> Option<usize> {
        let bytes = self.offsets.get(stream * 2..)?.first_chunk()?;
        Some(usize::from(u16::from_le_bytes(*bytes)))
    }

    fn entries_of(&self, stream: usize, found: &mut Vec<Entry>) -> Result<()> {
        let start = self.offset(stream).unwrap_or(usize::MAX);
        let end = self.offset(stream + 1).unwrap_or(self.entries.len());
        let bytes = self.entries.get(start..end).ok_or(Malformed("an index part is invalid"))?;
        let mut cursor = Cursor(bytes);
        let (hash, mut version, mut position) = (self.hash(stream), 0u64, 0u64);
        while !cursor.0.is_empty() {
            version = version.wrapping_add(cursor.varint()?);
            position = position.wrapping_add(cursor.varint()?);
            let chunk = position.wrapping_sub(cursor.varint()?);
            found.push(Entry { hash, version, position, chunk });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actuarius_persistence::mutations::Mutations;

    /// Three streams: one with many commits, two with few.
    fn entries(commits: u64) -> Vec<Entry> {
        let entry = |hash, version, position: u64| Entry {
            hash,
            version,
            position,
            chunk: position - position % 7,
        };
        let mut entries: Vec<_> =
            (0..commits).map(|n| entry(500, n * 2 + 1, 1_000_000 + n * 3)).collect();
        entries.extend([entry(3, 1, 77), entry(u64::MAX, 9, u64::from(u32::MAX) * 8)]);
        entries.sort_unstable();
        entries
    }

    fn pack(entries: &[Entry]) -> (Vec<u8>, usize) {
        let mut packer = Packer::default();
        let taken = entries.iter().take_while(|entry| packer.push(entry)).count();
        assert_eq!(packer.count, taken);
        let next = entries.get(taken).map(Entry::place);
        (packer.finish(b"key", next), taken)
    }

    #[test]
    fn entries_are_read_all_and_by_stream() {
        let entries = entries(100);
        let (value, taken) = pack(&entries);
        assert_eq!(taken, entries.len());
        let part = Part::open(b"key", &value).expect("whole");
        assert_eq!(part.next, None);
        let mut found = Vec::new();
        part.from(START, &mut found).expect("whole");
        assert_eq!(found, entries);
        found.clear();
        part.from((500, 101), &mut found).expect("whole");
        assert_eq!(found, entries[51..]);
        found.clear();
        part.find(500, &mut found).expect("whole");
        assert_eq!(found, entries[1..101]);
        part.find(501, &mut found).expect("whole");
        assert_eq!(found.len(), 100, "no such stream");
    }

    #[test]
    fn a_full_part_names_the_next() {
        let entries = entries(10_000);
        let (value, taken) = pack(&entries);
        assert!(taken > 1_000 && taken < entries.len() && value.len() <= VALUE_MAX);
        let next = Part::open(b"key", &value).expect("whole").next;
        assert_eq!(next, Some(entries[taken].place()));
    }

    #[test]
    fn entries_of_streams_with_one_hash_stay_together() {
        let twin = |position| Entry { hash: 5, version: 1, position, chunk: position };
        let entries = [twin(1), twin(9)];
        let (value, _) = pack(&entries);
        let mut found = Vec::new();
        Part::open(b"key", &value).expect("whole").find(5, &mut found).expect("whole");
        assert_eq!(found, entries);
    }

    #[test]
    fn every_flipped_bit_is_detected() {
        let (value, _) = pack(&entries(5));
        for bit in 0..value.len() * 8 {
            let mut damaged = value.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Part::open(b"key", &damaged).is_err(), "bit {bit}");
        }
        assert!(Part::open(b"kez", &value).is_err(), "another key");
        assert!(Part::open(b"key", b"").is_err());
    }

    #[test]
    fn no_mutated_part_panics_or_allocates_without_a_bound() {
        let samples = [0, 5, 300].map(|commits| pack(&entries(commits)).0);
        let reseal = |bytes: &mut Vec<u8>| {
            if bytes.len() > CHECKSUM {
                sealed::seal(crc32c::crc32c(b"key"), bytes);
            }
        };
        Mutations::of("a part of the index", samples).resealed(reseal).run(
            |work| allocation_counter::measure(work).bytes_max,
            |bytes| {
                let Ok(part) = Part::open(b"key", bytes) else { return };
                let mut found = Vec::new();
                let _ = (part.find(500, &mut found), part.from(START, &mut found));
            },
        );
    }
}

//! Chunks: consecutive commits of the log in one value of sled, or in several if they are large.
//!
//! ```text
//! version u8 | flags u8 | parts u16 | raw bytes u32 | commits u32 | events u32 | link 32 | checksum u32
//! | stored bytes
//! ```
//!
//! The stored bytes are the commits' frames, compressed with LZ4 when that makes them smaller. The
//! link is that of all commits before the chunk ([`chain`](actuarius_persistence::chain)); version 1 has none. The
//! checksum is CRC-32C over the first position, the header before it and all stored bytes, so that a
//! chunk at another position is detected, too. A chunk that does not fit one value continues in parts 1,
//! 2, 3 …, which have no header. It exists if part 0 exists.

use actuarius_domain::Position;
use actuarius_persistence::chain::{ChainEnd, Link};
use actuarius_persistence::wire::Cursor;
use actuarius_persistence::{COMMIT_BYTES_MAX, Commit};
use bytes::Bytes;
use sled::IVec;

use crate::error::{EngineError, Result};
use crate::keys::VALUE_MAX;

const LINKED: u8 = 2;
/// The layout of format 1, which has no link.
const UNLINKED: u8 = 1;
const COMPRESSED: u8 = 1;
const COUNTS: usize = 16;
const CHECKED: usize = COUNTS + 32;
const HEAD: usize = CHECKED + 4;

/// How many bytes of frames a chunk contains, except for a single larger commit. They always fit one
/// value. An insert into sled costs about 7 µs, so fewer and fuller values are faster. Larger values
/// would make a cold read of one stream slower.
pub(crate) const RAW_TARGET: usize = VALUE_MAX - HEAD;

/// The largest valid raw size, so that a damaged header cannot request all memory.
const RAW_MAX: usize = COMMIT_BYTES_MAX + actuarius_persistence::FRAME_HEAD;

/// The content of a chunk to pack.
pub(crate) struct Packed<'a> {
    /// The position of the first event.
    pub(crate) first: u64,
    /// The link of all commits before, or `None` for a rewritten chunk of format 1.
    pub(crate) before: Option<Link>,
    pub(crate) frames: &'a [u8],
    pub(crate) commits: u32,
    pub(crate) events: u32,
}

/// Packs a chunk into values, part 0 first.
pub(crate) fn pack(packed: &Packed<'_>) -> Vec<Vec<u8>> {
    let Packed { first, before, frames, commits, events } = *packed;
    let checked = if before.is_some() { CHECKED } else { COUNTS };
    let (mut bytes, flags) = store(frames, checked + 4);
    let parts = bytes.len().div_ceil(VALUE_MAX) as u16;
    bytes[0] = if before.is_some() { LINKED } else { UNLINKED };
    bytes[1] = flags;
    bytes[2..4].copy_from_slice(&parts.to_le_bytes());
    bytes[4..8].copy_from_slice(&(frames.len() as u32).to_le_bytes());
    bytes[8..12].copy_from_slice(&commits.to_le_bytes());
    bytes[12..COUNTS].copy_from_slice(&events.to_le_bytes());
    if let Some(link) = before {
        bytes[COUNTS..CHECKED].copy_from_slice(&link.0);
    }
    let checksum = checksum(first, &bytes[..checked], &bytes[checked + 4..]);
    bytes[checked..checked + 4].copy_from_slice(&checksum.to_le_bytes());
    if parts == 1 { vec![bytes] } else { bytes.chunks(VALUE_MAX).map(<[u8]>::to_vec).collect() }
}

/// Returns empty space for the header followed by the frames, and the flags.
fn store(frames: &[u8], head: usize) -> (Vec<u8>, u8) {
    let mut bytes = vec![0; head + lz4_flex::block::get_maximum_output_size(frames.len())];
    match lz4_flex::block::compress_into(frames, &mut bytes[head..]) {
        Ok(length) if length < frames.len() => {
            bytes.truncate(head + length);
            (bytes, COMPRESSED)
        }
        _ => {
            bytes.truncate(head);
            bytes.extend_from_slice(frames);
            (bytes, 0)
        }
    }
}

fn checksum(first: u64, head: &[u8], stored: &[u8]) -> u32 {
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&first.to_be_bytes()), head);
    crc32c::crc32c_append(checksum, stored)
}

/// A verified chunk.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// The position of its first event.
    pub(crate) first: u64,
    /// The position of its last event.
    pub(crate) last: u64,
    /// The link of all commits before it, or `None` in a chunk of format 1.
    pub(crate) before: Option<Link>,
    /// The number of values it is stored in.
    pub(crate) parts: u16,
    /// Its commits, oldest first; at least one.
    pub(crate) commits: Vec<Commit>,
}

impl Chunk {
    /// Returns the commit that starts at `position`.
    pub(crate) fn commit_at(&self, position: u64) -> Option<&Commit> {
        let position = Position::new(position);
        let found = self.commits.binary_search_by_key(&position, Commit::position);
        found.ok().map(|place| &self.commits[place])
    }

    /// Returns the end of the chain after this chunk. `before` is the link of all commits before it.
    pub(crate) fn end_of_chain(&self, before: Link) -> ChainEnd {
        let start = ChainEnd { position: Position::new(self.first - 1), link: before };
        self.commits.iter().fold(start, |end, commit| end.then(commit))
    }
}

/// Reads the chunk that starts at `first`, or returns `None` if it does not exist.
pub(crate) fn read(
    first: u64,
    part: impl Fn(u16) -> Result<Option<IVec>, sled::Error>,
) -> Result<Option<Chunk>> {
    let Some(front) = part(0)? else { return Ok(None) };
    let head = Head::parse(&front)?;
    if head.parts == 1 {
        return unpack(first, &head, &front).map(Some);
    }
    let mut whole = front.to_vec();
    for number in 1..head.parts {
        let Some(more) = part(number)? else {
            return Err(EngineError::Malformed("a part of a chunk is missing"));
        };
        whole.extend_from_slice(&more);
    }
    unpack(first, &head, &whole).map(Some)
}

struct Head {
    flags: u8,
    parts: u16,
    raw: usize,
    commits: u32,
    events: u32,
    before: Option<Link>,
    checksum: u32,
    /// The size of the header in bytes.
    length: usize,
}

impl Head {
    fn parse(bytes: &[u8]) -> Result<Self> {
        let mut cursor = Cursor(bytes);
        let linked = match cursor.byte()? {
            LINKED => true,
            UNLINKED => false,
            _ => return Err(EngineError::Malformed("a chunk has an unknown version")),
        };
        let head = Self {
            flags: cursor.byte()?,
            parts: u16::from_le_bytes(cursor.array()?),
            raw: cursor.u32()? as usize,
            commits: cursor.u32()?,
            events: cursor.u32()?,
            before: if linked { Some(Link(cursor.array()?)) } else { None },
            checksum: cursor.u32()?,
            length: bytes.len() - cursor.0.len(),
        };
        if head.parts == 0 || head.commits == 0 || head.raw > RAW_MAX {
            return Err(EngineError::Malformed("the header of a chunk is invalid"));
        }
        Ok(head)
    }
}

fn unpack(first: u64, head: &Head, bytes: &[u8]) -> Result<Chunk> {
    let (checked, stored) = (&bytes[..head.length - 4], &bytes[head.length..]);
    if checksum(first, checked, stored) != head.checksum {
        return Err(EngineError::Malformed("the checksum of a chunk is wrong"));
    }
    let frames = match head.flags {
        0 => stored.to_vec(),
        COMPRESSED => lz4_flex::block::decompress(stored, head.raw)
            .map_err(|_| EngineError::Malformed("a chunk cannot be decompressed"))?,
        _ => return Err(EngineError::Malformed("a chunk has unknown flags")),
    };
    take_commits(first, head, frames.into())
}

fn take_commits(first: u64, head: &Head, mut frames: Bytes) -> Result<Chunk> {
    let whole = frames.len();
    let mut commits = Vec::with_capacity(head.commits.min(RAW_TARGET as u32) as usize);
    let mut next = first;
    while !frames.is_empty() {
        let (commit, length) = Commit::take(&frames, Position::new(next))?;
        next = commit.last_position().get() + 1;
        commits.push(commit);
        frames = frames.slice(length..);
    }
    let is_whole = first.checked_add(u64::from(head.events)) == Some(next);
    if whole != head.raw || commits.len() != head.commits as usize || !is_whole {
        return Err(EngineError::Malformed("the content of a chunk differs from its header"));
    }
    Ok(Chunk { first, last: next - 1, before: head.before, parts: head.parts, commits })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{append, frames};
    use actuarius_persistence::mutations::Mutations;

    fn unpack_all(first: u64, parts: &[Vec<u8>]) -> Result<Option<Chunk>> {
        read(first, |part| Ok(parts.get(usize::from(part)).map(|part| part.as_slice().into())))
    }

    fn packed(first: u64, payload: usize) -> Vec<Vec<u8>> {
        let append = append("account", "alice", 0, &[payload, payload]);
        let (before, frames) = (Some(Link::of(b"before")), frames(&append));
        pack(&Packed { first, before, frames: &frames, commits: 2, events: 2 })
    }

    #[test]
    fn small_and_large_commits_are_read_as_written() {
        for payload in [0, 1, 100, 7_000, 300_000] {
            let chunk = unpack_all(41, &packed(41, payload)).expect("whole").expect("there");
            assert_eq!((chunk.first, chunk.last, chunk.commits.len()), (41, 42, 2));
            assert_eq!(chunk.before, Some(Link::of(b"before")));
            let second = chunk.commit_at(42).expect("there");
            assert_eq!((second.view().version.get(), second.view().id), (2, "alice"));
            assert!(chunk.commit_at(43).is_none());
        }
    }

    #[test]
    fn every_flipped_bit_is_detected() {
        let parts = packed(41, 30);
        for bit in 0..parts[0].len() * 8 {
            let mut damaged = parts.clone();
            damaged[0][bit / 8] ^= 1 << (bit % 8);
            assert!(unpack_all(41, &damaged).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn missing_truncated_and_misplaced_parts_are_detected() {
        let parts = packed(41, 300_000);
        assert!(parts.len() > 2 && parts.iter().all(|part| part.len() <= VALUE_MAX));
        assert!(unpack_all(42, &parts).is_err(), "another position");
        assert!(unpack_all(41, &parts[..parts.len() - 1]).is_err(), "the last part is missing");
        let mut swapped = parts.clone();
        swapped.swap(1, 2);
        assert!(unpack_all(41, &swapped).is_err(), "two parts swapped");
        let mut cut = parts;
        cut.last_mut().expect("parts").pop();
        assert!(unpack_all(41, &cut).is_err(), "the last part is truncated");
        assert!(unpack_all(41, &[vec![]]).is_err());
        assert!(unpack_all(41, &[]).expect("nothing is not damage").is_none());
    }

    /// A checksum protects against damage, not against what an older or a foreign program has written.
    #[test]
    fn no_mutated_chunk_panics_or_allocates_without_a_bound() {
        let samples = [0, 30, 3_000].map(|payload| packed(41, payload).concat());
        let reseal = |bytes: &mut Vec<u8>| {
            let Ok(head) = Head::parse(bytes) else { return };
            let (checked, stored) = (&bytes[..head.length - 4], &bytes[head.length..]);
            let checksum = checksum(41, checked, stored).to_le_bytes();
            bytes[head.length - 4..head.length].copy_from_slice(&checksum);
        };
        // The bytes of the frames are reserved before they are decompressed.
        let decoder = Mutations::of("a chunk", samples).resealed(reseal);
        decoder.may_allocate(2 * RAW_MAX as u64, 64).run(
            |work| allocation_counter::measure(work).bytes_max,
            |bytes| {
                let part = |number| Ok((number < 3).then(|| bytes.into()));
                if let Ok(Some(chunk)) = read(41, part) {
                    chunk.commits.iter().for_each(|commit| drop(commit.view().metadata()));
                    chunk.end_of_chain(Link::of(b"before"));
                }
            },
        );
    }
}

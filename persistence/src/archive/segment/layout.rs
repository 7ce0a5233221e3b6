//! The byte layout of a segment.

use actuarius_domain::Position;
use uuid::Uuid;

use super::{Kind, Links, SegmentHead, Summary};
use crate::record::chain::Link;
use crate::wire::{Cursor, Malformed, put_varint};

/// The format this release writes, and the newest it reads.
pub(super) const FORMAT: u32 = 1;

pub(super) const HEAD_BYTES: u64 = 64;
pub(super) const BLOCK_HEAD_BYTES: usize = 24;
pub(super) const TAIL_BYTES: u64 = 16;

const MAGIC: &[u8; 8] = b"actsegmt";
const END: &[u8; 8] = b"actsegme";

/// Why the first bytes of a file are not a head.
pub(super) enum NoHead {
    Newer(u32),
    Malformed(Malformed),
}

impl From<Malformed> for NoHead {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// `actsegmt | format u32 | checksum u32 | segment 16 | store 16 | kind u8 | 15 zeros`
pub(super) fn head(head: &SegmentHead) -> Vec<u8> {
    let kind = match head.kind {
        Kind::Backup => 1,
        Kind::Archive => 2,
        Kind::Notes => 3,
    };
    let front = [&MAGIC[..], &FORMAT.to_le_bytes()].concat();
    let ids = [*head.id.as_bytes(), *head.store.as_bytes()].concat();
    let back = [&ids[..], &[kind], &[0; 15]].concat();
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&front), &back);
    [&front[..], &checksum.to_le_bytes(), &back].concat()
}

pub(super) fn parse_head(bytes: &[u8]) -> Result<SegmentHead, NoHead> {
    let mut cursor = Cursor(bytes);
    if cursor.array()? != *MAGIC {
        return Err(Malformed("another kind of file").into());
    }
    let (format, checksum) = (cursor.u32()?, cursor.u32()?);
    if crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), cursor.0) != checksum {
        return Err(Malformed("the checksum of its head is wrong").into());
    }
    if format != FORMAT {
        return Err(NoHead::Newer(format));
    }
    let (id, store) = (Uuid::from_bytes(cursor.array()?), Uuid::from_bytes(cursor.array()?));
    let kind = match cursor.byte()? {
        1 => Kind::Backup,
        2 => Kind::Archive,
        3 => Kind::Notes,
        _ => return Err(Malformed("a kind of a newer release").into()),
    };
    Ok(SegmentHead { kind, id, store })
}

/// `first u64 | entries u32 | stored u32 | raw u32 | checksum u32`
///
/// The checksum covers the id of the segment, the offset of the block, the fields before it and the stored
/// bytes. So a block at a wrong offset is detected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockHead {
    /// The position of its first entry.
    pub(super) first: u64,
    pub(super) entries: u32,
    pub(super) stored: u32,
    pub(super) raw: u32,
}

impl BlockHead {
    pub(super) fn encode(&self, segment: Uuid, offset: u64, stored: &[u8]) -> Vec<u8> {
        let mut out = self.first.to_le_bytes().to_vec();
        for number in [self.entries, self.stored, self.raw] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        let checksum = checksum_at(segment, offset, &out, stored);
        out.extend_from_slice(&checksum.to_le_bytes());
        out
    }

    /// Parses the block `bytes`. Returns its head and its stored bytes.
    pub(super) fn parse(
        segment: Uuid,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(Self, &[u8]), Malformed> {
        let mut cursor = Cursor(bytes);
        let first = u64::from_le_bytes(cursor.array()?);
        let (entries, stored, raw) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
        let checksum = cursor.u32()?;
        if checksum_at(segment, offset, &bytes[..20], cursor.0) != checksum {
            return Err(Malformed("the checksum of a block is wrong"));
        }
        if cursor.0.len() != stored as usize {
            return Err(Malformed("a block has another length"));
        }
        Ok((Self { first, entries, stored, raw }, cursor.0))
    }
}

fn checksum_at(segment: Uuid, offset: u64, front: &[u8], back: &[u8]) -> u32 {
    let place = crc32c::crc32c_append(crc32c::crc32c(segment.as_bytes()), &offset.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(place, front), back)
}

/// The offset of a block, and the position of its first entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockPlace {
    pub(super) offset: u64,
    pub(super) first: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) blocks: Vec<BlockPlace>,
    pub(super) summary: Summary,
}

impl Footer {
    /// Returns the footer followed by the tail: `length u32 | checksum u32 | actsegme`.
    pub(super) fn encode(&self, segment: Uuid, offset: u64) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, self.blocks.len() as u64);
        let mut before = BlockPlace { offset: HEAD_BYTES, first: 0 };
        for block in &self.blocks {
            put_varint(&mut out, block.offset - before.offset);
            put_varint(&mut out, block.first - before.first);
            before = *block;
        }
        let summary = &self.summary;
        for number in [summary.commits, summary.events, summary.first.get(), summary.last.get()] {
            put_varint(&mut out, number);
        }
        out.push(u8::from(summary.links.is_some()));
        if let Some(links) = &summary.links {
            out.extend_from_slice(&links.before.0);
            out.extend_from_slice(&links.after.0);
        }
        // A longer list of blocks would need a file of a petabyte.
        let length = u32::try_from(out.len()).unwrap_or(u32::MAX);
        let checksum = checksum_at(segment, offset, &length.to_le_bytes(), &out);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&checksum.to_le_bytes());
        out.extend_from_slice(END);
        out
    }

    pub(super) fn parse(
        segment: Uuid,
        offset: u64,
        bytes: &[u8],
        checksum: u32,
    ) -> Result<Self, Malformed> {
        let length = u32::try_from(bytes.len()).map_err(|_| Malformed("a footer is too long"))?;
        if checksum_at(segment, offset, &length.to_le_bytes(), bytes) != checksum {
            return Err(Malformed("the checksum of its footer is wrong"));
        }
        let mut cursor = Cursor(bytes);
        let (mut blocks, mut before) = (Vec::new(), BlockPlace { offset: HEAD_BYTES, first: 0 });
        for _ in 0..cursor.varint()? {
            let (offset, first) = (cursor.varint()?, cursor.varint()?);
            let sum =
                |one: u64, other| one.checked_add(other).ok_or(Malformed("a number is too large"));
            before = BlockPlace {
                offset: sum(before.offset, offset)?,
                first: sum(before.first, first)?,
            };
            blocks.push(before);
        }
        let (commits, events) = (cursor.varint()?, cursor.varint()?);
        let (first, last) = (Position::new(cursor.varint()?), Position::new(cursor.varint()?));
        let links = match cursor.byte()? {
            0 => None,
            _ => Some(Links { before: Link(cursor.array()?), after: Link(cursor.array()?) }),
        };
        Ok(Self { blocks, summary: Summary { commits, events, first, last, links } })
    }
}

/// Parses the tail. Returns the length of the footer and its checksum.
pub(super) fn parse_tail(bytes: &[u8]) -> Result<(u32, u32), Malformed> {
    let mut cursor = Cursor(bytes);
    let (length, checksum) = (cursor.u32()?, cursor.u32()?);
    if cursor.0 != END {
        return Err(Malformed("it does not have the end of a segment"));
    }
    Ok((length, checksum))
}

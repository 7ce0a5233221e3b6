//! Reads segments: single commits, all commits in order, and verification.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use actuarius_domain::Position;
use bytes::Bytes;

use super::blocks::{BLOCK_BYTES, Blocks};
use super::{Kind, Links, SegmentError, SegmentHead, Summary};
use crate::record::Commit;
use crate::wire::Cursor;

/// How many recently used blocks [`Segment::commit_at`] caches: typically a megabyte.
const BLOCKS_CACHED: usize = 8;

/// An open segment. It may be read from several threads.
pub struct Segment {
    blocks: Blocks,
    /// The newest last.
    cache: Mutex<Vec<(usize, Block)>>,
}

/// The commits of a block in order.
type Block = Arc<[Commit]>;

impl Segment {
    /// Opens the segment at `path`: reads and checks its head and its footer.
    ///
    /// # Errors
    /// Returns [`SegmentError`] if the file is not a complete segment of commits.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SegmentError> {
        let blocks = Blocks::open(path.as_ref())?;
        if blocks.head.kind == Kind::Notes {
            let (path, what) = (path.as_ref().to_owned(), "it contains notes".to_owned());
            return Err(SegmentError::Another { path, what });
        }
        Ok(Self { blocks, cache: Mutex::default() })
    }

    /// Returns the purpose and the identity of the segment.
    #[must_use]
    pub fn head(&self) -> SegmentHead {
        self.blocks.head
    }

    /// Returns the figures of the segment.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.blocks.summary
    }

    /// Returns the size of its file.
    pub(crate) fn bytes(&self) -> u64 {
        self.blocks.bytes
    }

    /// Returns the path of the segment.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.blocks.path()
    }

    /// Returns the commit with the event at `position`, or `None` if the segment does not contain it.
    ///
    /// # Errors
    /// Returns [`SegmentError`]. Damage is never reported as a missing commit.
    pub fn commit_at(&self, position: Position) -> Result<Option<Commit>, SegmentError> {
        let Some(number) = self.blocks.holding(position.get()) else { return Ok(None) };
        let block = self.cached_block(number)?;
        let before = block.partition_point(|commit| commit.position() <= position);
        let found = before.checked_sub(1).map(|at| &block[at]);
        Ok(found.filter(|commit| commit.last_position() >= position).cloned())
    }

    fn cached_block(&self, number: usize) -> Result<Block, SegmentError> {
        let cache = || self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let found = cache().iter().find(|(other, _)| *other == number).map(|(_, it)| it.clone());
        if let Some(block) = found {
            return Ok(block);
        }
        let block = self.block(number)?;
        if block.len() == 1 && block[0].bytes() > BLOCK_BYTES {
            // It would take more memory than the rest of the cache.
            return Ok(block);
        }
        let mut cache = cache();
        cache.retain(|(other, _)| *other != number);
        if cache.len() >= BLOCKS_CACHED {
            cache.remove(0);
        }
        cache.push((number, block.clone()));
        Ok(block)
    }

    fn block(&self, number: usize) -> Result<Block, SegmentError> {
        let (entries, first, raw) = self.blocks.load(number)?;
        let commits = parse(entries, first, &Bytes::from(raw));
        commits.ok_or_else(|| self.blocks.damaged(number, "a block does not contain commits"))
    }

    /// Returns all commits with events at or after `position`, in order. One block is in memory at a time.
    #[must_use]
    pub fn commits_from(&self, position: Position) -> Commits<'_> {
        let number = self.blocks.holding(position.get()).unwrap_or(0);
        Commits { segment: self, from: position, number, block: Arc::from([]), next: 0 }
    }

    /// Reads all commits, and compares them with the footer. If the footer has links, also checks the
    /// chain from the one to the other.
    ///
    /// # Errors
    /// Returns [`SegmentError`] for the first difference.
    pub fn verify(&self) -> Result<(), SegmentError> {
        let (mut found, mut link) = (Summary::default(), self.summary().links.map(|it| it.before));
        for number in 0..self.blocks.len() {
            for commit in &*self.block(number)? {
                if found.commits > 0 && commit.position() <= found.last {
                    return Err(self.blocks.damaged(number, "its commits are out of order"));
                }
                found.count(commit);
                link = link.map(|link| link.then(&commit.hash()));
            }
        }
        let before = self.summary().links.map(|it| it.before);
        found.links = before.zip(link).map(|(before, after)| Links { before, after });
        if found != *self.summary() {
            let what = "its content differs from its footer";
            return Err(self.blocks.damaged(self.blocks.len(), what));
        }
        Ok(())
    }
}

fn parse(entries: u32, first: u64, raw: &Bytes) -> Option<Block> {
    let (mut commits, mut position, mut at) = (Vec::new(), first, 0);
    for _ in 0..entries {
        let mut cursor = Cursor(&raw[at..]);
        position = position.checked_add(cursor.varint().ok()?)?;
        at = raw.len() - cursor.0.len();
        let (commit, length) = Commit::take(&raw.slice(at..), Position::new(position)).ok()?;
        position.checked_add(commit.view().events)?;
        commits.push(commit);
        at += length;
    }
    (at == raw.len()).then(|| commits.into())
}

/// The commits of a segment in order. The iterator ends after the first error.
pub struct Commits<'a> {
    segment: &'a Segment,
    from: Position,
    /// The block to be read next.
    number: usize,
    block: Block,
    /// The next commit of the block that was read.
    next: usize,
}

impl Iterator for Commits<'_> {
    type Item = Result<Commit, SegmentError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            while let Some(commit) = self.block.get(self.next) {
                self.next += 1;
                if commit.last_position() >= self.from {
                    return Some(Ok(commit.clone()));
                }
            }
            if self.number >= self.segment.blocks.len() {
                return None;
            }
            match self.segment.block(self.number) {
                Ok(block) => (self.block, self.next, self.number) = (block, 0, self.number + 1),
                Err(error) => {
                    (self.block, self.number) = (Arc::from([]), usize::MAX);
                    return Some(Err(error));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::{
        BlockHead, BlockPlace, Footer, HEAD_BYTES, head, parse_head, parse_tail,
    };
    use super::super::{Kind, SegmentHead};
    use super::*;
    use crate::mutations::{Mutations, Peak};
    use crate::record::Append;
    use actuarius_domain::{StreamId, Version};
    use uuid::Uuid;

    const PEAK: Peak = |work| allocation_counter::measure(work).bytes_max;
    const ID: Uuid = Uuid::from_u128(7);

    fn sum(front: &[&[u8]]) -> u32 {
        front.iter().fold(crc32c::crc32c(ID.as_bytes()), |sum, it| crc32c::crc32c_append(sum, it))
    }

    #[test]
    fn no_mutated_head_of_a_segment_panics() {
        let heads = [Kind::Backup, Kind::Archive, Kind::Notes];
        let samples = heads.map(|kind| head(&SegmentHead { kind, id: ID, store: Uuid::nil() }));
        let reseal = |bytes: &mut Vec<u8>| {
            if bytes.len() >= 16 {
                let sum = crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..]);
                bytes[12..16].copy_from_slice(&sum.to_le_bytes());
            }
        };
        Mutations::of("the head of a segment", samples).resealed(reseal).run(PEAK, |bytes| {
            let _ = (parse_head(bytes).is_ok(), parse_tail(bytes).is_ok());
        });
    }

    #[test]
    fn no_mutated_footer_of_a_segment_panics_or_allocates_without_a_bound() {
        let place =
            |number: u64| BlockPlace { offset: HEAD_BYTES + number * 900, first: number * 50 };
        let blocks = (1..20).map(place).collect();
        let link = crate::record::chain::Link::of(b"before");
        let links = Some(Links { before: link, after: link });
        let summary = Summary { commits: 3, links, ..Summary::default() };
        let whole = Footer { blocks, summary }.encode(ID, 77);
        let sample = whole[..whole.len() - 16].to_vec();
        Mutations::of("the footer of a segment", [sample]).run(PEAK, |bytes| {
            let length = (bytes.len() as u32).to_le_bytes();
            let right = sum(&[&77u64.to_le_bytes(), &length, bytes]);
            let _ = Footer::parse(ID, 77, bytes, right);
        });
    }

    #[test]
    fn no_mutated_head_of_a_block_panics() {
        let sample =
            BlockHead { first: 5, entries: 2, stored: 9, raw: 30 }.encode(ID, 77, b"seventeen");
        let reseal = |bytes: &mut Vec<u8>| {
            if bytes.len() >= 24 {
                let right = sum(&[&77u64.to_le_bytes(), &bytes[..20], &bytes[24..]]);
                bytes[20..24].copy_from_slice(&right.to_le_bytes());
            }
        };
        let sample = [&sample[..], b"seventeen"].concat();
        Mutations::of("a block", [sample]).resealed(reseal).run(PEAK, |bytes| {
            let _ = BlockHead::parse(ID, 77, bytes);
        });
    }

    #[test]
    fn no_mutated_block_panics_or_allocates_without_a_bound() {
        let stream = StreamId::new("account", "ada").expect("valid");
        let mut append = Append::new(stream, Version::NONE);
        for _ in 0..3 {
            append
                .push_deletion(
                    crate::record::NewCommit {
                        time: actuarius_domain::Timestamp::from_micros(1),
                        command_id: "one".into(),
                        named_by_caller: true,
                        metadata: &actuarius_domain::Metadata::default(),
                    },
                    crate::record::Deletion { reusable: true },
                )
                .expect("small");
        }
        let frames: Vec<_> =
            append.frames().flat_map(|(frame, _)| [&[1], frame].concat()).collect();
        Mutations::of("the entries of a block", [frames]).run(PEAK, |bytes| {
            for entries in [3, u32::MAX] {
                let _ = parse(entries, 5, &Bytes::copy_from_slice(bytes));
            }
        });
    }
}

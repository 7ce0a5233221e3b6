use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use actuarius_domain::Position;
use bytes::Bytes;

use super::blocks::{BLOCK_BYTES, Blocks};
use super::{Kind, Links, SegmentError, SegmentHead, Summary};
use crate::Commit;
use crate::wire::Cursor;

/// How many blocks lately used are kept for [`Segment::commit_at`]: a megabyte, usually.
const BLOCKS_KEPT: usize = 8;

/// A segment that is open. It may be read from several threads.
pub struct Segment {
    blocks: Blocks,
    /// The newest last.
    kept: Mutex<Vec<(usize, Block)>>,
}

/// The commits of a block, by position.
type Block = Arc<[Commit]>;

impl Segment {
    /// Opens the segment at `path`: reads and checks its head and its footer.
    ///
    /// # Errors
    /// [`SegmentError`]. A segment of notes is [another](SegmentError::Another).
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SegmentError> {
        let blocks = Blocks::open(path.as_ref())?;
        if blocks.head.kind == Kind::Notes {
            let (path, what) = (path.as_ref().to_owned(), "it holds notes".to_owned());
            return Err(SegmentError::Another { path, what });
        }
        Ok(Self { blocks, kept: Mutex::default() })
    }

    /// What it is, and whose.
    #[must_use]
    pub fn head(&self) -> SegmentHead {
        self.blocks.head
    }

    /// What it has.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.blocks.summary
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.blocks.path()
    }

    /// The commit that holds the event at `position`, if it is here.
    ///
    /// # Errors
    /// [`SegmentError`]; damage is never read as "not here".
    pub fn commit_at(&self, position: Position) -> Result<Option<Commit>, SegmentError> {
        let Some(number) = self.blocks.holding(position.get()) else { return Ok(None) };
        let block = self.kept_block(number)?;
        let before = block.partition_point(|commit| commit.position() <= position);
        let found = before.checked_sub(1).map(|at| &block[at]);
        Ok(found.filter(|commit| commit.last_position() >= position).cloned())
    }

    fn kept_block(&self, number: usize) -> Result<Block, SegmentError> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept().iter().find(|(other, _)| *other == number).map(|(_, it)| it.clone());
        if let Some(block) = found {
            return Ok(block);
        }
        let block = self.block(number)?;
        if block.len() == 1 && block[0].bytes() > BLOCK_BYTES {
            // It would take more than all others together.
            return Ok(block);
        }
        let mut kept = kept();
        kept.retain(|(other, _)| *other != number);
        if kept.len() >= BLOCKS_KEPT {
            kept.remove(0);
        }
        kept.push((number, block.clone()));
        Ok(block)
    }

    fn block(&self, number: usize) -> Result<Block, SegmentError> {
        let (entries, first, raw) = self.blocks.load(number)?;
        let commits = parse(entries, first, &Bytes::from(raw));
        commits.ok_or_else(|| self.blocks.damaged(number, "a block holds no commits"))
    }

    /// All commits that hold events at or behind `position`, in order. One block is in memory at a time.
    #[must_use]
    pub fn commits_from(&self, position: Position) -> Commits<'_> {
        let number = self.blocks.holding(position.get()).unwrap_or(0);
        Commits { segment: self, from: position, number, block: Arc::from([]), next: 0 }
    }

    /// Reads all of it, and compares it with what the footer says; with links, that its commits lead
    /// from the one to the other.
    ///
    /// # Errors
    /// [`SegmentError`]: the first thing that is wrong.
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
            let what = "it does not hold what its footer says";
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

/// The commits of a segment, in order. Behind an error comes nothing more.
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

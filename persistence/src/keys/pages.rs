//! The key file: slots that are overwritten in place, each in two copies that are never written
//! between the same two syncs.
//!
//! ```text
//! page 0, 1          the header, twice
//! page 2, 3          slots 0 to 31: side 0, side 1
//! page 4, 5          slots 32 to 63: side 0, side 1
//! …
//! ```
//!
//! A power cut may leave anything in the sectors that were being written. So the two sides are written
//! in turn: a flush writes one side, with what the other side got last, and syncs. What is durable is
//! so always whole on the side that is not being written, and a flush costs one sync. What must be gone
//! (a key that is forgotten) is overwritten on both sides before anyone hears of it.

use std::collections::BTreeMap;
use std::io;

use super::header::{FORMAT, Header, Unreadable};
use super::medium::Medium;
use super::record::{Copied, Place, RECORD_BYTES, Record};

pub(super) const PAGE: usize = 4096;
pub(super) const SLOTS_PER_PAGE: u64 = (PAGE / RECORD_BYTES) as u64;

/// How many pairs of pages a new file has, and how many it grows by at least: room for 512 subjects.
const PAIRS_MIN: u32 = 16;

/// How many slots are mended at once when the file is opened.
const MENDED_AT_ONCE: usize = 4_096;

type Bytes = [u8; RECORD_BYTES];

pub(super) struct Pages {
    medium: Box<dyn Medium>,
    header: Header,
    /// The side that is written next. The other one has everything that is durable.
    side: u64,
    /// What the side that is written next lacks.
    lacking: BTreeMap<u32, Bytes>,
    /// What neither side has yet.
    new: BTreeMap<u32, Bytes>,
    /// The first failed write or sync. A sync is never tried again: it would lie.
    failure: Option<String>,
}

/// What became of opening a file.
pub(super) enum Unopened {
    Io(io::Error),
    Newer(u32),
    Damaged(&'static str),
}

impl From<io::Error> for Unopened {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What was found in a file beside the records that are right.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Census {
    /// One behind the last slot that is not free.
    pub(super) used: u32,
    /// Slots of which both copies are damaged.
    pub(super) damaged: u64,
    /// Slots of which one copy was brought up to the other.
    pub(super) mended: u64,
    /// Slots that were being written for the first time when the power was cut. Nothing that was
    /// acknowledged used them.
    pub(super) unfinished: u64,
}

/// The content of a new file.
pub(super) fn fresh() -> Result<Vec<u8>, super::KeyError> {
    let page = Header::fresh(PAIRS_MIN)?.to_page();
    let mut bytes = [&page[..], &page].concat();
    bytes.resize(PAGE * (2 + 2 * PAIRS_MIN as usize), 0);
    Ok(bytes)
}

impl Pages {
    /// Opens the file, mends what a power cut has left, and hands over every record.
    pub(super) fn open(
        medium: Box<dyn Medium>,
        found: impl FnMut(u32, Record),
    ) -> Result<(Self, Census), Unopened> {
        let mut head = vec![0; 2 * PAGE];
        if medium.length()? < head.len() as u64 {
            return Err(Unopened::Damaged("its header is missing"));
        }
        medium.read(0, &mut head)?;
        let header = Header::choose(&head[..PAGE], &head[PAGE..]).map_err(|why| match why {
            Unreadable::Newer(format) => Unopened::Newer(format),
            Unreadable::Unknown => Unopened::Damaged("its header is unreadable"),
        })?;
        if medium.length()? < offset(0, header.slots()) {
            return Err(Unopened::Damaged("it is shorter than it was"));
        }
        let (lacking, new) = (BTreeMap::new(), BTreeMap::new());
        let mut pages = Self { medium, header, side: 0, lacking, new, failure: None };
        let census = pages.look_through(found)?;
        pages.write_header(&head)?;
        Ok((pages, census))
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    fn place(&self, slot: u32) -> Place {
        Place { file: self.header.file, slot }
    }

    fn look_through(&mut self, mut found: impl FnMut(u32, Record)) -> Result<Census, Unopened> {
        let mut census = Census::default();
        let mut pair = vec![0; 2 * PAGE];
        let mut mending: [BTreeMap<u32, Bytes>; 2] = Default::default();
        for first in (0..self.header.slots()).step_by(SLOTS_PER_PAGE as usize) {
            self.medium.read(offset(0, first), &mut pair)?;
            for index in 0..SLOTS_PER_PAGE as usize {
                let slot = first as u32 + index as u32;
                let at = index * RECORD_BYTES;
                let sides = [&pair[at..at + RECORD_BYTES], &pair[PAGE + at..][..RECORD_BYTES]];
                self.look_at(slot, sides, &mut census, &mut mending)
                    .into_iter()
                    .for_each(|record| found(slot, record));
            }
            if mending.iter().any(|side| side.len() >= MENDED_AT_ONCE) {
                self.mend(&mut mending)?;
            }
        }
        self.mend(&mut mending)?;
        Ok(census)
    }

    /// The record of a slot, and what is to be mended in it.
    fn look_at(
        &self,
        slot: u32,
        sides: [&[u8]; 2],
        census: &mut Census,
        mending: &mut [BTreeMap<u32, Bytes>; 2],
    ) -> Option<Record> {
        let copies = sides.map(|side| Copied::parse(side, self.place(slot)));
        if copies != [Copied::Free; 2] {
            census.used = slot + 1;
        }
        let right = match copies {
            [Copied::Free, Copied::Free] => return None,
            [Copied::Bad, Copied::Bad] => {
                census.damaged += 1;
                return None;
            }
            [Copied::Good(first), Copied::Good(second)] if first.sequence >= second.sequence => {
                first
            }
            [_, Copied::Good(right)] | [Copied::Good(right), _] => right,
            // Never whole on any side, so never acknowledged.
            [Copied::Bad, Copied::Free] | [Copied::Free, Copied::Bad] => {
                census.unfinished += 1;
                let bad = usize::from(copies[1] == Copied::Bad);
                mending[bad].insert(slot, [0; RECORD_BYTES]);
                return None;
            }
        };
        let bytes = right.to_bytes(self.place(slot));
        for (side, copy) in copies.iter().enumerate() {
            if *copy != Copied::Good(right) {
                census.mended += 1;
                mending[side].insert(slot, bytes);
            }
        }
        Some(right)
    }

    /// One side behind the other, so that a power cut leaves one whole.
    fn mend(&mut self, mending: &mut [BTreeMap<u32, Bytes>; 2]) -> io::Result<()> {
        for (side, slots) in mending.iter_mut().enumerate() {
            if slots.is_empty() {
                continue;
            }
            for (slot, bytes) in std::mem::take(slots) {
                self.medium.write(offset(side as u64, u64::from(slot)), &bytes)?;
            }
            self.medium.sync()?;
        }
        Ok(())
    }

    /// What a slot says, read anew. None when neither copy is good.
    pub(super) fn read(&self, slot: u32) -> io::Result<Option<Record>> {
        if let Some(bytes) = self.new.get(&slot).or_else(|| self.lacking.get(&slot)) {
            return Ok(good(Copied::parse(bytes, self.place(slot))));
        }
        let mut bytes = [0; RECORD_BYTES];
        // That side has everything.
        for side in [1 - self.side, self.side] {
            self.medium.read(offset(side, u64::from(slot)), &mut bytes)?;
            if let Some(record) = good(Copied::parse(&bytes, self.place(slot))) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// Both copies of a slot as they are on the medium.
    pub(super) fn copies(&self, slot: u32) -> io::Result<[Copied; 2]> {
        let mut copies = [Copied::Free; 2];
        for (side, copy) in copies.iter_mut().enumerate() {
            let mut bytes = [0; RECORD_BYTES];
            self.medium.read(offset(side as u64, u64::from(slot)), &mut bytes)?;
            *copy = Copied::parse(&bytes, self.place(slot));
        }
        Ok(copies)
    }

    /// Changes a slot. Durable after the next [`flush`](Pages::flush).
    pub(super) fn put(&mut self, slot: u32, record: Record) {
        let bytes = record.to_bytes(self.place(slot));
        self.new.insert(slot, bytes);
    }

    pub(super) fn is_dirty(&self) -> bool {
        !self.new.is_empty()
    }

    /// Makes what was put durable, with one sync. After the first failure every other call fails.
    pub(super) fn flush(&mut self) -> Result<(), String> {
        if self.new.is_empty() {
            return self.failure.clone().map_or(Ok(()), Err);
        }
        self.guarded(|pages| {
            pages.grow()?;
            let mut written = std::mem::take(&mut pages.lacking);
            written.extend(pages.new.iter());
            pages.write(&written)?;
            pages.lacking = std::mem::take(&mut pages.new);
            Ok(())
        })
    }

    /// Makes both sides the same: what was overwritten is on neither any more.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        self.flush()?;
        if self.lacking.is_empty() {
            return Ok(());
        }
        self.guarded(|pages| {
            let written = std::mem::take(&mut pages.lacking);
            pages.write(&written)
        })
    }

    fn write(&mut self, slots: &BTreeMap<u32, Bytes>) -> io::Result<()> {
        for (slot, bytes) in slots {
            self.medium.write(offset(self.side, u64::from(*slot)), bytes)?;
        }
        self.medium.sync()?;
        self.side = 1 - self.side;
        Ok(())
    }

    fn guarded(&mut self, work: impl FnOnce(&mut Self) -> io::Result<()>) -> Result<(), String> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        work(self).map_err(|error| {
            let what = error.to_string();
            self.failure = Some(what.clone());
            what
        })
    }

    /// Makes room for the last slot that was put: the pages are there, durably, before the header says
    /// so, and the header says so before they are used.
    fn grow(&mut self) -> io::Result<()> {
        let last = self.new.last_key_value().map_or(0, |(slot, _)| u64::from(*slot));
        if last < self.header.slots() {
            return Ok(());
        }
        let grown = self.header.pairs + PAIRS_MIN.max(self.header.pairs / 8);
        let pairs = grown.max((last / SLOTS_PER_PAGE) as u32 + 1);
        let zeros = vec![0; 2 * PAGE];
        for pair in self.header.pairs..pairs {
            self.medium.write(offset(0, u64::from(pair) * SLOTS_PER_PAGE), &zeros)?;
        }
        self.medium.sync()?;
        self.header.pairs = pairs;
        self.header.sequence += 1;
        self.write_header(&[])
    }

    /// Writes the copies of the header that are not as they should be, one behind the other.
    fn write_header(&mut self, found: &[u8]) -> io::Result<()> {
        let page = self.header.to_page();
        for copy in 0..2 {
            if found.get(copy * PAGE..(copy + 1) * PAGE) != Some(&page[..]) {
                self.medium.write((copy * PAGE) as u64, &page)?;
                self.medium.sync()?;
            }
        }
        Ok(())
    }
}

fn good(copied: Copied) -> Option<Record> {
    if let Copied::Good(record) = copied { Some(record) } else { None }
}

fn offset(side: u64, slot: u64) -> u64 {
    let page = 2 + 2 * (slot / SLOTS_PER_PAGE) + side;
    page * PAGE as u64 + (slot % SLOTS_PER_PAGE) * RECORD_BYTES as u64
}

/// The newest format this release reads.
pub(super) const SUPPORTED: u32 = FORMAT;

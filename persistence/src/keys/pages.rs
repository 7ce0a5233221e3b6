//! The key file: slots that are overwritten in place. Each has two copies, which are never written
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
//! in turn: a flush writes the new changes and those of the previous flush to one side, and syncs. The
//! other side always contains everything that is durable, and a flush costs one sync. A forgotten key is
//! overwritten on both sides before the call returns.

use std::collections::BTreeMap;
use std::io;

use super::header::{FORMAT, Header, PAGE, SLOTS_PER_PAGE, Unreadable, offset};
use super::medium::Medium;
use super::record::{RECORD_BYTES, Record, SlotCopy, SlotId};
use super::slot_reader::SlotReader;

/// The number of page pairs of a new file, and the least it grows by: room for 512 subjects.
const PAIRS_MIN: u32 = 16;

/// How many slots are repaired together when the file is opened.
const REPAIRS_AT_ONCE: usize = 4_096;

type Bytes = [u8; RECORD_BYTES];

pub(super) struct Pages {
    medium: Box<dyn Medium>,
    header: Header,
    /// The side that is written next. The other one contains everything that is durable.
    side: u64,
    /// Durable changes that the side written next does not contain yet.
    catch_up: BTreeMap<u32, Bytes>,
    /// Changes that neither side contains yet.
    new: BTreeMap<u32, Bytes>,
    /// The first failed write or sync. A failed sync is never retried, because the retry may succeed
    /// without having written the data.
    failure: Option<String>,
}

/// Why a file could not be opened.
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

/// Figures of the scan when a file is opened.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Census {
    /// The number after the last slot that is not free.
    pub(super) used: u32,
    /// Slots with two damaged copies.
    pub(super) damaged: u64,
    /// Slots with one copy that was repaired from the other.
    pub(super) repaired: u64,
    /// Slots whose first write was interrupted by a power cut. Nothing that was acknowledged uses
    /// them.
    pub(super) unfinished: u64,
}

/// Returns the content of a new file.
pub(super) fn fresh() -> Result<Vec<u8>, super::KeyError> {
    let page = Header::fresh(PAIRS_MIN)?.to_page();
    let mut bytes = [&page[..], &page].concat();
    bytes.resize(PAGE * (2 + 2 * PAIRS_MIN as usize), 0);
    Ok(bytes)
}

impl Pages {
    /// Opens the file, repairs damage of a power cut, and passes every record to `found`.
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
            return Err(Unopened::Damaged("it is shorter than its header states"));
        }
        let (catch_up, new) = (BTreeMap::new(), BTreeMap::new());
        let mut pages = Self { medium, header, side: 0, catch_up, new, failure: None };
        let census = pages.scan(found)?;
        pages.write_header(&head)?;
        Ok((pages, census))
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    fn slot_id(&self, slot: u32) -> SlotId {
        SlotId { file: self.header.file, slot }
    }

    fn scan(&mut self, mut found: impl FnMut(u32, Record)) -> Result<Census, Unopened> {
        let mut census = Census::default();
        let mut pair = vec![0; 2 * PAGE];
        let mut repairs: [BTreeMap<u32, Bytes>; 2] = Default::default();
        for first in (0..self.header.slots()).step_by(SLOTS_PER_PAGE as usize) {
            self.medium.read(offset(0, first), &mut pair)?;
            for index in 0..SLOTS_PER_PAGE as usize {
                let slot = first as u32 + index as u32;
                let at = index * RECORD_BYTES;
                let sides = [&pair[at..at + RECORD_BYTES], &pair[PAGE + at..][..RECORD_BYTES]];
                self.inspect(slot, sides, &mut census, &mut repairs)
                    .into_iter()
                    .for_each(|record| found(slot, record));
            }
            if repairs.iter().any(|side| side.len() >= REPAIRS_AT_ONCE) {
                self.repair(&mut repairs)?;
            }
        }
        self.repair(&mut repairs)?;
        Ok(census)
    }

    /// Returns the record of a slot, and adds the repairs that it needs.
    fn inspect(
        &self,
        slot: u32,
        sides: [&[u8]; 2],
        census: &mut Census,
        repairs: &mut [BTreeMap<u32, Bytes>; 2],
    ) -> Option<Record> {
        let copies = sides.map(|side| SlotCopy::parse(side, self.slot_id(slot)));
        if copies != [SlotCopy::Free; 2] {
            census.used = slot + 1;
        }
        let right = match copies {
            [SlotCopy::Free, SlotCopy::Free] => return None,
            [SlotCopy::Bad, SlotCopy::Bad] => {
                census.damaged += 1;
                return None;
            }
            [SlotCopy::Good(first), SlotCopy::Good(second)]
                if first.sequence >= second.sequence =>
            {
                first
            }
            [_, SlotCopy::Good(right)] | [SlotCopy::Good(right), _] => right,
            // Never complete on any side, so never acknowledged.
            [SlotCopy::Bad, SlotCopy::Free] | [SlotCopy::Free, SlotCopy::Bad] => {
                census.unfinished += 1;
                let bad = usize::from(copies[1] == SlotCopy::Bad);
                repairs[bad].insert(slot, [0; RECORD_BYTES]);
                return None;
            }
        };
        let bytes = right.to_bytes(self.slot_id(slot));
        for (side, copy) in copies.iter().enumerate() {
            if *copy != SlotCopy::Good(right) {
                census.repaired += 1;
                repairs[side].insert(slot, bytes);
            }
        }
        Some(right)
    }

    /// Repairs one side after the other, so that a power cut leaves one intact.
    fn repair(&mut self, repairs: &mut [BTreeMap<u32, Bytes>; 2]) -> io::Result<()> {
        for (side, slots) in repairs.iter_mut().enumerate() {
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

    /// Reads the record of a slot. Returns `None` if neither copy is valid.
    pub(super) fn read(&self, slot: u32) -> io::Result<Option<Record>> {
        if let Some(bytes) = self.new.get(&slot).or_else(|| self.catch_up.get(&slot)) {
            return Ok(SlotCopy::parse(bytes, self.slot_id(slot)).good());
        }
        let mut bytes = [0; RECORD_BYTES];
        // The other side is complete, so it comes first.
        for side in [1 - self.side, self.side] {
            self.medium.read(offset(side, u64::from(slot)), &mut bytes)?;
            if let Some(record) = SlotCopy::parse(&bytes, self.slot_id(slot)).good() {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// Returns a reader of slots that works beside this one, if the medium has one.
    pub(super) fn slot_reader(&self) -> Option<SlotReader> {
        let medium = self.medium.reader()?;
        Some(SlotReader { medium, file: self.header.file })
    }

    /// Reads both copies of a slot from the medium.
    pub(super) fn copies(&self, slot: u32) -> io::Result<[SlotCopy; 2]> {
        let mut copies = [SlotCopy::Free; 2];
        for (side, copy) in copies.iter_mut().enumerate() {
            let mut bytes = [0; RECORD_BYTES];
            self.medium.read(offset(side as u64, u64::from(slot)), &mut bytes)?;
            *copy = SlotCopy::parse(&bytes, self.slot_id(slot));
        }
        Ok(copies)
    }

    /// Changes a slot. Durable after the next [`flush`](Pages::flush).
    pub(super) fn put(&mut self, slot: u32, record: Record) {
        let bytes = record.to_bytes(self.slot_id(slot));
        self.new.insert(slot, bytes);
    }

    pub(super) fn is_dirty(&self) -> bool {
        !self.new.is_empty()
    }

    /// Makes all changes durable, with one sync. After the first failure every other call fails.
    pub(super) fn flush(&mut self) -> Result<(), String> {
        if self.new.is_empty() {
            return self.failure.clone().map_or(Ok(()), Err);
        }
        self.fail_stop(|pages| {
            pages.grow()?;
            let mut written = std::mem::take(&mut pages.catch_up);
            written.extend(pages.new.iter());
            pages.write(&written)?;
            pages.catch_up = std::mem::take(&mut pages.new);
            Ok(())
        })
    }

    /// Makes both sides equal, so that neither contains overwritten data any more.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        self.flush()?;
        if self.catch_up.is_empty() {
            return Ok(());
        }
        self.fail_stop(|pages| {
            let written = std::mem::take(&mut pages.catch_up);
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

    fn fail_stop(&mut self, work: impl FnOnce(&mut Self) -> io::Result<()>) -> Result<(), String> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        work(self).map_err(|error| {
            let what = error.to_string();
            self.failure = Some(what.clone());
            what
        })
    }

    /// Grows the file for the last changed slot: new pages are durable before the header counts them,
    /// and the header counts them before they are used.
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

    /// Writes the copies of the header that are not current, one after the other.
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

/// The newest format this release reads.
pub(super) const SUPPORTED: u32 = FORMAT;

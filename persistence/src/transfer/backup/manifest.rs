//! The manifest: the text that completes a run and names its files.

use std::collections::HashSet;

use actuarius_domain::{Position, Timestamp};
use uuid::Uuid;

use super::Run;
use crate::archive::segment::Finished;
use crate::files::marker::{Unreadable, sealed, unsealed};
use crate::record::chain::{ChainEnd, Link};
use crate::{Ancestor, Lineage};

/// The format this release writes, and the newest it reads.
pub(super) const FORMAT: u32 = 1;

const MAGIC: &str = "actuarius backup";

/// The content of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) number: u32,
    /// The lineage of the store that was backed up.
    pub(super) lineage: Lineage,
    pub(super) from: ChainEnd,
    pub(super) to: ChainEnd,
    pub(super) until: Option<Timestamp>,
    pub(super) commits: u64,
    pub(super) events: u64,
    pub(super) notes_count: u64,
    pub(super) segments: Vec<Item>,
    pub(super) notes: Vec<Item>,
    pub(super) archived: Vec<Item>,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// Its path, relative to the backup.
    pub(super) file: String,
    /// The id of the segment.
    pub(super) id: Uuid,
    pub(super) bytes: u64,
    pub(super) hash: Link,
}

impl Item {
    pub(super) fn of(file: String, id: Uuid, finished: &Finished) -> Self {
        Self { file, id, bytes: finished.bytes, hash: Link(finished.hash) }
    }

    fn line(&self, kind: &str) -> String {
        format!("{kind} {} {} {} {}\n", self.id, self.bytes, self.hash, self.file)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.splitn(4, ' ');
        let (id, bytes) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let hash = blake3::Hash::from_hex(words.next()?).ok()?;
        Some(Self { id, bytes, hash: Link(*hash.as_bytes()), file: words.next()?.to_owned() })
    }
}

impl Manifest {
    /// Creates the manifest of a run that starts after `from`.
    pub(super) fn begin(number: u32, lineage: Lineage, from: ChainEnd, to: ChainEnd) -> Self {
        let (until, commits, events, notes_count) = (None, 0, 0, 0);
        let (segments, notes, archived) = (vec![], vec![], vec![]);
        Self {
            number,
            lineage,
            from,
            to,
            until,
            commits,
            events,
            notes_count,
            segments,
            notes,
            archived,
        }
    }

    pub(super) fn to_text(&self) -> String {
        let Self { number, from, to, commits, events, notes_count, .. } = self;
        let mut text = format!("{MAGIC}\nformat {FORMAT}\nrun {number}\n");
        text += &format!("store {}\n", self.lineage.store());
        for ancestor in self.lineage.ancestors() {
            text += &format!("shares {} {}\n", ancestor.store, ancestor.position);
        }
        text += &format!("from {from}\nto {to}\n");
        if let Some(until) = self.until {
            text += &format!("until {}\n", until.as_micros());
        }
        text += &format!("commits {commits}\nevents {events}\nnotes {notes_count}\n");
        let kinds =
            [("segment", &self.segments), ("noted", &self.notes), ("archived", &self.archived)];
        for (kind, items) in kinds {
            items.iter().for_each(|item| text += &item.line(kind));
        }
        sealed(&text)
    }

    pub(super) fn parse(text: &[u8]) -> Result<Self, Unreadable> {
        let text = unsealed(MAGIC, FORMAT..=FORMAT, text)?;
        Self::fields(text).ok_or(Unreadable::Unknown("a line is invalid"))
    }

    fn fields(text: &str) -> Option<Self> {
        let none = (Lineage::of(Uuid::nil()), ChainEnd::default());
        let mut found = Self::begin(0, none.0, none.1, none.1);
        // The lines after the magic and the format, and before the checksum.
        let lines = text.lines().count().checked_sub(1)?;
        for line in text.lines().take(lines).skip(2) {
            let (name, value) = line.split_once(' ')?;
            found.set(name, value)?;
        }
        (found.number > 0).then_some(found)
    }

    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "run" => self.number = value.parse().ok()?,
            "store" => self.lineage = Lineage::of(value.parse().ok()?),
            "shares" => {
                let (store, position) = value.split_once(' ')?;
                let position = Position::new(position.parse().ok()?);
                let ancestor = Ancestor { store: store.parse().ok()?, position };
                self.lineage = self.lineage.clone().with([ancestor]);
            }
            "from" => self.from = value.parse().ok()?,
            "to" => self.to = value.parse().ok()?,
            "until" => self.until = Some(Timestamp::from_micros(value.parse().ok()?)),
            "commits" => self.commits = value.parse().ok()?,
            "events" => self.events = value.parse().ok()?,
            "notes" => self.notes_count = value.parse().ok()?,
            "segment" => self.segments.push(Item::parse(value)?),
            "noted" => self.notes.push(Item::parse(value)?),
            "archived" => self.archived.push(Item::parse(value)?),
            _ => return None,
        }
        Some(())
    }

    /// Returns whether two items are the same file: one was overwritten by the other.
    pub(super) fn has_clash(&self) -> bool {
        let items = self.segments.iter().chain(&self.notes).chain(&self.archived);
        let mut files = HashSet::new();
        !items.map(|item| &item.file).all(|file| files.insert(file))
    }

    /// Returns the run for users.
    pub(super) fn run(&self) -> Run {
        let items = self.segments.iter().chain(&self.notes).chain(&self.archived);
        Run {
            number: self.number,
            store: self.lineage.store(),
            from: self.from,
            to: self.to,
            until: self.until,
            commits: self.commits,
            events: self.events,
            notes: self.notes_count,
            bytes: items.map(|item| item.bytes).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutations::{Mutations, reseal_marker};

    fn example() -> Manifest {
        let [first, second] = [1, 2].map(Uuid::from_u128);
        let lineage = Lineage::of(first).restored_as(second, Position::new(70));
        let to = ChainEnd { position: Position::new(90), link: Link([7; 32]) };
        let item = |file: &str| Item {
            file: file.to_owned(),
            id: Uuid::from_u128(9),
            bytes: 17,
            hash: Link([8; 32]),
        };
        Manifest {
            until: Some(Timestamp::from_micros(-5)),
            segments: vec![item("one"), item("two words")],
            notes: vec![item("three")],
            archived: vec![item("archive/four")],
            ..Manifest::begin(3, lineage, ChainEnd::default(), to)
        }
    }

    #[test]
    fn a_manifest_round_trips() {
        let manifest = example();
        assert_eq!(Manifest::parse(manifest.to_text().as_bytes()), Ok(manifest));
    }

    #[test]
    fn every_flipped_bit_is_detected_and_a_newer_format_is_reported() {
        let text = example().to_text().into_bytes();
        for bit in 0..text.len() * 8 {
            let mut damaged = text.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Manifest::parse(&damaged).is_err(), "bit {bit}");
        }
        let newer = sealed(&format!("{MAGIC}\nformat 2\nanything\n"));
        assert_eq!(Manifest::parse(newer.as_bytes()), Err(Unreadable::Newer(2)));
    }

    #[test]
    fn no_mutated_manifest_panics_or_allocates_without_a_bound() {
        let decoder = Mutations::of("a manifest", [example().to_text().into_bytes()]);
        decoder.resealed(reseal_marker).run(
            |work| allocation_counter::measure(work).bytes_max,
            |bytes| drop(Manifest::parse(bytes)),
        );
    }
}

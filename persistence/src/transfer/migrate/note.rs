//! The note in the new store that records the progress of a migration.

use actuarius_domain::Position;
use bytes::Bytes;
use uuid::Uuid;

use super::{MigrateError, Migrated};
use crate::error::ReadError;
use crate::record::chain::{ChainEnd, Link};
use crate::record::note::Notes;
use crate::store::Reader;
use crate::wire::{Cursor, Malformed};

const KEY: &str = "migration";

const LAYOUT: u8 = 1;

/// The content of the note: the progress up to which everything is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Done {
    /// The old store.
    pub(super) source: Uuid,
    pub(super) so_far: Migrated,
}

impl Done {
    /// Reads the note. Returns `None` if the store is empty.
    pub(super) fn find(reader: &dyn Reader) -> Result<Option<Self>, MigrateError> {
        match reader.note(KEY.as_bytes())? {
            Some(value) => Ok(Some(Self::decode(&value).map_err(damaged)?)),
            None if reader.head() == Position::NONE => Ok(None),
            None => Err(MigrateError::OtherTarget),
        }
    }

    pub(super) fn notes(&self) -> Notes {
        let mut notes = Notes::default();
        // A single short note always fits.
        let _ = notes.put(KEY, self.encode());
        notes
    }

    /// `layout u8 | source 16 | its end: position u64, link 32 | the same of the new store | four counts u64`
    fn encode(&self) -> Vec<u8> {
        let so_far = &self.so_far;
        let mut out = vec![LAYOUT];
        out.extend_from_slice(self.source.as_bytes());
        for end in [so_far.from, so_far.to] {
            out.extend_from_slice(&end.position.get().to_le_bytes());
            out.extend_from_slice(&end.link.0);
        }
        let counts = [
            so_far.commits_read,
            so_far.events_read,
            so_far.commits_written,
            so_far.events_written,
        ];
        counts.iter().for_each(|count| out.extend_from_slice(&count.to_le_bytes()));
        out
    }

    fn decode(value: &[u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor(value);
        if cursor.byte()? != LAYOUT {
            return Err(Malformed("another layout"));
        }
        let source = Uuid::from_bytes(cursor.array()?);
        let number = |cursor: &mut Cursor<'_>| cursor.array().map(u64::from_le_bytes);
        let end = |cursor: &mut Cursor<'_>| -> Result<_, Malformed> {
            let position = Position::new(number(cursor)?);
            Ok(ChainEnd { position, link: Link(cursor.array()?) })
        };
        let so_far = Migrated {
            from: end(&mut cursor)?,
            to: end(&mut cursor)?,
            commits_read: number(&mut cursor)?,
            events_read: number(&mut cursor)?,
            commits_written: number(&mut cursor)?,
            events_written: number(&mut cursor)?,
        };
        if cursor.0.is_empty() {
            Ok(Self { source, so_far })
        } else {
            Err(Malformed("it is too long"))
        }
    }
}

fn damaged(malformed: Malformed) -> ReadError {
    ReadError::DamagedNote { key: Bytes::from_static(KEY.as_bytes()), what: malformed.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutations::Mutations;

    #[test]
    fn the_progress_of_a_migration_round_trips() {
        let end = |number: u8| ChainEnd {
            position: Position::new(number.into()),
            link: Link([number; 32]),
        };
        let so_far = Migrated {
            from: end(1),
            to: end(2),
            commits_read: 3,
            events_read: 4,
            commits_written: 5,
            events_written: 6,
        };
        let done = Done { source: Uuid::from_u128(7), so_far };
        assert_eq!(Done::decode(&done.encode()), Ok(done));
        assert!(Done::decode(&done.encode()[1..]).is_err());
        assert!(Done::decode(&[&done.encode()[..], &[0]].concat()).is_err());
    }

    #[test]
    fn no_mutated_progress_panics_or_allocates_without_a_bound() {
        let done = Done { source: Uuid::from_u128(7), so_far: Migrated::default() };
        let decoder = Mutations::of("the progress of a migration", [done.encode()]);
        decoder.run(
            |work| allocation_counter::measure(work).bytes_max,
            |bytes| _ = Done::decode(bytes),
        );
    }
}

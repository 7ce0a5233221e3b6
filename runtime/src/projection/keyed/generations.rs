use std::sync::Arc;

use actuarius_domain::Position;
use actuarius_persistence::keys::Keys;
use actuarius_persistence::views::{Changes, Table, TableReader, ViewError};
use uuid::Uuid;

use crate::followers::StartError;
use crate::projection::saved::Shelf;
use crate::projection::traces::Traces;
use crate::projection::types::Types;
use crate::view::META;

/// Where a table says what it is.
const KEY: &[u8] = b"view";

const LAYOUT: u8 = 2;

/// What a table says about itself, changed together with its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) version: u32,
    /// The fingerprint of a row.
    pub(super) shape: u64,
    pub(super) store: Uuid,
    pub(super) position: Position,
    pub(super) traces: Traces,
    pub(super) types: Types,
}

impl Meta {
    /// `layout u8 = 2 | version u32 | shape u64 | store 16 | position u64 | traces | types`, integers
    /// little-endian.
    pub(super) fn add_to(&self, changes: &mut Changes) -> Result<(), ViewError> {
        let mut out = vec![LAYOUT];
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&self.shape.to_le_bytes());
        out.extend_from_slice(self.store.as_bytes());
        out.extend_from_slice(&self.position.get().to_le_bytes());
        self.traces.write(&mut out);
        self.types.write(&mut out);
        changes.put(META, KEY, &out)
    }

    /// None when the table says nothing, or nothing this release understands.
    pub(super) fn read(table: &TableReader) -> Result<Option<Self>, ViewError> {
        Ok(table.get(META, KEY)?.and_then(|bytes| Self::parse(&bytes)))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (layout, rest) = bytes.split_first()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (shape, rest) = rest.split_first_chunk()?;
        let (store, rest) = rest.split_first_chunk()?;
        let (position, mut rest) = rest.split_first_chunk()?;
        let position = Position::new(u64::from_le_bytes(*position));
        let (version, store) = (u32::from_le_bytes(*version), Uuid::from_bytes(*store));
        let (shape, traces) = (u64::from_le_bytes(*shape), Traces::read(&mut rest)?);
        let types = Types::read(&mut rest)?;
        let is_known = *layout == LAYOUT && rest.is_empty();
        is_known.then_some(Self { version, shape, store, position, traces, types })
    }
}

/// Whether someone may be in a table who is forgotten by now; so many are.
pub(in crate::projection) fn must_go(
    table: &TableReader,
    forgotten: u64,
) -> Result<bool, ViewError> {
    Ok(Meta::read(table)?.is_some_and(|meta| meta.traces.must_go(forgotten)))
}

/// The tables of one view.
pub(super) struct Generations {
    shelf: Shelf,
    /// What the view follows.
    types: Types,
}

/// One of them, open.
pub(super) struct Generation {
    pub(super) number: u64,
    pub(super) table: Table,
    pub(super) meta: Option<Meta>,
}

impl Generations {
    pub(super) fn of(shelf: Shelf, types: Types) -> Self {
        Self { shelf, types }
    }

    pub(super) fn name(&self) -> &str {
        &self.shelf.name
    }

    /// What a table of this view says when it has come to `position`.
    pub(super) fn meta(&self, position: Position, traces: Traces) -> Meta {
        let (version, shape, store) =
            (self.shelf.version, self.shelf.shape, self.shelf.lineage.store());
        Meta { version, shape, store, position, traces, types: self.types.clone() }
    }

    /// Whether a table was made from this log.
    pub(super) fn is_ours(&self, meta: &Meta) -> bool {
        self.shelf.lineage.shares(meta.store, meta.position)
    }

    /// Whether a table was made from this log, by this version of the projection, of rows of the same
    /// shape. That should have made it from the same types.
    pub(super) fn is_of_this_version(&self, meta: &Meta) -> bool {
        let is_ours = self.is_ours(meta) && meta.version == self.shelf.version;
        if is_ours && meta.shape != self.shelf.shape {
            tracing::warn!(
                target: "actuarius::projection", name = self.name(),
                "the rows had another shape in the same version of the view; it is built anew"
            );
        }
        is_ours && meta.shape == self.shelf.shape
    }

    /// Whether someone may be in a table who is forgotten by now.
    pub(super) fn must_go(&self, traces: Traces) -> bool {
        traces.must_go(self.keys().map_or(0, |keys| keys.forgotten()))
    }

    pub(super) fn keys(&self) -> Option<&Arc<Keys>> {
        self.shelf.place.keys()
    }

    /// Whether no other generation has left anything.
    pub(super) fn has_only(&self, number: u64) -> bool {
        let all = self.shelf.place.generations();
        all.is_ok_and(|all| all.iter().all(|other| *other == number))
    }

    pub(super) fn must_be_of_these_types(&self, meta: &Meta) -> Result<(), StartError> {
        meta.types.must_be(&self.types, self.name())
    }

    /// Whether a table can be gone on with.
    pub(super) fn is_usable(&self, meta: &Meta) -> bool {
        self.is_of_this_version(meta) && meta.types == self.types
    }

    pub(super) fn current(&self) -> Result<Option<u64>, ViewError> {
        self.shelf.place.current()
    }

    pub(super) fn open(&self, number: u64) -> Result<Generation, ViewError> {
        let table = self.shelf.place.table(number)?;
        let meta = Meta::read(&table.reader())?;
        Ok(Generation { number, table, meta })
    }

    /// An empty one behind all others, which says what it is.
    pub(super) fn create(&self) -> Result<Generation, ViewError> {
        let last = self.shelf.place.generations()?.into_iter().max();
        // A generation may be current and have no files any more.
        let number = last.max(self.current().unwrap_or(None)).unwrap_or(0) + 1;
        let mut table = self.shelf.place.table(number)?;
        let meta = self.meta(Position::NONE, Traces::default());
        let mut changes = Changes::new();
        meta.add_to(&mut changes)?;
        table.commit(changes)?;
        Ok(Generation { number, table, meta: Some(meta) })
    }

    /// The newest one that was not finished and can be, or an empty one. The others that are not
    /// current go.
    pub(super) fn unfinished(&self) -> Result<Generation, ViewError> {
        let current = self.current()?;
        let others = self.shelf.place.generations()?.into_iter();
        for number in others.filter(|number| Some(*number) != current).rev() {
            // One that cannot be read is of no use.
            let Ok(generation) = self.open(number) else { continue };
            let is_usable = |meta: &Meta| self.is_usable(meta) && !self.must_go(meta.traces);
            if generation.meta.as_ref().is_some_and(is_usable) {
                self.remove_all_but(&[number]);
                return Ok(generation);
            }
        }
        self.remove_all_but(&[]);
        self.create()
    }

    pub(super) fn make_current(&self, number: u64) -> Result<(), ViewError> {
        self.shelf.place.make_current(number)
    }

    /// Removes all that are not current and not among these, and gives back their space. What is
    /// still open goes at another time.
    pub(super) fn remove_all_but(&self, kept: &[u64]) {
        let (name, place) = (self.name(), &self.shelf.place);
        let Ok(current) = place.current() else { return };
        let removable = |number: &u64| !kept.contains(number) && Some(*number) != current;
        for number in place.generations().unwrap_or_default().into_iter().filter(removable) {
            if let Err(error) = place.remove(number) {
                tracing::debug!(target: "actuarius::projection", name, %error, "an old view stays");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use actuarius_persistence::views::Views;

    use super::*;

    #[test]
    fn a_table_says_what_it_is_and_one_that_says_something_else_is_not_understood() {
        let mut table = Views::in_memory().place("spend").unwrap().table(1).unwrap();
        assert_eq!(Meta::read(&table.reader()).unwrap(), None);
        let (store, position) = (Uuid::from_u128(7), Position::new(u64::MAX - 1));
        let (traces, types) = (Traces::default(), Types::of(["account"]));
        let meta = Meta { version: 3, shape: 5, store, position, traces, types };
        let mut changes = Changes::new();
        meta.add_to(&mut changes).unwrap();
        table.commit(changes).unwrap();
        assert_eq!(Meta::read(&table.reader()).unwrap(), Some(meta));
        let whole = table.reader().get(META, KEY).unwrap().unwrap();
        let (newer, longer) = ([&[LAYOUT + 1], &whole[1..]].concat(), [&whole[..], &[0]].concat());
        for other in [newer, longer, whole[..whole.len() - 1].to_vec()] {
            let mut changes = Changes::new();
            changes.put(META, KEY, &other).unwrap();
            table.commit(changes).unwrap();
            assert_eq!(Meta::read(&table.reader()).unwrap(), None);
        }
    }
}

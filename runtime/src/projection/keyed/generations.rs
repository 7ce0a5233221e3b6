use std::sync::Arc;

use actuarius_domain::Position;
use actuarius_persistence::personal::Sealer;
use actuarius_persistence::views::{Changes, Table, TableReader, ViewError};
use uuid::Uuid;

use super::super::erasure_taint::ErasureTaint;
use super::super::rows::META;
use crate::follow::followers::StartError;
use crate::projection::saved::SavedViews;
use crate::projection::types::Types;

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
    pub(super) taint: ErasureTaint,
    pub(super) types: Types,
}

impl Meta {
    /// `layout u8 = 2 | version u32 | shape u64 | store 16 | position u64 | taint | types`, integers
    /// little-endian.
    pub(super) fn add_to(&self, changes: &mut Changes) -> Result<(), ViewError> {
        let mut out = vec![LAYOUT];
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&self.shape.to_le_bytes());
        out.extend_from_slice(self.store.as_bytes());
        out.extend_from_slice(&self.position.get().to_le_bytes());
        self.taint.write(&mut out);
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
        let (shape, taint) = (u64::from_le_bytes(*shape), ErasureTaint::read(&mut rest)?);
        let types = Types::read(&mut rest)?;
        let is_known = *layout == LAYOUT && rest.is_empty();
        is_known.then_some(Self { version, shape, store, position, taint, types })
    }
}

/// Whether someone may be in a table who is forgotten by now; so many are.
pub(in crate::projection) fn must_go(
    table: &TableReader,
    forgotten: u64,
) -> Result<bool, ViewError> {
    Ok(Meta::read(table)?.is_some_and(|meta| meta.taint.must_go(forgotten)))
}

/// The tables of one view.
pub(super) struct Generations {
    saved_views: SavedViews,
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
    pub(super) fn of(saved_views: SavedViews, types: Types) -> Self {
        Self { saved_views, types }
    }

    pub(super) fn name(&self) -> &str {
        &self.saved_views.name
    }

    /// What a table of this view says when it has come to `position`.
    pub(super) fn meta(&self, position: Position, taint: ErasureTaint) -> Meta {
        let (version, shape, store) =
            (self.saved_views.version, self.saved_views.shape, self.saved_views.lineage.store());
        Meta { version, shape, store, position, taint, types: self.types.clone() }
    }

    /// Whether a table was made from this log.
    pub(super) fn is_ours(&self, meta: &Meta) -> bool {
        self.saved_views.lineage.shares(meta.store, meta.position)
    }

    /// Whether a table was made from this log, by this version of the projection, of rows of the same
    /// shape. That should have made it from the same types.
    pub(super) fn is_of_this_version(&self, meta: &Meta) -> bool {
        let is_ours = self.is_ours(meta) && meta.version == self.saved_views.version;
        if is_ours && meta.shape != self.saved_views.shape {
            tracing::warn!(
                target: "actuarius::projection", name = self.name(),
                "the rows had another shape in the same version of the view; it is built anew"
            );
        }
        is_ours && meta.shape == self.saved_views.shape
    }

    /// Whether someone may be in a table who is forgotten by now.
    pub(super) fn must_go(&self, taint: ErasureTaint) -> bool {
        taint.must_go(self.keys().map_or(0, |keys| keys.forgotten()))
    }

    pub(super) fn keys(&self) -> Option<&Arc<dyn Sealer>> {
        self.saved_views.place.sealer()
    }

    /// Whether no other generation has left anything.
    pub(super) fn has_only(&self, number: u64) -> bool {
        let all = self.saved_views.place.generations();
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
        self.saved_views.place.current()
    }

    pub(super) fn open(&self, number: u64) -> Result<Generation, ViewError> {
        let table = self.saved_views.place.table(number)?;
        let meta = Meta::read(&table.reader())?;
        Ok(Generation { number, table, meta })
    }

    /// An empty one behind all others, which says what it is.
    pub(super) fn create(&self) -> Result<Generation, ViewError> {
        let last = self.saved_views.place.generations()?.into_iter().max();
        // A generation may be current and have no files any more.
        let number = last.max(self.current().unwrap_or(None)).unwrap_or(0) + 1;
        let mut table = self.saved_views.place.table(number)?;
        let meta = self.meta(Position::NONE, ErasureTaint::default());
        let mut changes = Changes::new();
        meta.add_to(&mut changes)?;
        table.commit(changes)?;
        Ok(Generation { number, table, meta: Some(meta) })
    }

    /// The newest one that was not finished and can be, or an empty one. The others that are not
    /// current go.
    pub(super) fn unfinished(&self) -> Result<Generation, ViewError> {
        let current = self.current()?;
        let others = self.saved_views.place.generations()?.into_iter();
        for number in others.filter(|number| Some(*number) != current).rev() {
            // One that cannot be read is of no use.
            let Ok(generation) = self.open(number) else { continue };
            let is_usable = |meta: &Meta| self.is_usable(meta) && !self.must_go(meta.taint);
            if generation.meta.as_ref().is_some_and(is_usable) {
                self.remove_all_but(&[number]);
                return Ok(generation);
            }
        }
        self.remove_all_but(&[]);
        self.create()
    }

    pub(super) fn make_current(&self, number: u64) -> Result<(), ViewError> {
        self.saved_views.place.make_current(number)
    }

    /// Removes all that are not current and not among these, and gives back their space. What is
    /// still open goes at another time.
    pub(super) fn remove_all_but(&self, kept: &[u64]) {
        let (name, place) = (self.name(), &self.saved_views.place);
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
        let (taint, types) = (ErasureTaint::default(), Types::of(["account"]));
        let meta = Meta { version: 3, shape: 5, store, position, taint, types };
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

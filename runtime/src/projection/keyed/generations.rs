//! The tables of a keyed view: which there are, which one is current, and what each was made from.

use std::ops::Deref;

use actuarius_domain::Position;
use actuarius_persistence::views::{Changes, Table, TableReader, ViewError};

use super::super::erasure_taint::ErasureTaint;
use super::super::rows::META;
use crate::projection::saved_views::{Origin, SavedViews};

/// The key of the origin in a table.
const KEY: &[u8] = b"view";

const LAYOUT: u8 = 2;

/// Stores the origin, `layout u8 = 2 | origin`, together with rows.
pub(super) fn put_origin(origin: &Origin, changes: &mut Changes) -> Result<(), ViewError> {
    let mut out = vec![LAYOUT];
    origin.write(&mut out);
    changes.put(META, KEY, &out)
}

/// Returns the origin of a table; `None` if it has none that this release can read.
fn read_origin(table: &TableReader) -> Result<Option<Origin>, ViewError> {
    let Some(bytes) = table.get(META, KEY)? else { return Ok(None) };
    let Some((&LAYOUT, mut rest)) = bytes.split_first() else { return Ok(None) };
    Ok(Origin::read(&mut rest).filter(|_| rest.is_empty()))
}

/// Returns whether a table may hold clear text of one of the first `forgotten` subjects that were forgotten.
pub(in crate::projection) fn must_erase(
    table: &TableReader,
    forgotten: u64,
) -> Result<bool, ViewError> {
    Ok(read_origin(table)?.is_some_and(|origin| origin.taint.must_erase(forgotten)))
}

/// The tables of one view.
pub(super) struct Generations(pub(super) SavedViews);

/// An open table of a view.
pub(super) struct Generation {
    pub(super) number: u64,
    pub(super) table: Table,
    pub(super) origin: Option<Origin>,
}

impl Deref for Generations {
    type Target = SavedViews;

    fn deref(&self) -> &SavedViews {
        &self.0
    }
}

impl Generations {
    /// Returns whether a table was made from this log, by this version of the projection, of rows of the
    /// same shape. It should then have been made from the same types.
    pub(super) fn is_of_this_version(&self, origin: &Origin) -> bool {
        let is_ours = self.shares_log(origin) && origin.version == self.version;
        if is_ours && origin.shape != self.shape {
            tracing::warn!(
                target: "actuarius::projection", name = self.name,
                "the rows had another shape in the same version of the view; it is rebuilt"
            );
        }
        is_ours && origin.shape == self.shape
    }

    /// Returns whether the projection can continue with a table.
    pub(super) fn is_usable(&self, origin: &Origin) -> bool {
        self.is_of_this_version(origin) && origin.types == self.types
    }

    pub(super) fn open(&self, number: u64) -> Result<Generation, ViewError> {
        let table = self.place.table(number)?;
        let origin = read_origin(&table.reader())?;
        Ok(Generation { number, table, origin })
    }

    /// Creates an empty table with its origin, numbered after all others.
    pub(super) fn create(&self) -> Result<Generation, ViewError> {
        let number = self.last()? + 1;
        let mut table = self.place.table(number)?;
        let origin = self.origin(Position::NONE, ErasureTaint::default());
        let mut changes = Changes::new();
        put_origin(&origin, &mut changes)?;
        table.commit(changes)?;
        Ok(Generation { number, table, origin: Some(origin) })
    }

    /// Returns the newest unfinished table that can be continued, or an empty one. Removes the others that
    /// are not current.
    pub(super) fn unfinished(&self) -> Result<Generation, ViewError> {
        let current = self.place.current()?;
        let others = self.place.generations()?.into_iter();
        for number in others.filter(|number| Some(*number) != current).rev() {
            // A table that cannot be read is skipped.
            let Ok(generation) = self.open(number) else { continue };
            let is_usable = |it: &Origin| self.is_usable(it) && !self.must_erase(it.taint);
            if generation.origin.as_ref().is_some_and(is_usable) {
                self.remove_all_but(&[number]);
                return Ok(generation);
            }
        }
        self.remove_all_but(&[]);
        self.create()
    }

    /// Removes all tables that are not current and not among these, and frees their space. An open table is
    /// removed later.
    pub(super) fn remove_all_but(&self, kept: &[u64]) {
        let Ok(current) = self.place.current() else { return };
        for error in self.remove_where(|it| !kept.contains(&it) && Some(it) != current) {
            let name = &self.name;
            tracing::debug!(target: "actuarius::projection", name, %error, "an old view was not removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use actuarius_persistence::views::Views;
    use uuid::Uuid;

    use super::super::super::types::Types;
    use super::*;

    #[test]
    fn a_table_has_its_origin_and_another_content_is_not_read() {
        let mut table = Views::in_memory().place("spend").unwrap().table(1).unwrap();
        assert_eq!(read_origin(&table.reader()).unwrap(), None);
        let (store, position) = (Uuid::from_u128(7), Position::new(u64::MAX - 1));
        let (taint, types) = (ErasureTaint::default(), Types::of(["account"]));
        let origin = Origin { version: 3, shape: 5, store, position, taint, types };
        let mut changes = Changes::new();
        put_origin(&origin, &mut changes).unwrap();
        table.commit(changes).unwrap();
        assert_eq!(read_origin(&table.reader()).unwrap(), Some(origin));
        let whole = table.reader().get(META, KEY).unwrap().unwrap();
        let (newer, longer) = ([&[LAYOUT + 1], &whole[1..]].concat(), [&whole[..], &[0]].concat());
        for other in [newer, longer, whole[..whole.len() - 1].to_vec()] {
            let mut changes = Changes::new();
            changes.put(META, KEY, &other).unwrap();
            table.commit(changes).unwrap();
            assert_eq!(read_origin(&table.reader()).unwrap(), None);
        }
    }
}

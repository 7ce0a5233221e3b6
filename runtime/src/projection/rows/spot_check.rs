//! Checks a few stored rows against the types of today: their keys, and whether their secondary keys have entries.

use std::ops::Bound;

use actuarius_persistence::views::{TableReader, ViewError};

use super::key;
use super::secondary::{self, SecondaryKeys};
use super::{ROWS, SECONDARY, View, row};
use crate::base::panics::guarded;

/// How many rows are checked, at each end of a table. A change of the types concerns all rows, as a rule.
const ROWS_CHECKED: usize = 8;

/// Returns whether the keys of the first and the last rows read back as today's keys, and these rows are found by all
/// secondary keys that they have today. If not, the types or `View::secondary` have changed since, and lookups would
/// miss rows. A row that cannot be decoded is passed over: it is reported when it is read.
///
/// # Errors
/// [`ViewError`] of the table.
pub(crate) fn fits<V: View>(table: &TableReader) -> Result<bool, ViewError> {
    for descending in [false, true] {
        let all = (Bound::Unbounded, Bound::Unbounded);
        for (bytes, stored) in table.scan(ROWS, all, descending, ROWS_CHECKED)? {
            let Some(key) = whole::<V>(&bytes) else { return Ok(false) };
            let Ok(row) = row::decode::<V::Row>(&bytes, &stored, table.sealer()) else { continue };
            let keys = guarded(|| {
                let mut keys = SecondaryKeys::default();
                V::secondary(&key, &row, &mut keys);
                keys.into_kept()
            });
            for kept in keys.unwrap_or_default() {
                if table.get(SECONDARY, &secondary::entry(&kept, &bytes).0)?.is_none() {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

fn whole<V: View>(bytes: &[u8]) -> Option<V::Key> {
    let read = guarded(|| key::whole::<V::Key>(bytes).filter(|key| key::bytes(key) == bytes));
    read.unwrap_or_default()
}

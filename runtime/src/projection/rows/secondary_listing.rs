//! `SecondaryListing`: the rows of a keyed view in the order of a secondary key, page by page.

use std::borrow::Borrow;
use std::ops::RangeBounds;

use actuarius_persistence::views::TableReader;
use bytes::Bytes;

use super::current_table::CurrentTable;
use super::error::ViewReadError;
use super::key::{KeyBytes, beginning, bytes};
use super::listing::own_key;
use super::page::{Cursor, KeyedRow, RowPage};
use super::paging::{LIMIT_MAX, Page};
use super::range::Span;
use super::secondary::{SecondaryKeys, kept, parts};
use super::{ROWS, SECONDARY, View, row};

/// A page of the rows of a keyed view, in the order of one of their secondary keys.
///
/// While commands are executed, a row whose secondary key has just changed may be missing. It is never listed under its
/// old key. Secondary keys that agree in their first 512 bytes (see [`SecondaryKeys::add`]) are compared row by row,
/// so a page takes longer the more rows have such keys.
#[must_use = "nothing is read before `list`"]
pub struct SecondaryListing<V: View> {
    name: Vec<u8>,
    page: Page<V>,
}

impl<V: View> Clone for SecondaryListing<V> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), page: self.page.clone() }
    }
}

impl<V: View> SecondaryListing<V> {
    pub(crate) fn of(table: CurrentTable<V>, view: &str, name: &str) -> Self {
        let (names, name) = ([bytes(view), bytes(name)].concat(), bytes(name));
        Self { page: Page::of(table, names, Span::starting_with(name.clone())), name }
    }

    /// Lists only rows with exactly this secondary key.
    pub fn equal<Q: KeyBytes + ?Sized>(mut self, key: &Q) -> Self {
        self.page.choose(Span::starting_with([&self.name[..], &bytes(key)].concat()));
        self
    }

    /// Lists only rows whose secondary key is in the range. Its type is the one that [`View::secondary`] adds:
    /// `100u64..`, if the row has a `u64`.
    pub fn range<K: KeyBytes>(mut self, range: impl RangeBounds<K>) -> Self {
        self.page.narrow(Span::of(&self.name, &range));
        self
    }

    /// Lists only rows whose secondary key is a text that starts with this one.
    pub fn starting_with(mut self, text: &str) -> Self {
        let mut prefix = self.name.clone();
        beginning(text, &mut prefix);
        self.page.choose(Span::starting_with(prefix));
        self
    }

    /// Lists only rows after the one with this secondary key and this key, in the direction of reading. Pass those
    /// of a page's last row for the next page.
    pub fn after<S, Q>(mut self, secondary: &S, key: &Q) -> Self
    where
        S: KeyBytes + ?Sized,
        V::Key: Borrow<Q>,
        Q: KeyBytes + ?Sized,
    {
        let secondary = [&self.name[..], &bytes(secondary)].concat();
        self.page.begin_after([kept(&secondary), &bytes(key)].concat());
        self
    }

    /// Lists from the last row to the first.
    pub fn descending(mut self) -> Self {
        self.page.descend();
        self
    }

    /// Sets how many rows are listed at most, from 1 to 10,000. Default: 1,000.
    pub fn limit(mut self, rows: usize) -> Self {
        self.page.limit_to(rows);
        self
    }

    /// Lists only rows after the cursor of a page before, in the direction of reading. The listing must be the one
    /// that the [`Cursor`] comes from, or it is refused when the page is read.
    pub fn from_cursor(mut self, cursor: &Cursor) -> Self {
        self.page.begin_after_cursor(cursor);
        self
    }

    /// Reads the page. It reads from the disk what is not in memory.
    ///
    /// # Errors
    /// [`ViewReadError`]; nothing was changed.
    pub fn list(&self) -> Result<RowPage<V>, ViewReadError> {
        let (mut rows, mut places) = (Vec::new(), Vec::new());
        let after = self.page.start()?;
        self.page.table.read(|table| {
            self.walk(table, (after, self.page.limit + 1), |entry, row| {
                places.push(entry);
                rows.push(row);
            })
        })?;
        let has_more = rows.len() > self.page.limit;
        rows.truncate(self.page.limit);
        places.truncate(self.page.limit);
        let next = places.pop().filter(|_| has_more).map(|last| self.page.cursor(&last));
        Ok(RowPage { rows, next })
    }

    /// Counts the rows of the listing, whatever its limit: a row once for each of its secondary keys. It reads all
    /// of them, in portions, so rows that change in between may or may not be counted.
    ///
    /// # Errors
    /// [`ViewReadError`]; nothing was changed.
    pub fn count(&self) -> Result<u64, ViewReadError> {
        let (mut rows, mut last) = (0, self.page.start()?);
        loop {
            let (before, from) = (rows, last.clone());
            self.page.table.read(|table| {
                self.walk(table, (from, LIMIT_MAX), |entry, _| {
                    rows += 1;
                    last = Some(entry.to_vec());
                })
            })?;
            if rows - before < LIMIT_MAX as u64 {
                return Ok(rows);
            }
        }
    }

    /// Finds rows after an entry, up to `limit` of them.
    fn walk(
        &self,
        table: &TableReader,
        (mut after, limit): (Option<Vec<u8>>, usize),
        mut found: impl FnMut(Bytes, KeyedRow<V>),
    ) -> Result<(), ViewReadError> {
        let mut left = limit;
        // Repeats only if rows have changed between the two reads, or have long secondary keys that agree in
        // their first bytes. Each round starts after the last one.
        loop {
            let wanted = left;
            let entries = self.page.scan(table, SECONDARY, after.as_deref(), wanted)?;
            for (entry, begins) in &entries {
                if let Some(row) = find::<V>(table, entry, begins, &self.page.span)? {
                    found(entry.clone(), row);
                    left -= 1;
                }
            }
            match entries.last() {
                Some((last, _)) if entries.len() == wanted && left > 0 => {
                    after = Some(last.to_vec());
                }
                _ => return Ok(()),
            }
        }
    }
}

/// Returns the row of an entry; `None` if it was removed, has another secondary key by now, or agrees with the span only
/// in its first bytes.
fn find<V: View>(
    table: &TableReader,
    entry: &[u8],
    begins: &Bytes,
    span: &Span,
) -> Result<Option<KeyedRow<V>>, ViewReadError> {
    let (kept, bytes) = parts(entry, begins)
        .ok_or_else(|| ViewReadError::row(entry, "its secondary key is cut short"))?;
    let Some(stored) = table.get(ROWS, bytes)? else { return Ok(None) };
    let row = row::decode::<V::Row>(bytes, &stored, table.sealer())?;
    let key = own_key::<V::Key>(bytes)?;
    let mut keys = SecondaryKeys::default();
    V::secondary(&key, &row, &mut keys);
    let is_wanted = keys.kept_as(kept).any(|secondary| span.contains(secondary));
    Ok(is_wanted.then_some((key, row)))
}

//! `Listing`: the rows of a keyed view in the order of their keys, page by page.

use std::borrow::Borrow;
use std::ops::RangeBounds;

use actuarius_persistence::views::TableReader;
use bytes::Bytes;

use super::current_table::CurrentTable;
use super::error::ViewReadError;
use super::key::{KeyBytes, TextKey, beginning, bytes, whole};
use super::page::{Cursor, RowPage};
use super::paging::{LIMIT_MAX, Page};
use super::range::Span;
use super::tuple::TupleKey;
use super::{ROWS, View, row};

/// A page of the rows of a keyed view, in the order of their keys.
#[must_use = "nothing is read before `list`"]
pub struct Listing<V: View> {
    page: Page<V>,
}

impl<V: View> Clone for Listing<V> {
    fn clone(&self) -> Self {
        Self { page: self.page.clone() }
    }
}

impl<V: View> Listing<V> {
    pub(crate) fn of(table: CurrentTable<V>, view: &str) -> Self {
        Self { page: Page::of(table, bytes(view), Span::default()) }
    }

    /// Lists only rows whose key is in the range.
    pub fn range(mut self, range: impl RangeBounds<V::Key>) -> Self {
        self.page.narrow(Span::of(&[], &range));
        self
    }

    /// Lists only rows whose key starts with a text.
    pub fn starting_with(mut self, text: &str) -> Self
    where
        V::Key: TextKey,
    {
        let mut prefix = Vec::new();
        beginning(text, &mut prefix);
        self.page.choose(Span::starting_with(prefix));
        self
    }

    /// Lists only rows whose key has this first part.
    pub fn within<Q>(mut self, first: &Q) -> Self
    where
        V::Key: TupleKey,
        <V::Key as TupleKey>::First: Borrow<Q>,
        Q: KeyBytes + ?Sized,
    {
        self.page.choose(Span::starting_with(bytes(first)));
        self
    }

    /// Lists only rows after this key, in the direction of reading. Pass the key of a page's last row for the next
    /// page.
    pub fn after<Q>(mut self, key: &Q) -> Self
    where
        V::Key: Borrow<Q>,
        Q: KeyBytes + ?Sized,
    {
        self.page.begin_after(bytes(key));
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

    /// Reads the page, as of one moment. It reads from the disk what is not in memory.
    ///
    /// # Errors
    /// [`ViewReadError`]; nothing was changed.
    pub fn list(&self) -> Result<RowPage<V>, ViewReadError> {
        let after = self.page.start()?;
        let (mut entries, keys) = self.page.table.read(|table| {
            let entries = self.page.scan(table, ROWS, after.as_deref(), self.page.limit + 1)?;
            Ok((entries, table.sealer().cloned()))
        })?;
        let has_more = entries.len() > self.page.limit;
        entries.truncate(self.page.limit);
        let last = entries.last().map(|(key, _)| self.page.cursor(key));
        let row =
            |key: &Bytes, row: &Bytes| Ok((own_key(key)?, row::decode(key, row, keys.as_ref())?));
        let rows = entries.iter().map(|(key, content)| row(key, content));
        Ok(RowPage {
            rows: rows.collect::<Result<_, ViewReadError>>()?,
            next: last.filter(|_| has_more),
        })
    }

    /// Counts the rows of the listing, whatever its limit. It takes a few seconds for ten million rows, and
    /// counts in portions, so rows that change in between may or may not be counted.
    ///
    /// # Errors
    /// [`ViewReadError`]; nothing was changed.
    pub fn count(&self) -> Result<u64, ViewReadError> {
        let (mut rows, mut after) = (0, self.page.start()?);
        loop {
            let scan =
                |table: &TableReader| self.page.scan(table, ROWS, after.as_deref(), LIMIT_MAX);
            let entries = self.page.table.read(scan)?;
            rows += entries.len() as u64;
            match entries.last() {
                Some((last, _)) if entries.len() == LIMIT_MAX => after = Some(last.to_vec()),
                _ => return Ok(rows),
            }
        }
    }
}

pub(super) fn own_key<K: super::Key>(bytes: &[u8]) -> Result<K, ViewReadError> {
    whole(bytes).ok_or_else(|| ViewReadError::row(bytes, "its key is not one of the view"))
}

//! `Listing`: the rows of a keyed view in the order of their keys, page by page.

use std::borrow::Borrow;
use std::ops::RangeBounds;

use actuarius_persistence::views::TableReader;
use bytes::Bytes;

use super::current_table::CurrentTable;
use super::error::ViewReadError;
use super::key::{KeyBytes, TextKey, beginning, bytes, whole};
use super::page::{Cursor, RowPage};
use super::range::Span;
use super::tuple::TupleKey;
use super::{ROWS, View, row};

/// How many rows a page has by default.
const LIMIT: usize = 1_000;

/// How many rows a page has at most. They are all in memory, and a commit waits for the scan.
pub(super) const LIMIT_MAX: usize = 10_000;

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

/// The options of all pages.
pub(super) struct Page<V: View> {
    pub(super) table: CurrentTable<V>,
    pub(super) span: Span,
    pub(super) after: Option<Vec<u8>>,
    pub(super) descending: bool,
    pub(super) limit: usize,
}

impl<V: View> Clone for Page<V> {
    fn clone(&self) -> Self {
        let Self { table, span, after, descending, limit } = self;
        let (table, span, after) = (table.clone(), span.clone(), after.clone());
        Self { table, span, after, descending: *descending, limit: *limit }
    }
}

impl<V: View> Page<V> {
    pub(super) fn of(table: CurrentTable<V>, span: Span) -> Self {
        Self { table, span, after: None, descending: false, limit: LIMIT }
    }

    pub(super) fn narrow(&mut self, span: Span) {
        self.span = std::mem::take(&mut self.span).and(span);
    }

    /// Reads the next entries of a space, in the direction of reading.
    pub(super) fn scan(
        &self,
        table: &TableReader,
        space: u8,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, ViewReadError> {
        let span = if space == ROWS { self.span.clone() } else { self.span.entries() };
        let rest = match after {
            Some(key) => span.after(key, self.descending),
            None => span,
        };
        Ok(table.scan(space, rest.bounds(), self.descending, limit)?)
    }
}

macro_rules! paging {
    () => {
        /// Lists from the last row to the first.
        pub fn descending(mut self) -> Self {
            self.page.descending = true;
            self
        }

        /// Sets how many rows are listed at most, from 1 to 10,000. Default: 1,000.
        pub fn limit(mut self, rows: usize) -> Self {
            self.page.limit = rows.clamp(1, LIMIT_MAX);
            self
        }

        /// Lists only rows after the cursor of a page before, in the direction of reading.
        pub fn from_cursor(mut self, cursor: &Cursor) -> Self {
            self.page.after = Some(cursor.0.clone());
            self
        }
    };
}

pub(super) use paging;

impl<V: View> Listing<V> {
    pub(crate) fn of(table: CurrentTable<V>) -> Self {
        Self { page: Page::of(table, Span::default()) }
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
        self.page.narrow(Span::starting_with(prefix));
        self
    }

    /// Lists only rows whose key has this first part.
    pub fn within<Q>(mut self, first: &Q) -> Self
    where
        V::Key: TupleKey,
        <V::Key as TupleKey>::First: Borrow<Q>,
        Q: KeyBytes + ?Sized,
    {
        self.page.narrow(Span::starting_with(bytes(first)));
        self
    }

    /// Lists only rows after this key, in the direction of reading. Pass the key of a page's last row for the next
    /// page.
    pub fn after<Q>(mut self, key: &Q) -> Self
    where
        V::Key: Borrow<Q>,
        Q: KeyBytes + ?Sized,
    {
        self.page.after = Some(bytes(key));
        self
    }

    paging!();

    /// Reads the page, as of one moment. It reads from the disk what is not in memory.
    ///
    /// # Errors
    /// [`ViewReadError`]; nothing was changed.
    pub fn list(&self) -> Result<RowPage<V>, ViewReadError> {
        let (mut entries, keys) = self.page.table.read(|table| {
            let entries =
                self.page.scan(table, ROWS, self.page.after.as_deref(), self.page.limit + 1)?;
            Ok((entries, table.sealer().cloned()))
        })?;
        let has_more = entries.len() > self.page.limit;
        entries.truncate(self.page.limit);
        let last = entries.last().map(|(key, _)| Cursor(key.to_vec()));
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
        let (mut rows, mut after) = (0, self.page.after.clone());
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

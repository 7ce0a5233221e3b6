//! `Page`: the options of a page of any listing, and which cursors belong to the listing.

use actuarius_persistence::views::TableReader;
use bytes::Bytes;

use super::current_table::CurrentTable;
use super::error::ViewReadError;
use super::page::Cursor;
use super::range::Span;
use super::{ROWS, View};

/// How many rows a page has by default.
const LIMIT: usize = 1_000;

/// How many rows a page has at most. They are all in memory, and a commit waits for the scan.
pub(super) const LIMIT_MAX: usize = 10_000;

/// The options of all pages.
pub(super) struct Page<V: View> {
    pub(super) table: CurrentTable<V>,
    /// The name of the view, and that of the secondary key if there is one.
    names: Vec<u8>,
    /// What `equal`, `within` and `starting_with` let through. A cursor belongs to it.
    chosen: Span,
    /// The part of it that `range` lets through.
    pub(super) span: Span,
    after: Option<After>,
    descending: bool,
    pub(super) limit: usize,
}

/// After which row a page begins.
#[derive(Clone)]
enum After {
    Row(Vec<u8>),
    Cursor(Cursor),
}

impl<V: View> Clone for Page<V> {
    fn clone(&self) -> Self {
        let Self { table, names, chosen, span, after, descending, limit } = self;
        let (table, names, after) = (table.clone(), names.clone(), after.clone());
        let (chosen, span) = (chosen.clone(), span.clone());
        Self { table, names, chosen, span, after, descending: *descending, limit: *limit }
    }
}

impl<V: View> Page<V> {
    pub(super) fn of(table: CurrentTable<V>, names: Vec<u8>, span: Span) -> Self {
        let (chosen, after, descending) = (span.clone(), None, false);
        Self { table, names, chosen, span, after, descending, limit: LIMIT }
    }

    pub(super) fn narrow(&mut self, span: Span) {
        self.span = std::mem::take(&mut self.span).and(span);
    }

    /// Narrows the listing to what a cursor belongs to.
    pub(super) fn choose(&mut self, span: Span) {
        self.chosen = std::mem::take(&mut self.chosen).and(span.clone());
        self.narrow(span);
    }

    pub(super) fn descend(&mut self) {
        self.descending = true;
    }

    pub(super) fn begin_after(&mut self, row: Vec<u8>) {
        self.after = Some(After::Row(row));
    }

    pub(super) fn limit_to(&mut self, rows: usize) {
        self.limit = rows.clamp(1, LIMIT_MAX);
    }

    pub(super) fn begin_after_cursor(&mut self, cursor: &Cursor) {
        self.after = Some(After::Cursor(cursor.clone()));
    }

    /// Returns the place after which the page begins, if it does not begin at the first row.
    ///
    /// # Errors
    /// [`ViewReadError::OtherListing`], if it begins after a cursor of another listing.
    pub(super) fn start(&self) -> Result<Option<Vec<u8>>, ViewReadError> {
        match &self.after {
            None => Ok(None),
            Some(After::Row(row)) => Ok(Some(row.clone())),
            Some(After::Cursor(cursor)) => {
                let place = cursor.place_in(&self.listing()).ok_or(ViewReadError::OtherListing)?;
                Ok(Some(place.to_vec()))
            }
        }
    }

    /// Returns the cursor of the page after the one that ends at `place`.
    pub(super) fn cursor(&self, place: &[u8]) -> Cursor {
        Cursor::of(&self.listing(), place)
    }

    /// Returns what tells the listing from others.
    fn listing(&self) -> [&[u8]; 4] {
        let direction: &[u8] = if self.descending { b"descending" } else { b"ascending" };
        let (from, to) = self.chosen.ends();
        [&self.names, direction, from, to]
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

//! Pages of the rows of a keyed view, by key or by secondary key.

use std::borrow::Borrow;
use std::ops::RangeBounds;

use actuarius_persistence::views::TableReader;
use bytes::Bytes;

use super::current_table::CurrentTable;
use super::error::ViewReadError;
use super::key::{KeyBytes, TextKey, beginning, bytes, whole};
use super::range::Span;
use super::secondary::{SecondaryKeys, kept, parts};
use super::tuple::TupleKey;
use super::{ROWS, SECONDARY, View, row};

/// How many rows a page has by default.
const LIMIT: usize = 1_000;

/// How many rows a page has at most. They are all in memory, and a commit waits for the scan.
const LIMIT_MAX: usize = 10_000;

/// A row with its key.
pub type KeyedRow<V> = (<V as View>::Key, <V as View>::Row);

/// A page of the rows of a keyed view, in the order of their keys.
#[must_use = "nothing is read before `list`"]
pub struct Listing<V: View> {
    page: Page<V>,
}

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

/// The options of all pages.
struct Page<V: View> {
    table: CurrentTable<V>,
    span: Span,
    after: Option<Vec<u8>>,
    descending: bool,
    limit: usize,
}

impl<V: View> Page<V> {
    fn of(table: CurrentTable<V>, span: Span) -> Self {
        Self { table, span, after: None, descending: false, limit: LIMIT }
    }

    fn narrow(&mut self, span: Span) {
        self.span = std::mem::take(&mut self.span).and(span);
    }

    /// Returns the rest of a span, in the direction of reading.
    fn rest(&self, span: Span, after: Option<&[u8]>) -> Span {
        match after {
            Some(key) => span.after(key, self.descending),
            None => span,
        }
    }
}

macro_rules! paging {
    () => {
        /// Lists from the last row to the first.
        pub fn descending(mut self) -> Self {
            self.page.descending = true;
            self
        }

        /// Sets how many rows are listed at most. Default: 1,000; never more than 10,000.
        pub fn limit(mut self, rows: usize) -> Self {
            self.page.limit = rows.min(LIMIT_MAX);
            self
        }
    };
}

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
    pub fn list(&self) -> Result<Vec<KeyedRow<V>>, ViewReadError> {
        let page = &self.page;
        let span = page.rest(page.span.clone(), page.after.as_deref());
        let (entries, keys) = page.table.read(|table| {
            let entries = table.scan(ROWS, span.bounds(), page.descending, page.limit)?;
            Ok((entries, table.sealer().cloned()))
        })?;
        let row =
            |key: &Bytes, row: &Bytes| Ok((own_key(key)?, row::decode(key, row, keys.as_ref())?));
        entries.iter().map(|(key, content)| row(key, content)).collect()
    }
}

impl<V: View> SecondaryListing<V> {
    pub(crate) fn of(table: CurrentTable<V>, name: &str) -> Self {
        let name = bytes(name);
        Self { page: Page::of(table, Span::starting_with(name.clone())), name }
    }

    /// Lists only rows with exactly this secondary key.
    pub fn equal<Q: KeyBytes + ?Sized>(mut self, key: &Q) -> Self {
        self.page.narrow(Span::starting_with([&self.name[..], &bytes(key)].concat()));
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
        self.page.narrow(Span::starting_with(prefix));
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
        self.page.after = Some([kept(&secondary), &bytes(key)].concat());
        self
    }

    paging!();

    /// Reads the page. It reads from the disk what is not in memory.
    ///
    /// # Errors
    /// [`ViewReadError`]; nothing was changed.
    pub fn list(&self) -> Result<Vec<KeyedRow<V>>, ViewReadError> {
        self.page.table.read(|table| self.list_from(table))
    }

    fn list_from(&self, table: &TableReader) -> Result<Vec<KeyedRow<V>>, ViewReadError> {
        let Page { ref span, descending, limit, .. } = self.page;
        let (mut rows, mut after) = (Vec::new(), self.page.after.clone());
        // Repeats only if rows have changed between the two reads, or have long secondary keys that agree in
        // their first bytes. Each round starts after the last one.
        loop {
            let rest = self.page.rest(span.entries(), after.as_deref());
            let wanted = limit - rows.len();
            let entries = table.scan(SECONDARY, rest.bounds(), descending, wanted)?;
            for (entry, begins) in &entries {
                rows.extend(find::<V>(table, entry, begins, span)?);
            }
            match entries.last() {
                Some((last, _)) if entries.len() == wanted && rows.len() < limit => {
                    after = Some(last.to_vec());
                }
                _ => return Ok(rows),
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

fn own_key<K: super::Key>(bytes: &[u8]) -> Result<K, ViewReadError> {
    whole(bytes).ok_or_else(|| ViewReadError::row(bytes, "its key is not one of the view"))
}

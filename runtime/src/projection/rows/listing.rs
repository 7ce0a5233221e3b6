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

/// How many rows are listed unless told otherwise.
const LIMIT: usize = 1_000;

/// How many rows are listed at most: they are all in memory, and a commit waits for the scan.
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
/// While commands go on, a row whose secondary key has just changed may be missing; it is never shown
/// where it is not any more. Secondary keys that are alike in their first 512 bytes (see
/// [`SecondaryKeys::add`]) are told apart row by row: a page takes as long as there are rows with such
/// keys.
#[must_use = "nothing is read before `list`"]
pub struct SecondaryListing<V: View> {
    name: Vec<u8>,
    page: Page<V>,
}

/// What all pages have.
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

    /// What is left of a span, in the direction of reading.
    fn rest(&self, span: Span, after: Option<&[u8]>) -> Span {
        match after {
            Some(key) => span.after(key, self.descending),
            None => span,
        }
    }
}

macro_rules! paging {
    () => {
        /// From the last to the first.
        pub fn descending(mut self) -> Self {
            self.page.descending = true;
            self
        }

        /// How many rows at most. Default: 1,000; never more than 10,000.
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

    /// Those whose key is within the range.
    pub fn range(mut self, range: impl RangeBounds<V::Key>) -> Self {
        self.page.narrow(Span::of(&[], &range));
        self
    }

    /// Those whose key begins with a text.
    pub fn starting_with(mut self, text: &str) -> Self
    where
        V::Key: TextKey,
    {
        let mut prefix = Vec::new();
        beginning(text, &mut prefix);
        self.page.narrow(Span::starting_with(prefix));
        self
    }

    /// Those whose key has this first part.
    pub fn within<Q>(mut self, first: &Q) -> Self
    where
        V::Key: TupleKey,
        <V::Key as TupleKey>::First: Borrow<Q>,
        Q: KeyBytes + ?Sized,
    {
        self.page.narrow(Span::starting_with(bytes(first)));
        self
    }

    /// Those behind this key, in the direction of reading: the next page, behind the last row of the
    /// one before.
    pub fn after<Q>(mut self, key: &Q) -> Self
    where
        V::Key: Borrow<Q>,
        Q: KeyBytes + ?Sized,
    {
        self.page.after = Some(bytes(key));
        self
    }

    paging!();

    /// Reads the page, which is of one moment. It touches the disk for what is not in memory.
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

    /// Those with exactly this secondary key.
    pub fn equal<Q: KeyBytes + ?Sized>(mut self, key: &Q) -> Self {
        self.page.narrow(Span::starting_with([&self.name[..], &bytes(key)].concat()));
        self
    }

    /// Those whose secondary key is within the range. Its type is the one that
    /// [`View::secondary`] gives: `100u64..`, where the row has a `u64`.
    pub fn range<K: KeyBytes>(mut self, range: impl RangeBounds<K>) -> Self {
        self.page.narrow(Span::of(&self.name, &range));
        self
    }

    /// Those whose secondary key is a text that begins with this one.
    pub fn starting_with(mut self, text: &str) -> Self {
        let mut prefix = self.name.clone();
        beginning(text, &mut prefix);
        self.page.narrow(Span::starting_with(prefix));
        self
    }

    /// Those behind the row that has this secondary key and this key, in the direction of reading:
    /// the next page, behind the last row of the one before.
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

    /// Reads the page. It touches the disk for what is not in memory.
    ///
    /// # Errors
    /// [`ViewReadError`]; nothing was changed.
    pub fn list(&self) -> Result<Vec<KeyedRow<V>>, ViewReadError> {
        self.page.table.read(|table| self.list_from(table))
    }

    fn list_from(&self, table: &TableReader) -> Result<Vec<KeyedRow<V>>, ViewReadError> {
        let Page { ref span, descending, limit, .. } = self.page;
        let (mut rows, mut after) = (Vec::new(), self.page.after.clone());
        // More than once only when rows have changed between the two looks, or have long secondary
        // keys that are alike at first. Each time goes further.
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

/// The row of an entry; none when it has gone, has another secondary key by now, or has one that only
/// begins like those of the span.
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

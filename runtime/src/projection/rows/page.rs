//! `RowPage`: a page of rows, and the cursor at which the next one begins.

use std::fmt::{self, Debug, Display, Formatter};
use std::ops::Deref;
use std::str::FromStr;

use xxhash_rust::xxh3::Xxh3;

use super::View;

/// A row with its key.
pub type KeyedRow<V> = (<V as View>::Key, <V as View>::Row);

/// A page of rows. It dereferences to its rows.
pub struct RowPage<V: View> {
    /// The rows, in the order of the listing.
    pub rows: Vec<KeyedRow<V>>,
    /// Where the next page begins; `None` if this is the last one. Pass it to
    /// [`Listing::from_cursor`](super::Listing::from_cursor).
    pub next: Option<Cursor>,
}

impl<V: View> Deref for RowPage<V> {
    type Target = [KeyedRow<V>];

    fn deref(&self) -> &[KeyedRow<V>] {
        &self.rows
    }
}

impl<V: View> IntoIterator for RowPage<V> {
    type Item = KeyedRow<V>;
    type IntoIter = std::vec::IntoIter<KeyedRow<V>>;

    fn into_iter(self) -> Self::IntoIter {
        self.rows.into_iter()
    }
}

impl<V: View, T: ?Sized> PartialEq<T> for RowPage<V>
where
    Vec<KeyedRow<V>>: PartialEq<T>,
{
    fn eq(&self, other: &T) -> bool {
        self.rows == *other
    }
}

impl<V: View> Debug for RowPage<V>
where
    KeyedRow<V>: Debug,
{
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.debug_struct("RowPage").field("rows", &self.rows).field("next", &self.next).finish()
    }
}

/// A place in a listing, after a row. Its text contains only hexadecimal digits, so it fits into the address of a web
/// page.
///
/// It continues the listing that it comes from: of the view with the same name, in the order of the same key, in the
/// same direction, and with the same `equal`, `within` and `starting_with`. Every other listing refuses it, with
/// [`ViewReadError::OtherListing`](super::ViewReadError::OtherListing). The limit and the range may be others. It holds
/// after a restart, after the row was removed, and for the rows of the view as of another moment.
///
/// It contains the key of the row. Do not hand it to a client that must not see the key.
///
/// ```
/// # use actuarius::{Aggregate, Context, Envelope, Runtime};
/// # use actuarius::projection::{KeyedProjection, Rows, View};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Customer;
/// # #[derive(Serialize, Deserialize)]
/// # enum CustomerEvent { Paid(u64) }
/// # impl Aggregate for Customer {
/// #     const TYPE: &'static str = "customer";
/// #     type Command = u64;
/// #     type Event = CustomerEvent;
/// #     type Error = std::convert::Infallible;
/// #     fn decide(&self, cents: u64, _: &Context) -> Result<Vec<CustomerEvent>, Self::Error> {
/// #         Ok(vec![CustomerEvent::Paid(cents)])
/// #     }
/// #     fn apply(&mut self, _: &CustomerEvent) {}
/// # }
/// # struct Spend;
/// # impl View for Spend { type Key = String; type Row = u64; }
/// # impl KeyedProjection<Customer> for Spend {
/// #     fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Customer>) {
/// #         let CustomerEvent::Paid(cents) = envelope.event;
/// #         rows.update(envelope.id.as_str(), |row| *row += cents);
/// #     }
/// # }
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use actuarius::projection::{Cursor, ViewReadError};
///
/// # let runtime = Runtime::in_memory().await?;
/// # let spend = runtime.keyed::<Spend>("spend").on::<Customer>().start().await?;
/// # let customers = runtime.host::<Customer>();
/// # customers.execute("ada", 5).consistent_with(&spend).await?;
/// # customers.execute("bob", 7).consistent_with(&spend).await?;
/// let page = spend.rows().limit(1).list()?;
/// let link = format!("/spend?after={}", page.next.expect("there are two rows"));
///
/// let cursor: Cursor = link.rsplit('=').next().unwrap_or_default().parse()?;
/// let next = spend.rows().limit(1).from_cursor(&cursor).list()?;
/// assert_eq!(next.rows, [("bob".to_owned(), 7)]);
///
/// let refused = spend.rows().descending().from_cursor(&cursor).list();
/// assert!(matches!(refused, Err(ViewReadError::OtherListing)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Changes with every part of its listing and with its place.
    mark: [u8; MARK_BYTES],
    /// The key of the row in the order of the listing.
    place: Vec<u8>,
}

/// How many bytes of a cursor tell its listing from others: enough that none is taken for another by chance.
const MARK_BYTES: usize = 4;

impl Cursor {
    /// Returns the cursor at a place of the listing that these parts describe.
    pub(super) fn of(listing: &[&[u8]], place: &[u8]) -> Self {
        Self { mark: mark(listing, place), place: place.to_vec() }
    }

    /// Returns its place in the listing that these parts describe; `None` if it is one of another, or was changed.
    pub(super) fn place_in(&self, listing: &[&[u8]]) -> Option<&[u8]> {
        (self.mark == mark(listing, &self.place)).then_some(&self.place)
    }
}

fn mark(listing: &[&[u8]], place: &[u8]) -> [u8; MARK_BYTES] {
    let mut hasher = Xxh3::new();
    for part in listing.iter().chain([&place]) {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    // The lower half of the hash.
    (hasher.digest() as u32).to_le_bytes()
}

impl Display for Cursor {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        self.mark.iter().chain(&self.place).try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl Debug for Cursor {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "Cursor({self})")
    }
}

/// The text is not a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a cursor of a listing: hexadecimal digits are expected, an even number and at least 8"
)]
pub struct InvalidCursor;

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let digit =
            |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (pairs, rest) = text.as_bytes().as_chunks();
        let byte = |&[high, low]: &[u8; 2]| Some(digit(high)? << 4 | digit(low)?);
        let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        let bytes = bytes.filter(|_| rest.is_empty()).ok_or(InvalidCursor)?;
        let (mark, place) = bytes.split_first_chunk().ok_or(InvalidCursor)?;
        Ok(Self { mark: *mark, place: place.to_vec() })
    }
}

//! `RowPage`: a page of rows, and the cursor at which the next one begins.

use std::fmt::{self, Debug, Display, Formatter};
use std::ops::Deref;
use std::str::FromStr;

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
/// page. It is valid for listings with the same direction and the same secondary key, also after a restart, and after
/// the row was removed.
///
/// It contains the key of the row. Do not hand it to a client that must not see the key.
///
/// ```
/// use actuarius::projection::Cursor;
///
/// let cursor: Cursor = "616c6963650000".parse()?;
/// assert_eq!(cursor.to_string(), "616c6963650000");
/// # Ok::<(), actuarius::projection::InvalidCursor>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Cursor(pub(super) Vec<u8>);

impl Display for Cursor {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl Debug for Cursor {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "Cursor({self})")
    }
}

/// The text is not a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of a listing: an even number of hexadecimal digits is expected")]
pub struct InvalidCursor;

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let digit =
            |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (pairs, rest) = text.as_bytes().as_chunks();
        let byte = |&[high, low]: &[u8; 2]| Some(digit(high)? << 4 | digit(low)?);
        let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        bytes.filter(|_| rest.is_empty()).map(Self).ok_or(InvalidCursor)
    }
}

//! Keyed views: rows that are found by their key and by secondary keys.
//!
//! `key` and `tuple` (values as ordered bytes), `secondary` (secondary keys), `changing` (rows that `project`
//! changes), `draft` and `row_cache` (rows of a batch that is not stored yet), `row` (a row as bytes), `range` (a
//! range of keys), `current_table` (the table that is read), `rows_view` (reads it), `listing`,
//! `secondary_listing` and `page` (pages of rows), `paging` (their options), and `spot_check` (whether stored rows fit today's types).

mod changing;
mod current_table;
mod draft;
mod error;
mod key;
mod listing;
mod page;
mod paging;
mod range;
mod row;
mod row_cache;
mod rows_view;
mod secondary;
mod secondary_listing;
mod spot_check;
mod tuple;

use actuarius_domain::{Aggregate, Envelope};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use changing::Rows;
pub(crate) use current_table::CurrentTable;
pub(crate) use draft::{Draft, Staged};
pub use error::ViewReadError;
pub(crate) use key::bytes as bytes_of;
pub use key::{Key, KeyBytes, TextKey};
pub use listing::Listing;
pub use page::{Cursor, InvalidCursor, KeyedRow, RowPage};
pub use rows_view::RowsView;
pub use secondary::SecondaryKeys;
pub use secondary_listing::SecondaryListing;
pub(crate) use spot_check::fits;
pub use tuple::TupleKey;

/// The space of a table's origin.
pub(crate) const META: u8 = 0;
/// The space of the rows, by key.
pub(crate) const ROWS: u8 = 1;
/// The space of the secondary keys, each followed by the key of its row.
pub(crate) const SECONDARY: u8 = 2;

/// A view whose rows are stored by key, on disk: the types of keys and rows, and the secondary keys.
///
/// ```
/// use actuarius::projection::{SecondaryKeys, View};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Default, Serialize, Deserialize)]
/// struct Spender { spent: u64, tier: String }
///
/// struct Spend;
///
/// impl View for Spend {
///     type Key = String;
///     type Row = Spender;
///
///     fn secondary(_: &String, row: &Spender, keys: &mut SecondaryKeys) {
///         keys.add("spent", &row.spent);
///         keys.add("tier", &row.tier);
///     }
/// }
/// ```
pub trait View: Sized + Send + Sync + 'static {
    /// The key of a row.
    type Key: Key;

    /// A row. It is copied when it changes, so keep it small. Store a large list as many rows with a key of two
    /// parts.
    type Row: Serialize + DeserializeOwned + Clone + Send + Sync + 'static;

    /// Adds further keys by which the row is found. Each has a name, and any number of rows may have the same
    /// key. Default: none.
    ///
    /// It must always add the same keys for the same row. Raise the version of the projection when this method
    /// changes, or lookups miss rows.
    fn secondary(key: &Self::Key, row: &Self::Row, keys: &mut SecondaryKeys) {
        let _ = (key, row, keys);
    }
}

/// How a keyed view folds the events of one aggregate type into its rows. Implement it once for each type that the
/// view follows.
///
/// It is pure: the same events always make the same rows. It reads no clock and does no I/O, except through
/// `rows`.
///
/// ```
/// # use actuarius::{Aggregate, Context};
/// use actuarius::Envelope;
/// use actuarius::projection::{KeyedProjection, Rows, View};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Customer;
/// # #[derive(Serialize, Deserialize)]
/// # enum CustomerEvent { Paid(u64), Left }
/// # impl Aggregate for Customer {
/// #     const TYPE: &'static str = "customer";
/// #     type Command = ();
/// #     type Event = CustomerEvent;
/// #     type Error = std::convert::Infallible;
/// #     fn decide(&self, (): (), _: &Context) -> Result<Vec<CustomerEvent>, Self::Error> { Ok(vec![]) }
/// #     fn apply(&mut self, _: &CustomerEvent) {}
/// # }
/// # struct Spend;
/// # impl View for Spend { type Key = String; type Row = u64; }
/// impl KeyedProjection<Customer> for Spend {
///     fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Customer>) {
///         match envelope.event {
///             CustomerEvent::Paid(cents) => rows.update(envelope.id.as_str(), |row| *row += cents),
///             CustomerEvent::Left => rows.remove(envelope.id.as_str()),
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not project the events of `{A}`",
    note = "implement `KeyedProjection<{A}>` for it"
)]
pub trait KeyedProjection<A: Aggregate>: View {
    /// Folds one event into the rows. Events come in the order of their positions, each once.
    ///
    /// # Panics
    /// It must not panic. If it does, the projection halts before that event, and the rows stay as they were.
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<A>);
}

//! Keyed views: rows by key, found by secondary keys, too.
//!
//! `key` and `tuple` (values as bytes in order), `secondary` (further ways to a row), `rows` (what
//! `project` changes), `draft` and `known` (the rows of a batch that is not stored yet), `row` (a row
//! as bytes), `current_table` (the table that is read), `rows_view` (reads it) and `listing` (pages of rows).

mod changing;
mod current_table;
mod draft;
mod error;
mod key;
mod known;
mod listing;
mod range;
mod row;
mod rows_view;
mod secondary;
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
pub use listing::{KeyedRow, Listing, SecondaryListing};
pub use rows_view::RowsView;
pub use secondary::SecondaryKeys;
pub use tuple::TupleKey;

/// What a table says about itself.
pub(crate) const META: u8 = 0;
/// The rows, by key.
pub(crate) const ROWS: u8 = 1;
/// The secondary keys, each followed by the key of its row.
pub(crate) const SECONDARY: u8 = 2;

/// Describes a view whose rows are kept by key, on disk: what a row is, and how it is found.
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
    /// What a row is found by.
    type Key: Key;

    /// What is kept. It is copied when it is changed, so keep it small; a large list is better many
    /// rows, by a key of two parts.
    type Row: Serialize + DeserializeOwned + Clone + Send + Sync + 'static;

    /// Further keys the row is found by: each has a name, and any number of rows may have the same
    /// one. Default: none.
    ///
    /// It says the same for the same row, always. Raise the version of the projection when it
    /// changes, or rows are missing where they are looked for.
    fn secondary(key: &Self::Key, row: &Self::Row, keys: &mut SecondaryKeys) {
        let _ = (key, row, keys);
    }
}

/// What a keyed view makes of the events of one aggregate type. A view may follow several types:
/// implement this once for each.
///
/// It is pure: the same events always make the same rows. It reads no clock and does no I/O, other
/// than through `rows`.
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
    message = "`{Self}` does not say what it makes of the events of `{A}`",
    note = "implement `KeyedProjection<{A}>` for it"
)]
pub trait KeyedProjection<A: Aggregate>: View {
    /// Folds one event into the rows. Events come in the order of their positions, each once.
    ///
    /// # Panics
    /// It must not. If it does, the projection halts before that event, visibly, with the rows as
    /// they were.
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<A>);
}

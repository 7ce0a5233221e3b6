//! `ViewReadError`: why rows could not be read.

use actuarius_persistence::views::ViewError;
use thiserror::Error;

use super::key::{Key, bytes};

/// Why rows of a keyed view could not be read. Nothing was changed. The log has all events, so a view can always be
/// rebuilt.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ViewReadError {
    /// The table is damaged, or the system failed to read it. Rebuild a damaged view.
    #[error(transparent)]
    Table(#[from] ViewError),
    /// A row does not decode: its shape has changed without a new version, or the table is damaged. Raise the
    /// version, or rebuild the view.
    #[error("the row {key} cannot be read: {why}")]
    Row {
        /// The bytes of the key, as text where they are text.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// The table is closed, because it failed and cannot be opened again yet. The status of the projection has
    /// the reason.
    #[error("the table of the view is closed")]
    Closed,
    /// The cursor is one of another listing: of another view, in another order or direction, or with another
    /// `equal`, `within` or `starting_with`. Or its text was changed. Begin at the first page.
    #[error("the cursor is not one of this listing, or was changed")]
    OtherListing,
}

impl ViewReadError {
    pub(super) fn row(key: &[u8], why: impl std::fmt::Display) -> Self {
        Self::Row { key: text(key), why: why.to_string() }
    }
}

/// Returns a key as an error names it.
pub(super) fn text(key: &[u8]) -> String {
    key.escape_ascii().to_string()
}

pub(super) fn name(key: &impl Key) -> String {
    text(&bytes(key))
}

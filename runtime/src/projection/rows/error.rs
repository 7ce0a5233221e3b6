use actuarius_persistence::views::ViewError;
use thiserror::Error;

use super::key::{Key, bytes};

/// Why rows of a keyed view could not be read. Nothing was changed, and the log has everything: a
/// view can always be rebuilt.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ViewReadError {
    /// The table is damaged, or the system refused to read it. When it is damaged, rebuild the view.
    #[error(transparent)]
    Table(#[from] ViewError),
    /// A row is not one of this view: its shape has changed and the version was not raised, or the
    /// table is damaged. Raise the version, or rebuild the view.
    #[error("the row {key} cannot be read: {why}")]
    Row {
        /// The key's bytes, as text where they are text.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// The table is closed, because it failed and cannot be opened again yet. The projection's
    /// status says why.
    #[error("the table of the view is closed")]
    Closed,
}

impl ViewReadError {
    pub(super) fn row(key: &[u8], why: impl std::fmt::Display) -> Self {
        Self::Row { key: text(key), why: why.to_string() }
    }
}

/// How a key is named in an error.
pub(super) fn text(key: &[u8]) -> String {
    key.escape_ascii().to_string()
}

pub(super) fn name(key: &impl Key) -> String {
    text(&bytes(key))
}

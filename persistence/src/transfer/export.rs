//! Exports events as text: one line of JSON for each commit, from which an import restores the same bytes.
//!
//! Payloads of the JSON codec are included as JSON; those of other codecs as base64. `docs/FORMAT.md`
//! lists the fields.
//!
//! ```
//! # mod actuarius { pub mod store { pub use actuarius_persistence::*; } }
//! use actuarius::store::copy::Selection;
//! use actuarius::store::{export, ignore_progress, memory};
//!
//! # let store = memory::open();
//! let mut lines = Vec::new();
//! export::write(&*store.reader, &mut lines, &Selection::all(), &mut ignore_progress)?;
//!
//! let mut other = memory::open();
//! export::read(&lines[..], &mut other, &mut ignore_progress)?;
//! assert_eq!(other.reader.maintenance().chain()?, store.reader.maintenance().chain()?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod line;
mod reading;
mod writing;

use std::io;
use std::sync::Arc;

use thiserror::Error;

use super::copy::CopyError;
use crate::error::ReadError;
use crate::record::chain::ChainEnd;

pub use reading::{Imported, read};
pub use writing::{Exported, write};

/// The format this release writes, and the newest it reads.
const FORMAT: u32 = 1;

/// Why events were not exported. The end line is missing, so an import detects that the export is incomplete.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The lines cannot be written.
    #[error("line {line} could not be written: {source}")]
    Io {
        /// The number of the line, starting with 1.
        line: u64,
        /// The error of the operating system.
        source: Arc<io::Error>,
    },
    /// The progress callback stopped it.
    #[error("it was stopped by the progress callback")]
    Stopped,
}

/// Why events were not imported. The commits of previous lines are in the store. Import the lines again to
/// continue; existing commits are skipped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A line is not a valid line of an export.
    #[error("line {line}: {what}")]
    Line {
        /// The number of the line, starting with 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// A newer release wrote the lines. Import them with that release.
    #[error("the export has format {found}, this release reads up to {supported}")]
    NewerFormat {
        /// The format found.
        found: u32,
        /// The newest format this release reads.
        supported: u32,
    },
    /// The end line is missing: the export is incomplete.
    #[error("the export is incomplete: it ends after line {line}, without an end line")]
    CutShort {
        /// The number of the last line.
        line: u64,
    },
    /// A commit was not stored.
    #[error("line {line}: {source}")]
    Store {
        /// The number of the line, starting with 1.
        line: u64,
        /// The cause.
        source: CopyError,
    },
    /// The imported events differ from the exported ones: a line was changed or is missing, or the store
    /// had other events before.
    #[error("the store ends at {found}, expected {wanted}")]
    Differs {
        /// The end of the chain in the export.
        wanted: ChainEnd,
        /// The end of the chain in the store.
        found: ChainEnd,
    },
    /// The lines cannot be read.
    #[error("line {line} could not be read: {source}")]
    Io {
        /// The number of the line, starting with 1.
        line: u64,
        /// The error of the operating system.
        source: Arc<io::Error>,
    },
    /// The progress callback stopped it.
    #[error("it was stopped by the progress callback")]
    Stopped,
}

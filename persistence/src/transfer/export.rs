//! Events as text: a line of JSON for each commit, from which the same bytes are made again.
//!
//! Whatever can read JSON can read it. Payloads of the JSON codec stand in it as they are; those of other
//! codecs as base64. `docs/FORMAT.md` lists the fields.
//!
//! ```
//! use super::copy::Selection;
//! use actuarius_persistence::{export, go_on, memory};
//!
//! # let store = memory::open();
//! let mut lines = Vec::new();
//! export::write(&*store.reader, &mut lines, &Selection::all(), &mut go_on)?;
//!
//! let mut other = memory::open();
//! export::read(&lines[..], &mut other, &mut go_on)?;
//! assert_eq!(other.reader.chain()?, store.reader.chain()?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod line;
mod reading;
mod writing;

use std::io;
use std::sync::Arc;

use thiserror::Error;

use super::copy::CopyError;
use crate::ReadError;
use crate::record::chain::ChainEnd;

pub use reading::{Imported, read};
pub use writing::{Exported, write};

/// The format this release writes, and the newest it reads.
const FORMAT: u32 = 1;

/// Why events were not exported. The lines written so far have no last line, so nobody takes them for all.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The lines cannot be written.
    #[error("line {line} could not be written: {source}")]
    Io {
        /// The line, beginning with 1.
        line: u64,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// It was asked to stop.
    #[error("it was asked to stop")]
    Stopped,
}

/// Why events were not imported. The commits of the lines before are in the store; read the lines again
/// to go on, what is there is passed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A line is not what an export writes.
    #[error("line {line}: {what}")]
    Line {
        /// The line, beginning with 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// The lines are those of a newer release. Read them with that release.
    #[error("the export has format {found}, this release reads up to {supported}")]
    NewerFormat {
        /// The format found.
        found: u32,
        /// The newest format this release knows.
        supported: u32,
    },
    /// The last line is missing: the export was cut short.
    #[error("the export ends behind line {line}, without the line that says so")]
    CutShort {
        /// The last line there is.
        line: u64,
    },
    /// A commit was not stored.
    #[error("line {line}: {source}")]
    Store {
        /// The line, beginning with 1.
        line: u64,
        /// Why not.
        source: CopyError,
    },
    /// What was imported is not what was exported: a line was changed, or is missing, or the store had
    /// other events before.
    #[error("the export leads to {wanted}, the store is at {found}")]
    Differs {
        /// The end of the chain when it was exported.
        wanted: ChainEnd,
        /// The end of the chain now.
        found: ChainEnd,
    },
    /// The lines cannot be read.
    #[error("line {line} could not be read: {source}")]
    Io {
        /// The line, beginning with 1.
        line: u64,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// It was asked to stop.
    #[error("it was asked to stop")]
    Stopped,
}

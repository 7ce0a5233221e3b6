//! What is left of a damaged store: a copy that can be read only, and the notice about it.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use actuarius::Position;
use actuarius::error::StoreFailure;
use actuarius::store::{AppendOutcome, Batch, Reader, Store, Writer, sled};

use crate::text;

/// Receives what is left of a store when it was opened.
#[derive(Default)]
pub(crate) struct Notice(Mutex<Option<Left>>);

/// How much is left.
pub(crate) struct Left {
    found: Position,
    acknowledged: Option<Position>,
}

impl Notice {
    pub(crate) fn set(&self, left: &sled::Forensics) {
        let left = Left { found: left.found, acknowledged: left.acknowledged };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(left);
    }

    /// What is wrong with the end of the log: a position and a text. `None` if the log ends where it was acknowledged
    /// to end.
    pub(crate) fn problem(&self) -> Option<(Position, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(Left::problem)
    }

    pub(crate) fn taken(&self) -> Option<Left> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Left {
    /// Whether everything is left that was acknowledged, as far as the end of the log shows.
    pub(crate) fn is_all(&self) -> bool {
        self.acknowledged.is_some_and(|acknowledged| self.found >= acknowledged)
    }

    fn problem(&self) -> Option<(Position, String)> {
        let found = self.found;
        match self.acknowledged {
            _ if self.is_all() => None,
            None => Some((found, "what was acknowledged is not known".to_owned())),
            Some(acknowledged) => {
                let missing = acknowledged.get().saturating_sub(found.get());
                let are = if missing == 1 { "is" } else { "are" };
                let missing = text::count(missing, "event");
                let what = format!(
                    "position {acknowledged} was acknowledged, but the log ends at position {found}: {missing} {are} missing"
                );
                Some((found.next(), what))
            }
        }
    }

    pub(crate) fn report(&self, json: bool, errors: &mut dyn Write) -> io::Result<()> {
        let (found, acknowledged) = (self.found.get(), self.acknowledged.map(Position::get));
        if json {
            let report = serde_json::json!({
                "forensics": { "found": found, "acknowledged": acknowledged }
            });
            return writeln!(errors, "{report}");
        }
        let end = match acknowledged {
            Some(acknowledged) if found < acknowledged => format!(
                "it ends at position {found}, but position {acknowledged} was acknowledged: {} events are missing",
                acknowledged - found
            ),
            Some(_) => format!("it ends at position {found}, where it was acknowledged to end"),
            None => format!("it ends at position {found}; what was acknowledged is not known"),
        };
        writeln!(
            errors,
            "FORENSICS: this is what is left of a store, read in a temporary copy; {end}. Events may also be missing \
             before the end: `verify` finds them. The store was not changed. Do not use this as if it were the store."
        )
    }
}

/// Copies the files of the keys, if there are any.
pub(crate) fn copy_keys(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return Ok(());
    }
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// A store that can only be read.
pub(crate) fn read_only(reader: Arc<dyn Reader>) -> Store {
    Store { reader, writer: Box::new(Refusing) }
}

struct Refusing;

impl Writer for Refusing {
    fn commit(&mut self, _batch: &Batch) -> Result<Vec<AppendOutcome>, StoreFailure> {
        let source = io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "it is a copy for reading");
        Err(StoreFailure::new("writing to what is left of a store", source))
    }

    fn batch_bytes(&self) -> usize {
        1
    }
}

//! Where the read side keeps what it derives from the log.
//!
//! Views are derived: they can be rebuilt, but they must never be *wrong*. So a view's rows and the
//! position they stand for change in one [`Changes`], which is there whole or not at all.
//!
//! Read in this order: [`Views`] (all of them), [`Place`] (one, in numbered generations, so that the
//! next can be built beside the current one), [`Table`] (rows), and [`Place::save_state`] (for views
//! that are in memory and only saved now and then).

mod changes;
mod error;
mod memory;
mod table;

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

pub use changes::{CHANGES_BYTES_MAX, CHANGES_BYTES_SOFT, Changes, KEY_BYTES_MAX, VALUE_BYTES_MAX};
pub use error::ViewError;
pub use table::{Table, TableReader};

use memory::{MemoryPlace, Shelf};

/// The longest name of a view.
const NAME_BYTES_MAX: usize = 128;

/// A key, without its space, and what it says.
pub type Entry = (Bytes, Bytes);

/// Where the views of a runtime are kept: a directory, or memory. Cheap to clone.
#[derive(Clone)]
pub struct Views {
    shelf: Arc<Shelf>,
}

impl Views {
    /// In a directory, which is made when it is first used. It may hold other files.
    pub fn on_disk(directory: impl Into<PathBuf>) -> Self {
        let _ = directory.into();
        Self::in_memory()
    }

    /// In memory, as long as any clone of this lives.
    #[must_use]
    pub fn in_memory() -> Self {
        Self { shelf: Arc::default() }
    }

    /// The place of the view `name`. It is open until it, its tables and their readers are gone.
    ///
    /// # Errors
    /// [`ViewError::InvalidName`]; [`ViewError::InUse`] when it is open already, here or in another
    /// process; [`ViewError::Io`]. Nothing was changed.
    pub fn place(&self, name: &str) -> Result<Place, ViewError> {
        if !is_valid(name) {
            return Err(ViewError::InvalidName { name: name.to_owned() });
        }
        Ok(Place { kind: self.shelf.place(name)? })
    }
}

/// A view's name is the name of a directory, on every system.
fn is_valid(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(known) && !name.starts_with('.')
}

/// One view's place: numbered generations, one of which may be current. The next one is built beside
/// it, made current in one step, and the one before is removed.
///
/// A generation is a [`Table`], a saved state, or both, and exists once it has either.
pub struct Place {
    kind: MemoryPlace,
}

impl Place {
    /// The numbers of all generations, in order.
    ///
    /// # Errors
    /// [`ViewError::Io`]: nothing was changed.
    pub fn generations(&self) -> Result<Vec<u64>, ViewError> {
        Ok(self.kind.generations())
    }

    /// The generation made current last; none when none was.
    ///
    /// # Errors
    /// [`ViewError::Damaged`] or [`ViewError::Io`]: nothing was changed. Making one current mends a
    /// damaged one.
    pub fn current(&self) -> Result<Option<u64>, ViewError> {
        Ok(self.kind.current())
    }

    /// Makes `generation` current, in place of the one that is. Durable when it returns.
    ///
    /// # Errors
    /// [`ViewError::Io`]: the old one or the new one is current. Try again.
    pub fn make_current(&self, generation: u64) -> Result<(), ViewError> {
        self.kind.make_current(generation);
        Ok(())
    }

    /// Removes a generation, and gives back its space; nothing when there is no such generation.
    ///
    /// # Errors
    /// [`ViewError::InUse`] for the current generation, and while its table or a reader is open:
    /// nothing was removed. [`ViewError::Io`]: try again.
    pub fn remove(&self, generation: u64) -> Result<(), ViewError> {
        self.kind.remove(generation)
    }

    /// Opens the table of a generation, or makes an empty one.
    ///
    /// # Errors
    /// [`ViewError::InUse`] while it, or a reader of it, is open; [`ViewError::Damaged`] or
    /// [`ViewError::NewerFormat`]: rebuild the view in another generation; [`ViewError::Io`]. No row
    /// was changed.
    pub fn table(&self, generation: u64) -> Result<Table, ViewError> {
        self.kind.table(generation).map(Table::in_memory)
    }

    /// The state saved last for a generation; none when none was.
    ///
    /// # Errors
    /// [`ViewError::Damaged`] or [`ViewError::NewerFormat`]: rebuild the view; [`ViewError::Io`].
    /// Nothing was changed.
    pub fn load_state(&self, generation: u64) -> Result<Option<Vec<u8>>, ViewError> {
        Ok(self.kind.load_state(generation))
    }

    /// Saves the state of a generation in place of the one before. Durable when it returns.
    ///
    /// # Errors
    /// [`ViewError::Io`]: the state before, or this one, will be loaded. Try again.
    pub fn save_state(&self, generation: u64, state: &[u8]) -> Result<(), ViewError> {
        self.kind.save_state(generation, state);
        Ok(())
    }
}

//! Views: data that the read side derives from the log.
//!
//! Views can be rebuilt, but they must never be *wrong*. So the rows of a view and the position they
//! belong to change in one atomic set of [`Changes`].
//!
//! Read in this order: [`Views`] (all of them), [`Place`] (one, in numbered generations, so that the
//! next can be built beside the current one), [`Table`] (rows), and [`Place::save_state`] (for views
//! that are in memory and are saved from time to time).

mod directory;
mod memory;
mod state;
mod table;

use std::path::PathBuf;
use std::sync::Arc;

pub use crate::table::Entry;
pub use crate::table::changes::{
    CHANGES_BYTES_MAX, CHANGES_BYTES_SOFT, COMMAND_CHANGES_BYTES_MAX, Changes, KEY_BYTES_MAX,
    VALUE_BYTES_MAX,
};
pub use crate::table::error::ViewError;
pub use table::{Table, TableReader};

use crate::files::absolute;
use crate::personal::sealer::Sealer;
use crate::table::TableEngine;
use directory::DiskPlace;
use memory::{MemoryPlace, MemoryViews};

/// The longest name of a view, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// All views of a runtime, in a directory or in memory. Cheap to clone.
#[derive(Clone)]
pub struct Views {
    storage: Storage,
    sealer: Option<Arc<dyn Sealer>>,
}

#[derive(Clone)]
enum Storage {
    Memory(Arc<MemoryViews>),
    Disk(PathBuf, Arc<dyn TableEngine>),
}

impl Views {
    /// Stores views in a directory, in tables of `engine`. The directory is created when it is first
    /// used, and may contain other files. A relative path is resolved now.
    pub fn on_disk(directory: impl Into<PathBuf>, engine: Arc<dyn TableEngine>) -> Self {
        Self { storage: Storage::Disk(absolute(directory), engine), sealer: None }
    }

    /// Stores views in memory, until the last clone of this is dropped.
    #[must_use]
    pub fn in_memory() -> Self {
        Self { storage: Storage::Memory(Arc::default()), sealer: None }
    }

    /// Sets the keys that seal and open personal data in views.
    #[must_use]
    pub fn with_sealer(mut self, sealer: Arc<dyn Sealer>) -> Self {
        self.sealer = Some(sealer);
        self
    }

    /// Returns the names of all views in order.
    ///
    /// # Errors
    /// Returns [`ViewError::Io`] if the directory cannot be read.
    pub fn names(&self) -> Result<Vec<String>, ViewError> {
        let mut names = match &self.storage {
            Storage::Memory(views) => views.names(),
            Storage::Disk(directory, _) => directory::names(directory)?,
        };
        names.retain(|name| is_valid(name));
        names.sort_unstable();
        Ok(names)
    }

    /// Opens the place of the view `name`. It is open until it, its tables and their readers are dropped.
    ///
    /// # Errors
    /// Returns [`ViewError::InvalidName`], [`ViewError::InUse`] if it is already open, in this or in
    /// another process, or [`ViewError::Io`]. Nothing was changed.
    pub fn place(&self, name: &str) -> Result<Place, ViewError> {
        if !is_valid(name) {
            return Err(ViewError::InvalidName { name: name.to_owned() });
        }
        let kind = match &self.storage {
            Storage::Memory(views) => Kind::Memory(views.place(name)?),
            Storage::Disk(directory, engine) => {
                Kind::Disk(DiskPlace::open(directory.join(name), engine.clone())?)
            }
        };
        Ok(Place { kind, sealer: self.sealer.clone() })
    }
}

/// Returns whether the name of a view is a valid directory name on every operating system.
fn is_valid(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(known) && !name.starts_with('.')
}

/// The place of one view: numbered generations, one of which may be current. The next one is built
/// beside it and made current atomically; then the previous one is removed.
///
/// A generation is a [`Table`], a saved state, or both, and exists once it has either.
pub struct Place {
    kind: Kind,
    sealer: Option<Arc<dyn Sealer>>,
}

enum Kind {
    Memory(MemoryPlace),
    Disk(DiskPlace),
}

impl Place {
    /// Returns the keys that seal and open personal data in the view, if there are any.
    #[must_use]
    pub fn sealer(&self) -> Option<&Arc<dyn Sealer>> {
        self.sealer.as_ref()
    }

    /// Returns the numbers of all generations in order.
    ///
    /// # Errors
    /// Returns [`ViewError::Io`] if the directory cannot be read. Nothing was changed.
    pub fn generations(&self) -> Result<Vec<u64>, ViewError> {
        match &self.kind {
            Kind::Memory(place) => Ok(place.generations()),
            Kind::Disk(place) => place.generations(),
        }
    }

    /// Returns the current generation, or `None` if none was ever made current.
    ///
    /// # Errors
    /// Returns [`ViewError::Damaged`] or [`ViewError::Io`]. Nothing was changed.
    /// [`make_current`](Self::make_current) repairs a damaged entry.
    pub fn current(&self) -> Result<Option<u64>, ViewError> {
        match &self.kind {
            Kind::Memory(place) => Ok(place.current()),
            Kind::Disk(place) => place.current(),
        }
    }

    /// Makes `generation` current instead of the previous one. Durable when it returns.
    ///
    /// # Errors
    /// Returns [`ViewError::Io`] if a write failed: the old or the new one is current. Try again.
    pub fn make_current(&self, generation: u64) -> Result<(), ViewError> {
        match &self.kind {
            Kind::Memory(place) => place.make_current(generation),
            Kind::Disk(place) => place.make_current(generation),
        }
    }

    /// Removes a generation and frees its space. Does nothing if there is no such generation.
    ///
    /// # Errors
    /// Returns [`ViewError::InUse`] for the current generation, and while its table or a reader is open:
    /// nothing was removed. After [`ViewError::Io`] try again.
    pub fn remove(&self, generation: u64) -> Result<(), ViewError> {
        match &self.kind {
            Kind::Memory(place) => place.remove(generation),
            Kind::Disk(place) => place.remove(generation),
        }
    }

    /// Opens the table of a generation, or creates an empty one.
    ///
    /// # Errors
    /// Returns [`ViewError::InUse`] while it, or a reader of it, is open. After [`ViewError::Damaged`] or
    /// [`ViewError::NewerFormat`] rebuild the view in another generation. Also returns
    /// [`ViewError::Io`]. No row was changed.
    pub fn table(&self, generation: u64) -> Result<Table, ViewError> {
        let writer = match &self.kind {
            Kind::Memory(place) => Box::new(place.table(generation)?),
            Kind::Disk(place) => place.table(generation)?,
        };
        Ok(Table::new(writer, self.sealer.clone()))
    }

    /// Returns whether the table of a generation, which is open, could be opened again now. After a failed commit, ask
    /// before the last reader is dropped: without room on the disk the table could not be read any more.
    ///
    /// # Errors
    /// Returns [`ViewError`] if not. No row was changed.
    pub fn can_open(&self, generation: u64) -> Result<(), ViewError> {
        match &self.kind {
            Kind::Memory(_) => Ok(()),
            Kind::Disk(place) => place.can_open(generation),
        }
    }

    /// Returns the last saved state of a generation, or `None` if none was saved.
    ///
    /// # Errors
    /// After [`ViewError::Damaged`] or [`ViewError::NewerFormat`] rebuild the view. Also returns
    /// [`ViewError::Io`]. Nothing was changed.
    pub fn load_state(&self, generation: u64) -> Result<Option<Vec<u8>>, ViewError> {
        match &self.kind {
            Kind::Memory(place) => Ok(place.load_state(generation)),
            Kind::Disk(place) => place.load_state(generation),
        }
    }

    /// Saves the state of a generation instead of the previous one. Durable when it returns.
    ///
    /// # Errors
    /// Returns [`ViewError::Io`] if a write failed: the old or the new state is stored. Try again.
    pub fn save_state(&self, generation: u64, state: &[u8]) -> Result<(), ViewError> {
        match &self.kind {
            Kind::Memory(place) => place.save_state(generation, state),
            Kind::Disk(place) => place.save_state(generation, state),
        }
    }
}

//! Where the read side keeps what it derives from the log.
//!
//! Views are derived: they can be rebuilt, but they must never be *wrong*. So a view's rows and the
//! position they stand for change in one [`Changes`], which is there whole or not at all.
//!
//! Read in this order: [`Views`] (all of them), [`Place`] (one, in numbered generations, so that the
//! next can be built beside the current one), [`Table`] (rows), and [`Place::save_state`] (for views
//! that are in memory and only saved now and then).

mod directory;
mod memory;
mod state;
mod table;

use std::path::PathBuf;
use std::sync::Arc;

pub use crate::table::Entry;
pub use crate::table::changes::{
    CHANGES_BYTES_MAX, CHANGES_BYTES_SOFT, Changes, KEY_BYTES_MAX, VALUE_BYTES_MAX,
};
pub use crate::table::error::ViewError;
pub use table::{Table, TableReader};

use crate::personal::sealer::Sealer;
use crate::table::TableEngine;
use directory::DiskPlace;
use memory::{MemoryPlace, MemoryViews};

/// The longest name of a view.
const NAME_BYTES_MAX: usize = 128;

/// Where the views of a runtime are kept: a directory, or memory. Cheap to clone.
#[derive(Clone)]
pub struct Views {
    kept: Kept,
    sealer: Option<Arc<dyn Sealer>>,
}

#[derive(Clone)]
enum Kept {
    Memory(Arc<MemoryViews>),
    Disk(PathBuf, Arc<dyn TableEngine>),
}

impl Views {
    /// Keeps views in a directory, in tables of `engine`. The directory is created when it is first
    /// used, and may hold other files.
    pub fn on_disk(directory: impl Into<PathBuf>, engine: Arc<dyn TableEngine>) -> Self {
        Self { kept: Kept::Disk(directory.into(), engine), sealer: None }
    }

    /// In memory, as long as any clone of this lives.
    #[must_use]
    pub fn in_memory() -> Self {
        Self { kept: Kept::Memory(Arc::default()), sealer: None }
    }

    /// Lets personal data in views be sealed and opened with these keys.
    #[must_use]
    pub fn with_sealer(mut self, sealer: Arc<dyn Sealer>) -> Self {
        self.sealer = Some(sealer);
        self
    }

    /// The names of all views there are, in order.
    ///
    /// # Errors
    /// [`ViewError::Io`].
    pub fn names(&self) -> Result<Vec<String>, ViewError> {
        let mut names = match &self.kept {
            Kept::Memory(views) => views.names(),
            Kept::Disk(directory, _) => directory::names(directory)?,
        };
        names.retain(|name| is_valid(name));
        names.sort_unstable();
        Ok(names)
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
        let kind = match &self.kept {
            Kept::Memory(views) => Kind::Memory(views.place(name)?),
            Kept::Disk(directory, engine) => {
                Kind::Disk(DiskPlace::open(directory.join(name), engine.clone())?)
            }
        };
        Ok(Place { kind, sealer: self.sealer.clone() })
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
    kind: Kind,
    sealer: Option<Arc<dyn Sealer>>,
}

enum Kind {
    Memory(MemoryPlace),
    Disk(DiskPlace),
}

impl Place {
    /// What personal data in the view is sealed and opened with, if there are keys.
    #[must_use]
    pub fn sealer(&self) -> Option<&Arc<dyn Sealer>> {
        self.sealer.as_ref()
    }

    /// The numbers of all generations, in order.
    ///
    /// # Errors
    /// [`ViewError::Io`]: nothing was changed.
    pub fn generations(&self) -> Result<Vec<u64>, ViewError> {
        match &self.kind {
            Kind::Memory(place) => Ok(place.generations()),
            Kind::Disk(place) => place.generations(),
        }
    }

    /// The generation made current last; none when none was.
    ///
    /// # Errors
    /// [`ViewError::Damaged`] or [`ViewError::Io`]: nothing was changed. Making one current mends a
    /// damaged one.
    pub fn current(&self) -> Result<Option<u64>, ViewError> {
        match &self.kind {
            Kind::Memory(place) => Ok(place.current()),
            Kind::Disk(place) => place.current(),
        }
    }

    /// Makes `generation` current, in place of the one that is. Durable when it returns.
    ///
    /// # Errors
    /// [`ViewError::Io`]: the old one or the new one is current. Try again.
    pub fn make_current(&self, generation: u64) -> Result<(), ViewError> {
        match &self.kind {
            Kind::Memory(place) => place.make_current(generation),
            Kind::Disk(place) => place.make_current(generation),
        }
    }

    /// Removes a generation, and gives back its space; nothing when there is no such generation.
    ///
    /// # Errors
    /// [`ViewError::InUse`] for the current generation, and while its table or a reader is open:
    /// nothing was removed. [`ViewError::Io`]: try again.
    pub fn remove(&self, generation: u64) -> Result<(), ViewError> {
        match &self.kind {
            Kind::Memory(place) => place.remove(generation),
            Kind::Disk(place) => place.remove(generation),
        }
    }

    /// Opens the table of a generation, or makes an empty one.
    ///
    /// # Errors
    /// [`ViewError::InUse`] while it, or a reader of it, is open; [`ViewError::Damaged`] or
    /// [`ViewError::NewerFormat`]: rebuild the view in another generation; [`ViewError::Io`]. No row
    /// was changed.
    pub fn table(&self, generation: u64) -> Result<Table, ViewError> {
        let writer = match &self.kind {
            Kind::Memory(place) => Box::new(place.table(generation)?),
            Kind::Disk(place) => place.table(generation)?,
        };
        Ok(Table::new(writer, self.sealer.clone()))
    }

    /// The state saved last for a generation; none when none was.
    ///
    /// # Errors
    /// [`ViewError::Damaged`] or [`ViewError::NewerFormat`]: rebuild the view; [`ViewError::Io`].
    /// Nothing was changed.
    pub fn load_state(&self, generation: u64) -> Result<Option<Vec<u8>>, ViewError> {
        match &self.kind {
            Kind::Memory(place) => Ok(place.load_state(generation)),
            Kind::Disk(place) => place.load_state(generation),
        }
    }

    /// Saves the state of a generation in place of the one before. Durable when it returns.
    ///
    /// # Errors
    /// [`ViewError::Io`]: the state before, or this one, will be loaded. Try again.
    pub fn save_state(&self, generation: u64, state: &[u8]) -> Result<(), ViewError> {
        match &self.kind {
            Kind::Memory(place) => place.save_state(generation, state),
            Kind::Disk(place) => place.save_state(generation, state),
        }
    }
}

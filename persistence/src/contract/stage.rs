//! A stage: a place where a store under test is opened and reopened.

use crate::store::Store;

/// A place for one store: it can be opened, dropped, and opened again with the same contents. A new
/// stage is empty.
///
/// Every `Fn() -> Store` is a stage.
pub trait Stage {
    /// Opens the store. The one opened before has been dropped, including its readers.
    ///
    /// # Panics
    /// Panics if the store does not open: the case has failed.
    fn open(&self) -> Store;
}

impl<F: Fn() -> Store> Stage for F {
    fn open(&self) -> Store {
        self()
    }
}

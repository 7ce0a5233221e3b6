//! Projections into a database of the user: effects and their position are stored in one transaction, so that
//! each event counts exactly once.
//!
//! `database_trait` (what users implement), `batch` (the events that are handed over), `target` (hands them over)
//! and `handle` (the running projection).

mod batch;
mod database_trait;
mod handle;
mod target;

use std::sync::{Arc, Mutex};

use actuarius_domain::Aggregate;

pub use batch::EventBatch;
pub use database_trait::Database;
pub use handle::InDatabase;

use super::builder::{ProjectionBuilder, ProjectionKind};
use crate::follow::followers::StartError;
use crate::inner::Inner;
use target::{DatabaseSource, Selection};

/// The settings of a projection into a database of the user.
#[doc(hidden)]
pub struct DatabaseSettings<D> {
    database: D,
    selection: Selection,
}

impl<D: Database> ProjectionKind for InDatabase<D> {
    type Settings = DatabaseSettings<D>;
}

impl<D: Database> ProjectionBuilder<InDatabase<D>> {
    pub(crate) fn in_database(inner: Arc<Inner>, name: String, database: D) -> Self {
        Self::with(inner, name, DatabaseSettings { database, selection: Selection::default() })
    }

    /// Adds an aggregate type whose events are handed over. Call it for each type.
    pub fn on<A: Aggregate>(mut self) -> Self {
        self.check::<A>();
        self.settings.selection.categories.push(A::TYPE);
        self
    }

    /// Hands over the end of each stream of the aggregate type `A`, too: a [`RawEvent`](super::RawEvent) that
    /// [`is_deletion`](super::RawEvent::is_deletion), and that decodes to no event.
    ///
    /// The events before the end are removed from the log. A database that is filled later receives none of them, and
    /// the end all the same. So it depends on the order of the log alone if it keeps nothing of an aggregate after its
    /// end.
    pub fn on_deleted<A: Aggregate>(mut self) -> Self {
        self.check::<A>();
        self.settings.selection.ends.push(A::TYPE);
        self
    }

    /// Sets how many events a batch has at most. Default: 1,000.
    ///
    /// The events of one command are never separated. So many events share the cost of a transaction, and
    /// keep it short.
    pub fn batch_events(mut self, events: usize) -> Self {
        self.settings.selection.batch_events = events.max(1) as u64;
        self
    }

    /// Starts the projection at the database's position.
    ///
    /// # Errors
    /// [`StartError`]; nothing was projected. [`StartError::Ahead`]: the database has events that the log
    /// does not have. It belongs to another store, or the store was restored from a backup.
    pub async fn start(self) -> Result<InDatabase<D>, StartError> {
        let registration = self.register(&self.settings.selection.types())?;
        let Self { inner, name, settings, retry, .. } = self;
        let DatabaseSettings { database, selection } = settings;
        let (engine, selection) = (inner.engine.clone(), Arc::new(selection));
        let database = Mutex::new(Some(database));
        let source = DatabaseSource { name, engine, selection: selection.clone(), database };
        let engine = inner.engine.clone();
        let (projection, orders) = Self::run(inner, registration, retry, source).await?;
        Ok(InDatabase { projection, engine, selection, orders })
    }
}

//! Projections into a database of the user: effects and their position are stored in one transaction, so that
//! each event counts exactly once.
//!
//! `database_trait` (what users implement), `selection` (which events are handed over), `batch` (some of them),
//! `target` (hands them over) and `handle` (the running projection).

mod batch;
mod database_trait;
mod handle;
mod selection;
mod target;

use std::sync::{Arc, Mutex};

use actuarius_domain::Aggregate;

pub use batch::EventBatch;
pub use database_trait::Database;
pub use handle::InDatabase;

use super::builder::{ProjectionBuilder, ProjectionKind};
use super::target::BATCH_TIME_ON_DISK;
use crate::follow::followers::StartError;
use crate::inner::Inner;
use selection::Selection;
use target::DatabaseSource;

/// The settings of a projection into a database of the user.
#[doc(hidden)]
pub struct DatabaseSettings<D> {
    database: D,
    selection: Selection,
    accepts_widening: bool,
}

impl<D: Database> ProjectionKind for InDatabase<D> {
    type Settings = DatabaseSettings<D>;
}

impl<D: Database> ProjectionBuilder<InDatabase<D>> {
    pub(crate) fn in_database(inner: Arc<Inner>, name: String, database: D) -> Self {
        let (selection, accepts_widening) = (Selection::default(), false);
        let settings = DatabaseSettings { database, selection, accepts_widening };
        Self::with(inner, name, settings, BATCH_TIME_ON_DISK)
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

    /// Lets the projection continue at the database's position although it follows further aggregate types, or further
    /// ends of streams, than at its last start. The database then lacks their earlier events:
    /// [`rebuild_beside`](InDatabase::rebuild_beside) fills another one from the first event on.
    pub fn accepts_widening(mut self) -> Self {
        self.settings.accepts_widening = true;
        self
    }

    /// Starts the projection at the database's position.
    ///
    /// # Errors
    /// [`StartError`]; nothing was projected. [`StartError::Ahead`]: the database has events that the log
    /// does not have. It belongs to another store, or the store was restored from a backup.
    /// [`StartError::Widened`]: it follows more than at its last start, and the database has passed the earlier ones of
    /// these events.
    pub async fn start(self) -> Result<InDatabase<D>, StartError> {
        let registration = self.register(&self.settings.selection.types())?;
        let Self { inner, name, settings, manner, .. } = self;
        let DatabaseSettings { database, selection, accepts_widening } = settings;
        let (engine, selection) = (inner.engine.clone(), Arc::new(selection));
        let recorded = selection.recorded(&engine, &name).await?;
        let widened_by =
            if accepts_widening { vec![] } else { selection.beyond(recorded.as_ref()) };
        let parts = (Mutex::new(Some(database)), Mutex::new(widened_by));
        let source = DatabaseSource::of(name.clone(), engine.clone(), selection.clone(), parts);
        let (projection, orders) = Self::run(inner, registration, manner, source).await?;
        selection.record(&engine, &name, recorded.as_ref()).await;
        Ok(InDatabase { projection, engine, selection, orders })
    }
}

//! Projections into a database of the user: effects and their position are stored in one transaction, so that
//! each event counts exactly once.
//!
//! `batch` (the events that are handed over), `target` (hands them over) and this file (what users implement,
//! and the handle).

mod batch;
mod target;

use std::ops::Deref;
use std::sync::{Arc, Mutex};

use actuarius_domain::{Aggregate, Position};
use tokio::sync::mpsc;

pub use batch::EventBatch;

use super::builder::{ProjectionBuilder, ProjectionKind};
use super::handle::ProjectionHandle;
use super::rebuild::{Order, Rebuild, order};
use crate::engine::Engine;
use crate::follow::followers::{BoxError, StartError};
use crate::inner::Inner;
use target::{DatabaseSource, DatabaseTarget, Selection};

/// A database of your own, which stores a view and its position.
///
/// Its methods may block: they run on blocking threads, one at a time. A panic in one counts as its failure.
///
/// ```
/// use actuarius::Position;
/// use actuarius::error::BoxError;
/// use actuarius::projection::{Database, EventBatch};
/// # use actuarius::{Aggregate, Context};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Customer;
/// # #[derive(Serialize, Deserialize)]
/// # enum CustomerEvent { Paid(i64) }
/// # impl Aggregate for Customer {
/// #     const TYPE: &'static str = "customer";
/// #     type Command = ();
/// #     type Event = CustomerEvent;
/// #     type Error = std::convert::Infallible;
/// #     fn decide(&self, (): (), _: &Context) -> Result<Vec<CustomerEvent>, Self::Error> { Ok(vec![]) }
/// #     fn apply(&mut self, _: &CustomerEvent) {}
/// # }
/// struct Report { connection: rusqlite::Connection }
///
/// impl Database for Report {
///     fn position(&mut self) -> Result<Position, BoxError> {
///         let find = "SELECT coalesce(max(position), 0) FROM progress";
///         let position: i64 = self.connection.query_row(find, [], |row| row.get(0))?;
///         Ok(Position::new(position.try_into()?))
///     }
///
///     fn project(&mut self, batch: &EventBatch<'_>) -> Result<(), BoxError> {
///         let transaction = self.connection.transaction()?;
///         for event in batch.events() {
///             for envelope in event.decode::<Customer>()? {
///                 let CustomerEvent::Paid(cents) = envelope.event;
///                 let add = "INSERT INTO spent VALUES (?1, ?2)
///                            ON CONFLICT (customer) DO UPDATE SET cents = cents + ?2";
///                 transaction.execute(add, (event.id(), cents))?;
///             }
///         }
///         let store = "INSERT OR REPLACE INTO progress VALUES (1, ?1)";
///         transaction.execute(store, [i64::try_from(batch.position().get())?])?;
///         Ok(transaction.commit()?)
///     }
/// }
/// # let connection = rusqlite::Connection::open_in_memory().unwrap();
/// # connection.execute_batch("CREATE TABLE progress (id INTEGER PRIMARY KEY, position INTEGER)").unwrap();
/// # assert_eq!(Report { connection }.position().unwrap(), Position::NONE);
/// ```
pub trait Database: Send + 'static {
    /// Returns the position of the last stored batch, [`Position::NONE`] if there is none. Called at the start
    /// and after a failure.
    ///
    /// # Errors
    /// Any error of the database. The call is retried like [`project`](Self::project).
    fn position(&mut self) -> Result<Position, BoxError>;

    /// Stores the effects of a batch of events, and [`EventBatch::position`], in one transaction.
    ///
    /// # Errors
    /// Any error of the database. Then [`position`](Self::position) is called, and the projection continues
    /// from there, so it does not matter whether the transaction was committed.
    fn project(&mut self, batch: &EventBatch<'_>) -> Result<(), BoxError>;

    /// Makes this database the one that is read, at the end of a [rebuild](InDatabase::rebuild_beside), for
    /// example by renaming tables in one transaction. It may be called again after a failure.
    ///
    /// # Errors
    /// Any error of the database; the call is retried. If it fails permanently, this database is dropped, and
    /// the one before continues from its position.
    fn take_over(&mut self) -> Result<(), BoxError> {
        Ok(())
    }
}

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
        self.settings.selection.categories.push(A::TYPE);
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
        let registration = self.register(self.settings.selection.categories.is_empty())?;
        let Self { inner, name, settings: DatabaseSettings { database, selection }, retry } = self;
        let (engine, selection) = (inner.engine.clone(), Arc::new(selection));
        let database = Mutex::new(Some(database));
        let source = DatabaseSource { name, engine, selection: selection.clone(), database };
        let engine = inner.engine.clone();
        let (projection, orders) = Self::run(inner, registration, retry, source).await?;
        Ok(InDatabase { projection, engine, selection, orders })
    }
}

/// A running projection into a database of your own. Read the view from the database.
///
/// It dereferences to [`ProjectionHandle`], which has the methods of all projections.
pub struct InDatabase<D> {
    projection: ProjectionHandle,
    engine: Arc<Engine>,
    selection: Arc<Selection>,
    orders: mpsc::Sender<Order<DatabaseTarget<D>>>,
}

impl<D> Clone for InDatabase<D> {
    fn clone(&self) -> Self {
        let (projection, engine) = (self.projection.clone(), self.engine.clone());
        Self { projection, engine, selection: self.selection.clone(), orders: self.orders.clone() }
    }
}

impl<D> Deref for InDatabase<D> {
    type Target = ProjectionHandle;

    fn deref(&self) -> &ProjectionHandle {
        &self.projection
    }
}

impl<D: Database> InDatabase<D> {
    /// Rebuilds the view in another database, from that one's position, while this one is still read. When it
    /// has caught up, its [`take_over`](Database::take_over) is called and it replaces this one, which is
    /// dropped before the rebuild ends.
    pub fn rebuild_beside(&self, other: D) -> Rebuild {
        let (engine, selection) = (self.engine.clone(), self.selection.clone());
        order(&self.orders, Some(DatabaseTarget::unchecked(other, engine, selection)))
    }
}

//! `Database`: what a user implements to store a view in a database.

use actuarius_domain::Position;
use uuid::Uuid;

use super::batch::EventBatch;
use crate::follow::followers::BoxError;

/// A database of your own, which stores a view and its position.
///
/// Its methods may block: they run on threads that no request waits for, one at a time. A panic in one counts as
/// its failure.
///
/// ```
/// use actuarius::Position;
/// use actuarius::error::BoxError;
/// use actuarius::projection::{Database, EventBatch};
/// use actuarius::store::Uuid;
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
///     fn store(&mut self) -> Result<Option<Uuid>, BoxError> {
///         let find = "SELECT max(store) FROM progress";
///         let store: Option<String> = self.connection.query_row(find, [], |row| row.get(0))?;
///         Ok(store.map(|store| store.parse()).transpose()?)
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
///         let store = "INSERT OR REPLACE INTO progress VALUES (1, ?1, ?2)";
///         let position = i64::try_from(batch.position().get())?;
///         transaction.execute(store, (position, batch.store().to_string()))?;
///         Ok(transaction.commit()?)
///     }
/// }
/// # let connection = rusqlite::Connection::open_in_memory().unwrap();
/// # connection.execute_batch("CREATE TABLE progress (id INTEGER PRIMARY KEY, position INTEGER, store TEXT)").unwrap();
/// # assert_eq!(Report { connection }.position().unwrap(), Position::NONE);
/// ```
pub trait Database: Send + 'static {
    /// Returns the position of the last stored batch, [`Position::NONE`] if there is none. Called at the start
    /// and after a failure.
    ///
    /// # Errors
    /// Any error of the database. The call is retried like [`project`](Self::project).
    fn position(&mut self) -> Result<Position, BoxError>;

    /// Returns the identity of the store whose events the database has: what [`EventBatch::store`] returned for the
    /// last stored batch. Called after [`position`](Self::position).
    ///
    /// A store that is restored from a backup gets a new identity, and knows up to which position it shares the history
    /// of the old one. If the database is after that, the projection is refused
    /// ([`StartError::OtherHistory`](crate::error::StartError::OtherHistory)), because the database has events that the
    /// store does not have. With the default, `None`, that is noticed only while the log is shorter than the database.
    ///
    /// # Errors
    /// Any error of the database. The call is retried like [`project`](Self::project).
    fn store(&mut self) -> Result<Option<Uuid>, BoxError> {
        Ok(None)
    }

    /// Stores the effects of a batch of events, [`EventBatch::position`] and [`EventBatch::store`], in one transaction.
    ///
    /// # Errors
    /// Any error of the database. Then [`position`](Self::position) is called, and the projection continues
    /// from there, so it does not matter whether the transaction was committed.
    fn project(&mut self, batch: &EventBatch<'_>) -> Result<(), BoxError>;

    /// Makes this database the one that is read, at the end of a [rebuild](crate::projection::InDatabase::rebuild_beside), for
    /// example by renaming tables in one transaction. It may be called again after a failure.
    ///
    /// # Errors
    /// Any error of the database; the call is retried. If it fails permanently, this database is dropped, and
    /// the one before continues from its position.
    fn take_over(&mut self) -> Result<(), BoxError> {
        Ok(())
    }
}

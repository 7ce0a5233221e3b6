//! A repository of events for cqrs-es in SQLite, which the library leaves to its users: one table, whose primary key
//! detects conflicts, and one durable transaction for each command.

use std::path::Path;
use std::sync::Arc;

use cqrs_es::Aggregate;
use cqrs_es::persist::{
    PersistedEventRepository, PersistenceError, ReplayStream, SerializedEvent, SerializedSnapshot,
};
use rusqlite::{Connection, ErrorCode, Row, params};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::task::block_in_place;

type Persisted<T> = std::result::Result<T, PersistenceError>;

/// How many connections read at the same time.
const READERS: usize = 4;

/// One connection that writes, because SQLite has one writer at a time, and some that read.
#[derive(Clone)]
pub(crate) struct SqliteEvents {
    writer: Arc<Mutex<Connection>>,
    readers: Arc<Vec<Mutex<Connection>>>,
}

impl SqliteEvents {
    /// Creates the database. A transaction is durable when it ends, as an acknowledged command of Actuarius is.
    pub(crate) fn create(path: &Path) -> rusqlite::Result<Self> {
        let writer = Connection::open(path)?;
        writer.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE events (
                 aggregate_id TEXT NOT NULL, sequence INTEGER NOT NULL, aggregate_type TEXT NOT NULL,
                 event_type TEXT NOT NULL, event_version TEXT NOT NULL, payload TEXT NOT NULL,
                 metadata TEXT NOT NULL, PRIMARY KEY (aggregate_type, aggregate_id, sequence)
             ) WITHOUT ROWID",
        )?;
        let readers = (0..READERS).map(|_| Connection::open(path).map(Mutex::new));
        Ok(Self {
            writer: Arc::new(Mutex::new(writer)),
            readers: Arc::new(readers.collect::<Result<_, _>>()?),
        })
    }

    async fn read(&self, kind: &str, id: &str, after: usize) -> Persisted<Vec<SerializedEvent>> {
        let chosen = id.bytes().fold(0, |sum, byte| sum + usize::from(byte)) % READERS;
        let connection = self.readers[chosen].lock().await;
        block_in_place(|| events_of(&connection, kind, id, after)).map_err(unknown)
    }
}

impl PersistedEventRepository for SqliteEvents {
    async fn get_events<A: Aggregate>(&self, id: &str) -> Persisted<Vec<SerializedEvent>> {
        self.read(A::TYPE, id, 0).await
    }

    async fn get_last_events<A: Aggregate>(
        &self,
        id: &str,
        last: usize,
    ) -> Persisted<Vec<SerializedEvent>> {
        self.read(A::TYPE, id, last).await
    }

    /// The events alone are stored.
    async fn get_snapshot<A: Aggregate>(&self, _: &str) -> Persisted<Option<SerializedSnapshot>> {
        Ok(None)
    }

    async fn persist<A: Aggregate>(
        &self,
        events: &[SerializedEvent],
        _: Option<(String, Value, usize)>,
    ) -> Persisted<()> {
        let mut connection = self.writer.lock().await;
        block_in_place(|| insert(&mut connection, events)).map_err(|error| {
            match error.sqlite_error_code() {
                Some(ErrorCode::ConstraintViolation) => PersistenceError::OptimisticLockError,
                _ => unknown(error),
            }
        })
    }

    async fn stream_events<A: Aggregate>(&self, id: &str) -> Persisted<ReplayStream> {
        let events = self.read(A::TYPE, id, 0).await?;
        let (mut feed, stream) = ReplayStream::new(events.len().max(1));
        for event in events {
            feed.push(Ok(event)).await?;
        }
        Ok(stream)
    }

    /// The comparison reads one aggregate at a time.
    async fn stream_all_events<A: Aggregate>(&self) -> Persisted<ReplayStream> {
        Err(unknown(std::io::Error::from(std::io::ErrorKind::Unsupported)))
    }
}

fn events_of(
    connection: &Connection,
    kind: &str,
    id: &str,
    after: usize,
) -> rusqlite::Result<Vec<SerializedEvent>> {
    let mut statement = connection.prepare_cached(
        "SELECT aggregate_id, sequence, aggregate_type, event_type, event_version, payload, metadata
         FROM events WHERE aggregate_type = ?1 AND aggregate_id = ?2 AND sequence > ?3 ORDER BY sequence",
    )?;
    statement.query_map(params![kind, id, after as i64], event)?.collect()
}

fn event(row: &Row<'_>) -> rusqlite::Result<SerializedEvent> {
    Ok(SerializedEvent {
        aggregate_id: row.get(0)?,
        sequence: row.get::<_, i64>(1)? as usize,
        aggregate_type: row.get(2)?,
        event_type: row.get(3)?,
        event_version: row.get(4)?,
        payload: json(row, 5)?,
        metadata: json(row, 6)?,
    })
}

fn json(row: &Row<'_>, column: usize) -> rusqlite::Result<Value> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
    })
}

fn insert(connection: &mut Connection, events: &[SerializedEvent]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for event in events {
        let sql = "INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        transaction.prepare_cached(sql)?.execute(params![
            event.aggregate_id,
            event.sequence as i64,
            event.aggregate_type,
            event.event_type,
            event.event_version,
            event.payload.to_string(),
            event.metadata.to_string(),
        ])?;
    }
    transaction.commit()
}

fn unknown(error: impl std::error::Error + Send + Sync + 'static) -> PersistenceError {
    PersistenceError::UnknownError(Box::new(error))
}

//! A projection into a SQLite database.

use std::path::Path;

use actuarius::error::BoxError;
use actuarius::projection::{Database, EventBatch};
use actuarius::store::Uuid;
use actuarius::{Position, Runtime};
use rusqlite::{Connection, params};

use crate::account::AccountCommand::Deposit;
use crate::account::{Account, AccountEvent, open};

// region: database
/// Every deposit, as a table that reports are made from.
struct Deposits {
    connection: Connection,
}

impl Deposits {
    fn open(path: &Path) -> Result<Self, BoxError> {
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS deposit (account TEXT, cents INTEGER, micros INTEGER);
             CREATE TABLE IF NOT EXISTS progress
                 (id INTEGER PRIMARY KEY, position INTEGER, store TEXT);",
        )?;
        Ok(Self { connection })
    }
}

impl Database for Deposits {
    fn position(&mut self) -> Result<Position, BoxError> {
        let find = "SELECT coalesce(max(position), 0) FROM progress";
        let position: i64 = self.connection.query_row(find, [], |row| row.get(0))?;
        Ok(Position::new(position.try_into()?))
    }

    fn store(&mut self) -> Result<Option<Uuid>, BoxError> {
        let find = "SELECT max(store) FROM progress";
        let store: Option<String> = self.connection.query_row(find, [], |row| row.get(0))?;
        Ok(store.map(|store| store.parse()).transpose()?)
    }

    fn project(&mut self, batch: &EventBatch<'_>) -> Result<(), BoxError> {
        let transaction = self.connection.transaction()?;
        for event in batch.events() {
            for envelope in event.decode::<Account>()? {
                let AccountEvent::Deposited { cents } = envelope.event else { continue };
                let insert = "INSERT INTO deposit VALUES (?1, ?2, ?3)";
                let micros = event.time().as_micros();
                transaction.execute(insert, params![event.id(), cents, micros])?;
            }
        }
        let store = "INSERT OR REPLACE INTO progress VALUES (1, ?1, ?2)";
        let position = i64::try_from(batch.position().get())?;
        transaction.execute(store, (position, batch.store().to_string()))?;
        Ok(transaction.commit()?)
    }
}
// endregion: database

#[tokio::test]
async fn a_database_is_continued_after_a_stop_and_rebuilt() -> Result<(), BoxError> {
    let (runtime, directory) = (Runtime::in_memory().await?, tempfile::tempdir()?);
    let path = directory.path().join("deposits.sqlite");
    let accounts = runtime.host::<Account>();
    // region: start
    let deposits = runtime.database("deposits", Deposits::open(&path)?).on::<Account>();
    let deposits = deposits.start().await?;
    accounts.execute("alice", Deposit { cents: 500 }).consistent_with(&deposits).await?;
    // endregion: start
    deposits.stop().await;
    accounts.execute("alice", open("Alice")).await?;
    accounts.execute("alice", Deposit { cents: 300 }).await?;
    let deposits = runtime.database("deposits", Deposits::open(&path)?).on::<Account>();
    let deposits = deposits.start().await?;
    deposits.wait_for(runtime.head()).await?;
    let sum = "SELECT count(*), sum(cents) FROM deposit";
    let sums = Connection::open(&path)?.query_row(sum, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    assert_eq!(sums, (2, 800));
    // region: rebuild
    let beside = directory.path().join("deposits.new.sqlite");
    deposits.rebuild_beside(Deposits::open(&beside)?).await?;
    // endregion: rebuild
    let sums = Connection::open(&beside)?
        .query_row(sum, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    assert_eq!(sums, (2, 800));
    Ok(())
}

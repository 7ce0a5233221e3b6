//! A view in a SQLite database: tables for SQL tools.

use std::path::Path;

use actuarius::Position;
use actuarius::error::BoxError;
use actuarius::projection::{Database, EventBatch};
use rusqlite::{CachedStatement, Connection, Transaction, params};

use crate::{Customer, CustomerEvent, Tier};

/// Tables in a SQLite file, for all tools that speak SQL: `customers` and `months`.
///
/// Their position is in the table `checkpoint`, and changes in the same transaction as they do. So each purchase
/// counts exactly once, even after a crash.
pub struct Report {
    connection: Connection,
}

impl Report {
    /// Raise this when the tables or the tiers change: the tables are then rebuilt.
    const VERSION: u32 = 1;

    /// Opens the file, or creates it.
    ///
    /// # Errors
    /// The error of SQLite. Existing tables are unchanged.
    pub fn open(file: &Path) -> Result<Self, rusqlite::Error> {
        let mut connection = Connection::open(file)?;
        // Readers do not wait for the writer. Transactions are not synced one by one: a power cut that loses one also
        // loses its checkpoint, and the events are projected again.
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "normal")?;
        let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version != Self::VERSION {
            make_tables(&mut connection)?;
        }
        Ok(Self { connection })
    }
}

/// Replaces tables of another version with empty ones.
fn make_tables(connection: &mut Connection) -> Result<(), rusqlite::Error> {
    let tiers: String = Tier::ALL
        .iter()
        .map(|tier| format!("when cents >= {} then '{}' ", tier.begins_at().0, tier.name()))
        .collect();
    let transaction = connection.transaction()?;
    transaction.execute_batch(&format!(
        "drop table if exists customers;
         drop table if exists months;
         drop table if exists checkpoint;
         create table customers (id text primary key, purchases integer, cds integer,
                                 cents integer, tier text as (case {tiers}end)) strict;
         create table months (month text primary key, purchases integer, cds integer,
                              cents integer) strict;
         create table checkpoint (position integer) strict;
         insert into checkpoint values (0);"
    ))?;
    transaction.pragma_update(None, "user_version", Report::VERSION)?;
    transaction.commit()
}

impl Database for Report {
    fn position(&mut self) -> Result<Position, BoxError> {
        let stored = "select position from checkpoint";
        Ok(Position::new(self.connection.query_one(stored, [], |row| row.get(0))?))
    }

    fn project(&mut self, batch: &EventBatch<'_>) -> Result<(), BoxError> {
        let transaction = self.connection.transaction()?;
        project(&transaction, batch)?;
        let position = batch.position().get();
        transaction.execute("update checkpoint set position = ?1", [position])?;
        Ok(transaction.commit()?)
    }
}

fn project(transaction: &Transaction<'_>, batch: &EventBatch<'_>) -> Result<(), BoxError> {
    let mut customers = adding(transaction, "customers", "id")?;
    let mut months = adding(transaction, "months", "month")?;
    for stored in batch.events() {
        for envelope in stored.decode::<Customer>()? {
            let CustomerEvent::Purchased { date, cds, cents } = &envelope.event;
            customers.execute(params![envelope.id.as_str(), cds, cents.0])?;
            months.execute(params![date.month().to_string(), cds, cents.0])?;
        }
    }
    Ok(())
}

/// A statement that adds a purchase to the row of a key.
fn adding<'a>(
    transaction: &'a Transaction<'_>,
    table: &str,
    key: &str,
) -> Result<CachedStatement<'a>, rusqlite::Error> {
    transaction.prepare_cached(&format!(
        "insert into {table} ({key}, purchases, cds, cents) values (?1, 1, ?2, ?3)
         on conflict do update set purchases = purchases + 1, cds = cds + excluded.cds,
                                   cents = cents + excluded.cents"
    ))
}

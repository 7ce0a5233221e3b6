//! Queries to the tables of the view `report`.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, Error, OpenFlags, Row, Transaction};

use crate::{Cents, Figures, Month, Spender, Sums, Tier, Totals};

/// A query that any SQL tool can run.
pub const BY_TIER: &str = "select tier, count(*), sum(purchases), sum(cds), sum(cents) \
                           from customers group by tier";

/// Queries the tables over a read-only connection.
pub(super) fn figures(file: &Path, best: usize) -> Result<Figures, Error> {
    let mut connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    // One transaction, so that all three results are of the same moment.
    let transaction = connection.transaction()?;
    Ok(Figures {
        months: months(&transaction)?,
        best: spenders(&transaction, best)?,
        tiers: tiers(&transaction)?,
    })
}

fn months(transaction: &Transaction<'_>) -> Result<BTreeMap<Month, Sums>, Error> {
    let mut statement = transaction.prepare("select month, purchases, cds, cents from months")?;
    statement.query_map([], |row| Ok((row.get(0)?, sums(row, 1)?)))?.collect()
}

fn spenders(transaction: &Transaction<'_>, best: usize) -> Result<Vec<Spender>, Error> {
    let mut statement = transaction.prepare(
        "select id, purchases, cds, cents from customers order by cents desc, id desc limit ?1",
    )?;
    let spender = |row: &Row<'_>| Ok(Spender { id: row.get(0)?, bought: sums(row, 1)? });
    statement.query_map([best], spender)?.collect()
}

fn tiers(transaction: &Transaction<'_>) -> Result<Vec<(Tier, Totals)>, Error> {
    let mut statement = transaction.prepare(BY_TIER)?;
    let totals = |row: &Row<'_>| -> Result<Totals, Error> {
        Ok(Totals { customers: row.get(1)?, bought: sums(row, 2)? })
    };
    let found = statement.query_map([], |row| Ok((row.get(0)?, totals(row)?)))?;
    let mut found: BTreeMap<Tier, Totals> = found.collect::<Result<_, Error>>()?;
    // The result contains no row for a tier without customers.
    Ok(Tier::ALL.map(|tier| (tier, found.remove(&tier).unwrap_or_default())).to_vec())
}

/// The three sums, starting at this column.
fn sums(row: &Row<'_>, first: usize) -> Result<Sums, Error> {
    let (purchases, cds) = (row.get(first)?, row.get(first + 1)?);
    Ok(Sums { purchases, cds, spent: Cents(row.get(first + 2)?) })
}

impl FromSql for Month {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map_err(FromSqlError::other)
    }
}

impl FromSql for Tier {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Self::named(value.as_str()?).ok_or(FromSqlError::InvalidType)
    }
}

//! The view of all statements, as rows on disk.

use actuarius::Envelope;
use actuarius::projection::{KeyedProjection, Rows, View};
use serde::{Deserialize, Serialize};

use crate::{Account, AccountEvent, Cents};

/// The statements of all accounts, line by line and permanently. This is too much for memory, so the rows are on
/// disk. The key consists of the account and the number of the line, so that
/// [`within`](actuarius::projection::Listing::within) lists the lines of an account in their order.
pub struct Statements;

/// A line of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What happened.
    pub event: AccountEvent,
    /// The balance after it.
    pub balance: Cents,
}

impl View for Statements {
    type Key = (String, u64);
    type Row = Line;
}

impl KeyedProjection<Account> for Statements {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Account>) {
        let (account, event) = (envelope.id.to_string(), envelope.event);
        // Versions are 1, 2, 3 … without gaps. No line precedes the first one.
        let number = envelope.header.version.get();
        let mut key = (account, number - 1);
        let before = rows.get(&key).map_or(Cents::ZERO, |line| line.balance);
        key.1 = number;
        rows.put(key, Line { event, balance: event.balance_after(before) });
    }
}

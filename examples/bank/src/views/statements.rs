use actuarius::Envelope;
use actuarius::projection::{KeyedProjection, Rows, View};
use serde::{Deserialize, Serialize};

use crate::{Account, AccountEvent, Cents};

/// The statements of all accounts, line by line, for ever: too much for memory, so the rows are on
/// disk. The key is the account and the number of the line, so that the lines of an account are
/// [`within`](actuarius::projection::Listing::within) it, in their order.
pub struct Statements;

/// A line of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What happened.
    pub event: AccountEvent,
    /// The balance behind it.
    pub balance: Cents,
}

impl View for Statements {
    type Key = (String, u64);
    type Row = Line;
}

impl KeyedProjection<Account> for Statements {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Account>) {
        let (account, event) = (envelope.id.to_string(), envelope.event);
        // Versions are 1, 2, 3 … without gaps; the first line has none before it.
        let number = envelope.header.version.get();
        let mut key = (account, number - 1);
        let before = rows.get(&key).map_or(Cents::ZERO, |line| line.balance);
        key.1 = number;
        rows.put(key, Line { event, balance: event.behind(before) });
    }
}

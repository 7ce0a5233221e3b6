//! The view of all balances, in memory.

use std::collections::BTreeMap;

use actuarius::Envelope;
use actuarius::projection::Projection;
use serde::{Deserialize, Serialize};

use crate::{Account, AccountEvent, Cents};

/// The balances of all open accounts, in memory, for frequent reads of all of them together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balances(BTreeMap<String, Cents>);

impl Balances {
    /// The balance of an open account.
    #[must_use]
    pub fn of(&self, account: &str) -> Option<Cents> {
        self.0.get(account).copied()
    }

    /// The number of open accounts.
    #[must_use]
    pub fn open_accounts(&self) -> usize {
        self.0.len()
    }

    /// The account with the largest balance, and that balance. Of several, the first by name.
    #[must_use]
    pub fn largest(&self) -> Option<(&str, Cents)> {
        let balances = self.0.iter().rev();
        balances.max_by_key(|(_, balance)| **balance).map(|(name, balance)| (&**name, *balance))
    }
}

impl Projection<Account> for Balances {
    fn project(&mut self, envelope: &Envelope<Account>) {
        if envelope.event == AccountEvent::Closed {
            self.0.remove(envelope.id.as_str());
            return;
        }
        let balance = self.0.entry(envelope.id.to_string()).or_default();
        *balance = envelope.event.balance_after(*balance);
    }
}

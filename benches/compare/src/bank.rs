//! The bank that every candidate runs: the same commands to the same accounts.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actuarius_bench::Result;
use actuarius_bench::clients::{Answer, Extent, Load, Seen, Target, drive};
use actuarius_bench::distribution::{Chooser, Distribution};
use serde::{Deserialize, Serialize};

/// The opening balance of each account, which covers any number of withdrawals.
const OPENING_BALANCE: i64 = 1_000_000_000_000;

/// The number of hexadecimal digits of a movement's reference, which determines its kind and amount.
const REFERENCE: usize = 24;

/// The commands of an account. Amounts are in cents.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    Open(i64),
    Deposit(i64, String),
    Withdraw(i64, String),
}

/// The events of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Event {
    Opened { balance: i64 },
    Deposited { amount: i64, reference: String },
    Withdrawn { amount: i64, reference: String },
}

/// Why an account refuses a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    IsOpen,
    IsNotOpen,
    NotCovered,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::IsOpen => "the account is already open",
            Self::IsNotOpen => "there is no such account",
            Self::NotCovered => "the balance does not cover the withdrawal",
        })
    }
}

impl std::error::Error for Refusal {}

/// An account: its rules, independent of the library that runs them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    open: bool,
    balance: i64,
    /// The number of its movements, to detect lost ones.
    pub(crate) movements: u64,
}

impl Account {
    pub(crate) fn decide_event(&self, command: Command) -> std::result::Result<Event, Refusal> {
        match command {
            Command::Open(_) if self.open => Err(Refusal::IsOpen),
            Command::Open(balance) => Ok(Event::Opened { balance }),
            _ if !self.open => Err(Refusal::IsNotOpen),
            Command::Deposit(amount, reference) => Ok(Event::Deposited { amount, reference }),
            Command::Withdraw(amount, _) if amount > self.balance => Err(Refusal::NotCovered),
            Command::Withdraw(amount, reference) => Ok(Event::Withdrawn { amount, reference }),
        }
    }

    pub(crate) fn apply_event(&mut self, event: &Event) {
        match event {
            Event::Opened { balance } => (self.open, self.balance) = (true, *balance),
            Event::Deposited { amount, .. } => self.balance += amount,
            Event::Withdrawn { amount, .. } => self.balance -= amount,
        }
        self.movements += u64::from(!matches!(event, Event::Opened { .. }));
    }
}

/// A library that runs the bank.
pub(crate) trait Candidate: Clone + Send + Sync + 'static {
    fn execute(
        &self,
        account: usize,
        command: Command,
    ) -> impl Future<Output = std::result::Result<(), String>> + Send;

    /// The number of the account's movements, by its events.
    fn movements(&self, account: usize) -> impl Future<Output = Result<u64>> + Send;
}

/// Sends commands, and counts those that were acknowledged.
#[derive(Clone)]
struct Teller<C> {
    candidate: C,
    opening: bool,
    acknowledged: Arc<AtomicU64>,
}

impl<C: Candidate> Target for Teller<C> {
    async fn send(&self, account: usize, reference: String) -> Answer {
        let command =
            if self.opening { Command::Open(OPENING_BALANCE) } else { movement(reference) };
        match self.candidate.execute(account, command).await {
            Ok(()) => {
                self.acknowledged.fetch_add(1, Ordering::Relaxed);
                Answer::Done
            }
            Err(why) => Answer::Failed(why),
        }
    }

    fn syncs(&self) -> u64 {
        actuarius_bench::syncs::so_far()
    }
}

/// Derives a movement from a random reference, so that all candidates get the same movements.
fn movement(reference: String) -> Command {
    let number = reference.bytes().fold(0_i64, |sum, byte| sum * 31 % 1_000_003 + i64::from(byte));
    let amount = 1 + number % 10_000;
    if number % 2 == 0 {
        Command::Deposit(amount, reference)
    } else {
        Command::Withdraw(amount, reference)
    }
}

/// The load on the bank.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BankLoad {
    pub(crate) clients: usize,
    pub(crate) accounts: usize,
    pub(crate) distribution: Distribution,
    pub(crate) warm_up: Duration,
    pub(crate) extent: Extent,
}

/// Opens the accounts, then moves money. Returns the results of the clients, and the number of acknowledged movements
/// that are missing in the accounts.
pub(crate) async fn run<C: Candidate>(candidate: C, load: BankLoad) -> Result<(Seen, u64)> {
    let teller = Teller { candidate, opening: true, acknowledged: Arc::default() };
    let opening = Load {
        clients: load.clients.min(load.accounts),
        chooser: Chooser::in_turn(load.accounts).into(),
        payload_bytes: 0,
        warm_up: Duration::ZERO,
        extent: Extent::Commands(load.accounts as u64),
        seed: 1,
    };
    drive(&teller, &opening).await?;
    let moving = Load {
        clients: load.clients,
        chooser: Chooser::new(load.distribution, load.accounts).into(),
        payload_bytes: REFERENCE,
        warm_up: load.warm_up,
        extent: load.extent,
        seed: 42,
    };
    let teller = Teller { opening: false, acknowledged: Arc::default(), ..teller };
    let seen = drive(&teller, &moving).await?;
    let mut known = 0;
    for account in 0..load.accounts {
        known += teller.candidate.movements(account).await?;
    }
    Ok((seen, teller.acknowledged.load(Ordering::Relaxed).saturating_sub(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_make_both_kinds_of_movements() {
        let kinds: Vec<_> = (0..100).map(|number| movement(format!("{number:024x}"))).collect();
        let deposits = kinds.iter().filter(|kind| matches!(kind, Command::Deposit(..))).count();
        assert!((20..80).contains(&deposits), "{deposits}");
    }

    #[test]
    fn an_account_keeps_its_rules() {
        let mut account = Account::default();
        let refusal = account.decide_event(Command::Deposit(1, String::new()));
        assert_eq!(refusal, Err(Refusal::IsNotOpen));
        account.apply_event(&Event::Opened { balance: 10 });
        let refusal = account.decide_event(Command::Withdraw(11, String::new()));
        assert_eq!(refusal, Err(Refusal::NotCovered));
        account.apply_event(&account.decide_event(Command::Withdraw(10, String::new())).unwrap());
        assert_eq!((account.balance, account.movements), (0, 1));
    }
}

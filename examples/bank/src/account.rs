use actuarius::{Aggregate, Context};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Cents;

/// One account: its balance is the sum of what its events say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Where the account is in its life.
    pub status: Status,
    /// What is in it. Never negative.
    pub balance: Cents,
}

/// Where an account is in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Nobody has opened it yet.
    #[default]
    Unopened,
    /// Money can move.
    Open,
    /// It is closed for good.
    Closed,
}

/// What a customer can ask for. It can be stored, because a transfer that is under way has to outlive
/// a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountCommand {
    /// Open the account.
    Open,
    /// Put an amount in.
    Deposit(Cents),
    /// Take an amount out.
    Withdraw(Cents),
    /// Close the account, which must be empty.
    Close,
}

/// What happened to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountEvent {
    /// It was opened.
    Opened,
    /// An amount was put in.
    Deposited(Cents),
    /// An amount was taken out.
    Withdrawn(Cents),
    /// It was closed.
    Closed,
}

impl AccountEvent {
    /// The balance behind this event.
    #[must_use]
    pub fn behind(&self, balance: Cents) -> Cents {
        match self {
            Self::Opened | Self::Closed => balance,
            Self::Deposited(amount) => Cents(balance.0 + amount.0),
            Self::Withdrawn(amount) => Cents(balance.0 - amount.0),
        }
    }
}

/// Why the bank says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refused {
    /// The account is open already.
    #[error("the account is open already")]
    AlreadyOpen,
    /// Nobody has opened the account.
    #[error("the account was never opened")]
    NotOpen,
    /// The account was closed, which is for good.
    #[error("the account is closed")]
    Closed,
    /// An amount must be more than nothing.
    #[error("{0} is not an amount that can be moved")]
    NotPositive(Cents),
    /// The account holds less than was asked for.
    #[error("the balance of {balance} does not cover {needed}")]
    InsufficientFunds {
        /// What is there.
        balance: Cents,
        /// What was asked for.
        needed: Cents,
    },
    /// The balance would be more than can be counted.
    #[error("a balance of {balance} cannot take {amount} more")]
    TooMuch {
        /// What is there.
        balance: Cents,
        /// What was to be added.
        amount: Cents,
    },
    /// An account that holds money cannot be closed.
    #[error("the account still holds {0}")]
    NotEmpty(Cents),
}

impl Aggregate for Account {
    const TYPE: &'static str = "account";
    type Command = AccountCommand;
    type Event = AccountEvent;
    type Error = Refused;

    fn decide(&self, command: AccountCommand, _: &Context) -> Result<Vec<AccountEvent>, Refused> {
        match (self.status, command) {
            (Status::Unopened, AccountCommand::Open) => Ok(vec![AccountEvent::Opened]),
            (Status::Unopened, _) => Err(Refused::NotOpen),
            (Status::Closed, _) => Err(Refused::Closed),
            (Status::Open, AccountCommand::Open) => Err(Refused::AlreadyOpen),
            (Status::Open, AccountCommand::Deposit(amount)) => self.deposit(amount),
            (Status::Open, AccountCommand::Withdraw(amount)) => self.withdraw(amount),
            (Status::Open, AccountCommand::Close) => self.close(),
        }
    }

    fn apply(&mut self, event: &AccountEvent) {
        match event {
            AccountEvent::Opened => self.status = Status::Open,
            AccountEvent::Closed => self.status = Status::Closed,
            AccountEvent::Deposited(_) | AccountEvent::Withdrawn(_) => {}
        }
        self.balance = event.behind(self.balance);
    }
}

impl Account {
    fn deposit(&self, amount: Cents) -> Result<Vec<AccountEvent>, Refused> {
        positive(amount)?;
        match self.balance.plus(amount) {
            Some(_) => Ok(vec![AccountEvent::Deposited(amount)]),
            None => Err(Refused::TooMuch { balance: self.balance, amount }),
        }
    }

    fn withdraw(&self, amount: Cents) -> Result<Vec<AccountEvent>, Refused> {
        positive(amount)?;
        if amount > self.balance {
            return Err(Refused::InsufficientFunds { balance: self.balance, needed: amount });
        }
        Ok(vec![AccountEvent::Withdrawn(amount)])
    }

    fn close(&self) -> Result<Vec<AccountEvent>, Refused> {
        if self.balance != Cents::ZERO {
            return Err(Refused::NotEmpty(self.balance));
        }
        Ok(vec![AccountEvent::Closed])
    }
}

fn positive(amount: Cents) -> Result<(), Refused> {
    if amount > Cents::ZERO { Ok(()) } else { Err(Refused::NotPositive(amount)) }
}

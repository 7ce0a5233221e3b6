//! The account: its commands, events, refusals and rules.

use actuarius::{Aggregate, Context};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Cents;

/// One account. Its balance is the sum of its deposits and withdrawals.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The phase of the account's life.
    pub status: Status,
    /// The balance, which is never negative.
    pub balance: Cents,
}

/// The phase of an account's life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// The account has not been opened yet.
    #[default]
    Unopened,
    /// The account accepts deposits and withdrawals.
    Open,
    /// The account is permanently closed.
    Closed,
}

/// The commands of an account. They can be stored, because a transfer in progress must survive a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountCommand {
    /// Open the account.
    Open,
    /// Deposit an amount.
    Deposit(Cents),
    /// Withdraw an amount.
    Withdraw(Cents),
    /// Close the account, which must be empty.
    Close,
}

/// The events of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountEvent {
    /// The account was opened.
    Opened,
    /// An amount was deposited.
    Deposited(Cents),
    /// An amount was withdrawn.
    Withdrawn(Cents),
    /// The account was closed.
    Closed,
}

impl AccountEvent {
    /// The balance after this event.
    #[must_use]
    pub fn balance_after(&self, balance: Cents) -> Cents {
        match self {
            Self::Opened | Self::Closed => balance,
            Self::Deposited(amount) => Cents(balance.0 + amount.0),
            Self::Withdrawn(amount) => Cents(balance.0 - amount.0),
        }
    }
}

/// Why an account refuses a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refused {
    /// The account is already open.
    #[error("the account is open already")]
    AlreadyOpen,
    /// The account was never opened.
    #[error("the account was never opened")]
    NotOpen,
    /// The account is permanently closed.
    #[error("the account is closed")]
    Closed,
    /// An amount must be positive.
    #[error("{0} is not an amount that can be moved")]
    NotPositive(Cents),
    /// The balance does not cover the withdrawal.
    #[error("the balance of {balance} does not cover {needed}")]
    InsufficientFunds {
        /// The balance.
        balance: Cents,
        /// The amount of the withdrawal.
        needed: Cents,
    },
    /// The balance would overflow.
    #[error("a balance of {balance} cannot take {amount} more")]
    TooMuch {
        /// The balance.
        balance: Cents,
        /// The amount of the deposit.
        amount: Cents,
    },
    /// An account with a balance cannot be closed.
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
        self.balance = event.balance_after(self.balance);
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

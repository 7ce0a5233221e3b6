//! The account that the book uses as its example.

use actuarius::{Aggregate, Context};
use serde::{Deserialize, Serialize};

use AccountCommand::{Deposit, Open, Withdraw};
use AccountEvent::{Deposited, Opened, Withdrawn};

// region: commands
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Account {
    cents: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum AccountCommand {
    Open { owner: String },
    Deposit { cents: i64 },
    Withdraw { cents: i64 },
}
// endregion: commands

// region: events
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum AccountEvent {
    Opened { owner: String },
    Deposited { cents: i64 },
    Withdrawn { cents: i64 },
}
// endregion: events

// region: aggregate
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("there is not enough on the account")]
pub(crate) struct NotEnough;

impl Aggregate for Account {
    const TYPE: &'static str = "account";
    type Command = AccountCommand;
    type Event = AccountEvent;
    type Error = NotEnough;

    fn decide(&self, command: AccountCommand, _: &Context) -> Result<Vec<AccountEvent>, NotEnough> {
        match command {
            Open { owner } => Ok(vec![Opened { owner }]),
            Deposit { cents } => Ok(vec![Deposited { cents }]),
            Withdraw { cents } if cents > self.cents => Err(NotEnough),
            Withdraw { cents } => Ok(vec![Withdrawn { cents }]),
        }
    }

    fn apply(&mut self, event: &AccountEvent) {
        match event {
            Opened { .. } => {}
            Deposited { cents } => self.cents += cents,
            Withdrawn { cents } => self.cents -= cents,
        }
    }
}
// endregion: aggregate

impl Account {
    pub(crate) fn cents(&self) -> i64 {
        self.cents
    }
}

/// An opening by this owner.
pub(crate) fn open(owner: &str) -> AccountCommand {
    Open { owner: owner.to_owned() }
}

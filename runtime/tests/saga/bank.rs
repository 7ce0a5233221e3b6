//! A small bank: accounts, orders to move money, and the saga that moves it.

use std::time::Duration;

use actuarius::saga::{Answer, Correlation, Effects, Outcome, ReactsTo, Saga, Sends};
use actuarius::{Aggregate, Aggregates, Context, Envelope, Id, Runtime};
use serde::{Deserialize, Serialize};
use thiserror::Error;

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) cents: i64,
    pub(crate) is_frozen: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AccountCommand {
    Deposit(i64),
    Withdraw(i64),
    Freeze,
    Thaw,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AccountEvent {
    Deposited(i64),
    Withdrawn(i64),
    Frozen,
    Thawed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Refused {
    #[error("the account is frozen")]
    Frozen,
    #[error("{0} cents are not enough")]
    NotEnough(i64),
}

impl Aggregate for Account {
    const TYPE: &'static str = "account";
    type Command = AccountCommand;
    type Event = AccountEvent;
    type Error = Refused;

    fn decide(&self, command: AccountCommand, _: &Context) -> Result<Vec<AccountEvent>, Refused> {
        match command {
            AccountCommand::Thaw => Ok(vec![AccountEvent::Thawed]),
            _ if self.is_frozen => Err(Refused::Frozen),
            AccountCommand::Freeze => Ok(vec![AccountEvent::Frozen]),
            AccountCommand::Deposit(cents) => Ok(vec![AccountEvent::Deposited(cents)]),
            AccountCommand::Withdraw(cents) if cents > self.cents => {
                Err(Refused::NotEnough(self.cents))
            }
            AccountCommand::Withdraw(cents) => Ok(vec![AccountEvent::Withdrawn(cents)]),
        }
    }

    fn apply(&mut self, event: &AccountEvent) {
        match event {
            AccountEvent::Deposited(cents) => self.cents += cents,
            AccountEvent::Withdrawn(cents) => self.cents -= cents,
            AccountEvent::Frozen => self.is_frozen = true,
            AccountEvent::Thawed => self.is_frozen = false,
        }
    }
}

/// A customer's order to move money.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    is_placed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum OrderEvent {
    Placed {
        from: Id<Account>,
        to: Id<Account>,
        cents: i64,
    },
    /// Like `Placed`, but the payee stays unknown, so the money comes back at the deadline.
    Reserved {
        from: Id<Account>,
        cents: i64,
    },
    /// The transfer is undone for any reason.
    Recalled,
    /// The reaction to this event panics.
    Poison,
}

impl OrderEvent {
    fn places(&self) -> bool {
        matches!(self, Self::Placed { .. } | Self::Reserved { .. })
    }
}

impl Aggregate for Order {
    const TYPE: &'static str = "order";
    type Command = OrderEvent;
    type Event = OrderEvent;
    type Error = std::convert::Infallible;

    fn decide(&self, event: OrderEvent, _: &Context) -> Result<Vec<OrderEvent>, Self::Error> {
        let is_again = self.is_placed && event.places();
        Ok(if is_again { vec![] } else { vec![event] })
    }

    fn apply(&mut self, event: &OrderEvent) {
        self.is_placed |= event.places();
    }
}

/// Moves money from one account to another.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Transfer {
    pub(crate) way: Option<Way>,
    pub(crate) is_withdrawn: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Way {
    pub(crate) from: Id<Account>,
    pub(crate) to: Id<Account>,
    pub(crate) cents: i64,
}

/// How long a transfer may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

impl Transfer {
    pub(crate) fn begin(
        &mut self,
        from: &Id<Account>,
        to: &Id<Account>,
        cents: i64,
    ) -> Effects<Self> {
        self.way = Some(Way { from: from.clone(), to: to.clone(), cents });
        let (withdraw, back) = (AccountCommand::Withdraw(cents), AccountCommand::Deposit(cents));
        Effects::none().send_with_undo(from, withdraw, back).schedule_in(PATIENCE, ())
    }
}

impl Saga for Transfer {
    const TYPE: &'static str = "transfer";
    type Deadline = ();

    fn due(&mut self, (): ()) -> Effects<Self> {
        Effects::compensate("it took too long")
    }
}

impl ReactsTo<Order> for Transfer {
    fn correlate(event: &Envelope<Order>) -> Correlation {
        match event.event {
            OrderEvent::Placed { .. } | OrderEvent::Reserved { .. } => {
                Correlation::start(event.id.as_str())
            }
            OrderEvent::Recalled | OrderEvent::Poison => Correlation::proceed(event.id.as_str()),
        }
    }

    fn react(&mut self, event: &Envelope<Order>) -> Effects<Self> {
        match &event.event {
            OrderEvent::Placed { from, to, cents } => self.begin(from, to, *cents),
            OrderEvent::Reserved { from, cents } => {
                let (take, back) =
                    (AccountCommand::Withdraw(*cents), AccountCommand::Deposit(*cents));
                Effects::none().send_with_undo(from, take, back).schedule_in(PATIENCE, ())
            }
            OrderEvent::Recalled => Effects::compensate("it was recalled"),
            OrderEvent::Poison => panic!("this cannot be reacted to"),
        }
    }
}

impl Sends<Account> for Transfer {
    fn answered(&mut self, answer: Answer<Account>) -> Effects<Self> {
        match (answer.outcome, &self.way) {
            (Outcome::Rejected(why), _) => Effects::compensate(why.to_string()),
            (Outcome::Accepted { .. }, Some(way)) if !self.is_withdrawn => {
                self.is_withdrawn = true;
                Effects::none().send(&way.to, AccountCommand::Deposit(way.cents))
            }
            (Outcome::Accepted { .. }, Some(_)) => Effects::complete(),
            (Outcome::Accepted { .. }, None) => Effects::none(),
        }
    }
}

pub(crate) fn account(name: &str) -> Id<Account> {
    Id::new(name).unwrap()
}

/// Accounts with money, by name.
pub(crate) async fn accounts(runtime: &Runtime, all: &[(&str, i64)]) -> Aggregates<Account> {
    let accounts = runtime.host::<Account>();
    for (name, cents) in all {
        accounts.execute(*name, AccountCommand::Deposit(*cents)).await.unwrap();
    }
    accounts
}

pub(crate) async fn cents(accounts: &Aggregates<Account>, name: &str) -> i64 {
    accounts.query(name, |account| account.cents).await.unwrap()
}

pub(crate) fn placed(from: &str, to: &str, cents: i64) -> OrderEvent {
    OrderEvent::Placed { from: account(from), to: account(to), cents }
}

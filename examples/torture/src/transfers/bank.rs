use std::time::Duration;

use actuarius::saga::{Answer, Correlation, Effects, Outcome, ReactsTo, Saga, Sends};
use actuarius::{Aggregate, Context, Envelope, Id};
use serde::{Deserialize, Serialize};

/// What every account is opened with.
pub(crate) const OPENED_WITH: i64 = 1_000;

/// How long a transfer may take: short, so that many are timed out, before a kill or behind it.
const PATIENCE: Duration = Duration::from_millis(100);

/// An account. Those called `frozen-…` refuse deposits, and those called `broken-…` never answer one,
/// because they fail at applying it.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Account {
    is_open: bool,
    cents: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum AccountCommand {
    Open,
    Withdraw(i64),
    Deposit(i64),
    /// Takes a deposit back, whatever is left.
    Reverse(i64),
    /// Gives a withdrawal back.
    Refund(i64),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AccountEvent {
    Opened(i64),
    Withdrawn(i64),
    Deposited(i64),
    Reversed(i64),
    Refunded(i64),
    /// Nobody can apply this.
    Broken,
}

/// The account says no.
#[derive(Debug)]
pub(crate) struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("refused")
    }
}

impl std::error::Error for Refused {}

impl Aggregate for Account {
    const TYPE: &'static str = "account";
    type Command = AccountCommand;
    type Event = AccountEvent;
    type Error = Refused;

    fn decide(&self, command: AccountCommand, of: &Context) -> Result<Vec<AccountEvent>, Refused> {
        let event = match command {
            AccountCommand::Open if self.is_open => return Err(Refused),
            AccountCommand::Open => AccountEvent::Opened(OPENED_WITH),
            AccountCommand::Withdraw(cents) if cents > self.cents => return Err(Refused),
            AccountCommand::Withdraw(cents) => AccountEvent::Withdrawn(cents),
            AccountCommand::Deposit(_) if of.id().starts_with("frozen") => return Err(Refused),
            AccountCommand::Deposit(_) if of.id().starts_with("broken") => AccountEvent::Broken,
            AccountCommand::Deposit(cents) => AccountEvent::Deposited(cents),
            AccountCommand::Reverse(cents) => AccountEvent::Reversed(cents),
            AccountCommand::Refund(cents) => AccountEvent::Refunded(cents),
        };
        Ok(vec![event])
    }

    fn apply(&mut self, event: &AccountEvent) {
        match event {
            AccountEvent::Opened(cents) => (self.is_open, self.cents) = (true, *cents),
            AccountEvent::Deposited(cents) | AccountEvent::Refunded(cents) => self.cents += cents,
            AccountEvent::Withdrawn(cents) | AccountEvent::Reversed(cents) => self.cents -= cents,
            AccountEvent::Broken => panic!("nobody can apply this"),
        }
    }
}

/// Somebody wants money to be moved.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    is_placed: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Way {
    pub(crate) from: Id<Account>,
    pub(crate) to: Id<Account>,
    pub(crate) cents: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum OrderEvent {
    Placed(Way),
}

impl Aggregate for Order {
    const TYPE: &'static str = "order";
    type Command = Way;
    type Event = OrderEvent;
    type Error = Refused;

    fn decide(&self, way: Way, _: &Context) -> Result<Vec<OrderEvent>, Refused> {
        if self.is_placed { Err(Refused) } else { Ok(vec![OrderEvent::Placed(way)]) }
    }

    fn apply(&mut self, _: &OrderEvent) {
        self.is_placed = true;
    }
}

/// Moves money from one account to another.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Transfer {
    way: Option<Way>,
    is_withdrawn: bool,
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
        Correlation::start(event.id.as_str())
    }

    fn react(&mut self, event: &Envelope<Order>) -> Effects<Self> {
        let OrderEvent::Placed(way) = &event.event;
        self.way = Some(way.clone());
        let (withdraw, refund) =
            (AccountCommand::Withdraw(way.cents), AccountCommand::Refund(way.cents));
        Effects::none().send_with_undo(&way.from, withdraw, refund).schedule_in(PATIENCE, ())
    }
}

impl Sends<Account> for Transfer {
    fn answered(&mut self, answer: Answer<Account>) -> Effects<Self> {
        match (answer.outcome, &self.way) {
            (Outcome::Rejected(why), _) => Effects::compensate(why.to_string()),
            (Outcome::Accepted { .. }, Some(way)) if !self.is_withdrawn => {
                self.is_withdrawn = true;
                let (deposit, reverse) =
                    (AccountCommand::Deposit(way.cents), AccountCommand::Reverse(way.cents));
                Effects::none().send_with_undo(&way.to, deposit, reverse)
            }
            (Outcome::Accepted { .. }, _) => Effects::complete(),
        }
    }
}

//! The aggregates and the saga of the transfers.

use std::time::Duration;

use actuarius::saga::{Answer, Correlation, Effects, Outcome, ReactsTo, Saga, Sends};
use actuarius::{Aggregate, Context, Envelope, Id};
use serde::{Deserialize, Serialize};

/// The opening balance of every account.
pub(crate) const OPENED_WITH: i64 = 1_000;

/// The time limit of a transfer: short, so that many time out, before or after a kill.
const TIME_LIMIT: Duration = Duration::from_millis(100);

/// An account. Accounts named `frozen-…` refuse deposits, and accounts named `broken-…` never answer one, because
/// applying it fails.
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
    /// Reverses a deposit, whatever the balance.
    Reverse(i64),
    /// Refunds a withdrawal.
    Refund(i64),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AccountEvent {
    Opened(i64),
    Withdrawn(i64),
    Deposited(i64),
    Reversed(i64),
    Refunded(i64),
    /// An event that cannot be applied.
    Broken,
}

/// An account refuses a command.
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
            AccountEvent::Broken => panic!("this event cannot be applied"),
        }
    }
}

/// An order to move money.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    is_placed: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) from: Id<Account>,
    pub(crate) to: Id<Account>,
    pub(crate) cents: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum OrderEvent {
    Placed(Request),
}

impl Aggregate for Order {
    const TYPE: &'static str = "order";
    type Command = Request;
    type Event = OrderEvent;
    type Error = Refused;

    fn decide(&self, request: Request, _: &Context) -> Result<Vec<OrderEvent>, Refused> {
        if self.is_placed { Err(Refused) } else { Ok(vec![OrderEvent::Placed(request)]) }
    }

    fn apply(&mut self, _: &OrderEvent) {
        self.is_placed = true;
    }
}

/// Moves money from one account to another.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Transfer {
    request: Option<Request>,
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
        let OrderEvent::Placed(request) = &event.event;
        self.request = Some(request.clone());
        let (withdraw, refund) =
            (AccountCommand::Withdraw(request.cents), AccountCommand::Refund(request.cents));
        Effects::none().send_with_undo(&request.from, withdraw, refund).schedule_in(TIME_LIMIT, ())
    }
}

impl Sends<Account> for Transfer {
    fn answered(&mut self, answer: Answer<Account>) -> Effects<Self> {
        match (answer.outcome, &self.request) {
            (Outcome::Rejected(why), _) => Effects::compensate(why.to_string()),
            (Outcome::Accepted { .. }, Some(request)) if !self.is_withdrawn => {
                self.is_withdrawn = true;
                let (deposit, reverse) = (
                    AccountCommand::Deposit(request.cents),
                    AccountCommand::Reverse(request.cents),
                );
                Effects::none().send_with_undo(&request.to, deposit, reverse)
            }
            (Outcome::Accepted { .. }, _) => Effects::complete(),
        }
    }
}

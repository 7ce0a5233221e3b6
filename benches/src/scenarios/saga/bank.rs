//! The measured saga: accounts, orders to move money, and the saga that moves it.

use std::convert::Infallible;

use actuarius::saga::{Answer, Correlation, Effects, Outcome, ReactsTo, Saga, Sends};
use actuarius::{Aggregate, Context, Envelope, Id};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
pub(super) struct Account(i64);

#[derive(Serialize, Deserialize)]
pub(super) enum Movement {
    Deposited(i64),
    Withdrawn(i64),
}

impl Aggregate for Account {
    const TYPE: &'static str = "account";
    type Command = Movement;
    type Event = Movement;
    type Error = Infallible;

    fn decide(&self, movement: Movement, _: &Context) -> Result<Vec<Movement>, Infallible> {
        Ok(vec![movement])
    }

    fn apply(&mut self, movement: &Movement) {
        match movement {
            Movement::Deposited(cents) => self.0 += cents,
            Movement::Withdrawn(cents) => self.0 -= cents,
        }
    }
}

/// An order to move money.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Order;

#[derive(Serialize, Deserialize)]
pub(super) enum OrderEvent {
    Placed(Request),
}

impl Aggregate for Order {
    const TYPE: &'static str = "order";
    type Command = Request;
    type Event = OrderEvent;
    type Error = Infallible;

    fn decide(&self, request: Request, _: &Context) -> Result<Vec<OrderEvent>, Infallible> {
        Ok(vec![OrderEvent::Placed(request)])
    }

    fn apply(&mut self, _: &OrderEvent) {}
}

/// A requested transfer.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) from: Id<Account>,
    pub(super) to: Id<Account>,
    pub(super) cents: i64,
}

/// Moves money: a withdrawal, then a deposit.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Transfer {
    request: Option<Request>,
    is_withdrawn: bool,
}

impl Transfer {
    pub(super) fn begin(&mut self, request: &Request) -> Effects<Self> {
        self.request = Some(request.clone());
        let (withdrawn, refund) =
            (Movement::Withdrawn(request.cents), Movement::Deposited(request.cents));
        Effects::none().send_with_undo(&request.from, withdrawn, refund)
    }
}

impl Saga for Transfer {
    const TYPE: &'static str = "transfer";
    type Deadline = ();
}

impl ReactsTo<Order> for Transfer {
    fn correlate(event: &Envelope<Order>) -> Correlation {
        Correlation::start(event.id.as_str())
    }

    fn react(&mut self, event: &Envelope<Order>) -> Effects<Self> {
        let OrderEvent::Placed(request) = &event.event;
        self.begin(request)
    }
}

impl Sends<Account> for Transfer {
    fn answered(&mut self, answer: Answer<Account>) -> Effects<Self> {
        match (answer.outcome, &self.request) {
            (Outcome::Rejected(never), _) => match never {},
            (Outcome::Accepted { .. }, Some(request)) if !self.is_withdrawn => {
                self.is_withdrawn = true;
                Effects::none().send(&request.to, Movement::Deposited(request.cents))
            }
            (Outcome::Accepted { .. }, _) => Effects::complete(),
        }
    }
}

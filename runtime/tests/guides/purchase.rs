//! A saga that pays the seller once the parcel has arrived.

use std::time::Duration;

use actuarius::saga::{Answer, Correlation, Effects, Outcome, ReactsTo, Saga, Sends};
use actuarius::{Envelope, Id};
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::account::AccountCommand::{Deposit, Withdraw};
use crate::order::{Order, OrderCommand, OrderEvent, Parcel, ParcelEvent, Terms};

// region: state
/// One purchase: the buyer's account is debited at once, and the seller's is credited when the parcel is
/// delivered. If it is not delivered, the buyer is refunded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Purchase {
    order: Option<(Id<Order>, Terms)>,
    has_money: bool,
    is_delivered: bool,
    /// The seller is being paid, so the purchase can no longer be compensated.
    pays: bool,
}

/// The deadlines of a purchase.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Waits {
    ForParcel,
}

pub(crate) const TWO_WEEKS: Duration = Duration::from_secs(14 * 24 * 60 * 60);
// endregion: state

// region: saga
impl Saga for Purchase {
    const TYPE: &'static str = "purchase";
    type Deadline = Waits;

    fn due(&mut self, Waits::ForParcel: Waits) -> Effects<Self> {
        self.give_up("the parcel did not arrive")
    }

    fn cancelled(&mut self, why: &str) -> Effects<Self> {
        self.give_up(why)
    }

    /// The buyer has been refunded.
    fn compensated(&mut self, why: &str) -> Effects<Self> {
        self.settle_order(Effects::none(), OrderCommand::Refuse { why: why.to_owned() })
    }
}
// endregion: saga

// region: by-id
impl ReactsTo<Order> for Purchase {
    fn correlate(event: &Envelope<Order>) -> Correlation {
        match &event.event {
            OrderEvent::Placed(terms) => {
                Correlation::start(event.id.as_str()).known_as(terms.parcel.as_str())
            }
            OrderEvent::Recalled => Correlation::proceed(event.id.as_str()),
            // The purchase has caused these itself.
            OrderEvent::Finished | OrderEvent::Refused { .. } => Correlation::ignore(),
        }
    }

    fn react(&mut self, event: &Envelope<Order>) -> Effects<Self> {
        match &event.event {
            OrderEvent::Placed(terms) => self.begin(event.id.clone(), terms.clone()),
            OrderEvent::Recalled => self.give_up("it was recalled"),
            OrderEvent::Finished | OrderEvent::Refused { .. } => Effects::none(),
        }
    }
}
// endregion: by-id

// region: by-key
impl ReactsTo<Parcel> for Purchase {
    /// A parcel does not refer to an order. The purchase is found by the parcel's number.
    fn correlate(event: &Envelope<Parcel>) -> Correlation {
        Correlation::proceed_by(event.id.as_str())
    }

    fn react(&mut self, event: &Envelope<Parcel>) -> Effects<Self> {
        let ParcelEvent::Delivered = event.event;
        self.is_delivered = true;
        self.pay()
    }
}
// endregion: by-key

// region: effects
impl Purchase {
    pub(crate) fn begin(&mut self, order: Id<Order>, terms: Terms) -> Effects<Self> {
        let (buyer, cents) = (terms.buyer.clone(), terms.cents);
        self.order = Some((order, terms));
        Effects::none()
            .send_with_undo(&buyer, Withdraw { cents }, Deposit { cents })
            .schedule_in(TWO_WEEKS, Waits::ForParcel)
    }

    fn pay(&mut self) -> Effects<Self> {
        match &self.order {
            Some((_, terms)) if self.has_money && self.is_delivered && !self.pays => {
                self.pays = true;
                let effects = Effects::none().cancel(Waits::ForParcel);
                effects.send(&terms.seller, Deposit { cents: terms.cents })
            }
            _ => Effects::none(),
        }
    }
}
// endregion: effects

// region: answers
impl Sends<Account> for Purchase {
    fn answered(&mut self, answer: Answer<Account>) -> Effects<Self> {
        match answer.outcome {
            Outcome::Accepted { .. } if self.pays => {
                self.settle_order(Effects::complete(), OrderCommand::Finish)
            }
            Outcome::Accepted { .. } => {
                self.has_money = true;
                self.pay()
            }
            Outcome::Rejected(why) => Effects::compensate(why.to_string()),
        }
    }
}

impl Sends<Order> for Purchase {
    /// The command to the order is the last one. Its answer changes nothing.
    fn answered(&mut self, _: Answer<Order>) -> Effects<Self> {
        Effects::none()
    }
}
// endregion: answers

// region: compensation
impl Purchase {
    /// Compensates, unless the seller is being paid already.
    fn give_up(&self, why: &str) -> Effects<Self> {
        if self.pays { Effects::none() } else { Effects::compensate(why) }
    }

    fn settle_order(&self, effects: Effects<Self>, end: OrderCommand) -> Effects<Self> {
        match &self.order {
            Some((order, _)) => effects.send(order, end),
            None => effects,
        }
    }
}
// endregion: compensation

impl Purchase {
    pub(crate) fn has_money(&self) -> bool {
        self.has_money
    }

    pub(crate) fn pays(&self) -> bool {
        self.pays
    }
}

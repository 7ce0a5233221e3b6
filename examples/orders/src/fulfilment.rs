use actuarius::saga::{Answer, Correlation, Effects, Outcome, ReactsTo, Saga, Sends};
use actuarius::{Envelope, Id};
use serde::{Deserialize, Serialize};

use crate::{
    Item, ItemCommand, Order, OrderCommand, OrderEvent, Payment, PaymentCommand, PaymentEvent,
    Shipment, ShipmentCommand, Terms,
};

/// Fulfils one order: every line is reserved, the money is taken, a carrier found; then the goods are
/// handed over, and the order is told. Whatever fails on the way, what was done before is undone, and
/// the order is told that.
///
/// Finding a carrier is the step behind which there is no way back: all before it can be undone, and
/// nothing behind it can be refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fulfilment {
    /// The order, once there is one.
    pub order: Option<(Id<Order>, Terms)>,
    /// How far it is.
    pub stage: Stage,
}

/// How far a fulfilment is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// It has heard of no order.
    #[default]
    New,
    /// It waits for so many items to reserve.
    Reserving(usize),
    /// The customer is to pay.
    AwaitingPayment,
    /// A carrier is being found.
    Booking,
    /// It waits for so many items to leave the shelf.
    HandingOver(usize),
}

/// What a fulfilment waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deadline {
    /// The order must be paid.
    Payment,
}

impl Saga for Fulfilment {
    const TYPE: &'static str = "fulfilment";
    type Deadline = Deadline;

    fn due(&mut self, Deadline::Payment: Deadline) -> Effects<Self> {
        self.turn_back("it was not paid in time")
    }

    fn cancelled(&mut self, why: &str) -> Effects<Self> {
        self.turn_back(why)
    }

    fn compensated(&mut self, why: &str) -> Effects<Self> {
        let Some((order, _)) = &self.order else { return Effects::none() };
        Effects::none().send(order, OrderCommand::Refuse(why.to_owned()))
    }
}

impl ReactsTo<Order> for Fulfilment {
    /// A payment does not know its order. It is found by its number.
    fn correlate(event: &Envelope<Order>) -> Correlation {
        match &event.event {
            OrderEvent::Placed(terms) => {
                Correlation::start(event.id.as_str()).known_as(terms.payment.as_str())
            }
            // The fulfilment has said so itself.
            OrderEvent::Fulfilled | OrderEvent::Refused(_) => Correlation::ignore(),
        }
    }

    fn react(&mut self, event: &Envelope<Order>) -> Effects<Self> {
        let OrderEvent::Placed(terms) = &event.event else { return Effects::none() };
        self.order = Some((event.id.clone(), terms.clone()));
        self.stage = Stage::Reserving(terms.lines.len());
        let order = event.id.to_string();
        terms.lines.iter().fold(Effects::none(), |effects, line| {
            let (order, undo) = (order.clone(), ItemCommand::Release(order.clone()));
            let reserve = ItemCommand::Reserve { order, quantity: line.quantity };
            effects.send_with_undo(&line.item, reserve, undo)
        })
    }
}

impl ReactsTo<Payment> for Fulfilment {
    fn correlate(event: &Envelope<Payment>) -> Correlation {
        match event.event {
            PaymentEvent::Paid(_) => Correlation::proceed_by(event.id.as_str()),
            // Those are only said because of what the fulfilment has asked for.
            PaymentEvent::Asked { .. } | PaymentEvent::Cancelled | PaymentEvent::Refunded(_) => {
                Correlation::ignore()
            }
        }
    }

    fn react(&mut self, _: &Envelope<Payment>) -> Effects<Self> {
        let (Some((_, terms)), Stage::AwaitingPayment) = (&self.order, self.stage) else {
            return Effects::none();
        };
        self.stage = Stage::Booking;
        let book = ShipmentCommand::Book(terms.zone);
        Effects::none().cancel(Deadline::Payment).send(&terms.shipment, book)
    }
}

impl Sends<Item> for Fulfilment {
    fn answered(&mut self, answer: Answer<Item>) -> Effects<Self> {
        if let Outcome::Rejected(why) = answer.outcome {
            return self.refused(&format!("{}: {why}", answer.id));
        }
        match self.stage {
            Stage::Reserving(1) => self.ask_for_payment(),
            Stage::Reserving(left) => self.go_on(Stage::Reserving(left - 1)),
            Stage::HandingOver(1) => self.complete(),
            Stage::HandingOver(left) => self.go_on(Stage::HandingOver(left - 1)),
            Stage::New | Stage::AwaitingPayment | Stage::Booking => Effects::none(),
        }
    }
}

impl Sends<Payment> for Fulfilment {
    /// That it was asked for is nothing yet: it is to be paid.
    fn answered(&mut self, answer: Answer<Payment>) -> Effects<Self> {
        match answer.outcome {
            Outcome::Accepted { .. } => Effects::none(),
            Outcome::Rejected(why) => self.turn_back(&why.to_string()),
        }
    }
}

impl Sends<Shipment> for Fulfilment {
    fn answered(&mut self, answer: Answer<Shipment>) -> Effects<Self> {
        match answer.outcome {
            Outcome::Accepted { .. } => self.hand_over(),
            Outcome::Rejected(why) => Effects::compensate(why.to_string()),
        }
    }
}

impl Sends<Order> for Fulfilment {
    /// The order is told last. What it says changes nothing.
    fn answered(&mut self, _: Answer<Order>) -> Effects<Self> {
        Effects::none()
    }
}

impl Fulfilment {
    fn ask_for_payment(&mut self) -> Effects<Self> {
        let Some((_, terms)) = &self.order else { return Effects::none() };
        self.stage = Stage::AwaitingPayment;
        let ask = PaymentCommand::Ask { amount: terms.price, means: terms.means };
        Effects::none()
            .send_with_undo(&terms.payment, ask, PaymentCommand::Cancel)
            .schedule_in(terms.pay_within, Deadline::Payment)
    }

    fn hand_over(&mut self) -> Effects<Self> {
        let Some((order, terms)) = &self.order else { return Effects::none() };
        self.stage = Stage::HandingOver(terms.lines.len());
        terms.lines.iter().fold(Effects::none(), |effects, line| {
            effects.send(&line.item, ItemCommand::HandOver(order.to_string()))
        })
    }

    fn complete(&self) -> Effects<Self> {
        let Some((order, _)) = &self.order else { return Effects::none() };
        Effects::complete().send(order, OrderCommand::Fulfil)
    }

    /// An item has refused. What is reserved can be handed over, so only a reservation is; should it be
    /// otherwise, the goods are missing and the parcel is not stopped, and someone has to know.
    fn refused(&self, why: &str) -> Effects<Self> {
        match self.stage {
            Stage::HandingOver(_) => Effects::fail(why),
            _ => self.turn_back(why),
        }
    }

    fn go_on(&mut self, stage: Stage) -> Effects<Self> {
        self.stage = stage;
        Effects::none()
    }

    /// Undoes what was done, unless it is too late.
    fn turn_back(&self, why: &str) -> Effects<Self> {
        match self.stage {
            Stage::Reserving(_) | Stage::AwaitingPayment => Effects::compensate(why),
            Stage::New | Stage::Booking | Stage::HandingOver(_) => Effects::none(),
        }
    }
}

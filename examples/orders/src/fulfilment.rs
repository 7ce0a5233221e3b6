//! The saga that fulfils an order.

use actuarius::saga::{Answer, Correlation, Effects, Outcome, ReactsTo, Saga, Sends};
use actuarius::{Envelope, Id};
use serde::{Deserialize, Serialize};

use crate::{
    Item, ItemCommand, Order, OrderCommand, OrderEvent, Payment, PaymentCommand, PaymentEvent,
    Shipment, ShipmentCommand, Terms,
};

/// Fulfils one order: reserves every line, collects the payment and books a carrier; then hands over the goods and
/// reports the success to the order. If a step fails, the earlier steps are compensated, and the failure is reported
/// to the order.
///
/// Booking a carrier is the pivot: every step before it can be undone, and no step after it can be refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fulfilment {
    /// The order, once it is known.
    pub order: Option<(Id<Order>, Terms)>,
    /// The current stage.
    pub stage: Stage,
}

/// The stages of a fulfilment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// No order has been received.
    #[default]
    New,
    /// Waits for this many reservations.
    Reserving(usize),
    /// Waits for the customer's payment.
    AwaitingPayment,
    /// Waits for a carrier.
    Booking,
    /// Waits for this many items to be handed over.
    HandingOver(usize),
}

/// The deadlines of a fulfilment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deadline {
    /// The order must be paid by then.
    Payment,
}

impl Saga for Fulfilment {
    const TYPE: &'static str = "fulfilment";
    type Deadline = Deadline;

    fn due(&mut self, Deadline::Payment: Deadline) -> Effects<Self> {
        self.abort("it was not paid in time")
    }

    fn cancelled(&mut self, why: &str) -> Effects<Self> {
        self.abort(why)
    }

    fn compensated(&mut self, why: &str) -> Effects<Self> {
        let Some((order, _)) = &self.order else { return Effects::none() };
        Effects::none().send(order, OrderCommand::Refuse(why.to_owned()))
    }
}

impl ReactsTo<Order> for Fulfilment {
    /// A payment does not know its order. The saga is found by the payment's id.
    fn correlate(event: &Envelope<Order>) -> Correlation {
        match &event.event {
            OrderEvent::Placed(terms) => {
                Correlation::start(event.id.as_str()).known_as(terms.payment.as_str())
            }
            // These events follow from the saga's own commands.
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
            // These events follow from the saga's own commands.
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
            Stage::Reserving(left) => self.advance(Stage::Reserving(left - 1)),
            Stage::HandingOver(1) => self.complete(),
            Stage::HandingOver(left) => self.advance(Stage::HandingOver(left - 1)),
            Stage::New | Stage::AwaitingPayment | Stage::Booking => Effects::none(),
        }
    }
}

impl Sends<Payment> for Fulfilment {
    /// An accepted request is not a payment yet.
    fn answered(&mut self, answer: Answer<Payment>) -> Effects<Self> {
        match answer.outcome {
            Outcome::Accepted { .. } => Effects::none(),
            Outcome::Rejected(why) => self.abort(&why.to_string()),
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
    /// The report to the order is the last command. Its answer changes nothing.
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

    /// Handles a refusal by an item. Reserved goods can always be handed over, so only a reservation is refused.
    /// Otherwise goods would be missing from a booked parcel, which an operator has to handle.
    fn refused(&self, why: &str) -> Effects<Self> {
        match self.stage {
            Stage::HandingOver(_) => Effects::fail(why),
            _ => self.abort(why),
        }
    }

    fn advance(&mut self, stage: Stage) -> Effects<Self> {
        self.stage = stage;
        Effects::none()
    }

    /// Compensates, unless it is too late.
    fn abort(&self, why: &str) -> Effects<Self> {
        match self.stage {
            Stage::Reserving(_) | Stage::AwaitingPayment => Effects::compensate(why),
            Stage::New | Stage::Booking | Stage::HandingOver(_) => Effects::none(),
        }
    }
}

//! The order: what a customer has ordered, and the result.

use actuarius::{Aggregate, Context};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Terms;

/// An order and its result.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// The order has not been placed.
    #[default]
    New,
    /// The order is in progress.
    Placed,
    /// The parcel is on its way.
    Fulfilled,
    /// Nothing is sent, and nothing is to be paid.
    Refused(String),
}

/// The commands of an order: the first comes from a customer, the others from the shop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderCommand {
    /// Place the order.
    Place(Terms),
    /// The parcel is on its way.
    Fulfil,
    /// The order cannot be fulfilled, for this reason.
    Refuse(String),
}

/// The events of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderEvent {
    /// The order was placed.
    Placed(Terms),
    /// The parcel is on its way.
    Fulfilled,
    /// The order was not fulfilled, for this reason.
    Refused(String),
}

/// Why an order refuses a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OrderRefused {
    /// An order can be placed only once.
    #[error("the order was placed already")]
    AlreadyPlaced,
    /// Nothing is ordered, or the same item in several lines.
    #[error("an order has at least one line, and one for each item")]
    Malformed,
    /// The order was never placed, or it has ended.
    #[error("the order is not open")]
    NotOpen,
}

impl Aggregate for Order {
    const TYPE: &'static str = "order";
    type Command = OrderCommand;
    type Event = OrderEvent;
    type Error = OrderRefused;

    fn decide(&self, command: OrderCommand, _: &Context) -> Result<Vec<OrderEvent>, OrderRefused> {
        match (self, command) {
            (Self::New, OrderCommand::Place(terms)) if terms.is_valid() => {
                Ok(vec![OrderEvent::Placed(terms)])
            }
            (Self::New, OrderCommand::Place(_)) => Err(OrderRefused::Malformed),
            (_, OrderCommand::Place(_)) => Err(OrderRefused::AlreadyPlaced),
            (Self::Placed, OrderCommand::Fulfil) => Ok(vec![OrderEvent::Fulfilled]),
            (Self::Placed, OrderCommand::Refuse(why)) => Ok(vec![OrderEvent::Refused(why)]),
            (_, _) => Err(OrderRefused::NotOpen),
        }
    }

    fn apply(&mut self, event: &OrderEvent) {
        *self = match event {
            OrderEvent::Placed(_) => Self::Placed,
            OrderEvent::Fulfilled => Self::Fulfilled,
            OrderEvent::Refused(why) => Self::Refused(why.clone()),
        };
    }
}

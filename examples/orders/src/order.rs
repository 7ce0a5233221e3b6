use actuarius::{Aggregate, Context};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Terms;

/// What a customer has ordered, and what became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Nobody has placed it.
    #[default]
    New,
    /// It is being seen to.
    Placed,
    /// The parcel is on its way.
    Fulfilled,
    /// Nothing comes, and nothing is to be paid.
    Refused(String),
}

/// What can be asked of an order: the first by a customer, the others by the shop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderCommand {
    /// Place it.
    Place(Terms),
    /// The parcel is on its way.
    Fulfil,
    /// It cannot be fulfilled, for this reason.
    Refuse(String),
}

/// What happened to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderEvent {
    /// It was placed.
    Placed(Terms),
    /// The parcel is on its way.
    Fulfilled,
    /// It was not fulfilled, for this reason.
    Refused(String),
}

/// Why an order does not take a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OrderRefused {
    /// An order is placed once.
    #[error("the order was placed already")]
    AlreadyPlaced,
    /// Nothing is ordered, or the same item in several lines.
    #[error("an order has at least one line, and one for each item")]
    Malformed,
    /// Nobody has placed it, or it has come to its end.
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
            (Self::New, OrderCommand::Place(terms)) if terms.can_be_met() => {
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

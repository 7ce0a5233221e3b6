//! The order of a transfer: what a customer requests, and the result.

use actuarius::{Aggregate, Context, Id};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Account, Cents};

/// A customer's order to transfer money. It records the request and the result, and does not depend on the code
/// that executes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferOrder {
    /// The order has not been placed yet.
    #[default]
    Unplaced,
    /// The order is waiting to be executed.
    Placed,
    /// The customer has recalled the order, possibly too late.
    Recalled,
    /// The money has arrived.
    Finished,
    /// The order was not executed, and no money was moved.
    Refused(String),
}

/// The transfer that a customer requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferRequest {
    /// The account that pays.
    pub from: Id<Account>,
    /// The account that receives.
    pub to: Id<Account>,
    /// The amount.
    pub amount: Cents,
}

/// The commands of an order: the first two come from a customer, the others from the bank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderCommand {
    /// Place the order.
    Place(TransferRequest),
    /// Cancel the order, if that is still possible.
    Recall,
    /// The money has arrived.
    Finish,
    /// The order cannot be executed, for this reason.
    Refuse(String),
}

/// The events of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderEvent {
    /// The order was placed.
    Placed(TransferRequest),
    /// The customer has recalled the order.
    Recalled,
    /// The order was executed.
    Finished,
    /// The order was not executed, for this reason.
    Refused(String),
}

/// Why an order refuses a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OrderRefused {
    /// An order can be placed only once.
    #[error("the order was placed already")]
    AlreadyPlaced,
    /// The order was never placed.
    #[error("the order was never placed")]
    NotPlaced,
    /// The order has ended.
    #[error("the order is settled")]
    Settled,
    /// The paying and the receiving account must differ.
    #[error("both accounts are the same")]
    SameAccount,
    /// An amount must be positive.
    #[error("{0} is not an amount that can be moved")]
    NotPositive(Cents),
}

impl Aggregate for TransferOrder {
    const TYPE: &'static str = "transfer-order";
    type Command = OrderCommand;
    type Event = OrderEvent;
    type Error = OrderRefused;

    fn decide(&self, command: OrderCommand, _: &Context) -> Result<Vec<OrderEvent>, OrderRefused> {
        match (self, command) {
            (Self::Unplaced, OrderCommand::Place(request)) => place(request),
            (Self::Unplaced, _) => Err(OrderRefused::NotPlaced),
            (_, OrderCommand::Place(_)) => Err(OrderRefused::AlreadyPlaced),
            (Self::Finished | Self::Refused(_), _) => Err(OrderRefused::Settled),
            (Self::Recalled, OrderCommand::Recall) => Ok(vec![]),
            (_, OrderCommand::Recall) => Ok(vec![OrderEvent::Recalled]),
            (_, OrderCommand::Finish) => Ok(vec![OrderEvent::Finished]),
            (_, OrderCommand::Refuse(why)) => Ok(vec![OrderEvent::Refused(why)]),
        }
    }

    fn apply(&mut self, event: &OrderEvent) {
        *self = match event {
            OrderEvent::Placed(_) => Self::Placed,
            OrderEvent::Recalled => Self::Recalled,
            OrderEvent::Finished => Self::Finished,
            OrderEvent::Refused(why) => Self::Refused(why.clone()),
        };
    }
}

fn place(request: TransferRequest) -> Result<Vec<OrderEvent>, OrderRefused> {
    if request.from == request.to {
        return Err(OrderRefused::SameAccount);
    }
    if request.amount <= Cents::ZERO {
        return Err(OrderRefused::NotPositive(request.amount));
    }
    Ok(vec![OrderEvent::Placed(request)])
}

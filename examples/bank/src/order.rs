use actuarius::{Aggregate, Context, Id};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Account, Cents};

/// A customer's order to move money: what was asked for, and what became of it. Who carries it out
/// is not its business.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferOrder {
    /// Nobody has placed it yet.
    #[default]
    Unplaced,
    /// It is to be carried out.
    Placed,
    /// The customer does not want it any more. It may be too late for that.
    Recalled,
    /// The money is there.
    Finished,
    /// It was not carried out, and no money is missing.
    Refused(String),
}

/// What a customer wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Where the money is.
    pub from: Id<Account>,
    /// Where it is to be.
    pub to: Id<Account>,
    /// How much.
    pub amount: Cents,
}

/// What can be asked of an order: the first two by a customer, the others by the bank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderCommand {
    /// Place it.
    Place(Wanted),
    /// Do not carry it out after all, if that is still possible.
    Recall,
    /// The money is there.
    Finish,
    /// It cannot be carried out, for this reason.
    Refuse(String),
}

/// What happened to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderEvent {
    /// It was placed.
    Placed(Wanted),
    /// The customer does not want it any more.
    Recalled,
    /// It was carried out.
    Finished,
    /// It was not, for this reason.
    Refused(String),
}

/// Why an order does not take a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OrderRefused {
    /// An order is placed once.
    #[error("the order was placed already")]
    AlreadyPlaced,
    /// Nobody has placed it.
    #[error("the order was never placed")]
    NotPlaced,
    /// It has come to its end.
    #[error("the order is settled")]
    Settled,
    /// Money is moved to another account.
    #[error("both accounts are the same")]
    SameAccount,
    /// An amount must be more than nothing.
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
            (Self::Unplaced, OrderCommand::Place(wanted)) => place(wanted),
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

fn place(wanted: Wanted) -> Result<Vec<OrderEvent>, OrderRefused> {
    if wanted.from == wanted.to {
        return Err(OrderRefused::SameAccount);
    }
    if wanted.amount <= Cents::ZERO {
        return Err(OrderRefused::NotPositive(wanted.amount));
    }
    Ok(vec![OrderEvent::Placed(wanted)])
}

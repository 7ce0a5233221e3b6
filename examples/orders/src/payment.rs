//! The payment of an order, by card or invoice.

use actuarius::{Aggregate, Context};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Cents, Means};

/// The payment of one order. It refuses a customer who pays after it was cancelled, so that no money is taken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// The amount.
    pub amount: Cents,
    /// The current phase.
    pub phase: Phase,
}

/// The phases of a payment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// No payment has been requested.
    #[default]
    New,
    /// The customer has been asked to pay.
    Asked,
    /// The money has arrived.
    Paid,
    /// The payment was cancelled, and any money was refunded.
    Cancelled,
}

/// The commands of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PaymentCommand {
    /// Ask the customer for the money; a card pays at once.
    Ask {
        /// The amount.
        amount: Cents,
        /// The means of payment.
        means: Means,
    },
    /// The customer pays.
    Pay,
    /// Cancel the payment, and refund any money.
    Cancel,
}

/// The events of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PaymentEvent {
    /// The customer was asked.
    Asked {
        /// The amount.
        amount: Cents,
        /// The means of payment.
        means: Means,
    },
    /// The money arrived.
    Paid(Cents),
    /// The payment was cancelled.
    Cancelled,
    /// The money was refunded.
    Refunded(Cents),
}

/// Why a payment refuses a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PaymentRefused {
    /// The card does not cover the amount.
    #[error("the card was declined")]
    Declined,
    /// The payment was already requested.
    #[error("the payment was already requested")]
    AlreadyAsked,
    /// The payment was not requested.
    #[error("the payment was not requested")]
    NotAsked,
    /// The payment was already made.
    #[error("the payment was already made")]
    AlreadyPaid,
    /// The payment was cancelled.
    #[error("the payment was cancelled")]
    Cancelled,
}

impl Aggregate for Payment {
    const TYPE: &'static str = "payment";
    type Command = PaymentCommand;
    type Event = PaymentEvent;
    type Error = PaymentRefused;

    fn decide(
        &self,
        command: PaymentCommand,
        _: &Context,
    ) -> Result<Vec<PaymentEvent>, PaymentRefused> {
        let amount = self.amount;
        match (self.phase, command) {
            (Phase::New, PaymentCommand::Ask { amount, means }) => ask(amount, means),
            (Phase::New, _) => Err(PaymentRefused::NotAsked),
            (Phase::Cancelled, _) => Err(PaymentRefused::Cancelled),
            (_, PaymentCommand::Ask { .. }) => Err(PaymentRefused::AlreadyAsked),
            (Phase::Asked, PaymentCommand::Pay) => Ok(vec![PaymentEvent::Paid(amount)]),
            (Phase::Paid, PaymentCommand::Pay) => Err(PaymentRefused::AlreadyPaid),
            (Phase::Asked, PaymentCommand::Cancel) => Ok(vec![PaymentEvent::Cancelled]),
            (Phase::Paid, PaymentCommand::Cancel) => Ok(vec![PaymentEvent::Refunded(amount)]),
        }
    }

    fn apply(&mut self, event: &PaymentEvent) {
        match event {
            PaymentEvent::Asked { amount, .. } => {
                (self.amount, self.phase) = (*amount, Phase::Asked);
            }
            PaymentEvent::Paid(_) => self.phase = Phase::Paid,
            PaymentEvent::Cancelled | PaymentEvent::Refunded(_) => self.phase = Phase::Cancelled,
        }
    }
}

fn ask(amount: Cents, means: Means) -> Result<Vec<PaymentEvent>, PaymentRefused> {
    let asked = PaymentEvent::Asked { amount, means };
    match means {
        Means::Card { limit } if limit < amount => Err(PaymentRefused::Declined),
        Means::Card { .. } => Ok(vec![asked, PaymentEvent::Paid(amount)]),
        Means::Invoice => Ok(vec![asked]),
    }
}

use actuarius::{Aggregate, Context};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Cents, Means};

/// The payment of one order. Whether it is wanted any more is said by its own answers, so a customer
/// who pays too late is told so, and does not pay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// How much.
    pub amount: Cents,
    /// Where it is in its life.
    pub phase: Phase,
}

/// Where a payment is in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Nobody has asked for it.
    #[default]
    New,
    /// The customer is to pay.
    Asked,
    /// The money is here.
    Paid,
    /// It is not wanted any more; the money, if there was any, is back.
    Cancelled,
}

/// What can be asked of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PaymentCommand {
    /// Ask the customer for the money; a card pays at once.
    Ask {
        /// How much.
        amount: Cents,
        /// By what.
        means: Means,
    },
    /// The customer pays.
    Pay,
    /// It is not wanted any more. Money that is here goes back.
    Cancel,
}

/// What happened to a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PaymentEvent {
    /// The customer was asked.
    Asked {
        /// For how much.
        amount: Cents,
        /// By what.
        means: Means,
    },
    /// The money came.
    Paid(Cents),
    /// It is not wanted any more.
    Cancelled,
    /// The money went back.
    Refunded(Cents),
}

/// Why a payment does not take a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PaymentRefused {
    /// The card does not cover it.
    #[error("the card was declined")]
    Declined,
    /// It was asked for already.
    #[error("the payment was asked for already")]
    AlreadyAsked,
    /// Nobody has asked for it.
    #[error("nobody has asked for this payment")]
    NotAsked,
    /// It was paid already.
    #[error("it is paid already")]
    AlreadyPaid,
    /// It is not wanted any more.
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

//! The saga that executes a transfer: a withdrawal, a deposit, and a compensation if the deposit is refused.

use std::time::Duration;

use actuarius::saga::{Answer, Correlation, Effects, Outcome, ReactsTo, Saga, Sends};
use actuarius::{Envelope, Id};
use serde::{Deserialize, Serialize};

use crate::{Account, AccountCommand, OrderCommand, OrderEvent, TransferOrder, TransferRequest};

/// The time limit for the withdrawal.
pub const WITHDRAWAL_TIMEOUT: Duration = Duration::from_secs(60);

/// Executes one order: withdraws the money from one account, deposits it into the other, and returns it if the
/// deposit is refused. At the end it reports the result to the order.
///
/// The withdrawal can be undone by a deposit. The deposit cannot be undone: the money belongs to another customer,
/// who may have spent it. So once the deposit is sent, only its refusal causes a compensation; a recall or a
/// deadline comes too late.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transfer {
    /// No order has been received.
    #[default]
    Unbegun,
    /// The withdrawal has been sent.
    Withdrawing(OrderedTransfer),
    /// The money has been withdrawn, and the deposit has been sent.
    Depositing(OrderedTransfer),
}

/// A transfer, and the order that requested it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderedTransfer {
    /// The order to which the result is reported.
    pub order: Id<TransferOrder>,
    /// The requested transfer.
    pub request: TransferRequest,
}

impl Saga for Transfer {
    const TYPE: &'static str = "transfer";
    /// The saga has a single deadline.
    type Deadline = ();

    fn due(&mut self, (): ()) -> Effects<Self> {
        self.abort("it took too long")
    }

    fn cancelled(&mut self, why: &str) -> Effects<Self> {
        self.abort(why)
    }

    /// Runs when the money is back.
    fn compensated(&mut self, why: &str) -> Effects<Self> {
        self.refuse(Effects::none(), why)
    }
}

impl ReactsTo<TransferOrder> for Transfer {
    fn correlate(event: &Envelope<TransferOrder>) -> Correlation {
        match event.event {
            OrderEvent::Placed(_) => Correlation::start(event.id.as_str()),
            OrderEvent::Recalled => Correlation::proceed(event.id.as_str()),
            // These events follow from the saga's own commands.
            OrderEvent::Finished | OrderEvent::Refused(_) => Correlation::ignore(),
        }
    }

    fn react(&mut self, event: &Envelope<TransferOrder>) -> Effects<Self> {
        match &event.event {
            OrderEvent::Placed(request) => self.begin(&event.id, request),
            OrderEvent::Recalled => self.abort("it was recalled"),
            OrderEvent::Finished | OrderEvent::Refused(_) => Effects::none(),
        }
    }
}

impl Sends<Account> for Transfer {
    fn answered(&mut self, answer: Answer<Account>) -> Effects<Self> {
        match (&*self, answer.outcome) {
            (Self::Withdrawing(transfer), Outcome::Accepted { .. }) => {
                let transfer = transfer.clone();
                self.deposit(transfer)
            }
            // Nothing was done, so there is nothing to undo.
            (Self::Withdrawing(_), Outcome::Rejected(why)) => {
                self.refuse(Effects::fail(why.to_string()), &why.to_string())
            }
            (Self::Depositing(transfer), Outcome::Accepted { .. }) => {
                Effects::complete().send(&transfer.order, OrderCommand::Finish)
            }
            (Self::Depositing(_), Outcome::Rejected(why)) => Effects::compensate(why.to_string()),
            (Self::Unbegun, _) => Effects::none(),
        }
    }
}

impl Sends<TransferOrder> for Transfer {
    /// The report to the order is the last command. Its answer changes nothing.
    fn answered(&mut self, _: Answer<TransferOrder>) -> Effects<Self> {
        Effects::none()
    }
}

impl Transfer {
    fn begin(&mut self, order: &Id<TransferOrder>, request: &TransferRequest) -> Effects<Self> {
        *self =
            Self::Withdrawing(OrderedTransfer { order: order.clone(), request: request.clone() });
        let TransferRequest { from, amount, .. } = request;
        Effects::none()
            .send_with_undo(
                from,
                AccountCommand::Withdraw(*amount),
                AccountCommand::Deposit(*amount),
            )
            .schedule_in(WITHDRAWAL_TIMEOUT, ())
    }

    fn deposit(&mut self, transfer: OrderedTransfer) -> Effects<Self> {
        let TransferRequest { to, amount, .. } = &transfer.request;
        let effects = Effects::none().cancel(()).send(to, AccountCommand::Deposit(*amount));
        *self = Self::Depositing(transfer);
        effects
    }

    /// Compensates, unless it is too late.
    fn abort(&self, why: &str) -> Effects<Self> {
        match self {
            Self::Withdrawing(_) => Effects::compensate(why),
            Self::Unbegun | Self::Depositing(_) => Effects::none(),
        }
    }

    fn refuse(&self, effects: Effects<Self>, why: &str) -> Effects<Self> {
        match self {
            Self::Withdrawing(transfer) | Self::Depositing(transfer) => {
                effects.send(&transfer.order, OrderCommand::Refuse(why.to_owned()))
            }
            Self::Unbegun => effects,
        }
    }
}

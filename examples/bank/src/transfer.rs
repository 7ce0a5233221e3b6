use std::time::Duration;

use actuarius::saga::{Answer, Correlation, Effects, Outcome, ReactsTo, Saga, Sends};
use actuarius::{Envelope, Id};
use serde::{Deserialize, Serialize};

use crate::{Account, AccountCommand, OrderCommand, OrderEvent, TransferOrder, Wanted};

/// How long the money may take to leave its account.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Carries out one order: takes the money out of one account, puts it into the other, and puts it back
/// if that is refused. At the end the order is told.
///
/// Behind the withdrawal everything can be undone, by a deposit. Behind the deposit nothing can: the
/// money is another customer's, who may have spent it. So once the deposit is on its way, only its own
/// refusal turns the transfer back; a recall or a deadline comes too late.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transfer {
    /// It has heard of no order.
    #[default]
    Unbegun,
    /// The withdrawal is on its way.
    Withdrawing(Way),
    /// The money is out of the one account, and on its way into the other.
    Depositing(Way),
}

/// What is to be moved, and who is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// Who is told at the end.
    pub order: Id<TransferOrder>,
    /// What is to be moved.
    pub wanted: Wanted,
}

impl Saga for Transfer {
    const TYPE: &'static str = "transfer";
    /// It has one deadline.
    type Deadline = ();

    fn due(&mut self, (): ()) -> Effects<Self> {
        self.turn_back("it took too long")
    }

    fn cancelled(&mut self, why: &str) -> Effects<Self> {
        self.turn_back(why)
    }

    /// No money is missing now.
    fn compensated(&mut self, why: &str) -> Effects<Self> {
        self.refuse(Effects::none(), why)
    }
}

impl ReactsTo<TransferOrder> for Transfer {
    fn correlate(event: &Envelope<TransferOrder>) -> Correlation {
        match event.event {
            OrderEvent::Placed(_) => Correlation::start(event.id.as_str()),
            OrderEvent::Recalled => Correlation::proceed(event.id.as_str()),
            // The transfer has said so itself.
            OrderEvent::Finished | OrderEvent::Refused(_) => Correlation::ignore(),
        }
    }

    fn react(&mut self, event: &Envelope<TransferOrder>) -> Effects<Self> {
        match &event.event {
            OrderEvent::Placed(wanted) => self.begin(&event.id, wanted),
            OrderEvent::Recalled => self.turn_back("it was recalled"),
            OrderEvent::Finished | OrderEvent::Refused(_) => Effects::none(),
        }
    }
}

impl Sends<Account> for Transfer {
    fn answered(&mut self, answer: Answer<Account>) -> Effects<Self> {
        match (&*self, answer.outcome) {
            (Self::Withdrawing(way), Outcome::Accepted { .. }) => {
                let way = way.clone();
                self.deposit(way)
            }
            // Nothing was done, so there is nothing to undo.
            (Self::Withdrawing(_), Outcome::Rejected(why)) => {
                self.refuse(Effects::fail(why.to_string()), &why.to_string())
            }
            (Self::Depositing(way), Outcome::Accepted { .. }) => {
                Effects::complete().send(&way.order, OrderCommand::Finish)
            }
            (Self::Depositing(_), Outcome::Rejected(why)) => Effects::compensate(why.to_string()),
            (Self::Unbegun, _) => Effects::none(),
        }
    }
}

impl Sends<TransferOrder> for Transfer {
    /// The order is told last. What it says changes nothing.
    fn answered(&mut self, _: Answer<TransferOrder>) -> Effects<Self> {
        Effects::none()
    }
}

impl Transfer {
    fn begin(&mut self, order: &Id<TransferOrder>, wanted: &Wanted) -> Effects<Self> {
        *self = Self::Withdrawing(Way { order: order.clone(), wanted: wanted.clone() });
        let Wanted { from, amount, .. } = wanted;
        Effects::none()
            .send_with_undo(
                from,
                AccountCommand::Withdraw(*amount),
                AccountCommand::Deposit(*amount),
            )
            .schedule_in(PATIENCE, ())
    }

    fn deposit(&mut self, way: Way) -> Effects<Self> {
        let Wanted { to, amount, .. } = &way.wanted;
        let effects = Effects::none().cancel(()).send(to, AccountCommand::Deposit(*amount));
        *self = Self::Depositing(way);
        effects
    }

    /// Undoes what was done, unless it is too late.
    fn turn_back(&self, why: &str) -> Effects<Self> {
        match self {
            Self::Withdrawing(_) => Effects::compensate(why),
            Self::Unbegun | Self::Depositing(_) => Effects::none(),
        }
    }

    fn refuse(&self, effects: Effects<Self>, why: &str) -> Effects<Self> {
        match self {
            Self::Withdrawing(way) | Self::Depositing(way) => {
                effects.send(&way.order, OrderCommand::Refuse(why.to_owned()))
            }
            Self::Unbegun => effects,
        }
    }
}

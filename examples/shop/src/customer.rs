use actuarius::{Aggregate, Context};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Cents, Date, Sums};

/// A customer, as far as the shop is concerned: what they have bought so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// How often they bought.
    pub purchases: u64,
    /// How many CDs.
    pub cds: u64,
    /// For how much.
    pub spent: Cents,
    /// When they last bought.
    pub last: Option<Date>,
}

impl Customer {
    /// What they have bought so far.
    #[must_use]
    pub fn bought(&self) -> Sums {
        Sums { purchases: self.purchases, cds: self.cds, spent: self.spent }
    }
}

/// The command: a customer buys some CDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purchase {
    /// The day.
    pub date: Date,
    /// How many CDs.
    pub cds: u32,
    /// What they cost together, which may be nothing.
    pub cents: Cents,
}

/// What happened to a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CustomerEvent {
    /// The customer bought some CDs.
    Purchased {
        /// The day.
        date: Date,
        /// How many CDs.
        cds: u32,
        /// What they cost together.
        cents: Cents,
    },
}

/// Why the shop does not book a purchase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refused {
    /// A purchase has at least one CD.
    #[error("a purchase without a CD")]
    NothingBought,
    /// Purchases are booked in the order of their days.
    #[error("a purchase on {date}, but the last one was on {last}")]
    TooLate {
        /// The day of the refused purchase.
        date: Date,
        /// The day of the last purchase.
        last: Date,
    },
    /// The sum would be more than can be counted.
    #[error("{spent} dollars cannot take {cents} more")]
    TooMuch {
        /// What was spent so far.
        spent: Cents,
        /// What the refused purchase costs.
        cents: Cents,
    },
}

impl Aggregate for Customer {
    const TYPE: &'static str = "customer";
    type Command = Purchase;
    type Event = CustomerEvent;
    type Error = Refused;

    fn decide(&self, purchase: Purchase, _: &Context) -> Result<Vec<CustomerEvent>, Refused> {
        let Purchase { date, cds, cents } = purchase;
        if cds == 0 {
            return Err(Refused::NothingBought);
        }
        if let Some(last) = self.last.filter(|last| date < *last) {
            return Err(Refused::TooLate { date, last });
        }
        if self.spent.0.checked_add(cents.0).is_none() {
            return Err(Refused::TooMuch { spent: self.spent, cents });
        }
        Ok(vec![CustomerEvent::Purchased { date, cds, cents }])
    }

    fn apply(&mut self, event: &CustomerEvent) {
        let CustomerEvent::Purchased { date, cds, cents } = event;
        self.purchases += 1;
        self.cds += u64::from(*cds);
        self.spent.0 += cents.0;
        self.last = Some(*date);
    }
}

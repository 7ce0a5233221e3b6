//! The customer: the aggregate of this example, with its command, event, refusals and rules.

use actuarius::{Aggregate, Context};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Cents, Date, Sums};

/// A customer: the sums of their purchases so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// The number of purchases.
    pub purchases: u64,
    /// The number of CDs.
    pub cds: u64,
    /// The amount spent.
    pub spent: Cents,
    /// The day of the last purchase.
    pub last: Option<Date>,
}

impl Customer {
    /// The sums of their purchases so far.
    #[must_use]
    pub fn bought(&self) -> Sums {
        Sums { purchases: self.purchases, cds: self.cds, spent: self.spent }
    }
}

/// The command: a purchase of some CDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purchase {
    /// The day.
    pub date: Date,
    /// The number of CDs.
    pub cds: u32,
    /// The total price, which may be zero.
    pub cents: Cents,
}

/// The events of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CustomerEvent {
    /// The customer bought some CDs.
    Purchased {
        /// The day.
        date: Date,
        /// The number of CDs.
        cds: u32,
        /// The total price.
        cents: Cents,
    },
}

/// Why a customer refuses a purchase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refused {
    /// A purchase must have at least one CD.
    #[error("a purchase without a CD")]
    NothingBought,
    /// Purchases must be booked in the order of their days.
    #[error("a purchase on {date}, but the last one was on {last}")]
    TooLate {
        /// The day of the refused purchase.
        date: Date,
        /// The day of the last purchase.
        last: Date,
    },
    /// The sum would overflow.
    #[error("{spent} dollars cannot take {cents} more")]
    TooMuch {
        /// The amount spent so far.
        spent: Cents,
        /// The price of the refused purchase.
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

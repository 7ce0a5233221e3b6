//! Sums of purchases.

use serde::{Deserialize, Serialize};

use crate::Cents;

/// The sums of some purchases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// The number of purchases.
    pub purchases: u64,
    /// The number of CDs.
    pub cds: u64,
    /// The amount spent.
    pub spent: Cents,
}

/// Sums over customers and their purchases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// The number of customers.
    pub customers: u64,
    /// The sums of their purchases.
    pub bought: Sums,
}

impl Sums {
    /// Adds a purchase.
    pub(crate) fn add(&mut self, cds: u32, cents: Cents) {
        self.add_all(&Self { purchases: 1, cds: u64::from(cds), spent: cents });
    }

    pub(crate) fn add_all(&mut self, other: &Self) {
        self.purchases += other.purchases;
        self.cds += other.cds;
        self.spent.0 += other.spent.0;
    }
}

impl Totals {
    /// Adds a customer. A customer without purchases does not exist, and a query for one returns an empty state.
    pub(crate) fn add(&mut self, bought: &Sums) {
        self.customers += u64::from(bought.purchases > 0);
        self.bought.add_all(bought);
    }
}

/// The sum of sums.
impl<'a> FromIterator<&'a Sums> for Sums {
    fn from_iter<I: IntoIterator<Item = &'a Sums>>(sums: I) -> Self {
        sums.into_iter().fold(Self::default(), |mut all, sums| {
            all.add_all(sums);
            all
        })
    }
}

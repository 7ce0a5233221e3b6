//! The loyalty tiers of customers.

use crate::Cents;

/// The loyalty tier of a customer, by the amount spent.
///
/// The views store tiers, so raise their versions when this changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Every customer with a purchase.
    Bronze,
    /// From 100 dollars.
    Silver,
    /// From 500 dollars.
    Gold,
}

impl Tier {
    /// All tiers, the best first.
    pub const ALL: [Self; 3] = [Self::Gold, Self::Silver, Self::Bronze];

    /// The amount at which the tier begins.
    #[must_use]
    pub const fn begins_at(self) -> Cents {
        match self {
            Self::Bronze => Cents(0),
            Self::Silver => Cents(10_000),
            Self::Gold => Cents(50_000),
        }
    }

    /// The tier of a customer who has spent this amount.
    #[must_use]
    pub fn of(spent: Cents) -> Self {
        let reached = |tier: &Self| spent >= tier.begins_at();
        Self::ALL.into_iter().find(reached).unwrap_or(Self::Bronze)
    }

    /// The name in views and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bronze => "bronze",
            Self::Silver => "silver",
            Self::Gold => "gold",
        }
    }

    /// The tier of this name, if it exists.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_begins_at_its_amount_to_the_cent() {
        for tier in Tier::ALL {
            assert_eq!(Tier::of(tier.begins_at()), tier);
            assert_eq!(Tier::named(tier.name()), Some(tier));
        }
        assert_eq!(Tier::of(Cents(9_999)), Tier::Bronze);
        assert_eq!(Tier::of(Cents(49_999)), Tier::Silver);
        assert_eq!(Tier::of(Cents(u64::MAX)), Tier::Gold);
    }
}

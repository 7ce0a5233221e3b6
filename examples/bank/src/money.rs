//! An amount of money in integer cents.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount in the smallest unit of its currency. Sums are checked: amounts are never rounded and never wrap
/// around.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cents(pub i64);

impl Cents {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// The sum, or `None` if it overflows.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }
}

impl fmt::Display for Cents {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = self.0.unsigned_abs();
        write!(formatter, "{sign}{}.{:02}", cents / 100, cents % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::Cents;

    #[test]
    fn amounts_are_shown_in_units_and_cents() {
        for (cents, text) in [(0, "0.00"), (5, "0.05"), (-5, "-0.05"), (12_345, "123.45")] {
            assert_eq!(Cents(cents).to_string(), text);
        }
        assert_eq!(Cents(i64::MIN).to_string(), "-92233720368547758.08");
    }
}

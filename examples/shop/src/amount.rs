//! An amount of dollars in integer cents.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// An amount of dollars in cents. Money is never a float.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cents(pub u64);

/// A text that is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not an amount like 12.34, of at most {most}", most = Cents::MOST_AT_ONCE)]
pub struct InvalidAmount(String);

impl Cents {
    /// The largest price of one purchase. The sum of 2³² such purchases still fits into 64 bits.
    pub const MOST_AT_ONCE: Self = Self(u32::MAX as u64);
}

/// Parses whole dollars, a point and two digits.
impl FromStr for Cents {
    type Err = InvalidAmount;

    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        let read = || {
            let (dollars, cents) = text.split_once('.')?;
            if cents.len() != 2 || ![dollars, cents].into_iter().all(is_digits) {
                return None;
            }
            let dollars: u64 = dollars.parse().ok()?;
            let amount = Self(dollars.checked_mul(100)?.checked_add(cents.parse().ok()?)?);
            (amount <= Self::MOST_AT_ONCE).then_some(amount)
        };
        read().ok_or_else(|| InvalidAmount(text.to_owned()))
    }
}

/// The parsers of the standard library would also accept a sign.
fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for Cents {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::Cents;

    #[test]
    fn amounts_are_parsed_to_the_cent() {
        for (text, cents) in [("0.00", 0), ("11.77", 1_177), ("1286.01", 128_601)] {
            assert_eq!(text.parse(), Ok(Cents(cents)));
            assert_eq!(Cents(cents).to_string(), text);
        }
        assert_eq!("42949672.95".parse(), Ok(Cents::MOST_AT_ONCE));
    }

    #[test]
    fn anything_else_is_not_an_amount() {
        for text in ["", "1", "1.", ".50", "1.5", "1.500", "-1.00", "1.+5", "1,50", "42949672.96"] {
            assert!(text.parse::<Cents>().is_err(), "{text}");
        }
    }
}

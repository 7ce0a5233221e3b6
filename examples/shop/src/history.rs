use std::collections::HashMap;
use std::io;
use std::num::ParseIntError;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use crate::{Cents, Date, InvalidAmount, InvalidDate, Purchase, Totals};

/// The purchases of a file, by customer.
#[derive(Debug, Clone)]
pub struct History {
    /// The customers, those with the most purchases first.
    pub buyers: Arc<[Buyer]>,
    /// The sums of the file's lines, taken while they were read.
    pub totals: Totals,
    /// The first and the last day, if there is any purchase.
    pub days: Option<(Date, Date)>,
}

/// A customer of the file.
#[derive(Debug, Clone)]
pub struct Buyer {
    /// The customer's number, as written in the file.
    pub id: String,
    /// The purchases, in the order of the file.
    pub purchases: Vec<Purchase>,
}

/// Why a file of purchases was not read.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// The system refused.
    #[error("{path} cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is not a purchase.
    #[error("{path}, line {line}: {what}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// What is wrong with it.
        what: LineError,
    },
}

/// What is wrong with a line.
#[derive(Debug, Error)]
pub enum LineError {
    /// There are too few or too many columns.
    #[error("expected customer, date, CDs and dollars, found {0} columns")]
    Columns(usize),
    /// The date is none.
    #[error(transparent)]
    Date(#[from] InvalidDate),
    /// The number of CDs is none.
    #[error("{text:?} is not a number of CDs: {source}")]
    Cds {
        /// What stands there.
        text: String,
        /// Why it is not a number.
        source: ParseIntError,
    },
    /// The dollars are none.
    #[error(transparent)]
    Amount(#[from] InvalidAmount),
}

impl History {
    /// Reads a file of purchases, the full one or the sample.
    ///
    /// # Errors
    /// [`HistoryError`] names the file, and the line if it is one.
    pub fn read(path: &Path) -> Result<Self, HistoryError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| HistoryError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|(line, what)| HistoryError::Malformed {
            path: path.to_owned(),
            line,
            what,
        })
    }

    /// What the file would have said on the evening of a day.
    #[must_use]
    pub fn until(&self, day: Date) -> Self {
        let (mut totals, mut buyers, mut days) = (Totals::default(), Vec::new(), None);
        for buyer in &*self.buyers {
            let by_then = buyer.purchases.iter().take_while(|purchase| purchase.date <= day);
            let purchases: Vec<_> = by_then.copied().collect();
            for Purchase { date, cds, cents } in &purchases {
                totals.bought.add(*cds, *cents);
                let (first, last) = days.unwrap_or((*date, *date));
                days = Some((first.min(*date), last.max(*date)));
            }
            if !purchases.is_empty() {
                buyers.push(Buyer { id: buyer.id.clone(), purchases });
            }
        }
        totals.customers = buyers.len() as u64;
        Self { buyers: buyers.into(), totals, days }
    }

    fn parse(text: &str) -> Result<Self, (usize, LineError)> {
        let mut buyers: Vec<Buyer> = Vec::new();
        let mut places = HashMap::new();
        let mut totals = Totals::default();
        let mut days = None;
        for (index, line) in text.lines().enumerate() {
            let purchase = purchase_of(index, line).map_err(|what| (index + 1, what))?;
            let Some((id, purchase)) = purchase else { continue };
            totals.bought.add(purchase.cds, purchase.cents);
            let (first, last) = days.unwrap_or((purchase.date, purchase.date));
            days = Some((first.min(purchase.date), last.max(purchase.date)));
            let place = *places.entry(id).or_insert_with(|| {
                buyers.push(Buyer { id: id.to_owned(), purchases: Vec::new() });
                buyers.len() - 1
            });
            buyers[place].purchases.push(purchase);
        }
        totals.customers = buyers.len() as u64;
        // A customer's purchases are sent one after the other. The long histories start first, so
        // that no client is left alone with one at the end.
        buyers.sort_by_key(|buyer| std::cmp::Reverse(buyer.purchases.len()));
        Ok(Self { buyers: buyers.into(), totals, days })
    }
}

/// The customer and the purchase of a line; nothing for the header and for empty lines.
fn purchase_of(index: usize, line: &str) -> Result<Option<(&str, Purchase)>, LineError> {
    let columns: Vec<&str> = line.split_whitespace().collect();
    let (id, date, cds, dollars) = match columns[..] {
        [] => return Ok(None),
        ["customer_id", ..] if index == 0 => return Ok(None),
        // The sample numbers its customers anew, in a second column.
        [id, date, cds, dollars] | [id, _, date, cds, dollars] => (id, date, cds, dollars),
        _ => return Err(LineError::Columns(columns.len())),
    };
    let cds = cds.parse().map_err(|source| LineError::Cds { text: cds.to_owned(), source })?;
    let cents: Cents = dollars.parse()?;
    Ok(Some((id, Purchase { date: date.parse()?, cds, cents })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sums;

    #[test]
    fn the_full_file_and_the_sample_are_read_alike() {
        let full = History::parse("customer_id date\r\n 04 19970101  2   29.33\r\n").unwrap();
        let sample = History::parse(" 04 0001 19970101  2   29.33\r\n\r\n").unwrap();
        assert_eq!(full.buyers[0].purchases, sample.buyers[0].purchases);
        let bought = Sums { purchases: 1, cds: 2, spent: Cents(2_933) };
        let sums = Totals { customers: 1, bought };
        assert_eq!((full.totals, sample.totals), (sums, sums));
    }

    #[test]
    fn a_malformed_line_is_named() {
        for (line, message) in [
            ("1 19970101 2", "expected customer, date, CDs and dollars, found 3 columns"),
            ("1 19970199 2 1.00", r#""19970199" is not a date like 19970131"#),
            (
                "1 19970101 two 1.00",
                r#""two" is not a number of CDs: invalid digit found in string"#,
            ),
            ("1 19970101 2 1.5", r#""1.5" is not an amount like 12.34, of at most 42949672.95"#),
        ] {
            let (number, what) =
                History::parse(&format!("1 19970101 2 1.00\n{line}\n")).unwrap_err();
            assert_eq!((number, what.to_string()), (2, message.to_owned()));
        }
    }
}

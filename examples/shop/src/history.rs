//! The file of purchases: parsing it, and cutting it at a day.

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
    /// The sums of the file's lines.
    pub totals: Totals,
    /// The first and the last day, if there are any purchases.
    pub days: Option<(Date, Date)>,
}

/// A customer of the file.
#[derive(Debug, Clone)]
pub struct Buyer {
    /// The customer's number as in the file.
    pub id: String,
    /// The purchases, in the order of the file.
    pub purchases: Vec<Purchase>,
}

/// Why a file of purchases cannot be used.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// The file cannot be read.
    #[error("{path} cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A line is not a purchase.
    #[error("{path}, line {line}: {what}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// What is wrong with the line.
        what: LineError,
    },
}

/// What is wrong with a line.
#[derive(Debug, Error)]
pub enum LineError {
    /// There are too few or too many columns.
    #[error("expected customer, date, CDs and dollars, found {0} columns")]
    Columns(usize),
    /// The date is invalid.
    #[error(transparent)]
    Date(#[from] InvalidDate),
    /// The number of CDs is invalid.
    #[error("{text:?} is not a number of CDs: {source}")]
    Cds {
        /// The text in the file.
        text: String,
        /// Why the text is not a number.
        source: ParseIntError,
    },
    /// The amount is invalid.
    #[error(transparent)]
    Amount(#[from] InvalidAmount),
}

impl History {
    /// Reads a file of purchases, the full one or the sample.
    ///
    /// # Errors
    /// [`HistoryError`], which names the file and a malformed line.
    pub fn read(path: &Path) -> Result<Self, HistoryError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| HistoryError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|(line, what)| HistoryError::Malformed {
            path: path.to_owned(),
            line,
            what,
        })
    }

    /// The purchases up to the evening of a day.
    #[must_use]
    pub fn until(&self, day: Date) -> Self {
        let (mut totals, mut buyers, mut days) = (Totals::default(), Vec::new(), None);
        for buyer in &*self.buyers {
            let until = buyer.purchases.iter().take_while(|purchase| purchase.date <= day);
            let purchases: Vec<_> = until.copied().collect();
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
        let mut indexes = HashMap::new();
        let mut totals = Totals::default();
        let mut days = None;
        for (index, line) in text.lines().enumerate() {
            let purchase = purchase_of(index, line).map_err(|what| (index + 1, what))?;
            let Some((id, purchase)) = purchase else { continue };
            totals.bought.add(purchase.cds, purchase.cents);
            let (first, last) = days.unwrap_or((purchase.date, purchase.date));
            days = Some((first.min(purchase.date), last.max(purchase.date)));
            let buyer = *indexes.entry(id).or_insert_with(|| {
                buyers.push(Buyer { id: id.to_owned(), purchases: Vec::new() });
                buyers.len() - 1
            });
            buyers[buyer].purchases.push(purchase);
        }
        totals.customers = buyers.len() as u64;
        // The purchases of a customer are sent one after another. Long histories start first, so that no single client
        // is left with one at the end.
        buyers.sort_by_key(|buyer| std::cmp::Reverse(buyer.purchases.len()));
        Ok(Self { buyers: buyers.into(), totals, days })
    }
}

/// The customer and the purchase of a line. `None` for the header and for empty lines.
fn purchase_of(index: usize, line: &str) -> Result<Option<(&str, Purchase)>, LineError> {
    let columns: Vec<&str> = line.split_whitespace().collect();
    let (id, date, cds, dollars) = match columns[..] {
        [] => return Ok(None),
        ["customer_id", ..] if index == 0 => return Ok(None),
        // The sample has numbers of its own for the customers, in a second column.
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
    fn the_full_file_and_the_sample_are_parsed_alike() {
        let full = History::parse("customer_id date\r\n 04 19970101  2   29.33\r\n").unwrap();
        let sample = History::parse(" 04 0001 19970101  2   29.33\r\n\r\n").unwrap();
        assert_eq!(full.buyers[0].purchases, sample.buyers[0].purchases);
        let bought = Sums { purchases: 1, cds: 2, spent: Cents(2_933) };
        let sums = Totals { customers: 1, bought };
        assert_eq!((full.totals, sample.totals), (sums, sums));
    }

    #[test]
    fn a_malformed_line_is_reported_by_number() {
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

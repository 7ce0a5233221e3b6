use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A day of the calendar. Later days are greater.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// A month of a year. Later months are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Month {
    year: u16,
    month: u8,
}

/// A text that is not a day of the calendar.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a date like 19970131")]
pub struct InvalidDate(String);

impl Date {
    /// The day, if there is such a day.
    #[must_use]
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let exists = (1..=days_of(year, month)).contains(&day);
        exists.then_some(Self { year, month, day })
    }

    /// The month it is in.
    #[must_use]
    pub fn month(&self) -> Month {
        Month { year: self.year, month: self.month }
    }
}

fn days_of(year: u16, month: u8) -> u8 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    }
}

/// As in the file: `YYYYMMDD`.
impl FromStr for Date {
    type Err = InvalidDate;

    fn from_str(text: &str) -> Result<Self, InvalidDate> {
        let read = || {
            if text.len() != 8 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            let [year, month, day] = [&text[..4], &text[4..6], &text[6..]];
            Self::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
        };
        read().ok_or_else(|| InvalidDate(text.to_owned()))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04}-{:02}", self.year, self.month)
    }
}

/// As it is shown: `YYYY-MM`.
impl FromStr for Month {
    type Err = InvalidDate;

    fn from_str(text: &str) -> Result<Self, InvalidDate> {
        let first = text.split_once('-').map(|(year, month)| format!("{year}{month}01"));
        let day: Option<Date> = first.and_then(|first| first.parse().ok());
        day.map(|day| day.month()).ok_or_else(|| InvalidDate(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Date, Month};

    #[test]
    fn days_are_read_and_shown() {
        let date: Date = "19970131".parse().unwrap();
        assert_eq!(date.to_string(), "1997-01-31");
        assert!(date < "19970201".parse().unwrap());
        assert!("20000229".parse::<Date>().is_ok());
    }

    #[test]
    fn months_are_shown_and_read() {
        let month = Date::new(1997, 1, 31).unwrap().month();
        assert_eq!((month.to_string(), "1997-01".parse()), ("1997-01".to_owned(), Ok(month)));
        assert!(month < "1997-02".parse().unwrap());
        for text in ["", "1997", "1997-13", "1997-1", "97-01", "1997-01-31"] {
            assert!(text.parse::<Month>().is_err(), "{text}");
        }
    }

    #[test]
    fn days_that_are_not_in_the_calendar_are_refused() {
        for text in ["", "1997013", "19970132", "19971301", "19000229", "19970100", "1997-1-1"] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
    }
}

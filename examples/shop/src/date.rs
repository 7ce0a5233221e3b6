//! Days and months of the calendar.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use actuarius::Timestamp;
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
    /// The day, or `None` if it does not exist.
    #[must_use]
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let exists = (1..=days_of(year, month)).contains(&day);
        exists.then_some(Self { year, month, day })
    }

    /// Noon of the day in UTC.
    #[must_use]
    pub fn noon(&self) -> Timestamp {
        Timestamp::default().plus(DAY * self.days_since_1970() + DAY / 2)
    }

    /// The last microsecond of the day in UTC.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        Timestamp::default().plus(DAY * (self.days_since_1970() + 1)).minus(MICROSECOND)
    }

    /// Days since 1970-01-01. Earlier days do not occur in the data.
    fn days_since_1970(&self) -> u32 {
        let years = (1970..self.year).map(|year| if is_leap(year) { 366 } else { 365 });
        let months = (1..self.month).map(|month| u32::from(days_of(self.year, month)));
        years.sum::<u32>() + months.sum::<u32>() + u32::from(self.day) - 1
    }

    /// The month of the day.
    #[must_use]
    pub fn month(&self) -> Month {
        Month { year: self.year, month: self.month }
    }
}

const DAY: Duration = Duration::from_secs(86_400);
const MICROSECOND: Duration = Duration::from_micros(1);

fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of(year: u16, month: u8) -> u8 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 0,
    }
}

/// Parses `YYYYMMDD`, the form in the file.
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

/// Parses `YYYY-MM`, the form in which months are shown.
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
    fn days_are_parsed_and_shown() {
        let date: Date = "19970131".parse().unwrap();
        assert_eq!(date.to_string(), "1997-01-31");
        assert!(date < "19970201".parse().unwrap());
        assert!("20000229".parse::<Date>().is_ok());
    }

    #[test]
    fn months_are_shown_and_parsed() {
        let month = Date::new(1997, 1, 31).unwrap().month();
        assert_eq!((month.to_string(), "1997-01".parse()), ("1997-01".to_owned(), Ok(month)));
        assert!(month < "1997-02".parse().unwrap());
        for text in ["", "1997", "1997-13", "1997-1", "97-01", "1997-01-31"] {
            assert!(text.parse::<Month>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_has_a_noon_and_an_end() {
        let seconds = |text: &str| {
            let date: Date = text.parse().unwrap();
            assert_eq!(date.end().as_micros() % 1_000_000, 999_999);
            (date.noon().as_micros() / 1_000_000, date.end().as_micros() / 1_000_000 + 1)
        };
        assert_eq!(seconds("19700101"), (43_200, 86_400));
        assert_eq!(seconds("19970630"), (867_672_000, 867_715_200));
        assert_eq!(seconds("20000229"), (951_825_600, 951_868_800));
    }

    #[test]
    fn days_that_are_not_in_the_calendar_are_refused() {
        for text in ["", "1997013", "19970132", "19971301", "19000229", "19970100", "1997-1-1"] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
    }
}

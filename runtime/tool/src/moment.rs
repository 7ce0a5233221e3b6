//! Times as they are written and parsed, and the moment that `--at` selects. All times are in UTC.

use std::fmt;
use std::str::FromStr;

use actuarius::history::Moment;
use actuarius::{Position, Timestamp, Version};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// A time, written as `2026-11-21T10:00:00.000000Z`.
pub(crate) struct Utc(pub(crate) Timestamp);

impl fmt::Display for Utc {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.0.as_micros().div_euclid(DAY), self.0.as_micros().rem_euclid(DAY));
        let (year, month, day) = date_of(days);
        match year {
            0..=9999 => write!(formatter, "{year:04}")?,
            _ => write!(formatter, "{year:+07}")?,
        }
        let (seconds, micros) = (rest / SECOND, rest % SECOND);
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        write!(formatter, "-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
    }
}

impl serde::Serialize for Utc {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A moment in the past of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// After the event with this version.
    Version(Version),
    /// When the log ended at this position.
    Position(Position),
    /// At this time, according to the times of the commits.
    Time(Timestamp),
}

impl From<At> for Moment {
    fn from(at: At) -> Self {
        match at {
            At::Version(version) => version.into(),
            At::Position(position) => position.into(),
            At::Time(time) => time.into(),
        }
    }
}

impl FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number =
            |digits: &str| digits.parse().map_err(|_| format!("{digits:?} is not a number"));
        if let Some(digits) = text.strip_prefix("position:") {
            return Ok(Self::Position(Position::new(number(digits)?)));
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self::Version(Version::new(number(text)?)));
        }
        let why = "expected a version (17), a position (position:1234) or a time (2026-11-21, 2026-11-21T10:00:00Z)";
        parse_time(text).map(Self::Time).ok_or_else(|| why.to_owned())
    }
}

/// Parses a time. A day means its last microsecond, so that the whole day is included.
fn parse_time(text: &str) -> Option<Timestamp> {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let [year, month, day] = numbers(date, '-')?;
    let days = days_of(year, month, day)?;
    let within = time.map_or(Some(DAY - 1), parse_time_of_day)?;
    days.checked_mul(DAY)?.checked_add(within).map(Timestamp::from_micros)
}

/// Microseconds since midnight UTC. With another zone, the result may be on another day.
fn parse_time_of_day(text: &str) -> Option<i64> {
    let (clock, offset) = split_zone(text)?;
    let (clock, micros) = match clock.split_once('.') {
        Some((clock, digits)) => (clock, parse_fraction(digits)?),
        None => (clock, 0),
    };
    let [hour, minute, second] = numbers(clock, ':')
        .or_else(|| numbers(clock, ':').map(|[hour, minute]| [hour, minute, 0]))?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some((hour * 3_600 + minute * 60 + second) * SECOND + micros - offset)
}

fn split_zone(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = text.rfind(['+', '-']) else { return Some((text, 0)) };
    let [hours, minutes] = numbers(&text[at + 1..], ':')?;
    let offset = (hours * 3_600 + minutes * 60) * SECOND;
    (hours <= 23 && minutes <= 59)
        .then_some((&text[..at], if text[at..].starts_with('-') { -offset } else { offset }))
}

fn parse_fraction(digits: &str) -> Option<i64> {
    let is_right = (1..=6).contains(&digits.len()) && digits.bytes().all(|it| it.is_ascii_digit());
    is_right.then(|| format!("{digits:0<6}").parse().ok()).flatten()
}

/// Parses exactly `N` numbers without a sign, of at most six digits each.
fn numbers<const N: usize>(text: &str, between: char) -> Option<[i64; N]> {
    let number = |part: &str| {
        let is_number = (1..=6).contains(&part.len()) && part.bytes().all(|it| it.is_ascii_digit());
        is_number.then(|| part.parse().ok()).flatten()
    };
    text.split(between).map(number).collect::<Option<Vec<i64>>>()?.try_into().ok()
}

/// Days since 1970-01-01 in the Gregorian calendar, or `None` if the day does not exist.
///
/// Counts in eras of 400 years that begin in March, so that the leap day is the last day of its year.
fn days_of(year: i64, month: i64, day: i64) -> Option<i64> {
    let shifted = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    ((1..=12).contains(&month) && date_of(days) == (year, month, day)).then_some(days)
}

/// Year, month and day of a number of days since 1970-01-01.
fn date_of(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Option<String> {
        parse_time(text).map(|time| Utc(time).to_string())
    }

    #[test]
    fn every_day_of_800_years_is_written_and_parsed() {
        let mut last = (0, 0, 0);
        for days in -146_097..146_097 {
            let (year, month, day) = date_of(days);
            assert!((year, month, day) > last && day <= 31);
            assert_eq!(days_of(year, month, day), Some(days));
            last = (year, month, day);
        }
        assert_eq!(Utc(Timestamp::from_micros(-1)).to_string(), "1969-12-31T23:59:59.999999Z");
        assert!(Utc(Timestamp::from_micros(i64::MAX)).to_string().starts_with("+294247-01-10T"));
        assert!(Utc(Timestamp::from_micros(i64::MIN)).to_string().starts_with("-290308-12-21T"));
    }

    #[test]
    fn times_are_parsed_in_any_zone_and_a_day_means_its_end() {
        for (text, expected) in [
            ("1997-06-30", "1997-06-30T23:59:59.999999Z"),
            ("2024-02-29T10:20", "2024-02-29T10:20:00.000000Z"),
            ("2024-02-29 10:20:30.5Z", "2024-02-29T10:20:30.500000Z"),
            ("2024-03-01T00:30:00+01:00", "2024-02-29T23:30:00.000000Z"),
            ("2024-02-29T23:30:00-01:00", "2024-03-01T00:30:00.000000Z"),
        ] {
            assert_eq!(time(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn invalid_times_are_refused() {
        for text in [
            "",
            "today",
            "2023-02-29",
            "2024-13-01",
            "2024-00-10",
            "2024-01-00",
            "2024-01-01T",
            "2024-01-01T24:00",
            "2024-01-01T10:60",
            "2024-01-01T1:2:3:4",
            "2024-01-01T10:00:00.",
            "2024-01-01T10:00+1",
            "-1-01-01",
            "2024-01-01T10:00:00.1234567",
            "+24-1-1",
            "é",
            "9999999-01-01",
            "2024-01-01T10:00éZ",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn versions_positions_and_times_are_distinguished() {
        assert_eq!("17".parse(), Ok(At::Version(Version::new(17))));
        assert_eq!("position:17".parse(), Ok(At::Position(Position::new(17))));
        assert!(matches!("2024-01-01".parse(), Ok(At::Time(_))));
        for text in ["position:", "position:x", "99999999999999999999999", "", "v17"] {
            assert!(text.parse::<At>().is_err(), "{text}");
        }
    }
}

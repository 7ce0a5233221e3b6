//! Types as other crates have them: dates, decimals and ids that are written as one text or number.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::shape::family;

/// A date, as `chrono` and `time` write it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Date(u16, u8, u8);

impl fmt::Display for Date {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(year, month, day) = self;
        write!(out, "{year:04}-{month:02}-{day:02}")
    }
}

impl FromStr for Date {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('-').collect();
        let [year, month, day] = parts[..] else { return Err(format!("{text:?} is no date")) };
        let wrong = |_| format!("{text:?} is no date");
        let month = month.parse().map_err(wrong)?;
        Ok(Self(year.parse().map_err(wrong)?, month, day.parse().map_err(wrong)?))
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A moment: a text for humans, a number otherwise.
#[derive(Debug, Clone)]
pub struct Moment(i64);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => serializer.collect_str(&format_args!("{} ms", self.0)),
            false => serializer.serialize_i64(self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return i64::deserialize(deserializer).map(Self);
        }
        let text = String::deserialize(deserializer)?;
        let number = text.trim_end_matches(" ms").parse();
        number.map(Self).map_err(serde::de::Error::custom)
    }
}

/// An amount in cents, whose form another crate chooses.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Amounts {
    #[serde(with = "as_text")]
    text: i64,
    #[serde(with = "as_parts")]
    parts: i64,
}

mod as_text {
    use super::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(cents: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{cents}e-2"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.trim_end_matches("e-2").parse().map_err(serde::de::Error::custom)
    }
}

/// As `rust_decimal` and `bigdecimal` do in binary formats.
mod as_parts {
    use super::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(cents: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        (cents / 100, (cents % 100) as i8).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        let (whole, part) = <(i64, i8)>::deserialize(deserializer)?;
        Ok(whole * 100 + i64::from(part))
    }
}

/// A decimal number whose trailing zeros are not read.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "String")]
pub struct Normalized(String);

impl From<String> for Normalized {
    fn from(text: String) -> Self {
        let is_fraction = text.contains('.');
        Self(if is_fraction { text.trim_end_matches('0').to_owned() } else { text })
    }
}

/// A float that is written with two decimals. These values have no more: serde does not show what is rounded off.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rounded(#[serde(with = "two_decimals")] f64);

mod two_decimals {
    use super::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{number:.2}"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A map within a text.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Packed(#[serde(with = "as_json")] BTreeMap<String, u8>);

mod as_json {
    use super::{BTreeMap, Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(
        map: &BTreeMap<String, u8>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&serde_json::to_string(map).map_err(serde::ser::Error::custom)?)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        serde_json::from_str(&text).map_err(serde::de::Error::custom)
    }
}

/// A set within a text, in no order: another text in each copy.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Joined(HashSet<u32>);

impl From<Joined> for String {
    fn from(Joined(set): Joined) -> Self {
        set.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
    }
}

impl From<String> for Joined {
    fn from(text: String) -> Self {
        Self(text.split(',').filter_map(|number| number.parse().ok()).collect())
    }
}

impl fmt::Debug for Joined {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().collect::<BTreeSet<_>>().fmt(out)
    }
}

/// Dates as keys, in no order.
#[derive(Clone, Serialize, Deserialize)]
pub struct ByDate(HashMap<Date, HashSet<Date>>);

impl fmt::Debug for ByDate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sorted = |set: &HashSet<Date>| set.iter().cloned().collect::<BTreeSet<_>>();
        let all = self.0.iter().map(|(date, set)| (date, sorted(set)));
        all.collect::<BTreeMap<_, _>>().fmt(out)
    }
}

fn date(day: u8) -> Date {
    Date(2026, 2, day)
}

family! { Foreign {
    Date(Date) by [Bincode, Json, MessagePack]: |random| vec![Date(0, 0, 0), Date(random.bits() as u16, 12, 31)];
    Moment(Moment) by [Bincode, Json, MessagePack]: |random| vec![Moment(i64::MIN), Moment(random.bits() as i64)];
    Amounts(Amounts) by [Bincode, Json, MessagePack]: |random| vec![
        Amounts { text: -1, parts: -1 },
        Amounts { text: random.bits() as i64, parts: random.bits() as i64 },
    ];
    Normalized(Normalized) by [Bincode, Json, MessagePack]: |_random| vec![Normalized("1.5".to_owned()), Normalized("10".to_owned())];
    NotNormalized(Normalized) by []: |_random| vec![Normalized("1.50".to_owned())];
    Rounded(Rounded) by [Bincode, Json, MessagePack]: |_random| vec![Rounded(0.25), Rounded(-12.5)];
    Packed(Packed) by [Bincode, Json, MessagePack]: |random| vec![
        Packed(BTreeMap::new()),
        Packed(BTreeMap::from([(random.text(), 1), (String::new(), 2)])),
    ];
    Joined(Joined) by []: |_random| vec![Joined((0..60).collect())];
    ByDate(ByDate) by [Bincode, Json, MessagePack]: |_random| vec![
        ByDate((1..20).map(|day| (date(day), HashSet::from([date(day), date(30)]))).collect()),
    ];
} }

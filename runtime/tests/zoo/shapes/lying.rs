//! Values that serialize as something else than they are read as.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::ser::{Error, SerializeSeq};
use serde::{Deserialize, Serialize, Serializer};

use crate::shape::family;

/// Written as a number, read as a text.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OtherType(#[serde(serialize_with = "number")] String);

fn number<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(text.len() as u64)
}

/// Read in lower case.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "String")]
pub struct Lower(String);

impl From<String> for Lower {
    fn from(text: String) -> Self {
        Self(text.to_lowercase())
    }
}

/// Another number each time it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Counting(#[serde(serialize_with = "next")] u64);

fn next<S: Serializer>(_: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    serializer.serialize_u64(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Cannot be written.
#[derive(Debug, Clone, Deserialize)]
pub struct Refusing(u8);

impl Serialize for Refusing {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("not today"))
    }
}

/// Its list has another length than it says.
#[derive(Debug, Clone, Deserialize)]
pub struct WrongLength(Vec<u8>);

impl Serialize for WrongLength {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len() + 1))?;
        self.0.iter().try_for_each(|element| list.serialize_element(element))?;
        list.end()
    }
}

/// A map whose keys are equal once they are written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Colliding(#[serde(serialize_with = "by_parity")] BTreeMap<u8, u8>);

fn by_parity<S: Serializer>(map: &BTreeMap<u8, u8>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(map.iter().map(|(key, value)| (key % 2, value)))
}

family! { Lying {
    OtherType(OtherType) by []: |_random| vec![OtherType("four".to_owned())];
    Lower(Lower) by []: |_random| vec![Lower("ABC".to_owned())];
    Counting(Counting) by []: |_random| vec![Counting(1)];
    Refusing(Refusing) by []: |_random| vec![Refusing(1)];
    WrongLength(WrongLength) by [Json]: |_random| vec![WrongLength(vec![1, 2])];
    Colliding(Colliding) by []: |_random| vec![Colliding(BTreeMap::from([(1, 1), (3, 3)]))];
} }

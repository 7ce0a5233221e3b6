//! Structs: empty ones, newtypes, tuples, renamed, flattened, skipped and converted fields.

use std::marker::PhantomData;
use std::num::Wrapping;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::shape::family;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Unit;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Empty {}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EmptyTuple();

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Newtype(u64);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pair(u8, Newtype);

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Renamed {
    first_name: String,
    #[serde(rename = "n", alias = "number")]
    a_number: i32,
    #[serde(rename = "")]
    no_name: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Address {
    street: String,
    zip: Option<u32>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Flattened {
    name: String,
    #[serde(flatten)]
    address: Address,
    #[serde(flatten)]
    extra: Option<Newtypes>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Newtypes {
    one: Newtype,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FlattenedWide {
    name: String,
    #[serde(flatten)]
    wide: Wide,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Wide {
    number: u128,
}

/// A skipped field has its default when it is read; here it has it before, too.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Skipped {
    kept: u8,
    #[serde(skip)]
    cache: Vec<u8>,
    #[serde(skip)]
    nothing: PhantomData<fn()>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct With {
    #[serde(with = "hex")]
    key: [u8; 4],
    #[serde(with = "seconds")]
    wait: Duration,
}

mod hex {
    use super::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(key: &[u8; 4], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{:08x}", u32::from_be_bytes(*key)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 4], D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = u32::from_str_radix(&text, 16).map_err(serde::de::Error::custom)?;
        Ok(number.to_be_bytes())
    }
}

/// Drops what is below a second.
mod seconds {
    use super::{Deserialize, Deserializer, Duration, Serializer};

    pub fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(time.as_secs())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_secs)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Generic<T>(T, PhantomData<T>);

family! { Structs {
    UnitValue(()) by [Bincode, Json, MessagePack]: |_random| vec![()];
    Unit(Unit) by [Bincode, Json, MessagePack]: |_random| vec![Unit];
    Empty(Empty) by [Bincode, Json, MessagePack]: |_random| vec![Empty {}];
    EmptyTuple(EmptyTuple) by [Bincode, Json, MessagePack]: |_random| vec![EmptyTuple()];
    Units(Vec<Unit>) by [Bincode, Json, MessagePack]: |_random| vec![vec![Unit; 3]];
    Newtype(Newtype) by [Bincode, Json, MessagePack]: |random| vec![Newtype(random.bits())];
    Pair(Pair) by [Bincode, Json, MessagePack]: |random| vec![Pair(1, Newtype(random.bits()))];
    Tuple((u8, (String, ()), [bool; 3], Wrapping<i8>)) by [Bincode, Json, MessagePack]: |random| vec![
        (1, (random.text(), ()), [true, false, true], Wrapping(-128)),
    ];
    Renamed(Renamed) by [Bincode, Json, MessagePack]: |random| vec![Renamed {
        first_name: random.text(),
        a_number: -5,
        no_name: true,
    }];
    Flattened(Flattened) by [Json, MessagePack]: |random| vec![
        Flattened { name: random.text(), address: Address { street: random.text(), zip: None }, extra: None },
        Flattened {
            name: random.text(),
            address: Address { street: random.text(), zip: Some(1) },
            extra: Some(Newtypes { one: Newtype(random.number()) }),
        },
    ];
    FlattenedWide(FlattenedWide) by []: |random| vec![
        FlattenedWide { name: random.text(), wide: Wide { number: u128::MAX } },
    ];
    Skipped(Skipped) by [Bincode, Json, MessagePack]: |_random| vec![
        Skipped::default(),
        Skipped { kept: 1, ..Skipped::default() },
    ];
    With(With) by [Bincode, Json, MessagePack]: |random| vec![With {
        key: (random.bits() as u32).to_be_bytes(),
        wait: Duration::from_secs(random.number()),
    }];
    Generic(Generic<Option<Newtype>>) by [Bincode, Json, MessagePack]: |random| vec![
        Generic(None, PhantomData),
        Generic(Some(Newtype(random.bits())), PhantomData),
    ];
    Range(std::ops::Range<u16>) by [Bincode, Json, MessagePack]: |random| vec![0..random.bits() as u16];
} }

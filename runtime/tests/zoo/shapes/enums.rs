//! Enums in each representation.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::shape::family;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum External {
    Unit,
    Newtype(String),
    Tuple(u8, i64),
    Struct { a: bool, b: Vec<u16> },
    EmptyTuple(),
    EmptyStruct {},
    OfUnit(()),
    OfOption(Option<u8>),
    OfEnum(Box<External>),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Internal {
    BankTransfer { last_four: String, cents: i64 },
    Cash,
    Of(Inner),
    OfUnit(()),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Inner {
    name: String,
    share: f64,
}

/// A tagged enum buffers its content, and what is buffered counts as human-readable.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "t")]
pub enum Peer {
    Ip { address: IpAddr },
    Wide { number: u128 },
    Bytes { blob: super::texts::Blob },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", content = "of")]
pub enum Adjacent {
    Unit,
    Newtype(u32),
    Tuple(u8, String),
    Struct { a: Option<u8> },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Untagged {
    Number(i64),
    Float(f64),
    Text(String),
    Pair(u8, bool),
    Struct { a: u8 },
    Nothing,
}

/// The later variants are read as earlier ones.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Ambiguous {
    Small(u8),
    Large(u64),
    Short { a: u8 },
    Long { a: u8, b: u8 },
    Text(String),
    Letter(char),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum CatchAll {
    Known,
    #[serde(other)]
    Other,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Aliased {
    #[serde(rename = "a.b/c", alias = "old")]
    Renamed(u8),
    #[serde(rename = "")]
    NoName,
}

pub use twins::Twins;

mod twins {
    #![allow(unreachable_patterns)] // rustc notices two variants of one name
    use super::{Deserialize, Serialize};

    /// Two variants of one name. bincode stores their indexes.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub enum Twins {
        #[serde(rename = "moved")]
        Deposited(i64),
        #[serde(rename = "moved")]
        Withdrawn(i64),
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Skipping {
    Both(u8),
    #[serde(skip_serializing)]
    NotWritten(u8),
    #[serde(skip_deserializing)]
    NotRead(u8),
    #[serde(skip)]
    Neither,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum PartlyUntagged {
    Tagged(u8),
    #[serde(untagged)]
    Bare(String),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Nested {
    Of(Adjacent, External),
    OfTagged(Option<Internal>),
}

fn external(depth: u8) -> External {
    let inner = External::Struct { a: true, b: vec![1, 500] };
    (0..depth).fold(inner, |inner, _| External::OfEnum(Box::new(inner)))
}

family! { Enums {
    External(External) by [Bincode, Json, MessagePack]: |random| vec![
        External::Unit,
        External::Newtype(random.text()),
        External::Tuple(random.bits() as u8, random.bits() as i64),
        External::EmptyTuple(),
        External::EmptyStruct {},
        External::OfUnit(()),
        External::OfOption(None),
        External::OfOption(Some(0)),
        external(5),
    ];
    Internal(Internal) by [Json, MessagePack]: |random| vec![
        Internal::BankTransfer { last_four: random.text(), cents: random.bits() as i64 },
        Internal::Cash,
        Internal::Of(Inner { name: random.text(), share: random.float() }),
        Internal::OfUnit(()),
    ];
    Peer(Peer) by []: |random| vec![
        Peer::Ip { address: IpAddr::from([127, 0, 0, 1]) },
        Peer::Ip { address: IpAddr::from(random.wide().to_be_bytes()) },
        Peer::Wide { number: u128::MAX },
        Peer::Wide { number: random.wide() },
        Peer::Bytes { blob: super::texts::Blob(random.bytes()) },
    ];
    Adjacent(Adjacent) by [Json, MessagePack]: |random| vec![
        Adjacent::Unit,
        Adjacent::Newtype(random.bits() as u32),
        Adjacent::Tuple(1, random.text()),
        Adjacent::Struct { a: None },
    ];
    Untagged(Untagged) by [Json, MessagePack]: |random| vec![
        Untagged::Number(random.bits() as i64),
        Untagged::Float(1.0),
        Untagged::Float(random.float()),
        Untagged::Text(random.text()),
        Untagged::Pair(1, false),
        Untagged::Struct { a: 7 },
        Untagged::Nothing,
    ];
    Ambiguous(Ambiguous) by []: |random| vec![
        Ambiguous::Small(3),
        Ambiguous::Large(3),
        Ambiguous::Large(u64::MAX),
        Ambiguous::Short { a: 1 },
        Ambiguous::Long { a: 1, b: 2 },
        Ambiguous::Text(random.text()),
        Ambiguous::Letter(random.letter()),
    ];
    CatchAll(CatchAll) by [Bincode, Json, MessagePack]: |_random| vec![CatchAll::Known, CatchAll::Other];
    Aliased(Aliased) by [Bincode, Json, MessagePack]: |_random| vec![Aliased::Renamed(1), Aliased::NoName];
    Twins(Twins) by [Bincode]: |random| vec![
        Twins::Deposited(random.bits() as i64),
        Twins::Withdrawn(random.bits() as i64),
    ];
    Skipping(Skipping) by []: |_random| vec![
        Skipping::Both(1),
        Skipping::NotWritten(1),
        Skipping::NotRead(1),
        Skipping::Neither,
    ];
    PartlyUntagged(PartlyUntagged) by [Json, MessagePack]: |random| vec![
        PartlyUntagged::Tagged(1),
        PartlyUntagged::Bare(random.text()),
    ];
    Nested(Nested) by [Json, MessagePack]: |random| vec![
        Nested::Of(Adjacent::Unit, external(2)),
        Nested::OfTagged(None),
        Nested::OfTagged(Some(Internal::Cash)),
        Nested::OfTagged(Some(Internal::Of(Inner { name: random.text(), share: 0.5 }))),
    ];
    Outcome(Result<u8, String>) by [Bincode, Json, MessagePack]: |random| vec![Ok(0), Err(random.text())];
    Bound(std::ops::Bound<i8>) by [Bincode, Json, MessagePack]: |_random| vec![
        std::ops::Bound::Unbounded,
        std::ops::Bound::Included(-1),
    ];
} }

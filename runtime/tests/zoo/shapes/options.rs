//! Options in options, options of units, and fields that may be missing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::shape::family;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SkippedIfNone {
    #[serde(skip_serializing_if = "Option::is_none")]
    a: Option<String>,
    b: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SkippedIfEmpty {
    a: u8,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    list: Vec<u8>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    map: BTreeMap<String, u8>,
}

/// A skipped zero is read as one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OtherDefault {
    #[serde(default = "one", skip_serializing_if = "is_zero")]
    a: u32,
}

fn one() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde passes it so
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Defaulted {
    a: u32,
    b: Option<String>,
    c: Vec<Option<i8>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Nick {
    nick: Option<Option<String>>,
    unit: Option<()>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Unit;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Through(Option<u8>);

family! { Options {
    Plain(Option<u8>) by [Bincode, Json, MessagePack]: |_random| vec![None, Some(0)];
    Nested(Option<Option<u8>>) by [Bincode]: |random| vec![None, Some(None), Some(Some(random.bits() as u8))];
    Thrice(Option<Option<Option<String>>>) by [Bincode]: |random| vec![
        Some(Some(None)),
        Some(None),
        Some(Some(Some(random.text()))),
    ];
    OfUnit(Option<()>) by [Bincode]: |_random| vec![None, Some(())];
    OfUnitStruct(Option<Unit>) by [Bincode, MessagePack]: |_random| vec![None, Some(Unit)];
    OfTransparent(Option<Through>) by [Bincode]: |_random| vec![Some(Through(None)), Some(Through(Some(1)))];
    OfValue(Option<Value>) by []: |_random| vec![None, Some(Value::Null), Some(Value::Bool(true))];
    InList(Vec<Option<Option<i16>>>) by [Bincode]: |_random| vec![vec![], vec![None, Some(None), Some(Some(-1))]];
    InMap(BTreeMap<String, Option<Option<()>>>) by [Bincode]: |random| vec![
        BTreeMap::from([(random.text(), Some(None))]),
        BTreeMap::from([(random.text(), None)]),
    ];
    InFields(Nick) by [Bincode]: |random| vec![
        Nick { nick: Some(None), unit: Some(()) },
        Nick { nick: None, unit: None },
        Nick { nick: Some(Some(random.text())), unit: None },
    ];
    SkippedIfNone(SkippedIfNone) by [Json, MessagePack]: |random| vec![
        SkippedIfNone { a: None, b: String::new() },
        SkippedIfNone { a: None, b: "\u{1}\u{1}".to_owned() },
        SkippedIfNone { a: None, b: random.text() },
        SkippedIfNone { a: Some(random.text()), b: random.text() },
    ];
    SkippedIfEmpty(SkippedIfEmpty) by [Json, MessagePack]: |random| vec![
        SkippedIfEmpty { a: 0, list: vec![], map: BTreeMap::new() },
        SkippedIfEmpty { a: 1, list: random.bytes(), map: BTreeMap::from([(random.text(), 1)]) },
    ];
    OtherDefault(OtherDefault) by []: |_random| vec![OtherDefault { a: 0 }, OtherDefault { a: 1 }, OtherDefault { a: 2 }];
    Defaulted(Defaulted) by [Bincode, Json, MessagePack]: |random| vec![
        Defaulted::default(),
        Defaulted { a: 3, b: Some(random.text()), c: vec![None, Some(1)] },
    ];
} }

//! Texts, bytes and values of no fixed shape.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::shape::family;

/// Bytes, written as bytes and not as a list of numbers.
#[derive(Debug, Clone)]
pub struct Blob(pub Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

struct Bytes;

impl<'de> Visitor<'de> for Bytes {
    type Value = Blob;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Blob, E> {
        Ok(Blob(bytes.to_vec()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Blob, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = list.next_element()? {
            bytes.push(byte);
        }
        Ok(Blob(bytes))
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(Bytes)
    }
}

/// A decimal number, written as a text and read as anything.
#[derive(Debug, Clone)]
pub struct Decimal(String);

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

struct Digits;

impl Visitor<'_> for Digits {
    type Value = Decimal;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a decimal number")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Decimal, E> {
        Ok(Decimal(text.to_owned()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Decimal, E> {
        Ok(Decimal(number.to_string()))
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Digits)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Borrowed {
    text: Cow<'static, str>,
    list: Cow<'static, [u8]>,
    shared: Arc<str>,
    boxed: Box<[u16]>,
}

fn deep_json(depth: usize) -> Value {
    (0..depth).fold(json!(1), |inner, _| Value::Array(vec![inner]))
}

family! { Texts {
    Text(String) by [Bincode, Json, MessagePack]: |random| vec![
        String::new(),
        "\0\"\\\u{2028}\u{1f}\u{7f}ä\u{301}\u{10ffff}".to_owned(),
        "x".repeat(70_000),
        random.text(),
        random.text(),
    ];
    Bytes(Vec<u8>) by [Bincode, Json, MessagePack]: |random| vec![vec![], vec![0; 300], vec![255; 70_000], random.bytes()];
    Blob(Blob) by [Bincode, Json, MessagePack]: |random| vec![Blob(vec![]), Blob(vec![7; 300]), Blob(random.bytes())];
    Array([u8; 32]) by [Bincode, Json, MessagePack]: |random| vec![[0; 32], [random.bits() as u8; 32]];
    Decimal(Decimal) by [Json, MessagePack]: |_random| vec![Decimal("12.50".to_owned()), Decimal("7".to_owned())];
    Borrowed(Borrowed) by [Bincode, Json, MessagePack]: |random| vec![Borrowed {
        text: random.text().into(),
        list: random.bytes().into(),
        shared: random.text().into(),
        boxed: Box::new([1, 2]),
    }];
    Identity(Uuid) by [Bincode, Json, MessagePack]: |random| vec![Uuid::nil(), Uuid::from_u128(random.wide())];
    Path(PathBuf) by [Bincode, Json, MessagePack]: |random| vec![PathBuf::new(), PathBuf::from(random.text())];
    Value(Value) by [Json, MessagePack]: |random| vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1.0),
        json!(-0.0),
        json!(random.float()),
        json!(random.text()),
        json!({"a": [1, null, {"b": random.text()}], "": {}, "c": 0.1}),
        deep_json(20),
    ];
} }

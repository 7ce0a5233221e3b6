//! Payloads as JSON, for self-describing codecs.

use std::fmt;

use actuarius::Codec;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use crate::text;

/// The maximum nesting of values: the limit of `serde_json`, which leaves the stack far from full.
const DEPTH_MAX: usize = 127;

/// A value, as JSON text.
pub(crate) type Json = Box<RawValue>;

/// Converts any value to JSON text, escaped for a terminal.
pub(crate) fn json(value: &impl Serialize) -> Result<Json, String> {
    let text = serde_json::to_string(value).map_err(|error| error.to_string())?;
    raw(&text)
}

/// Checks and escapes a JSON text.
pub(crate) fn raw(json: &str) -> Result<Json, String> {
    RawValue::from_string(text::escape_json(json)).map_err(|error| error.to_string())
}

/// The value of a payload, or `None` if its codec is not self-describing.
pub(crate) fn described(codec: u8, payload: &[u8]) -> Option<Result<Json, String>> {
    match Codec::from_byte(codec) {
        // Unchanged: numbers of any length, and fields in their order.
        Ok(Codec::Json) => {
            let text = std::str::from_utf8(payload).map_err(|error| error.to_string());
            Some(text.and_then(raw))
        }
        Ok(codec @ Codec::MessagePack) => Some(
            codec.decode::<Tree>(payload).map_err(|it| it.to_string()).and_then(|it| json(&it)),
        ),
        _ => None,
    }
}

/// The name of a codec.
pub(crate) fn codec_name(codec: u8) -> String {
    match Codec::from_byte(codec) {
        Ok(Codec::Bincode) => "bincode".to_owned(),
        Ok(Codec::Json) => "json".to_owned(),
        Ok(Codec::MessagePack) => "messagepack".to_owned(),
        _ => format!("codec {codec}"),
    }
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// A self-describing value. Fields keep their order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tree {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Tree>),
    Map(Vec<(Tree, Tree)>),
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Unsigned(value) => serializer.serialize_u64(*value),
            Self::Signed(value) => serializer.serialize_i64(*value),
            // JSON has no number for it.
            Self::Float(value) if !value.is_finite() => serializer.collect_str(value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::Bytes(value) => serializer.serialize_str(&hex(value)),
            Self::List(values) => serializer.collect_seq(values),
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(&key.as_key(), value)?;
                }
                map.end()
            }
        }
    }
}

impl Tree {
    /// The key of a JSON object, which must be a string.
    fn as_key(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            other => serde_json::to_string(other).unwrap_or_default(),
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        TreeSeed { depth: 0 }.deserialize(deserializer)
    }
}

/// Deserializes a tree at a nesting depth.
#[derive(Clone, Copy)]
struct TreeSeed {
    depth: usize,
}

impl TreeSeed {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        let depth = self.depth + 1;
        if depth > DEPTH_MAX {
            Err(E::custom("the value is nested too deeply"))
        } else {
            Ok(Self { depth })
        }
    }
}

impl<'de> DeserializeSeed<'de> for TreeSeed {
    type Value = Tree;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TreeSeed {
    type Value = Tree;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Signed(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Unsigned(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Tree, E> {
        Ok(Tree::Bytes(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<Tree, D::Error> {
        self.deserialize(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Tree, A::Error> {
        // The encoded length is not trusted: the bytes may be anything.
        let (mut list, deeper) = (Vec::new(), self.deeper()?);
        while let Some(value) = values.next_element_seed(deeper)? {
            list.push(value);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let (mut map, deeper) = (Vec::new(), self.deeper()?);
        while let Some(entry) = entries.next_entry_seed(deeper, deeper)? {
            map.push(entry);
        }
        Ok(Tree::Map(map))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, _: D) -> Result<Tree, D::Error> {
        Err(de::Error::custom("extension types of MessagePack are not supported"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn shown(codec: Codec, value: &impl Serialize) -> Option<String> {
        let mut bytes = Vec::new();
        codec.encode(value, &mut bytes).unwrap();
        Some(described(codec.byte(), &bytes)?.unwrap().get().to_owned())
    }

    #[test]
    fn self_describing_payloads_are_shown_with_their_fields_in_order() {
        #[derive(serde::Serialize)]
        struct Sample {
            z: u8,
            a: Vec<Option<i64>>,
            numbers: BTreeMap<u8, f64>,
        }
        let sample = Sample { z: 1, a: vec![Some(-2), None], numbers: [(7, 0.5)].into() };
        let expected = r#"{"z":1,"a":[-2,null],"numbers":{"7":0.5}}"#;
        for codec in [Codec::Json, Codec::MessagePack] {
            assert_eq!(shown(codec, &sample).as_deref(), Some(expected));
        }
        assert_eq!(shown(Codec::Bincode, &sample), None);
    }

    #[test]
    fn values_without_a_json_form_are_shown_as_text() {
        assert_eq!(shown(Codec::MessagePack, &f64::NAN).as_deref(), Some("\"NaN\""));
        let bytes = [0x92, 0xc4, 0x02, 0xab, 0x01, 0xc0];
        let shown = described(Codec::MessagePack.byte(), &bytes).unwrap().unwrap();
        assert_eq!(shown.get(), r#"["ab01",null]"#);
    }

    #[test]
    fn an_invalid_payload_is_an_error_and_no_panic() {
        for payload in
            [&[0xc4][..], &[0xdd, 0xff, 0xff, 0xff, 0xff], &[0x91; 100_000], b"", b"\xa5{"]
        {
            for codec in [Codec::Json, Codec::MessagePack] {
                assert!(described(codec.byte(), payload).unwrap().is_err());
            }
        }
        assert!(described(99, b"").is_none());
    }
}

//! No codec quotes a value in an error of decoding.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize};

use super::*;
use crate::Codec;

const MARKER: &str = "HIV-positive, expected ";
const NUMBER: u32 = 7_340_519;

#[derive(Debug, Deserialize)]
enum Code {
    #[serde(rename = "hiv")]
    Hiv,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Strict {
    #[serde(rename = "code")]
    _code: u8,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    Known,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Flag(bool),
}

#[derive(Debug)]
struct Parsed;

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Err(D::Error::custom(format!("{text} is no code")))
    }
}

#[derive(Debug)]
struct Mimic;

impl<'de> Deserialize<'de> for Mimic {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Err(D::Error::custom(format!("missing field {text}")))
    }
}

/// Returns the errors of reading `value` as a `T`, with each codec.
fn errors<T: DeserializeOwned + Debug>(value: &impl Serialize) -> Vec<String> {
    let read = |codec: Codec| {
        let mut bytes = Vec::new();
        codec.encode(value, &mut bytes).expect("encodable");
        let error = codec.decode::<T>(&bytes).err()?;
        Some(format!("{codec:?}: {error} / {error:?}"))
    };
    [Codec::Bincode, Codec::Json, Codec::MessagePack].into_iter().filter_map(read).collect()
}

/// An enum was renamed. The log, the health and a parked note, in every later backup, had the diagnosis of a patient
/// who had been forgotten.
#[test]
fn no_error_of_any_codec_quotes_a_value() {
    let (text, number) = (MARKER.to_owned(), NUMBER);
    let keyed = BTreeMap::from([(MARKER, 1)]);
    let tagged = BTreeMap::from([("kind", MARKER)]);
    let all = [
        errors::<Code>(&text),
        errors::<u32>(&text),
        errors::<bool>(&text),
        errors::<char>(&text),
        errors::<f64>(&text),
        errors::<Vec<u8>>(&text),
        errors::<BTreeMap<String, u8>>(&text),
        errors::<Parsed>(&text),
        errors::<Mimic>(&text),
        errors::<Untagged>(&text),
        errors::<Tagged>(&tagged),
        errors::<Strict>(&keyed),
        errors::<BTreeMap<u32, u8>>(&keyed),
        errors::<Code>(&number),
        errors::<String>(&number),
        errors::<u8>(&number),
        errors::<bool>(&number),
        errors::<Option<Code>>(&Some(text.clone())),
        errors::<(u8, Code)>(&(1_u8, &text)),
        errors::<String>(&7340519.5_f64),
        errors::<bool>(&'é'),
    ];
    for errors in &all {
        assert!(!errors.is_empty());
        for error in errors {
            assert!(!error.contains("HIV"), "{error}");
            assert!(!error.contains("7340519") && !error.contains('é'), "{error}");
        }
    }
    let of_the_enum = &all[0];
    assert!(
        of_the_enum.iter().any(|it| it.contains("unknown variant, expected `hiv`")),
        "{all:#?}"
    );
    let read = (Code::Hiv, Untagged::Flag(true), Tagged::Known);
    assert!(matches!(read, (Code::Hiv, Untagged::Flag(flag), Tagged::Known) if flag));
}

#[test]
fn what_is_no_value_is_kept() {
    let kept = |text: &str| assert_eq!(without_values(text), text);
    kept("missing field `ward`");
    kept("data did not match any variant of untagged enum Amount");
    kept("missing field `ward` at line 1 column 20");
    let quiet = |text: &str, expected: &str| assert_eq!(without_values(text), expected);
    quiet(
        "invalid type: string \"a, expected b\", expected u32 at line 3 column 4",
        "invalid type: string, expected u32 at line 3 column 4",
    );
    quiet("invalid value: integer `700`, expected u8", "invalid value: integer, expected u8");
    quiet(
        "invalid length 3, expected a tuple of size 2",
        "invalid length, expected a tuple of size 2",
    );
    quiet("unknown field `x`, there are no fields", "unknown field, there are no fields");
    quiet("a at line 3 column b", LEFT_OUT);
}

//! What each codec can bear, as the table in `docs/book/src/evolution.md` says.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use actuarius_persistence::{Codec, CodecError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const CODECS: [Codec; 3] = [Codec::MessagePack, Codec::Json, Codec::Bincode];

/// The outcomes of a row, in the order of [`CODECS`].
type Cells = [bool; 3];

/// The tagged, untagged and skipped forms of serde were acknowledged with bincode, and could not be read after
/// a restart. Now each form is either kept or refused, and the table says which; it must not be wrong.
#[test]
fn the_table_of_codecs_says_what_each_can_bear() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/book/src/evolution.md");
    let page = std::fs::read_to_string(page).expect("the chapter");
    let (_, table) =
        page.split_once("| shape | MessagePack | JSON | bincode |").expect("the table");
    let (table, _) = table.split_once("\n\n").expect("its end");
    let documented: Vec<&str> = table.trim().lines().skip(1).collect();
    let tested: Vec<String> = rows().into_iter().map(|(shape, cells)| row(shape, cells)).collect();
    assert_eq!(documented, tested, "the table should be:\n{}\n", tested.join("\n"));
}

fn row(shape: &str, cells: Cells) -> String {
    let [first, second, third] = cells.map(|is_kept| if is_kept { "yes" } else { "refused" });
    format!("| {shape} | {first} | {second} | {third} |")
}

fn rows() -> Vec<(&'static str, Cells)> {
    let mut rows = fields();
    rows.extend(enums());
    rows.extend(values());
    rows.extend(collections());
    rows
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Event<T> {
    Happened(T),
}

/// Returns which codecs store an event with this content. What is not refused must be the same now and later.
fn kept<T>(content: T) -> Cells
where
    T: Clone + Debug + PartialEq + Serialize + DeserializeOwned,
{
    kept_as(content.clone(), &content)
}

/// Returns which codecs store an event with this content. What is not refused must be `expected` now and later.
fn kept_as<T>(content: T, expected: &T) -> Cells
where
    T: Clone + Debug + PartialEq + Serialize + DeserializeOwned,
{
    let (event, expected) = (Event::Happened(content), Event::Happened(expected.clone()));
    CODECS.map(|codec| {
        let mut out = Vec::new();
        match codec.encode_event_checked(&event, &mut out) {
            Ok((name, decoded)) => {
                let later = codec.decode_event(name, &out).expect("it was decoded before");
                assert_eq!((&expected, &expected), (&decoded, &later), "{codec:?}");
                true
            }
            Err(CodecError::DoesNotReadBack { .. } | CodecError::Encode(_)) => false,
            Err(CodecError::TooDeep) => false,
            Err(other) => panic!("{codec:?}: {other}"),
        }
    })
}

/// Returns which codecs read an event whose content has changed since it was stored.
fn read_later<T, U>(stored: T, expected: U) -> Cells
where
    T: Serialize,
    U: Debug + PartialEq + DeserializeOwned,
{
    CODECS.map(|codec| {
        let mut out = Vec::new();
        codec.encode(&stored, &mut out).expect("it encodes");
        match codec.decode::<U>(&out) {
            Ok(later) => later == expected,
            Err(CodecError::Decode(_)) => false,
            Err(other) => panic!("{codec:?}: {other}"),
        }
    })
}

fn fields() -> Vec<(&'static str, Cells)> {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Optional {
        nick: Option<String>,
    }
    #[derive(Serialize)]
    struct Before {
        name: String,
        age: u8,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Without {
        name: String,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct With {
        name: String,
        age: u8,
        #[serde(default)]
        nick: Option<String>,
    }
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Skipped {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nick: Option<String>,
        name: String,
    }
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Inner {
        inner: u8,
    }
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Flattened {
        outer: u8,
        #[serde(flatten)]
        rest: Inner,
    }
    let (name, before) = (|| "n".to_owned(), || Before { name: "n".to_owned(), age: 7 });
    vec![
        ("an optional field", kept(vec![Optional { nick: Some(name()) }, Optional { nick: None }])),
        (
            "a field with `default` that is added later",
            read_later(before(), With { name: name(), age: 7, nick: None }),
        ),
        ("a field that is removed later", read_later(before(), Without { name: name() })),
        ("a field skipped by `skip_serializing_if`", kept(Skipped { nick: None, name: name() })),
        ("a flattened field", kept(Flattened { outer: 1, rest: Inner { inner: 2 } })),
    ]
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Internal<T> {
    Card { last4: T },
    Cash,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "is")]
enum Adjacent {
    Card { last4: String },
    Number(u8),
    Cash,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u32),
    Large(u64),
    Count(u32),
    Text(String),
}

fn enums() -> Vec<(&'static str, Cells)> {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    enum External {
        Unit,
        Newtype(String),
        Tuple(u8, i64),
        Struct { cents: i64 },
    }
    let external = vec![
        External::Unit,
        External::Newtype("n".to_owned()),
        External::Tuple(1, -1),
        External::Struct { cents: 5 },
    ];
    let adjacent =
        vec![Adjacent::Card { last4: "1234".to_owned() }, Adjacent::Number(7), Adjacent::Cash];
    let address = IpAddr::from(Ipv4Addr::LOCALHOST);
    let other_value = kept(Untagged::Large(7));
    let alike = kept_as(Untagged::Count(7), &Untagged::Number(7));
    vec![
        ("an enum, with serde's default tagging", kept(external)),
        ("an enum with `tag`", kept(Internal::Card { last4: "1234".to_owned() })),
        ("an enum with `tag` and `content`", kept(adjacent)),
        (
            "an enum with `untagged`",
            kept(vec![Untagged::Number(7), Untagged::Text("n".to_owned())]),
        ),
        ("an untagged variant that an earlier variant reads as another value", other_value),
        ("an untagged variant that an earlier variant writes alike: becomes that one", alike),
        ("an IP address in an enum with `tag`", kept(Internal::Card { last4: address })),
        ("a 128-bit number in an enum with `tag`", kept(Internal::Card { last4: u128::MAX })),
    ]
}

/// Bytes, as `serde_bytes` writes them.
#[derive(Debug, Clone, PartialEq)]
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(inner: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Bytes;
            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
                Ok(Bytes(bytes))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut bytes: A,
            ) -> Result<Bytes, A::Error> {
                std::iter::from_fn(|| bytes.next_element().transpose())
                    .collect::<Result<_, _>>()
                    .map(Bytes)
            }
        }
        inner.deserialize_byte_buf(Visitor)
    }
}

fn values() -> Vec<(&'static str, Cells)> {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Unit;
    let floats = [0.1, -0.0, f64::MIN_POSITIVE, f64::MAX, 5e-324, 0.091_443_385_121_092_89];
    let addresses: (IpAddr, SocketAddr) =
        (Ipv4Addr::LOCALHOST.into(), (Ipv4Addr::BROADCAST, 80).into());
    let json = serde_json::json!({"a": [1, -2.5, null, "text"], "b": {}});
    vec![
        ("`Option<Option<T>>` with `Some(None)`", kept(Some(None::<u8>))),
        ("`Option<()>` with `Some(())`", kept(Some(()))),
        ("`serde_json::Value`", kept(json)),
        (
            "a number, a character, a text, a unit struct",
            kept((u64::MAX, i64::MIN, 'ü', String::new(), Unit)),
        ),
        ("`u128`, `i128`", kept((u128::MAX, i128::MIN))),
        ("a finite `f32` or `f64`", kept((floats, 0.1_f32, f32::MIN_POSITIVE))),
        ("infinities (and NaN)", kept(f64::INFINITY)),
        ("an IP address", kept(addresses)),
        ("a `Duration`", kept(Duration::new(7, 7))),
        ("bytes (`serde_bytes`)", kept(Bytes(vec![0, 127, 128, 255]))),
    ]
}

/// A set that is written as one text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
struct Joined(HashSet<String>);

impl From<Joined> for String {
    fn from(Joined(set): Joined) -> Self {
        set.into_iter().collect::<Vec<_>>().join(",")
    }
}

impl From<String> for Joined {
    fn from(text: String) -> Self {
        Self(text.split(',').map(str::to_owned).collect())
    }
}

fn collections() -> Vec<(&'static str, Cells)> {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Deep(Vec<Deep>);
    let deep = |levels| (0..levels).fold(Deep(vec![]), |inner, _| Deep(vec![inner]));
    let numbers = || (0..50_u32).map(|number| (number, number.to_string()));
    vec![
        ("a `Vec`, a tuple, an array", kept((vec![1, 2], ("a".to_owned(), 7), [1_u8, 255]))),
        ("a set, also a `HashSet`", kept(numbers().map(|(_, text)| text).collect::<HashSet<_>>())),
        (
            "a text or bytes that a type makes of a `HashMap` or a `HashSet`",
            kept(Joined(numbers().map(|(_, text)| text).collect())),
        ),
        (
            "a map with texts or numbers as keys, also a `HashMap`",
            kept(numbers().collect::<HashMap<_, _>>()),
        ),
        ("a map with tuples or structs as keys", kept(BTreeMap::from([((1, 2), 3)]))),
        ("a value of 100 levels", kept(deep(100))),
        ("a value of 200 levels", kept(deep(200))),
    ]
}

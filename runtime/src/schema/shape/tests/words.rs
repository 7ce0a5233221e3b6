//! Tests of the words of shapes: what they say, what stays unknown, and which shapes read each other.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

use serde::Deserialize;
use uuid::Uuid;

use super::super::words::reads_renamed;
use super::super::{Node, fingerprint, shape, variant, words_of};
use super::{NeverEnds, Panics, Refuses, first, numbers, texts};

/// Returns the words of a type, or which part of it is unknown.
fn words<T: serde::de::DeserializeOwned>() -> String {
    let read = |node: Node<'_>| T::deserialize(node).is_ok();
    words_of(&read).unwrap_or_else(|unknown| format!("unknown: {unknown}"))
}

#[derive(Deserialize)]
#[allow(dead_code)]
struct Line {
    qty: u32,
    cents: u64,
}

/// The words are stored, so another spelling would make every recorded shape look like another one.
#[test]
fn the_words_of_a_shape_are_the_same_in_every_release() {
    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Newtype(Line);
    #[derive(Deserialize)]
    #[allow(dead_code)]
    enum Kind {
        None,
        Some(u8),
        Pair(i8, f64),
        Named {
            a: char,
        },
        #[serde(rename = "a|b)")]
        Odd,
    }
    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Tree {
        value: bool,
        children: Vec<Tree>,
    }
    assert_eq!(words::<Newtype>(), "{qty: u32, cents: u64}");
    assert_eq!(
        words::<(Option<Kind>, ())>(),
        "(optional(enum(None|Some(u8)|Pair(i8, f64)|Named{a: char}|a%7c%b%29%)), ())"
    );
    assert_eq!(words::<BTreeMap<String, Vec<[u8; 4]>>>(), "map(text -> [[u8; 4]])");
    assert_eq!(
        words::<Tree>(),
        "{value: bool, children: [{value: bool, children: [..{value, children}]}]}"
    );
    assert_eq!(words::<numbers::Tree>(), words::<numbers::Tree>());
    assert_ne!(words::<numbers::Term>(), words::<texts::Term>());
}

/// A text that must have the form AAA-000 hid everything after it: a map from such keys to lines kept its
/// fingerprint when two fields of the lines changed their places, and snapshots were read with both swapped.
#[test]
fn what_follows_a_text_with_a_strict_form_is_seen() {
    #[derive(PartialEq, Eq, PartialOrd, Ord, Deserialize)]
    #[serde(try_from = "String")]
    struct Sku(String);
    impl TryFrom<String> for Sku {
        type Error = String;
        fn try_from(text: String) -> Result<Self, String> {
            let (letters, digits) = text.split_once('-').ok_or("no dash")?;
            let fits = letters.len() == 3 && digits.len() == 3;
            let fits = fits && letters.bytes().all(|it| it.is_ascii_uppercase());
            if fits && digits.bytes().all(|it| it.is_ascii_digit()) {
                Ok(Self(text))
            } else {
                Err(text)
            }
        }
    }
    #[derive(PartialEq, Eq, PartialOrd, Ord, Deserialize)]
    #[serde(try_from = "String")]
    struct Semver([u64; 3]);
    impl TryFrom<String> for Semver {
        type Error = String;
        fn try_from(text: String) -> Result<Self, String> {
            let numbers: Result<Vec<u64>, _> = text.split('.').map(str::parse).collect();
            numbers.ok().and_then(|it| it.try_into().ok()).map(Self).ok_or(text)
        }
    }
    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Swapped {
        cents: u64,
        qty: u32,
    }
    macro_rules! all_differ {
        ($($of:ident<$($inner:ty),*>;)*) => {
            $(assert!(shape::<$of<$($inner),*, Line>>().words.is_ok());
            assert_ne!(fingerprint::<$of<$($inner),*, Line>>(), fingerprint::<$of<$($inner),*, Swapped>>());)*
        };
    }
    type Map<K, V> = BTreeMap<K, V>;
    type Pairs<K, V> = Vec<(K, V)>;
    type Perhaps<K, V> = Option<(K, V)>;
    all_differ! {
        Map<Sku>; Pairs<Sku>; Perhaps<Sku>; Map<Semver>; Pairs<IpAddr>; Pairs<SocketAddr>;
        Map<Uuid>; Pairs<NonZeroU32>;
    }
}

/// A value that no sample satisfies counts as unknown, wherever it hides something. Where nothing follows it,
/// everything is seen.
#[test]
fn what_cannot_be_seen_is_unknown_and_says_where() {
    let unknown = |words: String, at: &str| {
        assert!(words.starts_with(&format!("unknown: `{at}` ")), "{words}");
    };
    unknown(words::<(Refuses, Line)>(), "0");
    unknown(words::<Vec<(u8, (Refuses, Line))>>(), "element.1.0");
    unknown(words::<BTreeMap<u8, Option<(Refuses, Line)>>>(), "value.0");
    unknown(words::<(u8, serde_json::Value)>(), "1");
    assert_eq!(words::<(Option<Refuses>, Line)>(), "(optional(text), {qty: u32, cents: u64})");
    assert_eq!(words::<(Line, Refuses)>(), "({qty: u32, cents: u64}, text)");
    assert!(words::<(u8, Panics)>().starts_with("unknown"), "{}", words::<(u8, Panics)>());
    assert!(words::<(u8, NeverEnds)>().starts_with("unknown"));
}

#[test]
fn what_serde_hides_is_unknown() {
    #[derive(Deserialize)]
    #[serde(untagged)]
    #[allow(dead_code)]
    enum Untagged {
        One(u8),
        Two { a: String },
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    #[allow(dead_code)]
    struct Flat {
        a: u8,
        #[serde(flatten)]
        rest: BTreeMap<String, i64>,
    }
    #[derive(Deserialize)]
    #[serde(tag = "kind")]
    #[allow(dead_code)]
    enum Internal {
        One { a: u8 },
    }
    #[derive(Deserialize)]
    #[serde(tag = "kind", content = "it")]
    #[allow(dead_code)]
    enum Adjacent {
        One { a: u8 },
        Two(String),
    }
    for words in [words::<Untagged>(), words::<Flat>(), words::<Internal>(), words::<Adjacent>()] {
        assert!(words.starts_with("unknown"), "{words}");
    }
    assert!(shape::<Flat>().words.is_err() && shape::<first::State>().words.is_ok());
}

#[test]
fn one_variant_is_described_alone_and_a_missing_one_is_noticed() {
    #[derive(Deserialize)]
    #[allow(dead_code)]
    enum Event {
        Opened {
            owner: String,
        },
        #[serde(alias = "Paid")]
        Deposited(i64),
        Closed,
        Odd(Refuses, u8),
    }
    let words = |name| variant::<Event>(name).words.map_err(|it| it.to_string());
    assert_eq!(words("Opened").as_deref(), Ok("{owner: text}"));
    assert_eq!(words("Deposited").as_deref(), Ok("i64"));
    assert_eq!(words("Paid").as_deref(), Ok("i64"));
    assert_eq!(words("Closed").as_deref(), Ok("()"));
    assert!(words("Odd").is_err());
    let missing = variant::<Event>("Opend");
    assert_eq!(missing.exists, Some(false));
    assert_eq!(missing.names, Some(&["Opened", "Deposited", "Paid", "Closed", "Odd"][..]));
}

#[test]
fn a_catch_all_variant_takes_every_name() {
    #[derive(Deserialize)]
    enum Event {
        Opened,
        #[serde(other)]
        Other,
    }
    assert_eq!(variant::<Event>("Opened").exists, Some(true));
    assert_eq!(variant::<Event>("Whatever").exists, Some(true));
    assert_eq!(variant::<u8>("Whatever").exists, None);
}

/// What an upcaster reads may have other names than what was stored, but not the same names swapped.
#[test]
fn an_upcaster_may_rename_fields_but_not_swap_them() {
    let before = "{qty: u64, lines: map(text -> {cents: u64})}";
    assert!(reads_renamed(before, before));
    assert!(reads_renamed(before, "{amount: u64, lines: map(text -> {cents: u64})}"));
    assert!(reads_renamed("{a: enum(X|Y)}", "{b: enum(X|Y|Z)}"));
    assert!(!reads_renamed(before, "{cents: u64, lines: map(text -> {qty: u64})}"));
    assert!(!reads_renamed(before, "{qty: i64, lines: map(text -> {cents: u64})}"));
    assert!(!reads_renamed(before, "{qty: u64, lines: map(bytes -> {cents: u64})}"));
    // One field was removed, another one added, and `b` is read from where `a` was.
    assert!(!reads_renamed("{a: u64, b: u64}", "{b: u64, c: u64}"));
    assert!(reads_renamed("{x: {id: u8}, id: u8}", "{x: {key: u8}, id: u8}"));
}

//! Tests of shape fingerprints: every relevant change gives another one, and odd types are handled.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroU32;
use std::sync::Arc;

use actuarius_domain::{Aggregate, Context, Id, Timestamp, Version};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use super::fingerprint;

mod recursive;
mod sizes;
mod words;

/// Types of the same name in releases of their own.
macro_rules! releases {
    ($($release:ident { $($item:item)* })*) => {
        $(mod $release { #![allow(dead_code)] use super::*; $(#[derive(Deserialize)] $item)* })*
    };
}

releases! {
    first {
        pub(super) struct State { a: u32, b: Vec<Inner>, c: Option<Kind>, d: BTreeMap<String, i64> }
        struct Inner { x: u8 }
        enum Kind { One, Two(u16), Three { y: String } }
    }
    same {
        // Fields and kinds matter, the names of structs do not.
        pub(super) struct Condition { a: u32, b: Vec<Thing>, c: Option<Kind>, d: HashMap<Box<str>, i64> }
        struct Thing { x: u8 }
        enum Kind { One, Two(u16), Three { y: Arc<str> } }
    }
    field_type {
        pub(super) struct State { a: u64, b: Vec<Inner>, c: Option<Kind>, d: BTreeMap<String, i64> }
        struct Inner { x: u8 }
        enum Kind { One, Two(u16), Three { y: String } }
    }
    field_name {
        pub(super) struct State { z: u32, b: Vec<Inner>, c: Option<Kind>, d: BTreeMap<String, i64> }
        struct Inner { x: u8 }
        enum Kind { One, Two(u16), Three { y: String } }
    }
    order {
        pub(super) struct State { b: Vec<Inner>, a: u32, c: Option<Kind>, d: BTreeMap<String, i64> }
        struct Inner { x: u8 }
        enum Kind { One, Two(u16), Three { y: String } }
    }
    nested {
        pub(super) struct State { a: u32, b: Vec<Inner>, c: Option<Kind>, d: BTreeMap<String, i64> }
        struct Inner { x: u8, more: bool }
        enum Kind { One, Two(u16), Three { y: String } }
    }
    variant_last {
        pub(super) struct State { a: u32, b: Vec<Inner>, c: Option<Kind>, d: BTreeMap<String, i64> }
        struct Inner { x: u8 }
        enum Kind { One, Two(u16), Three { y: i8 } }
    }
    variant_order {
        pub(super) struct State { a: u32, b: Vec<Inner>, c: Option<Kind>, d: BTreeMap<String, i64> }
        struct Inner { x: u8 }
        enum Kind { Two(u16), One, Three { y: String } }
    }
    not_optional {
        pub(super) struct State { a: u32, b: Vec<Inner>, c: Kind, d: BTreeMap<String, i64> }
        struct Inner { x: u8 }
        enum Kind { One, Two(u16), Three { y: String } }
    }
    last_value {
        pub(super) struct State { a: u32, b: Vec<Inner>, c: Option<Kind>, d: BTreeMap<String, i32> }
        struct Inner { x: u8 }
        enum Kind { One, Two(u16), Three { y: String } }
    }
}

#[test]
fn every_change_of_the_stored_shape_changes_the_fingerprint() {
    let all = [
        fingerprint::<first::State>(),
        fingerprint::<field_type::State>(),
        fingerprint::<field_name::State>(),
        fingerprint::<order::State>(),
        fingerprint::<nested::State>(),
        fingerprint::<variant_last::State>(),
        fingerprint::<variant_order::State>(),
        fingerprint::<not_optional::State>(),
        fingerprint::<last_value::State>(),
    ];
    assert_eq!(BTreeSet::from(all).len(), all.len());
    assert_eq!(fingerprint::<same::Condition>(), all[0]);
    assert_eq!(super::compute::<first::State>().fingerprint, all[0]);
}

/// Snapshots contain it: another number for the same type would make the runtime ignore all of them.
#[test]
fn a_fingerprint_is_the_same_in_every_release() {
    assert_eq!(fingerprint::<first::State>(), 4_317_665_589_553_960_092);
}

macro_rules! recursive {
    ($name:ident $leaf:ty) => {
        mod $name {
            #![allow(dead_code)]
            use super::*;

            #[derive(Deserialize)]
            pub(super) struct Tree {
                value: $leaf,
                children: Vec<Tree>,
                by_name: BTreeMap<String, Tree>,
                next: Option<Box<Tree>>,
            }

            #[derive(Deserialize)]
            pub(super) enum Term {
                Sum(Box<Term>, Box<Term>),
                Not(Box<Term>),
                If { condition: Box<Term>, then: Vec<Term>, other: Option<Box<Term>> },
                Leaf($leaf),
                Group(Tree),
            }
        }
    };
}

recursive!(numbers i64);
recursive!(texts String);

#[test]
fn recursive_types_terminate_and_are_seen_completely() {
    assert_ne!(fingerprint::<numbers::Tree>(), fingerprint::<texts::Tree>());
    assert_ne!(fingerprint::<numbers::Term>(), fingerprint::<texts::Term>());
}

#[derive(Default, Serialize, Deserialize)]
struct Owner;

impl Aggregate for Owner {
    const TYPE: &'static str = "nobody";
    type Command = ();
    type Event = ();
    type Error = std::convert::Infallible;
    fn decide(&self, (): (), _: &Context) -> Result<Vec<()>, Self::Error> {
        Ok(vec![])
    }
    fn apply(&mut self, (): &()) {}
}

#[test]
fn what_follows_values_with_strict_formats_is_seen() {
    macro_rules! strict {
        ($($name:ident $last:ty)*) => {
            $(#[derive(Deserialize)]
            #[allow(dead_code)]
            struct $name {
                number: NonZeroU32,
                id: Uuid,
                owner: Option<Id<Owner>>,
                at: (Timestamp, Version),
                bytes: [u8; 7],
                address: std::net::IpAddr,
                last: $last,
            })*
        };
    }
    strict!(Before u8 After u16);
    assert_ne!(fingerprint::<Before>(), fingerprint::<After>());
}

#[derive(Debug)]
struct Refuses;

impl<'de> Deserialize<'de> for Refuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?;
        Err(D::Error::custom("never"))
    }
}

#[derive(Debug)]
struct Panics;

impl<'de> Deserialize<'de> for Panics {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        std::panic::resume_unwind(Box::new("no"))
    }
}

#[derive(Debug)]
struct NeverEnds;

impl<'de> Deserialize<'de> for NeverEnds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<(u8, Self)>::deserialize(deserializer)?;
        Ok(Self)
    }
}

#[test]
fn a_type_that_fails_panics_or_never_ends_has_the_fingerprint_of_what_was_seen() {
    macro_rules! strange {
        ($($name:ident $first:ty, $strange:ty;)*) => {
            $(#[derive(Deserialize)]
            #[allow(dead_code)]
            struct $name { first: $first, strange: $strange })*
        };
    }
    strange! {
        Refusing u8, Refuses; RefusingToo u16, Refuses;
        Panicking u8, Panics; PanickingToo u16, Panics;
        Endless u8, NeverEnds; EndlessToo u16, NeverEnds;
    }
    assert_ne!(fingerprint::<Refusing>(), fingerprint::<RefusingToo>());
    assert_ne!(fingerprint::<Panicking>(), fingerprint::<PanickingToo>());
    assert_ne!(fingerprint::<Endless>(), fingerprint::<EndlessToo>());
}

#[test]
fn self_describing_types_are_accepted() {
    #[derive(Deserialize)]
    #[serde(untagged)]
    #[allow(dead_code)]
    enum Untagged {
        One(u8),
        Two { a: String },
    }
    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Flat {
        a: u8,
        #[serde(flatten)]
        rest: BTreeMap<String, i64>,
    }
    #[derive(Deserialize)]
    #[serde(tag = "kind")]
    #[allow(dead_code)]
    enum Tagged {
        One { a: u8 },
    }
    let all = [fingerprint::<Untagged>(), fingerprint::<Flat>(), fingerprint::<Tagged>()];
    assert_eq!(fingerprint::<Untagged>(), all[0]);
    let _ = fingerprint::<[u8; 32]>();
}

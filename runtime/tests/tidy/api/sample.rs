//! A small crate, to show that every change of its surface changes the listing, and no other change does.

use super::listing::Listing;
use super::tree::Tree;

const SAMPLE: &str = r#"
    mod private {
        macro_rules! doubled { () => { pub fn doubled(&self) -> u64 { 2 } }; }
        pub struct Shape<T> { pub width: u32, height: T }
        impl<T: Clone> Shape<T> {
            pub fn area(&self, mut scale: u32) -> u64 { scale += 1; 0 }
            fn hidden(&self) {}
            doubled!();
        }
        impl<T> From<u32> for Shape<T> { fn from(_: u32) -> Self { todo!() } }
        pub struct Unreachable;
        pub fn helper() {}
    }
    pub use private::Shape;
    #[cfg(feature = "extra")]
    pub use private::helper as extra;

    macro_rules! id {
        ($($name:ident),*) => { $(#[derive(Debug, Clone)] pub struct $name(u64);)* };
    }
    id!(One, Two);

    pub mod shapes {
        pub use super::Shape;
        pub use other_crate::Circle;
        #[derive(Clone)]
        #[non_exhaustive]
        pub enum Error { Small { by: u8 }, Large(#[from] u16) }
        pub trait Draw: Send {
            const NAME: &'static str;
            type Canvas: Default;
            fn draw(&self, on: &mut Self::Canvas);
            fn twice(&self) -> bool { true }
        }
        impl Draw for super::Shape<u8> { const NAME: &'static str = ""; type Canvas = (); fn draw(&self, _: &mut ()) {} }
        pub const LIMIT: usize = 4;
        pub type Pair<T> = (T, T);
        pub async fn fetch<T>(from: T) -> Result<(), Error> where T: Into<String> { Ok(()) }
        #[doc(hidden)]
        pub fn secret() {}
        pub(crate) fn internal() {}
    }

    #[macro_export]
    macro_rules! draw { ($on:expr) => { $on }; }
"#;

/// The surface of the sample, line by line.
const LISTED: &[&str] = &[
    "sample::One: derive Clone, Debug",
    "sample::One: struct One { .. }",
    "sample::Shape: impl Draw for super::Shape<u8> { Canvas = (); }",
    "sample::Shape: impl<T> From<u32> for Shape<T>",
    "sample::Shape: struct Shape<T> { .. }",
    "sample::Shape::area: fn area(&self, scale: u32) -> u64 in impl<T: Clone> Shape<T>",
    "sample::Shape::doubled: fn doubled(&self) -> u64 in impl<T: Clone> Shape<T>",
    "sample::Shape::width: width: u32",
    "sample::Two: derive Clone, Debug",
    "sample::Two: struct Two { .. }",
    "sample::draw: macro draw! ($on: expr)",
    "sample::extra: fn helper() [extra]",
    "sample::shapes: mod",
    "sample::shapes::Circle: use other_crate::Circle",
    "sample::shapes::Draw: trait Draw: Send",
    "sample::shapes::Draw::Canvas: type Canvas: Default",
    "sample::shapes::Draw::NAME: const NAME: &'static str",
    "sample::shapes::Draw::draw: fn draw(&self, on: &mut Self::Canvas)",
    "sample::shapes::Draw::twice: fn twice(&self) -> bool { .. }",
    "sample::shapes::Error: #[non_exhaustive] enum Error",
    "sample::shapes::Error: derive Clone",
    "sample::shapes::Error::Large: Large(#[from] u16)",
    "sample::shapes::Error::Small: Small { by: u8 }",
    "sample::shapes::LIMIT: const LIMIT: usize",
    "sample::shapes::Pair: type Pair<T> = (T, T)",
    "sample::shapes::Shape: use sample::Shape",
    "sample::shapes::fetch: async fn fetch<T>(from: T) -> Result<(), Error> where T: Into<String>",
];

/// Changes that users see: from, to.
const SEEN: &[(&str, &str)] = &[
    ("pub use private::Shape;", ""),
    ("pub use super::Shape;", ""),
    ("pub use private::Shape;", "pub use private::{Shape, Unreachable};"),
    ("pub width: u32", "width: u32"),
    ("pub width: u32", "pub width: u64"),
    ("pub struct Shape<T> {", "pub struct Shape<T: Clone> {"),
    ("impl<T: Clone> Shape<T>", "impl<T> Shape<T>"),
    ("fn hidden(&self)", "pub fn hidden(&self)"),
    ("area(&self,", "area(&mut self,"),
    ("mut scale: u32", "scale: u64"),
    ("pub fn doubled(&self) -> u64", "pub fn doubled(&self) -> u32"),
    ("impl<T> From<u32>", "impl<T> From<u64>"),
    ("feature = \"extra\"", "feature = \"more\""),
    ("id!(One, Two)", "id!(One)"),
    ("#[derive(Debug, Clone)]", "#[derive(Debug)]"),
    ("other_crate::Circle", "other_crate::Oval as Circle"),
    ("#[non_exhaustive]", ""),
    ("Small { by: u8 }", "Small { by: u16 }"),
    ("Large(#[from] u16)", "Large(u16)"),
    ("Draw: Send", "Draw: Send + Sync"),
    ("Canvas: Default", "Canvas: Clone"),
    ("type Canvas = ()", "type Canvas = u8"),
    ("-> bool { true }", "-> bool;"),
    ("pub const LIMIT: usize", "pub const LIMIT: u32"),
    ("= (T, T)", "= [T; 2]"),
    ("pub async fn", "pub fn"),
    ("T: Into<String>", "T: AsRef<str>"),
    ("pub(crate) fn internal", "pub fn internal"),
    ("($on:expr)", "($on:ident)"),
    ("pub mod shapes", "mod shapes"),
];

/// Changes that users do not see.
const UNSEEN: &[(&str, &str)] = &[
    ("height: T", "depth: T"),
    ("fn hidden(&self)", "fn concealed(&self)"),
    ("mut scale: u32", "scale: u32"),
    ("scale += 1; 0", "u64::from(scale)"),
    ("pub struct Unreachable;", ""),
    ("pub fn secret()", "pub fn secret(_: u8)"),
    ("pub(crate) fn internal()", "pub(crate) fn internal(_: u8)"),
    ("LIMIT: usize = 4", "LIMIT: usize = 2 + 2"),
    ("#[derive(Debug, Clone)]", "#[derive(Clone)] #[derive(Debug)]"),
    ("-> Result<(), Error> where", "->\n Result<(),\n Error,>\n where"),
    ("mod private {", "#[cfg(test)] mod tests { pub fn test() {} } mod private {"),
];

fn listed(text: &str) -> Vec<String> {
    Listing::of(&Tree::of_text("sample", text)).lines()
}

#[test]
fn the_api_of_a_sample_is_listed() {
    assert_eq!(listed(SAMPLE), LISTED);
}

#[test]
fn every_change_of_the_api_changes_the_listing() {
    for (from, to) in SEEN {
        assert!(SAMPLE.contains(from), "{from} is not in the sample");
        assert_ne!(listed(&SAMPLE.replace(from, to)), LISTED, "{from} to {to}");
    }
}

#[test]
fn no_other_change_changes_the_listing() {
    for (from, to) in UNSEEN {
        assert!(SAMPLE.contains(from), "{from} is not in the sample");
        assert_eq!(listed(&SAMPLE.replace(from, to)), LISTED, "{from} to {to}");
    }
}

#[test]
fn a_type_without_a_public_name_is_found() {
    let text = "mod inner { pub struct Lost; } pub fn find() -> inner::Lost { inner::Lost }";
    assert_eq!(
        Listing::of(&Tree::of_text("sample", text)).unnamed(),
        ["sample::find names inner::Lost"]
    );
}

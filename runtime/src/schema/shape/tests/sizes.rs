//! Tests of large types, and of the search for catch-all variants.

use std::fmt;
use std::marker::PhantomData;
use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::{Deserializer, EnumAccess, Error as _, VariantAccess, Visitor};

use super::super::{has_catch_all, shape, variant_has_catch_all};

/// An enum of `N` variants with the same content.
struct Large<const N: usize, T>(PhantomData<T>);

static NAMES: LazyLock<&'static [&'static str]> = LazyLock::new(|| {
    let names = (0..300).map(|number| &*format!("N{number}").leak());
    names.collect::<Vec<&str>>().leak()
});

impl<'de, const N: usize, T: Deserialize<'de>> Deserialize<'de> for Large<N, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_enum("Large", &NAMES[..N], LargeVisitor(PhantomData))
    }
}

struct LargeVisitor<const N: usize, T>(PhantomData<T>);

impl<'de, const N: usize, T: Deserialize<'de>> Visitor<'de> for LargeVisitor<N, T> {
    type Value = Large<N, T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a variant")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<Self::Value, A::Error> {
        let (name, content): (String, _) = variant.variant()?;
        if name.strip_prefix('N').and_then(|it| it.parse().ok()).is_none_or(|it: usize| it >= N) {
            return Err(A::Error::custom("no variant"));
        }
        content.newtype_variant::<T>().map(|_| Large(PhantomData))
    }
}

/// An event with one of 20 reasons, each of which has one of 249 countries, was refused with bincode: its shape was
/// not known, because it "accepted none of the sample values".
#[test]
fn nested_enums_of_many_variants_are_seen() {
    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Event {
        reason: Large<20, Large<249, ()>>,
        last: u8,
    }
    let words = shape::<Event>().words.expect("it is seen");
    assert!(words.contains("N19(enum(N0(())|") && words.ends_with(", last: u8}"), "{words}");
    macro_rules! fields {
        ($($name:ident)*) => {
            #[derive(Deserialize)]
            #[allow(dead_code)]
            struct Wide { $($name: Large<249, ()>,)* last: u16 }
        };
    }
    fields!(a b c d e f g h i j k l m n o p q r s t u v w x y z);
    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Wider([Wide; 18]);
    assert!(shape::<Wider>().words.is_ok());
}

#[test]
fn a_type_that_is_too_large_says_so() {
    type TooLarge = (Large<300, Large<300, Large<300, u8>>>, u8);
    let unknown = shape::<TooLarge>().words.expect_err("it is too large").to_string();
    assert!(unknown.contains("is too large"), "{unknown}");
    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Deep<T>((T,));
    type Deeper<T> = Deep<Deep<Deep<Deep<Deep<Deep<T>>>>>>;
    type Deepest = Deeper<Deeper<Deeper<Deeper<Deeper<Deeper<u8>>>>>>;
    let unknown = shape::<(Deepest, u8)>().words.expect_err("too deep");
    assert!(unknown.to_string().contains("nested too deeply"), "{unknown}");
}

#[test]
fn a_catch_all_variant_is_found_wherever_it_is() {
    #[derive(Deserialize)]
    #[allow(dead_code)]
    enum Open {
        Known(u8),
        #[serde(other)]
        Other,
    }
    #[derive(Deserialize)]
    #[allow(dead_code)]
    enum Closed {
        One,
        Two { a: u8, b: Option<Vec<Nested>> },
    }
    #[derive(Deserialize)]
    #[allow(dead_code)]
    enum Nested {
        Here(u64),
        There,
    }
    #[derive(Deserialize)]
    #[allow(dead_code)]
    enum Hidden {
        One,
        Two { a: u8, b: Option<Vec<Open>> },
    }
    assert!(!has_catch_all::<u8>() && !has_catch_all::<(Closed, Nested)>());
    // A hand-written type that looks at the name later counts as one.
    assert!(has_catch_all::<Large<3, u8>>());
    assert!(has_catch_all::<Open>() && has_catch_all::<(Closed, Hidden)>());
    assert!(!variant_has_catch_all::<Hidden>("One") && variant_has_catch_all::<Hidden>("Two"));
}

//! Variants of one name: they are not hosted where that can be seen, and not stored where it cannot.

use std::convert::Infallible;

use actuarius::error::{HostError, SchemaError};
use actuarius::{Aggregate, Codec, Context, ExecuteError, Failure, Hosting, Position, Runtime};
use serde::de::{Deserializer, EnumAccess, VariantAccess, Visitor};
use serde::{Deserialize, Serialize};

/// An account whose events are of the type `E`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
struct Account<E> {
    cents: i64,
    #[serde(skip)]
    event: std::marker::PhantomData<fn() -> E>,
}

impl<E> Default for Account<E> {
    fn default() -> Self {
        Self { cents: 0, event: std::marker::PhantomData }
    }
}

trait Moves: Serialize + serde::de::DeserializeOwned + Send + Sync + 'static {
    fn withdrawn(cents: i64) -> Self;
    fn cents(&self) -> i64;
}

impl<E: Moves> Aggregate for Account<E> {
    const TYPE: &'static str = "account";
    type Command = i64;
    type Event = E;
    type Error = Infallible;

    fn decide(&self, cents: i64, _: &Context) -> Result<Vec<E>, Infallible> {
        Ok(vec![E::withdrawn(cents)])
    }

    fn apply(&mut self, event: &E) {
        self.cents += event.cents();
    }
}

mod derived {
    #![allow(unreachable_patterns)] // rustc notices two variants of one name
    use super::{Deserialize, Serialize};

    #[derive(Debug, Serialize, Deserialize)]
    pub(super) enum Moved {
        #[serde(rename = "moved")]
        Deposited(i64),
        #[serde(rename = "moved")]
        Withdrawn(i64),
    }
}

use derived::Moved;

impl Moves for Moved {
    fn withdrawn(cents: i64) -> Self {
        Self::Withdrawn(cents)
    }

    fn cents(&self) -> i64 {
        match self {
            Self::Deposited(cents) => *cents,
            Self::Withdrawn(cents) => -cents,
        }
    }
}

/// Reads `moved` as a deposit, and lists the name once.
#[derive(Debug)]
struct Hidden(Moved);

impl Serialize for Hidden {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

struct Content;

impl<'de> Visitor<'de> for Content {
    type Value = Hidden;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("a movement")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<Hidden, A::Error> {
        let (_, content) = variant.variant::<String>()?;
        content.newtype_variant().map(|cents| Hidden(Moved::Deposited(cents)))
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_enum("Hidden", &["moved"], Content)
    }
}

impl Moves for Hidden {
    fn withdrawn(cents: i64) -> Self {
        Self(Moved::withdrawn(cents))
    }

    fn cents(&self) -> i64 {
        self.0.cents()
    }
}

/// A withdrawal of 5 was acknowledged, applied and stored as a deposit of 5.
#[tokio::test]
async fn a_withdrawal_is_never_stored_as_a_deposit_of_the_same_name() {
    let runtime = Runtime::in_memory().await.unwrap();
    let refused = runtime.try_host::<Account<Moved>>().err();
    let event_type = "moved".to_owned();
    let shared = SchemaError::SharedName { aggregate: "account", event_type };
    assert_eq!(refused, Some(HostError::Schema(shared)));
    for codec in [Codec::MessagePack, Codec::Json, Codec::Bincode] {
        let runtime = Runtime::in_memory().await.unwrap();
        let accounts = runtime.host_with::<Account<Hidden>>(Hosting::default().codec(codec));
        let refused = accounts.execute("a", 5).await.expect_err("it reads back as a deposit");
        let is_unstorable = matches!(&refused, ExecuteError::Failed(Failure::Unstorable(_)));
        assert!(is_unstorable, "{codec:?}: {refused}");
        assert_eq!(runtime.head(), Position::NONE, "nothing is written");
        assert_eq!(accounts.query("a", |it| it.cents).await.unwrap(), 0);
    }
}

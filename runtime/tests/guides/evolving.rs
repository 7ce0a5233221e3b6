//! Events that have changed since they were stored.

use std::sync::Arc;
use std::time::Duration;

use actuarius::error::BoxError;
use actuarius::saga::{Effects, STEPPED, Saga};
use actuarius::schema::{Recast, Upcasters};
use actuarius::store::memory::{self, Contents};
use actuarius::testing::{Fixtures, fixtures};
use actuarius::{Aggregate, Codec, Context, Envelope, Hosting, Runtime, Version};
use serde::{Deserialize, Serialize};

use crate::account;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Account {
    cents: i64,
    fees: i64,
}

// region: events
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum AccountEvent {
    Opened { holder: String },             // `owner` became `holder`
    Paid { cents: i64, currency: String }, // was `Deposited { cents }`
    Withdrawn { cents: i64 },              // its fee is an event now
    Charged { cents: i64 },
}
// endregion: events

// region: old
/// As `Opened` and `Deposited` were in version 1.
#[derive(Deserialize)]
struct OpenedV1 {
    owner: String,
}

#[derive(Deserialize)]
struct CentsV1 {
    cents: i64,
}

#[derive(Serialize)]
struct OpenedV2 {
    holder: String,
}

#[derive(Serialize)]
struct PaidV1 {
    cents: i64,
    currency: String,
}

#[derive(Serialize)]
struct Cents {
    cents: i64,
}
// endregion: old

impl Aggregate for Account {
    const TYPE: &'static str = "account";
    type Command = AccountEvent;
    type Event = AccountEvent;
    type Error = std::convert::Infallible;

    fn decide(&self, event: AccountEvent, _: &Context) -> Result<Vec<AccountEvent>, Self::Error> {
        Ok(vec![event])
    }

    fn apply(&mut self, event: &AccountEvent) {
        match event {
            AccountEvent::Opened { .. } => {}
            AccountEvent::Paid { cents, .. } => self.cents += cents,
            AccountEvent::Withdrawn { cents } => self.cents -= cents,
            AccountEvent::Charged { cents } => {
                self.cents -= cents;
                self.fees += cents;
            }
        }
    }

    // region: upcasters
    fn schema_version(event_type: &str) -> u32 {
        match event_type {
            "Opened" | "Withdrawn" => 2,
            _ => 1,
        }
    }

    fn upcasters() -> Upcasters {
        Upcasters::new()
            .upcast("Opened", 1, |old: OpenedV1| Recast::to(2, OpenedV2 { holder: old.owner }))
            .upcast("Deposited", 1, |old: CentsV1| {
                let currency = "EUR".to_owned();
                Recast::renamed("Paid", 1, PaidV1 { cents: old.cents, currency })
            })
            .upcast("Withdrawn", 1, |old: CentsV1| {
                let fee = Cents { cents: 1 };
                let withdrawn = Recast::to(2, Cents { cents: old.cents });
                Recast::several([withdrawn, Recast::renamed("Charged", 1, fee)])
            })
    }
    // endregion: upcasters
}

async fn open(contents: &Arc<Contents>) -> Runtime {
    Runtime::builder().on_store(memory::reopen(contents)).await.unwrap()
}

#[tokio::test]
async fn old_events_are_read_as_events_of_today() -> Result<(), BoxError> {
    let contents = Arc::default();
    let runtime = open(&contents).await;
    let accounts = runtime.host::<account::Account>();
    accounts.execute("alice", account::open("Alice")).await?;
    accounts.execute("alice", account::AccountCommand::Deposit { cents: 500 }).await?;
    accounts.execute("alice", account::AccountCommand::Withdraw { cents: 200 }).await?;
    assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());

    let runtime = open(&contents).await;
    // region: codec
    let accounts = runtime.host_with::<Account>(Hosting::default().codec(Codec::Json));
    // endregion: codec
    let state = accounts.query("alice", |it| (it.cents, it.fees)).await?;
    assert_eq!(state, (299, 1));
    // region: header
    let events = accounts.events("alice", Version::NONE).await?;
    let charged = &events[3].header; // stored as the third event, of which it is the second part
    assert_eq!((charged.event_type.as_str(), charged.version), ("Charged", Version::new(3)));
    let stored_as = charged.stored_as.as_ref().ok_or("it was upcast")?;
    assert_eq!((stored_as.event_type.as_str(), stored_as.part), ("Withdrawn", 1));
    // endregion: header
    let paid = AccountEvent::Paid { cents: 1, currency: "USD".to_owned() };
    accounts.execute("alice", paid).await?;
    let cheque = |_: Envelope<Account>| async { Ok::<(), BoxError>(()) };
    // region: only
    let fees = runtime.subscribe("fees").on_only(["Charged"], cheque).start().await?;
    // endregion: only
    fees.wait_for_within(runtime.head(), Duration::from_secs(60)).await?;
    Ok(())
}

/// The same upcaster on a tree of values.
fn of_values() -> Upcasters {
    // region: values
    Upcasters::new().upcast("Opened", 1, |mut old: serde_json::Value| {
        old["holder"] = old["owner"].take();
        Recast::to(2, old)
    })
    // endregion: values
}

#[test]
fn a_tree_of_values_is_upcast() {
    assert_eq!(of_values().len(), 1);
}

// region: saga
#[derive(Clone, Default, Serialize, Deserialize)]
struct Transfer {
    cents: i64,
    currency: String,
}

#[derive(Deserialize)]
struct TransferV1 {
    cents: i64,
}

impl Saga for Transfer {
    const TYPE: &'static str = "transfer";
    const SCHEMA_VERSION: u32 = 2;
    type Deadline = ();

    fn upcasters() -> Upcasters {
        Upcasters::new().upcast(STEPPED, 1, |old: TransferV1| {
            Recast::to(2, Self { cents: old.cents, currency: "EUR".to_owned() })
        })
    }

    fn due(&mut self, (): ()) -> Effects<Self> {
        Effects::compensate("it took too long")
    }
}
// endregion: saga

#[test]
fn a_saga_upcasts_its_earlier_states() {
    assert_eq!(Transfer::upcasters().len(), 1);
}

fn samples() -> Fixtures<Account> {
    // region: fixtures
    fixtures("tests/fixtures/account.jsonl")
    // endregion: fixtures
}

// region: check
#[test]
fn all_events_that_were_ever_stored_are_read() {
    samples().check();
}

#[test]
#[ignore = "it adds samples; run it by hand before a release"]
fn the_events_of_this_release_are_recorded() {
    samples().record([
        AccountEvent::Opened { holder: "Alice".to_owned() },
        AccountEvent::Paid { cents: 500, currency: "EUR".to_owned() },
        AccountEvent::Withdrawn { cents: 200 },
        AccountEvent::Charged { cents: 1 },
    ]);
}
// endregion: check

//! Events of any codec, upcast, equal the result of a plain function from old to new events.

use std::sync::Arc;
use std::time::Duration;

use actuarius::store::memory::{self, Contents};
use actuarius::{Aggregate, Codec, Hosting, Runtime, Version};
use proptest::prelude::*;

use super::{v1, v2};

/// The upcasters of accounts as one function on types.
fn today(old: &v1::AccountEvent) -> Vec<v2::AccountEvent> {
    let euro = || "EUR".to_owned();
    match old.clone() {
        v1::AccountEvent::Opened(owner) => {
            vec![v2::AccountEvent::Opened { owner, currency: euro() }]
        }
        v1::AccountEvent::Deposited { cents } => {
            vec![v2::AccountEvent::Deposited { cents, currency: euro() }]
        }
        v1::AccountEvent::Withdrawn { cents, fee: 0 } => {
            vec![v2::AccountEvent::Withdrawn { cents }]
        }
        v1::AccountEvent::Withdrawn { cents, fee } => {
            vec![v2::AccountEvent::Withdrawn { cents }, v2::AccountEvent::Charged { cents: fee }]
        }
        v1::AccountEvent::Looked => vec![],
        v1::AccountEvent::Frozen => vec![v2::AccountEvent::Blocked],
    }
}

fn old_event() -> impl Strategy<Value = v1::AccountEvent> {
    // No sum of them overflows.
    let cents = -1_000_000_000..1_000_000_000i64;
    prop_oneof![
        any::<String>().prop_map(v1::AccountEvent::Opened),
        cents.clone().prop_map(|cents| v1::AccountEvent::Deposited { cents }),
        (cents, 0..3i64).prop_map(|(cents, fee)| v1::AccountEvent::Withdrawn { cents, fee }),
        Just(v1::AccountEvent::Looked),
        Just(v1::AccountEvent::Frozen),
    ]
}

fn codec() -> impl Strategy<Value = Codec> {
    prop_oneof![Just(Codec::Bincode), Just(Codec::Json), Just(Codec::MessagePack)]
}

async fn open(contents: &Arc<Contents>) -> Runtime {
    Runtime::builder().on_store(memory::reopen(contents)).await.unwrap()
}

/// Commands of several events, each written with its own codec by its own runtime.
async fn write(commands: &[(Vec<v1::AccountEvent>, Codec)]) -> Arc<Contents> {
    let contents = Arc::default();
    for (events, codec) in commands {
        let runtime = open(&contents).await;
        // Each snapshot has the state version of the release that took it.
        let hosting = Hosting::default().codec(*codec).snapshot_every(5);
        let accounts = runtime.host_with::<v1::Account>(hosting);
        accounts.execute("a", events.clone()).await.unwrap();
        assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());
    }
    contents
}

async fn check(commands: Vec<(Vec<v1::AccountEvent>, Codec)>) {
    let runtime = open(&write(&commands).await).await;
    let accounts = runtime.host::<v2::Account>();
    let expected: Vec<_> = commands.iter().flat_map(|(events, _)| events).flat_map(today).collect();
    let envelopes = accounts.events("a", Version::NONE).await.unwrap();
    let events: Vec<_> = envelopes.iter().map(|it| it.event.clone()).collect();
    assert_eq!(events, expected);
    let mut folded = v2::Account::default();
    expected.iter().for_each(|event| folded.apply(event));
    let stored = commands.iter().map(|(events, _)| events.len() as u64).sum::<u64>();
    assert_eq!(accounts.version("a").await.unwrap(), Version::new(stored));
    assert!(accounts.query("a", move |it| *it == folded).await.unwrap());
    let ids: std::collections::BTreeSet<_> =
        envelopes.iter().map(|it| it.header.event_id.as_uuid()).collect();
    assert_eq!(ids.len(), expected.len(), "each has an id of its own");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn upcasting_equals_the_function_from_old_to_new_events(
        commands in prop::collection::vec((prop::collection::vec(old_event(), 1..6), codec()), 0..5),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(commands));
    }
}

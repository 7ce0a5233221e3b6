//! Handlers that panic, events that do not decode and keys that cannot be computed.

use std::convert::Infallible;

use actuarius::error::BoxError;
use actuarius::subscription::{OnPoison, RawEvent};
use actuarius::{Aggregate, Context, Envelope, Runtime};
use serde::{Deserialize, Serialize};

use super::scene::{Failing, Scribe, add, at_once, caught_up, halting, mailer, until_halted};
use crate::common::{Command, Ledger};

#[tokio::test]
async fn a_panic_in_a_handler_counts_as_a_failure() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let ledgers = runtime.host::<Ledger>();
    scribe.fail(1, Failing::Panics);
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    add(&ledgers, "a", &[1]).await;
    add(&ledgers, "b", &[2]).await;
    caught_up(&runtime, &mailer).await;
    assert_eq!(scribe.amounts(), [2]);
    let parked = mailer.parked().await;
    assert_eq!(&*parked[0].error, "the handler panicked: the handler burst");
}

/// The ledger of an older program with fewer event types.
#[derive(Default, Serialize, Deserialize)]
struct OldLedger;

#[derive(Serialize, Deserialize)]
enum OldEvent {
    Added(i64),
}

impl Aggregate for OldLedger {
    const TYPE: &'static str = Ledger::TYPE;
    type Command = ();
    type Event = OldEvent;
    type Error = Infallible;

    fn decide(&self, (): (), _: &Context) -> Result<Vec<OldEvent>, Infallible> {
        Ok(vec![])
    }

    fn apply(&mut self, _: &OldEvent) {}
}

async fn takes(event: Envelope<OldLedger>) -> Result<(), BoxError> {
    let OldEvent::Added(_) = event.event;
    Ok(())
}

#[tokio::test]
async fn an_event_that_does_not_decode_counts_as_a_failure() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let builder = runtime.subscribe("mailer").on(takes).retry(at_once());
    let mailer = builder.start().await.unwrap();
    ledgers.execute("a", Command::Blob(10)).await.unwrap();
    add(&ledgers, "b", &[1]).await;
    caught_up(&runtime, &mailer).await;
    let parked = mailer.parked().await;
    assert_eq!((parked.len(), parked[0].attempts, &*parked[0].event_type), (1, 5, "Blob"));
    let told = "event 1 of ledger/a at position 1, stored as `Blob` with schema version 1";
    assert!(parked[0].error.starts_with(told), "{}", parked[0].error);
}

#[tokio::test]
async fn a_panic_in_ordered_by_counts_as_a_failure_of_the_event() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let ledgers = runtime.host::<Ledger>();
    let key = |event: &RawEvent<'_>| match event.id() {
        "odd" => std::panic::resume_unwind(Box::new("no key")),
        id => id.to_owned(),
    };
    let builder = mailer(&runtime, &scribe).ordered_by(key).on_poison(OnPoison::Halt);
    let mailer = builder.start().await.unwrap();
    add(&ledgers, "even", &[1]).await;
    add(&ledgers, "odd", &[2]).await;
    let (position, why) = until_halted(&mailer).await;
    assert_eq!((position, &*why), (2, "`ordered_by` panicked: no key"));
    assert_eq!(scribe.amounts(), [1]);
}

#[tokio::test]
async fn a_subscription_ends_with_its_runtime() {
    let scribe = Scribe::default();
    let runtime = Runtime::in_memory().await.unwrap();
    let mailer = halting(&runtime, &scribe).await;
    drop(runtime);
    mailer.stop().await;
}

//! Replays a history with changed code, and finds the first event at which the states differ.

use std::collections::BTreeMap;
use std::convert::Infallible;

use actuarius::projection::Projection;
use actuarius::testing::{divergence, view_divergence};
use actuarius::{Aggregate, Context, Envelope, Hosting, Position};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::scene::Scene;
use crate::common::{Command, Event, Ledger};

/// The ledger in another release: it caps amounts at ten, and panics at a thirteen.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Careful {
    total: i64,
    entries: Vec<i64>,
}

impl Aggregate for Careful {
    const TYPE: &'static str = "ledger";
    type Command = i64;
    type Event = Event;
    type Error = Infallible;

    fn decide(&self, _: i64, _: &Context) -> Result<Vec<Event>, Infallible> {
        Ok(vec![])
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Added(13) => std::panic::resume_unwind(Box::new("thirteen")),
            Event::Added(amount) => {
                self.total += (*amount).min(10);
                self.entries.push((*amount).min(10));
            }
            Event::Bomb | Event::Blob(_) => self.total += 1,
        }
    }
}

/// The ledger in a third release, which lacks an event type and keeps only the total.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Short(i64);

#[derive(Serialize, Deserialize)]
enum ShortEvent {
    Added(i64),
}

impl Aggregate for Short {
    const TYPE: &'static str = "ledger";
    type Command = i64;
    type Event = ShortEvent;
    type Error = Infallible;

    fn decide(&self, _: i64, _: &Context) -> Result<Vec<ShortEvent>, Infallible> {
        Ok(vec![])
    }

    fn apply(&mut self, ShortEvent::Added(amount): &ShortEvent) {
        self.0 += amount;
    }
}

async fn written(all: &[(&str, &[i64])]) -> Scene {
    let scene = Scene::open(Hosting::default()).await;
    for (id, amounts) in all {
        let command = Command::AddAll(amounts.to_vec());
        scene.ledgers.execute(*id, command).await.unwrap();
    }
    scene
}

#[tokio::test]
async fn equal_code_has_no_divergence() {
    let scene = written(&[("a", &[1, 2]), ("b", &[10]), ("a", &[3])]).await;
    let reader = scene.runtime.reader().unwrap();
    divergence::<Ledger, Careful>(&*reader).then_none();
    let short = divergence::<Ledger, Short>(&*reader);
    short.alike_if(|ledger, short| ledger.total == short.0).then_none();
}

#[tokio::test]
async fn the_first_divergence_is_reported_with_the_event_and_both_states() {
    let scene = written(&[("a", &[1]), ("b", &[2, 11, 3]), ("c", &[12]), ("a", &[20])]).await;
    let reader = scene.runtime.reader().unwrap();
    let all = divergence::<Ledger, Careful>(&*reader);
    let found = all.find().unwrap().expect("they differ");
    assert_eq!((found.stream.as_str(), found.version.get()), ("ledger/a", 2), "a began first");
    let some = divergence::<Ledger, Careful>(&*reader).of(["nobody", "b", "a"]);
    let found = some.find().unwrap().expect("they differ");
    assert_eq!((found.stream.as_str(), found.version.get()), ("ledger/b", 2));
    assert_eq!((found.position.get(), found.event_type.as_str()), (3, "Added"));
    assert_eq!(found.event, Some(json!({"Added": 11})));
    assert_eq!(found.old, Ok(json!({"total": 13, "entries": [2, 11]})));
    assert_eq!(found.new, Ok(json!({"total": 12, "entries": [2, 10]})));
    let paths: Vec<_> = found.changes().into_iter().map(|it| it.path).collect();
    assert_eq!(paths, ["/entries/1", "/total"]);
    let before = divergence::<Ledger, Careful>(&*reader).of(["a"]).until(Position::new(5));
    before.then_none();
}

#[tokio::test]
async fn an_event_that_one_release_cannot_apply_is_a_divergence() {
    let scene = written(&[("a", &[13])]).await;
    scene.ledgers.execute("b", Command::Blob(3)).await.unwrap();
    let reader = scene.runtime.reader().unwrap();
    let found = divergence::<Ledger, Careful>(&*reader).find().unwrap().expect("it panics");
    assert_eq!(found.new, Err("`apply` panicked: thirteen".to_owned()));
    let short = divergence::<Ledger, Short>(&*reader).of(["b"]);
    let found = short.find().unwrap().expect("it does not decode");
    assert!(found.new.as_ref().is_err_and(|why| why.contains("Blob")), "{found}");
    assert!(found.old.is_ok());
}

#[test]
#[should_panic(expected = "have no history in common")]
fn two_types_have_no_history_in_common() {
    #[derive(Default, Serialize, Deserialize)]
    struct Other;

    impl Aggregate for Other {
        const TYPE: &'static str = "other";
        type Command = ();
        type Event = Event;
        type Error = Infallible;

        fn decide(&self, (): (), _: &Context) -> Result<Vec<Event>, Infallible> {
            Ok(vec![])
        }

        fn apply(&mut self, _: &Event) {}
    }

    let store = actuarius::store::memory::open();
    divergence::<Ledger, Other>(&*store.reader).then_none();
}

#[derive(Default, Serialize, Deserialize)]
struct Totals(BTreeMap<String, i64>);

impl Projection<Ledger> for Totals {
    fn project(&mut self, envelope: &Envelope<Ledger>) {
        if let Event::Added(amount) = envelope.event {
            *self.0.entry(envelope.id.to_string()).or_default() += amount;
        }
    }
}

/// Skips the event at position 1,234, and panics at a thirteen.
#[derive(Default, Serialize, Deserialize)]
struct Forgetful(BTreeMap<String, i64>);

impl Projection<Ledger> for Forgetful {
    fn project(&mut self, envelope: &Envelope<Ledger>) {
        match envelope.event {
            Event::Added(13) => std::panic::resume_unwind(Box::new("thirteen")),
            Event::Added(amount) if envelope.header.position.get() != 1_234 => {
                *self.0.entry(envelope.id.to_string()).or_default() += amount;
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn views_compared_at_intervals_still_find_the_first_different_event() {
    let scene = Scene::open(Hosting::default()).await;
    for turn in 0..700 {
        let id = format!("{}", turn % 5);
        scene.ledgers.execute(id, Command::AddAll(vec![1, 2, 3])).await.unwrap();
    }
    let reader = scene.runtime.reader().unwrap();
    let compared = || view_divergence::<Totals, Forgetful>(&*reader).on::<Ledger>();
    for every in [1, 3, 50, 10_000] {
        let found = compared().every(every).find().unwrap().expect("they differ");
        assert_eq!((found.position.get(), found.event_type.as_str()), (1_234, "Added"));
        assert_eq!(found.changes().len(), 1, "every {every}: {found}");
    }
    compared().until(Position::new(1_233)).then_none();
    compared().alike_if(|totals, forgetful| totals.0.len() == forgetful.0.len()).then_none();
    scene.add("late", 13).await;
    let sizes = compared().alike_if(|totals, forgetful| totals.0.len() == forgetful.0.len());
    let found = sizes.find().unwrap().expect("it panics");
    assert_eq!((found.stream.as_str(), found.version.get()), ("ledger/late", 1));
    assert!(found.new.is_err());
}

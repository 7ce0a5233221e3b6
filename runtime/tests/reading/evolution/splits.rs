//! Events that are upcast to several parts: each follower handles every part, and the event is
//! finished when all its parts are.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actuarius::error::BoxError;
use actuarius::projection::{Database, EventBatch};
use actuarius::saga::{Answer, Correlation, Effects, ReactsTo, Saga, Sends};
use actuarius::schema::{Recast, Upcasters};
use actuarius::store::memory::Contents;
use actuarius::subscription::Retry;
use actuarius::{Aggregate, Aggregates, Context, Envelope, Id, Position, Runtime, Version};
use serde::{Deserialize, Serialize};

use crate::common::open_on;

const LONG: Duration = Duration::from_secs(60);

/// A postman's rounds in the old program: one event names two recipients.
#[derive(Default, Serialize, Deserialize)]
struct OldRound;

#[derive(Serialize, Deserialize)]
enum OldEvent {
    Delivered(String, String),
    Rested,
}

/// The same rounds today: one event for each letter.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Round {
    letters: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum RoundEvent {
    First { to: String },
    Second { to: String },
}

impl Aggregate for OldRound {
    const TYPE: &'static str = "round";
    type Command = OldEvent;
    type Event = OldEvent;
    type Error = Infallible;
    fn decide(&self, event: OldEvent, _: &Context) -> Result<Vec<OldEvent>, Infallible> {
        Ok(vec![event])
    }
    fn apply(&mut self, _: &OldEvent) {}
}

#[derive(Serialize)]
struct To {
    to: String,
}

impl Aggregate for Round {
    const TYPE: &'static str = "round";
    type Command = ();
    type Event = RoundEvent;
    type Error = Infallible;
    fn decide(&self, (): (), _: &Context) -> Result<Vec<RoundEvent>, Infallible> {
        Ok(vec![])
    }
    fn apply(&mut self, _: &RoundEvent) {
        self.letters += 1;
    }
    fn upcasters() -> Upcasters {
        let split = |(first, second): (String, String)| {
            let letters = [("First", first), ("Second", second)];
            Recast::several(letters.map(|(name, to)| Recast::renamed(name, 1, To { to })))
        };
        Upcasters::new().upcast("Delivered", 1, split).leave_out("Rested", 1)
    }
}

/// Rounds of the old program: pairs of letters, or a rest.
async fn rounds(all: &[Option<(&str, &str)>]) -> Arc<Contents> {
    let contents = Arc::default();
    let (runtime, _) = open_on(&contents).await;
    let rounds = runtime.host::<OldRound>();
    for letters in all {
        let event = match letters {
            Some((first, second)) => OldEvent::Delivered((*first).into(), (*second).into()),
            None => OldEvent::Rested,
        };
        rounds.execute("monday", event).await.unwrap();
    }
    assert!(runtime.shutdown(LONG).await.is_clean());
    contents
}

#[derive(Default, Clone)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn note(&self, event: &Envelope<Round>) {
        let (RoundEvent::First { to } | RoundEvent::Second { to }) = &event.event;
        self.0.lock().unwrap().push(format!("{} {to}", event.header.position));
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn an_event_without_parts_keeps_its_version_and_position() {
    let contents = rounds(&[None, Some(("a", "b")), None, None]).await;
    let (runtime, _) = open_on(&contents).await;
    let rounds = runtime.host::<Round>();
    assert_eq!(rounds.query("monday", |it| it.letters).await.unwrap(), 2);
    let events = rounds.events("monday", Version::NONE).await.unwrap();
    let versions: Vec<_> = events.iter().map(|it| it.header.version.get()).collect();
    assert_eq!(versions, [2, 2]);
    assert_eq!(rounds.events("monday", Version::new(2)).await.unwrap().len(), 0);
    assert_eq!(rounds.version("monday").await.unwrap(), Version::new(4));
    let letters =
        runtime.subscribe("all").on(|_: Envelope<Round>| async { Ok::<(), BoxError>(()) });
    let letters = letters.start().await.unwrap();
    letters.wait_for_within(Position::new(4), LONG).await.unwrap();
}

#[tokio::test]
async fn each_part_goes_to_its_handler_in_the_order_of_the_parts() {
    let contents = rounds(&[Some(("a", "b")), Some(("c", "d"))]).await;
    let (runtime, _) = open_on(&contents).await;
    let (firsts, seconds) = (Heard::default(), Heard::default());
    let handler = |heard: &Heard| {
        let heard = heard.clone();
        move |event: Envelope<Round>| {
            heard.note(&event);
            async { Ok::<(), BoxError>(()) }
        }
    };
    let both = runtime.subscribe("both").on_only(["Second"], handler(&seconds));
    let both = both.on_only(["First", "Second"], handler(&firsts)).start().await.unwrap();
    both.wait_for_within(Position::new(2), LONG).await.unwrap();
    assert_eq!(
        (firsts.all(), seconds.all()),
        (vec!["1 a".into(), "2 c".into()], vec!["1 b".into(), "2 d".into()])
    );
}

#[tokio::test]
async fn an_event_is_finished_when_all_its_parts_are_and_is_repeated_whole() {
    let contents = rounds(&[Some(("a", "b")), Some(("c", "d"))]).await;
    let (runtime, _) = open_on(&contents).await;
    let (heard, is_repaired) = (Heard::default(), Arc::new(Mutex::new(false)));
    let (noting, repaired) = (heard.clone(), is_repaired.clone());
    let handler = move |event: Envelope<Round>| {
        noting.note(&event);
        let fails = event.event == RoundEvent::Second { to: "b".to_owned() };
        let fails = fails && !*repaired.lock().unwrap();
        async move { if fails { Err("the letter is wet") } else { Ok(()) } }
    };
    let post = runtime
        .subscribe("post")
        .on(handler)
        .retry(Retry::default().attempts(2).waits(Duration::ZERO, Duration::ZERO));
    let post = post.start().await.unwrap();
    post.wait_for_within(Position::new(2), LONG).await.unwrap();
    assert_eq!(heard.all(), ["1 a", "1 b", "1 a", "1 b"], "later events wait");
    *is_repaired.lock().unwrap() = true;
    let parked = post.parked().await;
    assert_eq!(post.retry_parked(&parked[0].key).await.unwrap(), 2);
    assert_eq!(heard.all()[4..], ["1 a", "1 b", "2 c", "2 d"]);
}

/// A database of all recipients that fails once, after the first part.
struct Book {
    rows: Vec<String>,
    position: Position,
}

#[derive(Clone)]
struct Shared(Arc<Mutex<Book>>);

impl Database for Shared {
    fn position(&mut self) -> Result<Position, BoxError> {
        Ok(self.0.lock().unwrap().position)
    }

    fn project(&mut self, batch: &EventBatch<'_>) -> Result<(), BoxError> {
        let mut book = self.0.lock().unwrap();
        for event in batch.events() {
            for envelope in event.decode::<Round>()? {
                let (RoundEvent::First { to } | RoundEvent::Second { to }) = envelope.event;
                book.rows.push(format!("{} {to}", event.position()));
            }
            assert_eq!(event.decode::<Person>()?.count(), 0, "it is of another type");
        }
        book.position = batch.position();
        Ok(())
    }
}

#[tokio::test]
async fn a_database_gets_every_part() {
    let contents = rounds(&[None, Some(("a", "b"))]).await;
    let (runtime, _) = open_on(&contents).await;
    let book = Shared(Arc::new(Mutex::new(Book { rows: vec![], position: Position::NONE })));
    let handle = runtime.database("book", book.clone()).on::<Round>().start().await.unwrap();
    handle.wait_for(Position::new(2)).await.unwrap();
    assert_eq!(book.0.lock().unwrap().rows, ["2 a", "2 b"]);
}

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Person {
    letters: Vec<u64>,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum PersonEvent {
    Got(u64),
}

impl Aggregate for Person {
    const TYPE: &'static str = "person";
    type Command = u64;
    type Event = PersonEvent;
    type Error = Infallible;
    fn decide(&self, position: u64, _: &Context) -> Result<Vec<PersonEvent>, Infallible> {
        Ok(vec![PersonEvent::Got(position)])
    }
    fn apply(&mut self, PersonEvent::Got(position): &PersonEvent) {
        self.letters.push(*position);
    }
}

/// Records the letters of each recipient, and ends at the third one.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Mailbox {
    got: Vec<String>,
}

impl Saga for Mailbox {
    const TYPE: &'static str = "mailbox";
    type Deadline = ();
}

impl ReactsTo<Round> for Mailbox {
    fn correlate(event: &Envelope<Round>) -> Correlation {
        let (RoundEvent::First { to } | RoundEvent::Second { to }) = &event.event;
        Correlation::start_or_proceed(to.as_str())
    }

    fn react(&mut self, event: &Envelope<Round>) -> Effects<Self> {
        let (RoundEvent::First { to } | RoundEvent::Second { to }) = &event.event;
        let position = event.header.position.get();
        self.got.push(format!("{} {position}", event.header.event_type));
        let noted = Effects::none().send(&Id::<Person>::new(to.as_str()).unwrap(), position);
        if self.got.len() >= 3 { noted.and_complete() } else { noted }
    }
}

impl Sends<Person> for Mailbox {
    fn answered(&mut self, _: Answer<Person>) -> Effects<Self> {
        Effects::none()
    }
}

/// Returns what each mailbox has received, in order.
async fn mailboxes(
    runtime: &Runtime,
    persons: &Aggregates<Person>,
) -> Vec<(Vec<String>, Vec<u64>)> {
    let sagas = runtime.saga::<Mailbox>().reacts_to::<Round>().sends_to(persons);
    let sagas = sagas.start().await.unwrap();
    sagas.wait_for_within(runtime.head(), LONG).await.unwrap();
    let mut all = Vec::new();
    for name in ["a", "b", "c"] {
        let got = sagas.query(name, |it| it.got.clone()).await.unwrap().unwrap_or_default();
        // All that was sent arrives.
        while persons.query(name, |it| it.letters.len()).await.unwrap() < got.len() {
            tokio::task::yield_now().await;
        }
        all.push((got, persons.query(name, |it| it.letters.clone()).await.unwrap()));
    }
    all
}

#[tokio::test]
async fn the_parts_of_an_event_reach_their_instances_in_order() {
    let days = [Some(("a", "b")), Some(("b", "a")), None, Some(("c", "c")), Some(("a", "b"))];
    let contents = rounds(&days).await;
    let (runtime, _) = open_on(&contents).await;
    let persons = runtime.host::<Person>();
    let expected = [
        (vec!["First 1", "Second 2", "First 5"], vec![1, 2, 5]),
        (vec!["Second 1", "First 2", "Second 5"], vec![1, 2, 5]),
        (vec!["First 4", "Second 4"], vec![4, 4]),
    ];
    let found = mailboxes(&runtime, &persons).await;
    for ((got, mut letters), (heard, positions)) in found.into_iter().zip(expected) {
        letters.sort_unstable();
        assert_eq!((got, letters), (heard.iter().map(ToString::to_string).collect(), positions));
    }
    assert!(runtime.shutdown(LONG).await.is_clean());
    // Nothing is handled twice after a restart.
    let (runtime, _) = open_on(&contents).await;
    let persons = runtime.host::<Person>();
    let again = mailboxes(&runtime, &persons).await;
    assert_eq!(again.iter().map(|(got, _)| got.len()).collect::<Vec<_>>(), [3, 3, 2]);
}

//! Events are found by type, time and correlation, and ids are listed, in bounded pages.

use std::sync::Arc;
use std::time::Duration;

use actuarius::clock::ManualClock;
use actuarius::history::{FoundEvents, LogSearch};
use actuarius::operations::Reuse;
use actuarius::{Aggregate, CommandId, Context, CorrelationId, Id, Position, Runtime, Timestamp};

use serde::{Deserialize, Serialize};

use crate::common::{Bell, Command, Event, Ledger};

/// Reads all pages, and returns the positions of the events, with how many pages there were.
async fn all(search: impl Fn() -> LogSearch) -> (Vec<u64>, usize) {
    let (mut found, mut pages, mut next) = (Vec::new(), 0, Some(Position::NONE));
    while let Some(after) = next {
        let FoundEvents { events, next: following, .. } = search().after(after).await.unwrap();
        found.extend(events.iter().map(|event| event.raw().position().get()));
        (pages, next) = (pages + 1, following);
    }
    (found, pages)
}

fn seconds(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

/// Only the tool could find an event by anything but its aggregate: a support desk with the id of a request had to stop
/// the service to see what had followed from it.
#[tokio::test]
async fn events_are_found_by_type_time_and_correlation() {
    let clock = Arc::new(ManualClock::at(seconds(100)));
    let runtime = Runtime::builder().clock(clock.clone()).in_memory().await.unwrap();
    let (ledgers, bells) = (runtime.host::<Ledger>(), runtime.host::<Bell>());
    let request = CorrelationId::from("request 7".to_owned());
    ledgers.execute("a", Command::AddAll(vec![1, 2, 3])).await.unwrap();
    bells.execute("x", ()).correlation(request).await.unwrap();
    clock.advance(Duration::from_secs(10));
    ledgers.execute("b", Command::Blob(10)).correlation(request).await.unwrap();
    ledgers.execute("a", Command::Add(4)).await.unwrap();
    let search = || runtime.search_log();
    assert_eq!(all(search).await.0, [1, 2, 3, 4, 5, 6]);
    assert_eq!(all(|| search().aggregate_type("bell")).await.0, [4]);
    assert_eq!(all(|| search().event_type("Added")).await.0, [1, 2, 3, 6]);
    assert_eq!(all(|| search().correlation(request)).await.0, [4, 5]);
    assert_eq!(all(|| search().correlation(request).aggregate_type("ledger")).await.0, [5]);
    assert_eq!(all(|| search().from_time(seconds(110))).await.0, [5, 6]);
    assert_eq!(all(|| search().until_time(seconds(110))).await.0, [1, 2, 3, 4]);
    assert_eq!(all(|| search().event_type("Nothing")).await.0, [0; 0]);
    for limit in 1..=7 {
        let (found, pages) = all(|| search().limit(limit)).await;
        assert_eq!((found, pages), (vec![1, 2, 3, 4, 5, 6], 6_usize.div_ceil(limit)), "{limit}");
    }
    let page = search().event_type("Added").limit(2).await.unwrap();
    let decoded = page.events.iter().flat_map(|it| it.raw().decode::<Ledger>().unwrap());
    let decoded: Vec<_> = decoded.map(|envelope| envelope.event).collect();
    assert_eq!(decoded, [Event::Added(1), Event::Added(2)]);
    assert_eq!(page.next, Some(Position::new(2)));
    // The header of an event shows the id of its command if no caller has set a correlation. It was not found by it.
    let receipt = ledgers.execute("c", Command::Add(1)).command_id("request-17").await.unwrap();
    let own = CommandId::from("request-17").as_uuid();
    assert_eq!(all(|| search().correlation(own)).await.0, [receipt.position.get()]);
}

/// An aggregate with large events.
#[derive(Default, Serialize, Deserialize)]
struct Note;

#[derive(Serialize, Deserialize)]
enum Written {
    Written(String),
}

impl Aggregate for Note {
    const TYPE: &'static str = "note";
    type Command = String;
    type Event = Written;
    type Error = std::convert::Infallible;

    fn decide(&self, text: String, _: &Context) -> Result<Vec<Written>, Self::Error> {
        Ok(vec![Written::Written(text)])
    }

    fn apply(&mut self, _: &Written) {}
}

/// A page for something rare would read a log of any length before it answered.
#[tokio::test]
async fn a_page_looks_through_a_bounded_part_of_the_log() {
    let runtime = Runtime::in_memory().await.unwrap();
    let notes = runtime.host::<Note>();
    for _ in 0..40 {
        notes.execute("a", "x".repeat(1_000_000)).await.unwrap();
    }
    runtime.host::<Bell>().execute("rare", ()).await.unwrap();
    let first = runtime.search_log().aggregate_type("bell").await.unwrap();
    assert!(first.events.is_empty());
    assert!(first.next.is_some_and(|next| next.get() < 20), "{:?}", first.next);
    let (found, pages) = all(|| runtime.search_log().aggregate_type("bell")).await;
    assert_eq!((found, pages), (vec![41], 3));
    let ids = runtime.host::<Bell>().ids().await.unwrap();
    assert!(ids.ids.is_empty() && ids.next.is_some());
}

/// No list of the ids of a type existed: each service kept a view for it, or stopped to run the tool.
#[tokio::test]
async fn the_ids_of_a_type_are_listed_in_the_order_of_their_first_events() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    for id in ["c", "a", "d", "b"] {
        for _ in 0..2 {
            ledgers.execute(id, Command::Add(1)).await.unwrap();
        }
        runtime.host::<Bell>().execute(id, ()).await.unwrap();
    }
    ledgers.execute("none", Command::Nothing).await.unwrap();
    ledgers.delete("d", Reuse::Allowed).await.unwrap();
    ledgers.delete("b", Reuse::Allowed).await.unwrap();
    ledgers.execute("b", Command::Add(1)).await.unwrap();
    let expected = ["c", "a", "b"].map(|id| Id::<Ledger>::new(id).unwrap());
    let page = ledgers.ids().await.unwrap();
    assert_eq!((page.ids, page.next), (expected.to_vec(), None));
    for limit in 1..4 {
        let (mut found, mut next) = (Vec::new(), Some(Position::NONE));
        while let Some(after) = next {
            let page = ledgers.ids().after(after).limit(limit).await.unwrap();
            assert!(page.ids.len() <= limit);
            found.extend(page.ids);
            next = page.next;
        }
        assert_eq!(found, expected, "{limit}");
    }
}

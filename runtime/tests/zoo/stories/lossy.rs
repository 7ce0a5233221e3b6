//! Values that serde writes in part, or reads in another order. The check cannot see it, because serde writes the
//! same for both.

use std::convert::Infallible;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::sync::Arc;
use std::time::Duration;

use actuarius::projection::Projection;
use actuarius::saga::{Correlation, Effects, ReactsTo, Saga};
use actuarius::store::memory::{self, Contents};
use actuarius::store::views::Views;
use actuarius::{Aggregate, Codec, Context, Envelope, Hosting, Position, Runtime};
use serde::{Deserialize, Deserializer, Serialize};

use crate::shape::ALL;
use crate::world::LONG;

/// Binary codecs leave out the scope of an address. Every codec reads the marks in order, and skips the hops.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Route {
    via: Option<SocketAddrV6>,
    #[serde(deserialize_with = "sorted")]
    marks: Vec<u32>,
    #[serde(skip)]
    hops: u32,
}

fn sorted<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u32>, D::Error> {
    let mut marks = Vec::deserialize(deserializer)?;
    marks.sort_unstable();
    Ok(marks)
}

impl Route {
    fn pass(&mut self, mark: u32) {
        self.via = Some(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 80, 0, mark));
        self.marks.push(mark);
        self.hops += 1;
    }

    fn seen(&self) -> Seen {
        let scope = self.via.map_or(0, |via| via.scope_id());
        Seen { scope, first: self.marks.first().copied(), hops: self.hops }
    }
}

/// All of a route that serde may lose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Seen {
    scope: u32,
    first: Option<u32>,
    hops: u32,
}

/// A traveller records what it knew when it passed a mark.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Traveller(Route);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Passed {
    Passed { mark: u32, knew: Seen },
}

impl Aggregate for Traveller {
    const TYPE: &'static str = "traveller";
    type Command = u32;
    type Event = Passed;
    type Error = Infallible;

    fn decide(&self, mark: u32, _: &Context) -> Result<Vec<Passed>, Infallible> {
        Ok(vec![Passed::Passed { mark, knew: self.0.seen() }])
    }

    fn apply(&mut self, Passed::Passed { mark, .. }: &Passed) {
        self.0.pass(*mark);
    }
}

const MARKS: [u32; 7] = [9, 4, 7, 8, 1, 3, 2];

/// Takes snapshots at every second event, and at no other time.
fn every_second(hosting: Hosting) -> Hosting {
    let hosting = hosting.snapshot_every(2).snapshot_on_passivation(false);
    hosting.snapshot_when_loading_took(Duration::MAX)
}

async fn open(contents: &Arc<Contents>) -> Runtime {
    Runtime::builder().on_store(memory::reopen(contents)).await.unwrap()
}

/// Returns what each decision was based on, and what is seen after the last one. After `unloaded` commands the
/// traveller is loaded again.
async fn decisions(codec: Codec, unloaded: usize) -> Vec<Seen> {
    let (contents, mut all) = (Arc::default(), Vec::new());
    for (life, marks) in [&MARKS[..unloaded], &MARKS[unloaded..]].into_iter().enumerate() {
        let runtime = open(&contents).await;
        let hosting = every_second(Hosting::default().snapshot_codec(codec));
        let travellers = runtime.host_with::<Traveller>(hosting);
        for mark in marks {
            all.push(travellers.query("a", |it| it.0.seen()).await.unwrap());
            travellers.execute("a", *mark).await.unwrap();
        }
        if life == 1 {
            all.push(travellers.query("a", |it| it.0.seen()).await.unwrap());
        }
        drop(travellers);
        assert!(runtime.shutdown(LONG).await.is_clean());
    }
    all
}

/// The state of a live aggregate had the scope of its address, and a list in the order of the events. Loaded from
/// its snapshot it had neither, and decided otherwise. What a command did depended on whether its aggregate had
/// been idle.
#[tokio::test]
async fn with_the_same_snapshots_no_decision_depends_on_whether_the_aggregate_was_unloaded() {
    for codec in ALL {
        let live = decisions(codec, 0).await;
        let last = live.last().unwrap();
        assert_eq!((last.first, last.hops), (Some(1), 1), "{codec:?}: a snapshot was taken");
        for unloaded in 1..MARKS.len() {
            assert_eq!(decisions(codec, unloaded).await, live, "{codec:?}, after {unloaded}");
        }
    }
}

/// A snapshot that is refused leaves the live state as it is, like the state that is loaded from all events.
#[tokio::test]
async fn a_state_whose_snapshot_is_refused_loses_nothing() {
    #[derive(Default, Serialize, Deserialize)]
    struct Refused {
        route: Route,
        /// JSON reads `Some(None)` as `None`.
        note: Option<Option<u8>>,
    }

    impl Aggregate for Refused {
        const TYPE: &'static str = "refused";
        type Command = u32;
        type Event = Passed;
        type Error = Infallible;

        fn decide(&self, mark: u32, _: &Context) -> Result<Vec<Passed>, Infallible> {
            Ok(vec![Passed::Passed { mark, knew: self.route.seen() }])
        }

        fn apply(&mut self, Passed::Passed { mark, .. }: &Passed) {
            self.route.pass(*mark);
            self.note = Some(None);
        }
    }

    let contents = Arc::default();
    let hosting = || every_second(Hosting::default().snapshot_codec(Codec::Json));
    let runtime = open(&contents).await;
    let all = runtime.host_with::<Refused>(hosting());
    for mark in MARKS {
        all.execute("a", mark).await.unwrap();
    }
    let live = all.query("a", |it| it.route.seen()).await.unwrap();
    assert_eq!(live, Seen { scope: 2, first: Some(9), hops: 7 });
    drop(all);
    assert!(runtime.shutdown(LONG).await.is_clean());
    let all = open(&contents).await.host_with::<Refused>(hosting());
    assert_eq!(all.query("a", |it| it.route.seen()).await.unwrap(), live);
}

/// A saga that follows a traveller.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Guide(Route);

impl Saga for Guide {
    const TYPE: &'static str = "guide";
    type Deadline = ();
}

impl ReactsTo<Traveller> for Guide {
    fn correlate(event: &Envelope<Traveller>) -> Correlation {
        Correlation::start_or_proceed(event.id.as_str())
    }

    fn react(&mut self, event: &Envelope<Traveller>) -> Effects<Self> {
        let Passed::Passed { mark, .. } = event.event;
        self.0.pass(mark);
        Effects::none()
    }
}

/// Returns what is seen after each event. After `unloaded` events the saga is loaded again.
async fn guided(codec: Codec, unloaded: usize) -> Vec<Seen> {
    let (contents, mut all) = (Arc::default(), Vec::new());
    for marks in [&MARKS[..unloaded], &MARKS[unloaded..]] {
        let runtime = open(&contents).await;
        let travellers = runtime.host::<Traveller>();
        let guides = runtime.saga::<Guide>().codec(codec).hosting(every_second);
        let guides = guides.reacts_to::<Traveller>().sends_nothing().start().await.unwrap();
        for mark in marks {
            travellers.execute("a", *mark).await.unwrap();
            runtime.caught_up(LONG).await.unwrap();
            all.push(guides.query("a", |guide| guide.0.seen()).await.unwrap().unwrap());
        }
        drop((travellers, guides));
        assert!(runtime.shutdown(LONG).await.is_clean());
    }
    all
}

/// Every step stores the state of a saga, and the next reaction sees what was read back. So snapshots change nothing.
#[tokio::test]
async fn no_reaction_depends_on_whether_the_instance_was_unloaded() {
    for codec in [Codec::MessagePack, Codec::Json] {
        let live = guided(codec, 0).await;
        let scope = if codec == Codec::Json { 2 } else { 0 };
        assert_eq!(live.last(), Some(&Seen { scope, first: Some(1), hops: 0 }), "{codec:?}");
        for unloaded in 1..MARKS.len() {
            assert_eq!(guided(codec, unloaded).await, live, "{codec:?}, after {unloaded}");
        }
    }
}

/// A view of all travellers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Map(Route);

impl Projection<Traveller> for Map {
    fn project(&mut self, envelope: &Envelope<Traveller>) {
        let Passed::Passed { mark, .. } = envelope.event;
        self.0.pass(mark);
    }
}

/// A view in memory was saved, and continued with what the saved one did not have: it showed one thing until the
/// restart and another one after it, for the same events.
#[tokio::test]
async fn a_saved_view_is_read_as_it_is_found_by_the_next_start() {
    for codec in ALL {
        let (contents, views, mut shown) = (Arc::default(), Views::in_memory(), Vec::new());
        for life in 1..=2 {
            let builder = Runtime::builder().views(views.clone());
            let runtime = builder.on_store(memory::reopen(&contents)).await.unwrap();
            let travellers = runtime.host::<Traveller>();
            let map = runtime.projection::<Map>("map").codec(codec).save_every(LONG);
            let map = map.on::<Traveller>().start().await.unwrap();
            if life == 1 {
                for mark in MARKS {
                    travellers.execute("a", mark).await.unwrap();
                }
                // A view that is rebuilt is saved before it is read.
                map.rebuild().await.unwrap();
            } else {
                assert_eq!(map.position(), Position::new(7), "the view is found");
            }
            shown.push(map.read(|map| map.0.seen()));
            drop((travellers, map));
            assert!(runtime.shutdown(LONG).await.is_clean());
        }
        assert_eq!((shown[1].first, shown[1].hops), (Some(1), 0), "{codec:?}: a view was saved");
        assert_eq!(shown[0], shown[1], "{codec:?}");
    }
}

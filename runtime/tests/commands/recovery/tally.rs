//! The aggregate of the recovery tests, in several releases of its program.
#![allow(missing_docs, unreachable_pub)]

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actuarius::store::fault::Faults;
use actuarius::store::memory::Contents;
use actuarius::{Aggregate, Aggregates, Context, Hosting, Runtime, StreamId};
use serde::{Deserialize, Serialize};

use crate::common::open_on;

/// A sum that counts the events it was replayed from. The count is not part of snapshots.
#[derive(Default, Serialize, Deserialize)]
pub struct Tally {
    pub sum: i64,
    #[serde(skip)]
    pub replayed: u64,
}

#[derive(Serialize, Deserialize)]
pub enum Tallied {
    Added(i64),
}

impl Aggregate for Tally {
    const TYPE: &'static str = "tally";
    type Command = i64;
    type Event = Tallied;
    type Error = Infallible;

    fn decide(&self, amount: i64, _: &Context) -> Result<Vec<Tallied>, Infallible> {
        Ok(vec![Tallied::Added(amount)])
    }

    fn apply(&mut self, Tallied::Added(amount): &Tallied) {
        self.sum += amount;
        self.replayed += 1;
    }
}

/// The same aggregate in another release of its program.
macro_rules! release {
    ($name:ident, $state_version:literal, $event:ident :: $variant:ident, $state:ty, $apply:expr) => {
        #[derive(Default, Serialize, Deserialize)]
        pub struct $name {
            pub sum: $state,
            #[serde(skip)]
            pub replayed: u64,
        }

        #[derive(Serialize, Deserialize)]
        pub enum $event {
            $variant(i64),
        }

        impl Aggregate for $name {
            const TYPE: &'static str = "tally";
            const STATE_VERSION: u32 = $state_version;
            type Command = i64;
            type Event = $event;
            type Error = Infallible;

            fn decide(&self, amount: i64, _: &Context) -> Result<Vec<$event>, Infallible> {
                Ok(vec![$event::$variant(amount)])
            }

            fn apply(&mut self, $event::$variant(amount): &$event) {
                let apply: fn(&mut $state, i64) = $apply;
                apply(&mut self.sum, *amount);
                self.replayed += 1;
            }
        }
    };
}

release!(Raised, 2, RaisedEvent::Added, i64, |sum, amount| *sum += amount);
release!(Reshaped, 1, ReshapedEvent::Added, String, |sum, amount| *sum += &amount.to_string());
release!(Renamed, 1, RenamedEvent::Booked, i64, |sum, amount| *sum += amount);
release!(Picky, 9, PickyEvent::Added, i64, |sum, amount| {
    assert!(amount != 3, "three is too much");
    *sum += amount;
});

pub fn stream(id: &str) -> StreamId {
    StreamId::new("tally", id).unwrap()
}

pub fn hosting() -> Hosting {
    Hosting::default().snapshot_every(2).snapshot_on_passivation(false)
}

/// Writes 1, 2, 3, 4, 5 to "a" with snapshots at versions 2 and 4, and 1 to "b".
pub async fn written() -> Arc<Contents> {
    let contents = Arc::default();
    let (runtime, _) = open_on(&contents).await;
    let tallies = runtime.host_with::<Tally>(hosting());
    for amount in 1..=5 {
        tallies.execute("a", amount).await.unwrap();
    }
    tallies.execute("b", 1).await.unwrap();
    assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());
    contents
}

/// Hosts without snapshots, because taking one would set the count back.
pub async fn open<A: Aggregate>(contents: &Arc<Contents>) -> (Runtime, Aggregates<A>, Faults) {
    let (runtime, faults) = open_on(contents).await;
    let hosted = runtime.host_with(hosting().without_snapshots());
    (runtime, hosted, faults)
}

/// Returns the sum of "a", and the number of events it was replayed from.
pub async fn look(tallies: &Aggregates<Tally>) -> (i64, u64) {
    tallies.query("a", |it| (it.sum, it.replayed)).await.unwrap()
}

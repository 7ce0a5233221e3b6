//! Shapes as states, rows and views in memory. Their events only name the values.

use std::convert::Infallible;
use std::time::Duration;

use actuarius::health::FollowerStatus;
use actuarius::projection::{Keyed, KeyedProjection, Projection, Retry, Rows, View};
use actuarius::{Aggregate, Codec, Context, Envelope, Hosting, Position, Runtime, StreamId};
use serde::{Deserialize, Serialize};

use crate::shape::{Picks, Shape, picked, same};
use crate::world::{LONG, Outcome, World};

/// Holds the values that its events name.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
struct Holder<S: Shape> {
    values: Vec<S>,
}

impl<S: Shape> Default for Holder<S> {
    fn default() -> Self {
        Self { values: Vec::new() }
    }
}

#[derive(Serialize, Deserialize)]
enum Held {
    Held(Picks),
}

impl<S: Shape> Aggregate for Holder<S> {
    const TYPE: &'static str = "holder";
    type Command = Picks;
    type Event = Held;
    type Error = Infallible;

    fn decide(&self, picks: Picks, _: &Context) -> Result<Vec<Held>, Infallible> {
        Ok(vec![Held::Held(picks)])
    }

    fn apply(&mut self, Held::Held(picks): &Held) {
        self.values.extend(picked::<S>(picks));
    }
}

/// A view in memory with the values.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
struct Seen<S: Shape>(Vec<S>);

impl<S: Shape> Default for Seen<S> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<S: Shape> Projection<Holder<S>> for Seen<S> {
    fn project(&mut self, envelope: &Envelope<Holder<S>>) {
        let Held::Held(picks) = &envelope.event;
        self.0.extend(picked::<S>(picks));
    }
}

/// A row for each value.
struct Table<S>(S);

impl<S: Shape> View for Table<S> {
    type Key = u64;
    type Row = S;
}

impl<S: Shape> KeyedProjection<Holder<S>> for Table<S> {
    fn project(rows: &mut Rows<'_, Self>, envelope: &Envelope<Holder<S>>) {
        let Held::Held(picks) = &envelope.event;
        for (key, value) in (0u64..).zip(picked::<S>(picks)) {
            rows.put(key, value);
        }
    }
}

fn hosting(codec: Codec) -> Hosting {
    Hosting::default().snapshot_every(1).codec(codec).snapshot_codec(codec)
}

/// Returns whether the holder has a snapshot.
fn has_snapshot(runtime: &Runtime) -> bool {
    let reader = runtime.reader().expect("the store is open");
    let stream = StreamId::new("holder", "one").expect("a valid id");
    reader.snapshot(&stream, None).expect("it can be read").is_some()
}

/// Keeps values in a state, and reads them live and after a restart.
pub async fn as_state<S: Shape>(world: &World, codec: Codec, picks: &Picks) -> Outcome {
    let expected = picked::<S>(picks);
    let runtime = world.open().await;
    let holders = runtime.host_with::<Holder<S>>(hosting(codec));
    let stored = holders.execute("one", picks.clone()).returning(|it| it.values.clone());
    let live = stored.await.expect("the event can be stored");
    assert!(same(&live, &expected), "the live state has {live:?}");
    drop(holders);
    world.close(runtime).await;

    let runtime = world.open().await;
    let outcome = if has_snapshot(&runtime) { Outcome::Kept } else { Outcome::Refused };
    let holders = runtime.host_with::<Holder<S>>(hosting(codec));
    let again = holders.query("one", |it| it.values.clone()).await.expect("it can be loaded");
    assert!(same(&again, &expected), "after a restart the state has {again:?}");
    drop(holders);
    world.close(runtime).await;
    outcome
}

/// Keeps values in rows, and reads them live and after a restart.
pub async fn as_rows<S: Shape>(world: &World, codec: Codec, picks: &Picks) -> Outcome {
    let expected = picked::<S>(picks);
    let runtime = world.open().await;
    let holders = runtime.host_with::<Holder<S>>(hosting(Codec::Json));
    let position = holders.execute("one", picks.clone()).await.expect("it can be stored").position;
    let start = |runtime: &Runtime| {
        let at_once = Retry::default().attempts(2).waits(Duration::ZERO, Duration::ZERO);
        runtime.keyed::<Table<S>>("table").codec(codec).retry(at_once).on::<Holder<S>>().start()
    };
    let table = start(&runtime).await.expect("it starts");
    let ended = table.wait_for_within(position, LONG).await;
    let outcome = match (ended, table.status()) {
        (Ok(()), FollowerStatus::Live) => Outcome::Kept,
        (Err(_), FollowerStatus::Halted { position: at, .. }) if at == position => Outcome::Refused,
        (ended, status) => panic!("neither live nor halted: {ended:?}, {status:?}"),
    };
    let check = |table: &Keyed<Table<S>>| {
        for (key, value) in (0..).zip(&expected) {
            match table.get(&key).expect("every stored row can be read") {
                Some(row) => assert!(row.same(value), "the row is {row:?}"),
                None => assert_eq!(outcome, Outcome::Refused, "a row is missing"),
            }
        }
    };
    check(&table);
    drop((holders, table));
    world.close(runtime).await;

    let runtime = world.open().await;
    let table = start(&runtime).await.expect("it starts");
    match outcome {
        Outcome::Kept => assert_eq!(table.position(), position, "the rows are found"),
        Outcome::Refused => assert_eq!(table.position(), Position::NONE),
    }
    check(&table);
    drop(table);
    world.close(runtime).await;
    outcome
}

/// Keeps values in a view in memory, and reads them live and after a restart.
pub async fn as_view<S: Shape>(world: &World, codec: Codec, picks: &Picks) -> Outcome {
    let expected = picked::<S>(picks);
    let runtime = world.open().await;
    let holders = runtime.host_with::<Holder<S>>(hosting(Codec::Json));
    holders.execute("one", picks.clone()).await.expect("it can be stored");
    let start = |runtime: &Runtime| {
        runtime.projection::<Seen<S>>("seen").codec(codec).on::<Holder<S>>().start()
    };
    let view = start(&runtime).await.expect("it starts");
    runtime.caught_up(LONG).await.expect("nothing halts");
    view.read(|seen| assert!(same(&seen.0, &expected), "the view has {:?}", seen.0));
    drop((holders, view));
    world.close(runtime).await;

    let runtime = world.open().await;
    let view = start(&runtime).await.expect("it starts");
    let is_found = view.position() > Position::NONE;
    runtime.caught_up(LONG).await.expect("nothing halts");
    view.read(|seen| assert!(same(&seen.0, &expected), "after a restart it has {:?}", seen.0));
    drop(view);
    world.close(runtime).await;
    if is_found { Outcome::Kept } else { Outcome::Refused }
}

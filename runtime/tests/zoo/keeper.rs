//! Shapes as events: an aggregate, a view and a subscription that receive them.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use actuarius::error::BoxError;
use actuarius::projection::Projection;
use actuarius::{Aggregate, Codec, Context, Envelope, ExecuteError, Failure, Hosting, Position};
use serde::{Deserialize, Serialize};

use crate::shape::{Shape, same};
use crate::world::{LONG, Outcome, World};

/// Keeps the values of its events. The content of each event is a value.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
struct Keeper<S: Shape> {
    values: Vec<S>,
}

impl<S: Shape> Default for Keeper<S> {
    fn default() -> Self {
        Self { values: Vec::new() }
    }
}

impl<S: Shape> Aggregate for Keeper<S> {
    const TYPE: &'static str = "keeper";
    type Command = Vec<S>;
    type Event = S;
    type Error = Infallible;

    fn decide(&self, values: Vec<S>, _: &Context) -> Result<Vec<S>, Infallible> {
        Ok(values)
    }

    fn apply(&mut self, event: &S) {
        self.values.push(event.clone());
    }
}

/// Keeps the values of all events of all keepers.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
struct Copies<S: Shape>(Vec<S>);

impl<S: Shape> Default for Copies<S> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<S: Shape> Projection<Keeper<S>> for Copies<S> {
    fn project(&mut self, envelope: &Envelope<Keeper<S>>) {
        self.0.push(envelope.event.clone());
    }
}

/// Stores values as events, and reads them live and after a restart.
pub async fn as_events<S: Shape>(world: &World, codec: Codec, values: &[S]) -> Outcome {
    let runtime = world.open().await;
    let hosting = Hosting::default().without_snapshots().codec(codec);
    let keepers = runtime.host_with::<Keeper<S>>(hosting.clone());
    let stored = keepers.execute("one", values.to_vec()).returning(|it| it.values.clone()).await;
    let outcome = match stored {
        Ok(live) => {
            assert!(same(&live, values), "the live state has {live:?}");
            Outcome::Kept
        }
        Err(ExecuteError::Failed(Failure::Unstorable(_))) => {
            assert_eq!(runtime.head(), Position::NONE, "nothing is written");
            Outcome::Refused
        }
        Err(error) => panic!("neither stored nor refused: {error}"),
    };
    let expected = if outcome == Outcome::Kept { values } else { &[] };
    drop(keepers);
    world.close(runtime).await;

    let runtime = world.open().await;
    let keepers = runtime.host_with::<Keeper<S>>(hosting);
    let again = keepers.query("one", |it| it.values.clone()).await.expect("it can be loaded");
    assert!(same(&again, expected), "after a restart the state has {again:?}");
    let handled: Arc<Mutex<Vec<S>>> = Arc::default();
    let seen = handled.clone();
    let handler = move |event: Envelope<Keeper<S>>| {
        seen.lock().expect("no handler panics").push(event.event);
        async { Ok::<(), BoxError>(()) }
    };
    let copies = runtime.projection::<Copies<S>>("copies").codec(codec).on::<Keeper<S>>();
    let copies = copies.start().await.expect("it starts");
    let subscription = runtime.subscribe("copier").on::<Keeper<S>>(handler).start().await;
    let subscription = subscription.expect("it starts");
    runtime.caught_up(LONG).await.expect("nothing halts");
    copies.read(|copies| assert!(same(&copies.0, expected), "the view has {:?}", copies.0));
    let handled = handled.lock().expect("no handler panics").clone();
    assert!(same(&handled, expected), "the subscription received {handled:?}");
    drop((keepers, copies, subscription));
    world.close(runtime).await;
    outcome
}

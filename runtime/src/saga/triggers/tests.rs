//! Tests of events that are delivered again before the index shows what they have changed.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use actuarius_domain::{Answer, Context, Effects, Sends, Version};
use serde::{Deserialize, Serialize};

use super::*;
use crate::follow::followers::DesiredState;
use crate::runtime::Runtime;

#[derive(Default, Serialize, Deserialize)]
struct Crier;

#[derive(Serialize, Deserialize)]
enum Cried {
    Cried,
}

impl Aggregate for Crier {
    const TYPE: &'static str = "crier";
    type Command = ();
    type Event = Cried;
    type Error = Infallible;

    fn decide(&self, (): (), _: &Context) -> Result<Vec<Cried>, Infallible> {
        Ok(vec![Cried::Cried])
    }

    fn apply(&mut self, _: &Cried) {}
}

/// A saga whose instances are known by a key.
#[derive(Default, Clone, Serialize, Deserialize)]
struct Keyed;

impl Saga for Keyed {
    const TYPE: &'static str = "keyed";
    type Deadline = ();
}

impl Sends<Crier> for Keyed {
    fn answered(&mut self, _: Answer<Crier>) -> Effects<Self> {
        Effects::none()
    }
}

impl ReactsTo<Crier> for Keyed {
    fn correlate(_: &Envelope<Crier>) -> Correlation {
        Correlation::start("t").known_as("key")
    }

    fn react(&mut self, _: &Envelope<Crier>) -> Effects<Self> {
        Effects::none()
    }
}

/// Polls a future once. Returns whether it is ready.
async fn is_ready<F: Future>(mut future: Pin<&mut F>) -> bool {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())).await
}

/// The process ended after a step was stored and before its event was finished, so the event came again. It was finished
/// at once, because it changed nothing any more. The index did not show the key of the step yet, so the next event by that
/// key found no instance and was lost.
#[tokio::test]
async fn a_repeated_event_is_finished_when_the_index_shows_the_keys_of_the_first_time() {
    let runtime = Runtime::in_memory().await.expect("opens");
    let criers = runtime.host::<Crier>();
    let keyed = runtime.saga::<Keyed>().reacts_to::<Crier>().sends_to(&criers);
    let keyed = keyed.start().await.expect("starts");
    let (host, id) = (keyed.host.clone(), Id::new("t").expect("valid"));
    let index = &host.index.shared;
    index.want(DesiredState::Pause);
    index.until_paused().await;

    criers.execute("crier", ()).await.expect("accepted");
    while host.read(&id, |instance| instance.state.steps).await.expect("readable") == 0 {
        tokio::task::yield_now().await;
    }
    let events = criers.events("crier", Version::NONE).await.expect("readable");
    let triggers = Triggers::of(host.clone());
    let mut again = Box::pin(Routed::<Crier>::handle_all(&triggers, Some("t".into()), events));
    assert!(!is_ready(again.as_mut()).await);
    // Answered after the step that was just requested.
    host.read(&id, |_| ()).await.expect("readable");
    for _ in 0..10 {
        assert!(!is_ready(again.as_mut()).await, "the index does not show the key");
        tokio::task::yield_now().await;
    }
    index.want(DesiredState::Run);
    again.await.expect("handled");
    let holder = host.index.read(|index| index.keys().holder("key").map(str::to_owned));
    assert_eq!(holder.as_deref(), Some("t"));
}

//! The test kit of subscription handlers.

use actuarius_domain::{Aggregate, Envelope};

use super::history::History;
use crate::follow::followers::BoxError;
use crate::subscription::Handler;

/// Returns the events of an aggregate as a handler receives them, stored and read back.
///
/// # Panics
/// If the id is invalid, or an event differs after it was stored and read.
#[track_caller]
pub fn envelopes<A: Aggregate>(
    id: &str,
    events: impl IntoIterator<Item = A::Event>,
) -> Vec<Envelope<A>> {
    History::default().envelopes(id, events)
}

/// Returns a handler that receives every event twice, as can happen after a crash. Put it in the place of
/// the handler under test: the result must be the same.
///
/// ```
/// # use std::convert::Infallible;
/// # use actuarius::{Aggregate, Context};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
/// # struct Counter(i64);
/// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// # enum Counted { Added(i64) }
/// # impl Aggregate for Counter {
/// #     const TYPE: &'static str = "counter";
/// #     type Command = i64;
/// #     type Event = Counted;
/// #     type Error = Infallible;
/// #     fn decide(&self, amount: i64, _: &Context) -> Result<Vec<Counted>, Infallible> {
/// #         Ok(vec![Counted::Added(amount)])
/// #     }
/// #     fn apply(&mut self, Counted::Added(amount): &Counted) { self.0 += amount; }
/// # }
/// use std::collections::HashSet;
/// use std::sync::{Arc, Mutex};
///
/// use actuarius::testing::{envelopes, twice};
/// use actuarius::Envelope;
/// use actuarius::error::BoxError;
/// use actuarius::subscription::Handler;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let sent = Arc::new(Mutex::new(HashSet::new()));
/// let outbox = sent.clone();
/// let send = twice(move |event: Envelope<Counter>| {
///     // The event's id makes the effect idempotent.
///     outbox.lock().unwrap().insert(event.header.event_id);
///     async { Ok::<(), BoxError>(()) }
/// });
/// for event in envelopes::<Counter>("visits", [Counted::Added(1), Counted::Added(2)]) {
///     send.handle(event).await?;
/// }
/// assert_eq!(sent.lock().unwrap().len(), 2);
/// # Ok(())
/// # }
/// ```
pub fn twice<H>(handler: H) -> Twice<H> {
    Twice(handler)
}

/// A handler that receives every event [`twice`].
pub struct Twice<H>(H);

impl<A, H> Handler<A> for Twice<H>
where
    A: Aggregate,
    A::Event: Clone,
    H: Handler<A>,
{
    async fn handle(&self, event: Envelope<A>) -> Result<(), BoxError> {
        self.0.handle(event.clone()).await?;
        self.0.handle(event).await
    }
}

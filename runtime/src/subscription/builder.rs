//! Describes and starts a subscription.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use actuarius_domain::{Aggregate, Position};
use tokio::sync::mpsc;

use super::dispatcher::Dispatcher;
use super::handle::Subscription;
use super::handler::Handler;
use super::handler::Routed;
use super::opening::{self, Plan};
use super::options::{OnPoison, Options, Start, Widening};
use super::routes::Routes;
use crate::engine::Engine;
use crate::follow::deleted_aggregate::DeletedAggregate;
use crate::follow::followers::{
    self, BoxError, DesiredState, FollowerKind, Followers, Retry, StartError,
};
use crate::follow::raw_event::RawEvent;
use crate::schema::decoding::Decoder;

/// How many requests of the handle may wait. Each has a caller that waits for it; further callers wait for
/// a free slot.
const REQUESTS_WAITING: usize = 64;

/// Describes a subscription before it is started; see [`Runtime::subscribe`](crate::Runtime::subscribe).
///
/// ```
/// # use std::convert::Infallible;
/// use std::time::Duration;
///
/// use actuarius::error::BoxError;
/// use actuarius::{Aggregate, Context, Envelope, Runtime};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Account;
/// # #[derive(Serialize, Deserialize)]
/// # enum AccountEvent { Opened }
/// # impl Aggregate for Account {
/// #     const TYPE: &'static str = "account";
/// #     type Command = ();
/// #     type Event = AccountEvent;
/// #     type Error = Infallible;
/// #     fn decide(&self, (): (), _: &Context) -> Result<Vec<AccountEvent>, Infallible> {
/// #         Ok(vec![AccountEvent::Opened])
/// #     }
/// #     fn apply(&mut self, _: &AccountEvent) {}
/// # }
///
/// async fn welcome(event: Envelope<Account>) -> Result<(), BoxError> {
///     println!("dear {}", event.id.as_str());
///     Ok(())
/// }
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let runtime = Runtime::in_memory().await?;
/// let mailer = runtime.subscribe("mailer").on(welcome).workers(8).start().await?;
///
/// let receipt = runtime.host::<Account>().execute("ada", ()).await?;
/// mailer.wait_for_within(receipt.position, Duration::from_secs(5)).await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a subscription does nothing until it is started"]
pub struct SubscriptionBuilder {
    engine: Arc<Engine>,
    followers: Arc<Followers>,
    name: String,
    routes: Routes,
    start: Start,
    from_scratch: bool,
    widening: Widening,
    options: Options,
}

impl SubscriptionBuilder {
    pub(crate) fn new(engine: Arc<Engine>, followers: Arc<Followers>, name: String) -> Self {
        let (routes, start, options) = (Routes::default(), Start::default(), Options::default());
        let (from_scratch, widening) = (false, Widening::default());
        Self { engine, followers, name, routes, start, from_scratch, widening, options }
    }

    /// Hands every event of the aggregate type `A` to `handler`, unless a handler added before
    /// takes it.
    pub fn on<A: Aggregate>(mut self, handler: impl Handler<A>) -> Self {
        self.routes.add(Decoder::of(&self.engine.shapes), None, handler);
        self
    }

    /// Hands the events of the aggregate type `A` that have one of these event types, the names of
    /// their variants, to `handler`, unless a handler added before takes them. These are today's names, also
    /// for events that upcasters read. A name that no variant has is an error of [`start`](Self::start).
    pub fn on_only<A: Aggregate>(
        mut self,
        event_types: impl IntoIterator<Item = impl Into<String>>,
        handler: impl Handler<A>,
    ) -> Self {
        let event_types: BTreeSet<_> = event_types.into_iter().map(Into::into).collect();
        self.routes.add(Decoder::of(&self.engine.shapes), Some(event_types), handler);
        self
    }

    /// Hands the end of each stream of the aggregate type `A` to `react`, when an aggregate is deleted. Failures are
    /// handled like those of events.
    ///
    /// An end is ordered after the events of its aggregate. If [`ordered_by`](Self::ordered_by) sets the key, its
    /// function receives the end, too: a [`RawEvent`] that [`is_deletion`](RawEvent::is_deletion), and that decodes
    /// to no event.
    pub fn on_deleted<A, F, Reacting, E>(mut self, react: F) -> Self
    where
        A: Aggregate,
        F: Fn(DeletedAggregate<A>) -> Reacting + Send + Sync + 'static,
        Reacting: Future<Output = Result<(), E>> + Send,
        E: Into<BoxError>,
    {
        self.routes.add_ends::<A, F, Reacting, E>(react);
        self
    }

    /// Sets what happens if it has been started before and now receives further events, of which it has passed the
    /// earlier ones. Default: it is refused.
    pub fn on_widening(mut self, widening: Widening) -> Self {
        self.widening = widening;
        self
    }

    /// Removes what is stored of a subscription that will not be started again: its checkpoint and its parked events.
    /// Deletions no longer wait for it.
    ///
    /// # Errors
    /// [`StartError`]: it runs, or the store has failed.
    pub async fn discard(self) -> Result<(), StartError> {
        let _registration = self.followers.register(&self.name, FollowerKind::Subscription)?;
        opening::discard(&self.engine, &self.name).await
    }

    /// Hands every event of the aggregate type `A` to a handler that returns the key of each event.
    pub(crate) fn on_routed<A: Aggregate>(mut self, handler: impl Routed<A>) -> Self {
        self.routes.add_routed(Decoder::of(&self.engine.shapes), handler);
        self
    }

    /// Begins with the first event in the log. This is the default. Like [`after`](Self::after) and
    /// [`from_end`](Self::from_end), it only counts at the very first start: later the subscription continues
    /// from its checkpoint.
    pub fn from_beginning(mut self) -> Self {
        self.start = Start::Beginning;
        self
    }

    /// Begins with the event after `position`, if there is no checkpoint yet.
    pub fn after(mut self, position: Position) -> Self {
        self.start = Start::After(position);
        self
    }

    /// Begins with what is stored after [`start`](Self::start), if there is no checkpoint yet.
    pub fn from_end(mut self) -> Self {
        self.start = Start::End;
        self
    }

    /// Discards the checkpoint and the parked events, even if they are damaged or belong to another log, and
    /// begins as at the very first start.
    pub fn from_scratch(mut self) -> Self {
        self.from_scratch = true;
        self
    }

    /// Sets how many events may be handled at once. Default: 1, at least 1. Events of one key are always
    /// handled one after the other.
    pub fn workers(mut self, workers: usize) -> Self {
        self.options.workers = workers.max(1);
        self
    }

    /// Sets the key that orders events: those with the same key are handled one after the other, in the order
    /// of the log. Default: the aggregate, as `type/id`. Only the first 1,024 bytes of a key count.
    ///
    /// `key` must return the same key for the same event each time, also in later releases: parked events may
    /// be found by their key.
    pub fn ordered_by<K: Into<String>>(
        mut self,
        key: impl Fn(&RawEvent<'_>) -> K + Send + Sync + 'static,
    ) -> Self {
        let shapes = self.engine.shapes.clone();
        self.routes.order_by(Box::new(move |event| key(event).into()), shapes);
        self
    }

    /// Sets how often an event is tried, and the waits between the attempts.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.options.retry = retry;
        self
    }

    /// Sets what happens to an event whose last attempt failed.
    pub fn on_poison(mut self, on_poison: OnPoison) -> Self {
        self.options.on_poison = on_poison;
        self
    }

    /// Sets the shortest time between two writes of the checkpoint. Default: 100 ms. After a crash, events
    /// handled since the last write are handled again, and so are events handled ahead of the slowest one:
    /// at most 65,536, because the subscription reads no further ahead.
    pub fn checkpoint_every(mut self, every: Duration) -> Self {
        self.options.checkpoint_every = every;
        self
    }

    /// Starts the subscription. It runs until it is stopped or the runtime closes, even if the handle is
    /// dropped.
    ///
    /// At the very first start the checkpoint is durable before this returns.
    ///
    /// # Errors
    /// [`StartError`]; no event was handled. Fix the cause and start again. [`StartError::Schema`]: a handler
    /// names an event type that its aggregate type does not have, or upcasters of the type do not fit.
    pub async fn start(self) -> Result<Subscription, StartError> {
        let registration = self.followers.register(&self.name, FollowerKind::Subscription)?;
        if self.routes.is_empty() {
            return Err(StartError::FollowsNothing(self.name));
        }
        if let Some(source) = self.routes.mistake().cloned() {
            return Err(StartError::Schema { name: self.name, source });
        }
        let receives = (self.routes.scope(), self.widening);
        registration.shared().set_types(receives.0.types());
        let (start, from_scratch) = (self.start, self.from_scratch);
        let stored =
            opening::open_recorded(&self.engine, &self.name, start, from_scratch, receives).await?;
        let (sender, requests) = mpsc::channel(REQUESTS_WAITING);
        let shared = registration.keep();
        shared.progress.reached(stored.checkpoint.mark.position);
        // Now, so that a health report after the start counts it.
        shared.parked(stored.parked.counted());
        if stored.checkpoint.paused {
            shared.want(DesiredState::Pause);
        }
        let is_paused = Arc::new(AtomicBool::new(stored.checkpoint.paused));
        let workers = self.options.workers;
        let plan = Arc::new(Plan {
            is_paused: is_paused.clone(),
            engine: self.engine.clone(),
            shared: shared.clone(),
            routes: self.routes,
            options: self.options,
        });
        followers::start(&self.engine, shared.clone(), Dispatcher::new(plan, requests, stored));
        Ok(Subscription::new(shared, sender, is_paused, workers))
    }
}

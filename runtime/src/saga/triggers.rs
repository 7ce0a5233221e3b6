//! The events that a saga reacts to: whom each concerns, and how it gets there.

use std::collections::HashMap;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actuarius_domain::{Aggregate, Correlation, Envelope, Id, Position, ReactsTo, Saga};
use tokio::time::sleep;

use super::dispatch::{Place, RetryCause, not_taken};
use super::draft::Refused;
use super::host::{Host, TraceIds};
use super::instance::{Concern, Heard, Instance, Kind};
use super::stored::At;
use crate::base::error::ExecuteError;
use crate::follow::followers::BoxError;
use crate::subscription::{NotNow, Routed};

/// Hands the events of the aggregate type `A` to the instances that they concern.
pub(super) struct Triggers<S: Saga> {
    host: Arc<Host<S>>,
    /// Shared by all types a saga reacts to, because a key may come from any of them.
    keys: Arc<Keys>,
}

impl<S: Saga> Clone for Triggers<S> {
    fn clone(&self) -> Self {
        Self { host: self.host.clone(), keys: self.keys.clone() }
    }
}

/// What instances are known as because of events that were read and are not finished: the board does
/// not know yet. By key: whose it is, and because of which event.
#[derive(Default)]
struct Keys(Mutex<HashMap<String, (String, Position)>>);

impl Keys {
    fn all(&self) -> MutexGuard<'_, HashMap<String, (String, Position)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the instance is known as.
    fn of(&self, id: &str) -> Vec<String> {
        let all = self.all();
        let own = all.iter().filter(|(_, (whose, _))| whose == id);
        own.map(|(key, _)| key.clone()).collect()
    }

    /// The event is finished, and the board knows what it has to.
    fn forget(&self, keys: &[String], position: Position) {
        let mut all = self.all();
        for key in keys {
            if all.get(key).is_some_and(|(_, because_of)| *because_of == position) {
                all.remove(key);
            }
        }
    }
}

impl<S: Saga> Triggers<S> {
    pub(super) fn of(host: Arc<Host<S>>) -> Self {
        Self { host, keys: Arc::default() }
    }

    /// The id of the instance that an event concerns.
    fn whose(&self, correlation: &Correlation) -> Option<String> {
        let known_as = |key: &str| {
            let on_board = self.host.index.read(|index| index.known_as(key).map(str::to_owned));
            on_board.or_else(|| self.keys.all().get(key).map(|(id, _)| id.clone()))
        };
        let named = correlation.id().map(str::to_owned);
        named.or_else(|| known_as(correlation.key()?))
    }

    /// An event that waits for its instance to be helped makes keys known before it is heard: also in the
    /// next life, when it is not read again.
    async fn remember(&self, id: &Id<Instance<S>>, keys: Vec<String>) {
        if keys.is_empty() {
            return;
        }
        let (host, kind) = (&self.host, Kind::Know(keys));
        if let Err(error) = host.step(id, kind, TraceIds::of(id).for_no_cause()).await {
            tracing::warn!(target: "actuarius::saga", saga = S::TYPE, %id, %error, "keys not kept");
        }
    }

    fn remember_beside(&self, id: &str, keys: &[String]) {
        // An id that cannot be one is told when the event is handled.
        let Ok(id) = Id::new(id) else { return };
        let (triggers, keys) = (self.clone(), keys.to_vec());
        self.host.tasks.spawn(async move { triggers.remember(&id, keys).await });
    }

    /// The instance is in trouble: remembers what it is known as because of all events that are read and
    /// will be parked behind this one. Those that are read from now on are seen to when they are.
    async fn remember_all(&self, id: &Id<Instance<S>>) {
        self.host.index.shared.progress.wait_for(self.host.engine.tail.head()).await;
        let keys = self.keys.of(id.as_str());
        self.remember(id, keys).await;
    }

    /// Has the events heard, which are all of one stored event; when this returns, what follows from it is durable, or nothing does.
    async fn hear_all<A>(
        &self,
        id: &Id<Instance<S>>,
        events: &[(Arc<Envelope<A>>, Correlation)],
    ) -> Result<(), BoxError>
    where
        A: Aggregate,
        S: ReactsTo<A>,
    {
        let Some(heard) = heard(events) else { return Ok(()) };
        let cause = events[0].0.header.event_id;
        let (position, keys) = (heard.position, heard.keys.clone());
        for attempts in 1.. {
            let Some(place) = self.place().await else { return Err(NotNow(ENDS).into()) };
            let reactions = events
                .iter()
                .map(|(event, correlation)| (Concern::of(correlation), reaction(event.clone())));
            let kind = Kind::Event { heard: heard.clone(), reactions: reactions.collect() };
            let cause = match self.host.step(id, kind, TraceIds::of(id).because_of(cause)).await {
                Ok(Some(outcome)) => {
                    if !keys.is_empty() {
                        self.host.index.shared.progress.wait_for(outcome.position).await;
                    }
                    self.host.dispatch_step(id, outcome, &place);
                    return Ok(());
                }
                Ok(None) => return Ok(()),
                Err(ExecuteError::Rejected(Refused::Troubled(why))) => {
                    self.remember_all(id).await;
                    return Err(why.into());
                }
                Err(error) => not_taken(error).ok_or(NotNow(ENDS))?,
            };
            drop(place);
            // What is not the event's fault does not make it poison.
            match (&cause, self.host.retry.wait_after(attempts)) {
                (_, Some(wait)) => sleep(wait).await,
                (RetryCause::Outside(_), None) => sleep(OUTSIDE_AGAIN_AFTER).await,
                (RetryCause::Poison(why), None) => {
                    let why = why.clone();
                    self.host.give_up(id, At::Event(position), cause, keys).await;
                    self.remember_all(id).await;
                    return Err(why.into());
                }
            }
        }
        Ok(())
    }

    /// A place among the busy instances; none once the saga is asked to stop.
    async fn place(&self) -> Option<Place> {
        let stopping = async {
            match self.host.events.get() {
                Some(events) => events.until_stopping().await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            place = self.host.place() => place,
            () = stopping => None,
        }
    }
}

/// How often it is tried again to have an event heard that nobody is to blame for, after the tries the
/// user wants at once.
const OUTSIDE_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Why an event is not heard any more.
const ENDS: &str = "the saga is being stopped, or the store has failed";

/// What is heard with the events of one instance that a stored event is today.
fn heard<A: Aggregate>(events: &[(Arc<Envelope<A>>, Correlation)]) -> Option<Heard> {
    let (first, _) = events.first()?;
    Some(Heard {
        stream: first.id.stream().to_string(),
        event_type: first.header.event_type.clone(),
        position: first.header.position,
        keys: events.iter().flat_map(|(_, correlation)| correlation.keys()).cloned().collect(),
    })
}

fn reaction<A, S>(event: Arc<Envelope<A>>) -> super::targets::Reaction<S>
where
    A: Aggregate,
    S: ReactsTo<A>,
{
    Box::new(move |saga| saga.react(&event))
}

impl<A, S> Routed<A> for Triggers<S>
where
    A: Aggregate,
    S: ReactsTo<A>,
{
    fn key(&self, event: &Envelope<A>) -> Option<String> {
        let correlation = S::correlate(event);
        let id = self.whose(&correlation)?;
        for key in correlation.keys() {
            let position = event.header.position;
            let mut keys = self.keys.all();
            keys.entry(key.clone()).or_insert_with(|| (id.clone(), position));
        }
        if !correlation.keys().is_empty() && self.host.index.read(|index| index.is_in_trouble(&id))
        {
            self.remember_beside(&id, correlation.keys());
        }
        Some(id)
    }
    async fn hear(&self, events: Vec<Envelope<A>>) -> Result<(), BoxError> {
        let told = events.into_iter().map(|event| (S::correlate(&event), Arc::new(event)));
        let mut events: Vec<_> = told.map(|(correlation, event)| (event, correlation)).collect();
        let whose = |(_, correlation): &(_, Correlation)| self.whose(correlation);
        let Some(id) = events.iter().find_map(whose) else { return Ok(()) };
        // All have the key of the first, unless it has come to be somebody else's since.
        events.retain(|event| whose(event).as_ref() == Some(&id));
        let id = Id::new(id)?;
        self.hear_all(&id, &events).await?;
        // What was not heard is parked, and its keys are needed all the same.
        for (event, correlation) in &events {
            self.keys.forget(correlation.keys(), event.header.position);
        }
        Ok(())
    }
}

//! Delivers the events that a saga reacts to: finds the instance of each event, and takes its step.

use std::collections::HashMap;
use std::future::{Future, pending};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actuarius_domain::{Aggregate, Correlation, Envelope, Id, Position, ReactsTo, Saga};
use tokio::time::sleep;

use super::dispatch::{RetryCause, not_taken};
use super::draft::Refused;
use super::host::{Host, TraceIds};
use super::instance::{Concern, Instance, Kind, Trigger};
use super::stored::At;
use crate::base::error::ExecuteError;
use crate::engine::handed_out;
use crate::follow::followers::BoxError;
use crate::subscription::{NotNow, Outdated, Routed};

/// Delivers the events of the aggregate type `A` to the instances that they concern.
pub(super) struct Triggers<S: Saga> {
    host: Arc<Host<S>>,
    /// Shared by all types that a saga reacts to, because a key may come from any of them.
    keys: Arc<Keys>,
}

impl<S: Saga> Clone for Triggers<S> {
    fn clone(&self) -> Self {
        Self { host: self.host.clone(), keys: self.keys.clone() }
    }
}

/// Keys of instances that come from events which were read and are not finished, so the index does not hold
/// them yet: by key, the instance and the position of the event.
#[derive(Default)]
struct Keys(Mutex<HashMap<String, (String, Position)>>);

impl Keys {
    fn all(&self) -> MutexGuard<'_, HashMap<String, (String, Position)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the keys of an instance.
    fn of(&self, id: &str) -> Vec<String> {
        let all = self.all();
        let own = all.iter().filter(|(_, (instance_of, _))| instance_of == id);
        own.map(|(key, _)| key.clone()).collect()
    }

    /// Removes the keys of a finished event: the index holds those it needs.
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

    /// Returns the id of the instance that an event concerns.
    fn instance_of(&self, correlation: &Correlation) -> Option<String> {
        let known_as = |key: &str| {
            let on_board = self.host.index.read(|index| index.known_as(key).map(str::to_owned));
            on_board.or_else(|| self.keys.all().get(key).map(|(id, _)| id.clone()))
        };
        let named = correlation.id().map(str::to_owned);
        named.or_else(|| known_as(correlation.key()?))
    }

    /// Records keys in an instance that is quarantined or stuck. Events that wait for it add keys before they
    /// are handled, also after a restart, when they are not read again.
    async fn record_keys(&self, id: &Id<Instance<S>>, keys: Vec<String>) {
        if keys.is_empty() {
            return;
        }
        let (host, kind) = (&self.host, Kind::AddKeys(keys));
        if let Err(error) = host.step(id, kind, TraceIds::of(id).for_no_cause()).await {
            tracing::warn!(target: "actuarius::saga", saga = S::TYPE, %id, %error, "keys not recorded");
        }
    }

    fn spawn_record_keys(&self, id: &str, keys: &[String]) {
        // An invalid id is reported when the event is handled.
        let Ok(id) = Id::new(id) else { return };
        let (triggers, keys) = (self.clone(), keys.to_vec());
        self.host.tasks.spawn(async move { triggers.record_keys(&id, keys).await });
    }

    /// Records the keys of all events that were read and will be parked after this one, because the instance
    /// is quarantined or stuck. The keys of later events are recorded when those are read.
    async fn record_all_keys(&self, id: &Id<Instance<S>>) {
        self.host.index.shared.progress.wait_for(self.host.engine.tail.head()).await;
        let keys = self.keys.of(id.as_str());
        self.record_keys(id, keys).await;
    }

    /// Takes a step for the events, all of which one stored event has become. When this returns, the step
    /// is durable, or nothing follows from the events.
    async fn deliver<A>(
        &self,
        id: &Id<Instance<S>>,
        events: &[(Arc<Envelope<A>>, Correlation)],
    ) -> Result<(), BoxError>
    where
        A: Aggregate,
        S: ReactsTo<A>,
    {
        let Some(trigger) = trigger(events) else { return Ok(()) };
        let cause = events[0].0.header.event_id;
        let (position, keys) = (trigger.position, trigger.keys.clone());
        for attempts in 1.. {
            self.check_current()?;
            let permit = self.unless_stopping(self.host.permit()).await.flatten();
            let Some(permit) = permit else { return Err(NotNow(ENDS).into()) };
            let reactions = events
                .iter()
                .map(|(event, correlation)| (Concern::of(correlation), reaction(event.clone())));
            let kind = Kind::Event { trigger: trigger.clone(), reactions: reactions.collect() };
            let cause = match self.host.step(id, kind, TraceIds::of(id).because_of(cause)).await {
                Ok(Some(outcome)) => {
                    if !keys.is_empty() {
                        self.host.index.shared.progress.wait_for(outcome.position).await;
                    }
                    self.host.dispatch_step(id, outcome, &permit);
                    return Ok(());
                }
                Ok(None) => return Ok(()),
                Err(ExecuteError::Rejected(Refused::InTrouble(why))) => {
                    self.record_all_keys(id).await;
                    return Err(why.into());
                }
                Err(error) => not_taken(error).ok_or(NotNow(ENDS))?,
            };
            drop(permit);
            self.check_current()?;
            // An external cause does not make the event poison.
            match (&cause, self.host.retry.wait_after(attempts)) {
                (_, Some(wait)) => self.unless_stopping(sleep(wait)).await.ok_or(NotNow(ENDS))?,
                (RetryCause::External(_), None) => {
                    let waited = self.unless_stopping(sleep(EXTERNAL_RETRY_AFTER)).await;
                    waited.ok_or(NotNow(ENDS))?;
                }
                (RetryCause::Poison(why), None) => {
                    let why = why.clone();
                    self.host.give_up(id, At::Event(position), cause, keys).await;
                    self.record_all_keys(id).await;
                    return Err(why.into());
                }
            }
        }
        Ok(())
    }

    /// Checks that no subject was forgotten since the events were decoded. Otherwise their clear text cannot be
    /// stored any more, which is no fault of theirs.
    fn check_current(&self) -> Result<(), Outdated> {
        if handed_out::is_outdated(self.host.engine.keyring.forgotten()) {
            Err(Outdated)
        } else {
            Ok(())
        }
    }

    /// Waits for a future. Returns `None` once the saga is asked to stop, even if the future is ready: an event that
    /// is tried again and again would never notice.
    async fn unless_stopping<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let stopping = async {
            match self.host.events.get() {
                Some(events) => events.until_stopping().await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stopping => None,
            output = future => Some(output),
        }
    }
}

/// How often an event is retried after an external failure, once the retries that the saga was built with
/// are used up.
const EXTERNAL_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why an event cannot be handled any more.
const ENDS: &str = "the saga is being stopped, or the store has failed";

/// Describes the events that one stored event has become for one instance.
fn trigger<A: Aggregate>(events: &[(Arc<Envelope<A>>, Correlation)]) -> Option<Trigger> {
    let (first, _) = events.first()?;
    Some(Trigger {
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
        let id = self.instance_of(&correlation)?;
        for key in correlation.keys() {
            let position = event.header.position;
            let mut keys = self.keys.all();
            keys.entry(key.clone()).or_insert_with(|| (id.clone(), position));
        }
        if !correlation.keys().is_empty() && self.host.index.read(|index| index.is_in_trouble(&id))
        {
            self.spawn_record_keys(&id, correlation.keys());
        }
        Some(id)
    }
    async fn handle_all(&self, events: Vec<Envelope<A>>) -> Result<(), BoxError> {
        let correlated = events.into_iter().map(|event| (S::correlate(&event), Arc::new(event)));
        let mut events: Vec<_> =
            correlated.map(|(correlation, event)| (event, correlation)).collect();
        let instance_of = |(_, correlation): &(_, Correlation)| self.instance_of(correlation);
        let Some(id) = events.iter().find_map(instance_of) else { return Ok(()) };
        // All events concern the same instance, unless a key was given to another one since.
        events.retain(|event| instance_of(event).as_ref() == Some(&id));
        let id = Id::new(id)?;
        self.deliver(&id, &events).await?;
        // The keys of an event that was not handled are still needed: it is parked.
        for (event, correlation) in &events {
            self.keys.forget(correlation.keys(), event.header.position);
        }
        Ok(())
    }
}

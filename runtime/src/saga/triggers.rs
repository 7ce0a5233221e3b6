//! Delivers the events that a saga reacts to: finds the instance of each event, and takes its step.

use std::collections::BTreeSet;
use std::future::{Future, pending};
use std::sync::Arc;
use std::time::Duration;

use actuarius_domain::{
    Aggregate, Correlation, Envelope, Id, MAX_ID_BYTES, Position, ReactsTo, Saga,
};
use tokio::time::sleep;

use super::dispatch::{RetryCause, not_taken};
use super::draft::Refused;
use super::host::{Host, StepOutcome, TraceIds};
use super::instance::{Instance, Kind};
use super::origin::{Origin, carrying};
use super::stored::At;
use super::trigger::{Concern, Trigger};
use crate::base::error::{ExecuteError, Failure, Unavailable};
use crate::engine::handed_out;
use crate::follow::followers::BoxError;
use crate::subscription::{Handling, NotNow, Outdated, Route, Routed};

/// Delivers events to the instances that they concern.
///
/// Which instance an event by a key concerns follows from the events before it. The subscription orders the events so
/// that all of them are finished by then, as far as they concern an instance that may have the key. What they have
/// changed about keys is in the index, because such an event is finished only then.
pub(super) struct Triggers<S: Saga> {
    host: Arc<Host<S>>,
}

impl<S: Saga> Clone for Triggers<S> {
    fn clone(&self) -> Self {
        Self { host: self.host.clone() }
    }
}

/// The keys that an event registers, and whether it may begin its instance.
type Registers = (Concern, Vec<String>);

impl<S: Saga> Triggers<S> {
    pub(super) fn of(host: Arc<Host<S>>) -> Self {
        Self { host }
    }

    /// Returns the instance that an event concerns.
    fn instance_of(&self, correlation: &Correlation) -> Option<String> {
        let holder =
            |key| self.host.index.read(|index| index.keys().holder(key).map(str::to_owned));
        correlation.id().map_or_else(|| holder(correlation.key()?), |id| Some(id.to_owned()))
    }

    /// Returns those of the events of a stored event that concern the instance.
    async fn concerning<E>(
        &self,
        id: &str,
        position: Position,
        mut events: Vec<(E, Correlation)>,
    ) -> Result<Vec<(E, Correlation)>, NotNow> {
        if events.iter().any(|(_, correlation)| correlation.key().is_some()) {
            let shown = self.host.index.shared.progress.wait_for(position);
            self.unless_stopping(shown).await.ok_or(NotNow(ENDS))?;
        }
        let mut registered = BTreeSet::new();
        events.retain(|(_, correlation)| {
            let concerns = match (correlation.id(), correlation.key()) {
                (Some(named), _) => is_lane_of(id, named),
                (None, Some(key)) => self.host.index.read(|index| {
                    let keys = index.keys();
                    let is_new = registered.contains(key) && keys.holder(key).is_none();
                    is_new || keys.holds(id, key, position)
                }),
                (None, None) => false,
            };
            if concerns {
                registered.extend(correlation.keys().iter().cloned());
            }
            concerns
        });
        Ok(events)
    }

    /// Records the keys of an event that waits to be handled, so that later events find the instance by them, also
    /// after a restart, when the event is not read again. When this returns, the index shows them.
    async fn record_keys(
        &self,
        id: &Id<Instance<S>>,
        position: Position,
        registers: Vec<Registers>,
    ) -> Result<(), NotNow> {
        for (concern, mut keys) in registers {
            keys.retain(|key| self.host.index.read(|it| it.keys().holder(key).is_none()));
            while !keys.is_empty() {
                let kind = Kind::AddKeys { concern, position, keys: keys.clone() };
                match self.host.step(id, kind, TraceIds::of(id).for_no_cause()).await {
                    Ok(outcome) => {
                        self.until_shown(outcome.as_ref()).await?;
                        break;
                    }
                    Err(error) => not_taken(error).ok_or(NotNow(ENDS))?,
                };
                let waited = self.unless_stopping(sleep(EXTERNAL_RETRY_AFTER)).await;
                waited.ok_or(NotNow(ENDS))?;
            }
        }
        Ok(())
    }

    /// Waits until the index shows a step. If none was taken, an earlier attempt may have taken it, and the index may
    /// not show that one yet: waits until the index shows all steps that are durable now.
    async fn until_shown(&self, outcome: Option<&StepOutcome>) -> Result<(), NotNow> {
        let head = || self.host.engine.tail.head();
        let position = outcome.map_or_else(head, |outcome| outcome.position);
        let shown = self.host.index.shared.progress.wait_for(position);
        self.unless_stopping(shown).await.ok_or(NotNow(ENDS))
    }

    /// Waits until the index shows what an event has changed about keys, if no step was taken for the event now.
    async fn until_repeated_is_shown(&self, id: &str, keys: &[String]) -> Result<(), NotNow> {
        match !keys.is_empty() || self.host.index.read(|index| index.has_keys(id)) {
            true => self.until_shown(None).await,
            false => Ok(()),
        }
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
        let header = &events[0].0.header;
        let cause = TraceIds::of(id).because_of(Some(header.event_id));
        let cause = carrying(cause, Origin::of(&header.metadata).as_ref());
        let (position, keys) = (trigger.position, trigger.keys.clone());
        let registers = || registers(events.iter().map(|(_, correlation)| correlation));
        for attempts in 1.. {
            self.check_current()?;
            let permit = self.unless_stopping(self.host.permit()).await.flatten();
            let Some(permit) = permit else { return Err(NotNow(ENDS).into()) };
            let reactions = events
                .iter()
                .map(|(event, correlation)| (Concern::of(correlation), reaction(event.clone())));
            let (reactions, is_first) = (reactions.collect(), attempts == 1);
            let kind = Kind::Event { trigger: trigger.clone(), reactions, is_first };
            let cause = match self.host.step(id, kind, cause.clone()).await {
                Ok(Some(outcome)) => {
                    let shown = match !keys.is_empty() || outcome.gives_up {
                        true => self.until_shown(Some(&outcome)).await,
                        false => Ok(()),
                    };
                    self.host.dispatch_step(id, outcome, &permit);
                    return Ok(shown?);
                }
                Ok(None) => {
                    drop(permit);
                    return Ok(self.until_repeated_is_shown(id.as_str(), &keys).await?);
                }
                Err(ExecuteError::Rejected(Refused::InTrouble(why))) => {
                    self.record_keys(id, position, registers()).await?;
                    return Err(why.into());
                }
                // The store holds the instance already.
                Err(ExecuteError::Failed(Failure::Unavailable(Unavailable::Undone)))
                    if is_first =>
                {
                    continue;
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
                (RetryCause::Poison(why) | RetryCause::Undeliverable(why), None) => {
                    let why = why.clone();
                    self.host.give_up(id, At::Event(position), cause, keys).await;
                    self.record_keys(id, position, registers()).await?;
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

/// Whether a lane is that of the instance `id`. An id that is cut as the key of a lane is invalid.
fn is_lane_of(lane: &str, id: &str) -> bool {
    lane == id || (id.len() > MAX_ID_BYTES && id.starts_with(lane))
}

fn registers<'a>(correlations: impl Iterator<Item = &'a Correlation>) -> Vec<Registers> {
    let registering = correlations.filter(|correlation| !correlation.keys().is_empty());
    registering.map(|it| (Concern::of(it), it.keys().to_vec())).collect()
}

impl<A, S> Routed<A> for Triggers<S>
where
    A: Aggregate,
    S: ReactsTo<A>,
{
    fn route(&self, event: &Envelope<A>) -> Option<Route> {
        let correlation = S::correlate(event);
        let (by, names) = (correlation.key().map(str::to_owned), correlation.keys().to_vec());
        if by.is_none() && correlation.id().is_none() {
            return None;
        }
        let to = self.instance_of(&correlation);
        let holders = match names.is_empty() {
            true => Vec::new(),
            false => self.host.index.read(|index| {
                let holders = names.iter().filter_map(|name| index.keys().holder(name));
                holders.map(str::to_owned).collect()
            }),
        };
        Some(Route { to, by, names, holders })
    }

    async fn handle_all(
        &self,
        key: Option<Arc<str>>,
        events: Vec<Envelope<A>>,
    ) -> Result<(), BoxError> {
        let correlated = events.into_iter().map(|event| (S::correlate(&event), Arc::new(event)));
        let events: Vec<_> = correlated.map(|(correlation, event)| (event, correlation)).collect();
        let instance_of = |(_, correlation): &(_, Correlation)| self.instance_of(correlation);
        let id = key.map(|key| key.to_string()).or_else(|| events.iter().find_map(instance_of));
        let (Some(id), Some((first, _))) = (id, events.first()) else { return Ok(()) };
        let position = first.header.position;
        let events = self.concerning(&id, position, events).await?;
        let Some((_, correlation)) = events.first() else { return Ok(()) };
        self.deliver(&Id::new(correlation.id().unwrap_or(&id))?, &events).await
    }

    fn before_parking(self: Arc<Self>, key: Arc<str>, events: &[Envelope<A>]) -> Option<Handling> {
        let position = events.first()?.header.position;
        let correlated: Vec<_> = events.iter().map(|event| ((), S::correlate(event))).collect();
        if correlated.iter().all(|(_, correlation)| correlation.keys().is_empty()) {
            return None;
        }
        // An invalid id is reported when the event is handled.
        let id = Id::new(key).ok()?;
        Some(Box::pin(async move {
            let correlated = self.concerning(id.as_str(), position, correlated).await?;
            let registers = registers(correlated.iter().map(|(_, correlation)| correlation));
            Ok(self.record_keys(&id, position, registers).await?)
        }))
    }
}

#[cfg(test)]
mod tests;

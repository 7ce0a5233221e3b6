//! The aggregate that puppets send to, and a runtime with puppets, tills and event sources.

use std::sync::Arc;
use std::time::Duration;

use actuarius::clock::ManualClock;
use actuarius::saga::{InstanceStatus, SagaInstance, Sagas};
use actuarius::store::PageLimit;
use actuarius::store::fault::{self, Failure, Faults};
use actuarius::store::memory::{self, Contents};
use actuarius::subscription::Retry;
use actuarius::{Aggregate, Aggregates, Context, Position, Runtime, StreamId, Timestamp, Version};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::common::eventually;
use crate::puppet::{Cue, Do, Hint, Puppet, Said};

/// Longer than any test takes.
pub(crate) const LONG: Duration = Duration::from_secs(600);

/// The amounts in the till, in order.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Till {
    pub(crate) amounts: Vec<i64>,
    is_shut: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TillCommand {
    Put(i64),
    Shut,
    Unlock,
    /// Applying this panics, so the till is quarantined.
    Burst,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TillEvent {
    Put(i64),
    Shut,
    Unlocked,
    Burst,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("shut")]
pub(crate) struct Shut;

impl Aggregate for Till {
    const TYPE: &'static str = "till";
    type Command = TillCommand;
    type Event = TillEvent;
    type Error = Shut;

    fn decide(&self, command: TillCommand, _: &Context) -> Result<Vec<TillEvent>, Shut> {
        match command {
            TillCommand::Put(_) if self.is_shut => Err(Shut),
            TillCommand::Put(amount) => Ok(vec![TillEvent::Put(amount)]),
            TillCommand::Shut => Ok(vec![TillEvent::Shut]),
            TillCommand::Unlock => Ok(vec![TillEvent::Unlocked]),
            TillCommand::Burst => Ok(vec![TillEvent::Burst]),
        }
    }

    fn apply(&mut self, event: &TillEvent) {
        match event {
            TillEvent::Put(amount) => self.amounts.push(*amount),
            TillEvent::Shut => self.is_shut = true,
            TillEvent::Unlocked => self.is_shut = false,
            TillEvent::Burst => std::panic::resume_unwind(Box::new("burst")),
        }
    }
}

/// Three attempts without a delay.
pub(crate) fn at_once() -> Retry {
    Retry::default().attempts(3).waits(Duration::ZERO, Duration::ZERO)
}

/// A runtime with puppets, tills, and two aggregate types whose events the puppets receive.
pub(crate) struct Show {
    pub(crate) runtime: Runtime,
    pub(crate) faults: Faults,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) tills: Aggregates<Till>,
    pub(crate) cues: Aggregates<Cue>,
    pub(crate) hints: Aggregates<Hint>,
    pub(crate) puppets: Sagas<Puppet>,
}

/// The start of the clock.
pub(crate) const NOON: i64 = 1_000_000_000;

impl Show {
    pub(crate) async fn new() -> Self {
        Self::on(&Arc::default()).await
    }

    pub(crate) async fn on(contents: &Arc<Contents>) -> Self {
        Self::at(contents, Arc::new(ManualClock::at(Timestamp::from_micros(NOON)))).await
    }

    pub(crate) async fn at(contents: &Arc<Contents>, clock: Arc<ManualClock>) -> Self {
        Self::with(contents, clock, at_once()).await
    }

    pub(crate) async fn with(
        contents: &Arc<Contents>,
        clock: Arc<ManualClock>,
        retry: Retry,
    ) -> Self {
        let (store, faults) = fault::over(memory::reopen(contents));
        let runtime = Runtime::builder().clock(clock.clone()).on_store(store).await.unwrap();
        let tills = runtime.host::<Till>();
        let puppets = runtime.saga::<Puppet>().reacts_to::<Cue>().reacts_to::<Hint>();
        let puppets = puppets.sends_to(&tills).retry(retry).start().await.unwrap();
        let (cues, hints) = (runtime.host(), runtime.host());
        Self { runtime, faults, clock, tills, cues, hints, puppets }
    }

    pub(crate) async fn say(&self, said: Said) -> Position {
        self.cues.execute("crier", vec![said]).await.unwrap().position
    }

    /// Publishes an event, and waits until it is handled or parked.
    pub(crate) async fn tell(&self, said: Said) {
        let position = self.say(said).await;
        self.puppets.wait_for_within(position, LONG).await.unwrap();
    }

    pub(crate) async fn till(&self, command: TillCommand, till: &str) {
        self.tills.execute(till, command).await.unwrap();
    }

    /// Returns the amounts in a till.
    pub(crate) async fn put(&self, till: &str) -> Vec<i64> {
        self.tills.query(till, |till| till.amounts.clone()).await.unwrap()
    }

    /// Returns what an instance has received, or nothing if it does not exist.
    pub(crate) async fn heard(&self, id: &str) -> Vec<String> {
        let heard = self.puppets.query(id, |puppet| puppet.heard.clone());
        heard.await.unwrap().unwrap_or_default()
    }

    pub(crate) async fn end_of(&self, id: &str) -> InstanceStatus {
        self.puppets.end_of(id).await.unwrap()
    }

    /// Waits until an instance has the expected status, and all of its steps are visible.
    pub(crate) async fn until(&self, id: &str, is: impl Fn(&SagaInstance) -> bool) -> SagaInstance {
        loop {
            let shown = self.puppets.list("", 10_000, |shown| shown.id == id);
            if let Some(shown) = shown.into_iter().find(|shown| is(shown)) {
                return shown;
            }
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn until_heard(&self, id: &str, word: &str) {
        while !self.heard(id).await.iter().any(|heard| heard == word) {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until an instance waits for an operator, and its event is parked if it stopped at one.
    pub(crate) async fn until_in_trouble(&self, id: &str) -> InstanceStatus {
        let shown = self.until(id, |shown| shown.status.is_in_trouble()).await;
        self.runtime.caught_up(LONG).await.unwrap();
        shown.status
    }

    pub(crate) async fn shut_down(self) {
        assert!(self.runtime.shutdown(LONG).await.is_clean());
    }

    /// Simulates a power cut: no more writes reach the store, and everything is dropped.
    pub(crate) async fn kill(self, contents: &Arc<Contents>) {
        self.faults.fail_commit(1, Failure::Unwritten);
        self.leave(contents).await;
    }

    /// Drops everything, and waits until no task can write any more.
    pub(crate) async fn leave(self, contents: &Arc<Contents>) {
        drop(self);
        eventually(|| Arc::strong_count(contents) == 1).await;
    }
}

pub(crate) fn put(till: &str, amount: i64) -> Do {
    Do::Put(till.to_owned(), amount)
}

pub(crate) fn put_for_now(till: &str, amount: i64) -> Do {
    Do::PutForNow(till.to_owned(), amount)
}

pub(crate) fn compensate(why: &str) -> Do {
    Do::Compensate(why.to_owned())
}

pub(crate) fn compensated(why: &str) -> InstanceStatus {
    InstanceStatus::Compensated { why: why.to_owned() }
}

/// Returns the events of a stream as they are stored.
pub(crate) fn events<E: DeserializeOwned>(runtime: &Runtime, stream: &StreamId) -> Vec<E> {
    let limit = PageLimit { commits: usize::MAX, bytes: usize::MAX };
    let reader = runtime.reader().unwrap();
    let page = reader.read_stream(stream, Version::NONE, Position::NONE, limit).unwrap();
    let decoded = |commit: &actuarius::store::Commit| -> Vec<E> {
        commit.view().events().map(|event| event.decode().unwrap()).collect()
    };
    page.commits.iter().flat_map(decoded).collect()
}

pub(crate) fn stuck(why: &str) -> InstanceStatus {
    InstanceStatus::Stuck { why: why.to_owned() }
}

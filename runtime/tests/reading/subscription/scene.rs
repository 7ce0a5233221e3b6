//! Shared by the tests of subscriptions: handlers that remember, wait and fail on demand.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use actuarius::error::BoxError;
use actuarius::health::FollowerStatus;
use actuarius::store::PageLimit;
use actuarius::store::fault::{Failure, Faults};
use actuarius::subscription::{OnPoison, Retry, Subscription, SubscriptionBuilder};
use actuarius::{Aggregates, Envelope, Position, Runtime};
use tokio::sync::Semaphore;

use crate::common::{Command, Event, Ledger, eventually};

/// Longer than any test takes.
pub(crate) const LONG: Duration = Duration::from_secs(600);

/// Five attempts without a delay.
pub(crate) fn at_once() -> Retry {
    Retry::default().waits(Duration::ZERO, Duration::ZERO)
}

/// Controls what the handler does with each amount.
#[derive(Clone, Default)]
pub(crate) struct Scribe(Arc<Inner>);

#[derive(Default)]
struct Inner {
    heard: Mutex<Vec<Heard>>,
    failing: Mutex<HashMap<i64, Failing>>,
    gates: Mutex<HashMap<i64, Arc<Semaphore>>>,
    held: Mutex<HashSet<i64>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) id: String,
    pub(crate) amount: i64,
    pub(crate) position: u64,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Failing {
    Refuses,
    Panics,
}

impl Scribe {
    /// Handles an event: records it when its gate is open and nothing fails.
    pub(crate) fn handler(&self) -> impl Fn(Envelope<Ledger>) -> Handled + Send + Sync + 'static {
        let scribe = self.clone();
        move |event| {
            let scribe = scribe.clone();
            Box::pin(async move { scribe.handle(event).await })
        }
    }

    async fn handle(&self, event: Envelope<Ledger>) -> Result<(), BoxError> {
        let Event::Added(amount) = event.event else { return Err("a strange event".into()) };
        self.pass(amount).await;
        let failing = self.failing().get(&amount).copied();
        match failing {
            None => {}
            Some(Failing::Refuses) => return Err(format!("{amount} is refused").into()),
            // Unwinding without the hook: the panic is expected, its report would only be noise.
            Some(Failing::Panics) => std::panic::resume_unwind(Box::new("the handler burst")),
        }
        let heard = Heard {
            id: event.id.as_str().to_owned(),
            amount,
            position: event.header.position.get(),
        };
        self.0.heard.lock().unwrap().push(heard);
        Ok(())
    }

    async fn pass(&self, amount: i64) {
        let gate = self.0.gates.lock().unwrap().get(&amount).cloned();
        if let Some(gate) = gate {
            self.0.held.lock().unwrap().insert(amount);
            let _ = gate.acquire().await;
        }
    }

    /// Holds the handling of an amount until it is released.
    pub(crate) fn hold(&self, amount: i64) {
        self.0.gates.lock().unwrap().insert(amount, Arc::new(Semaphore::new(0)));
    }

    /// Waits until the amount is being handled, and held.
    pub(crate) async fn until_held(&self, amount: i64) {
        eventually(|| self.0.held.lock().unwrap().contains(&amount)).await;
    }

    pub(crate) fn let_go(&self, amount: i64) {
        if let Some(gate) = self.0.gates.lock().unwrap().remove(&amount) {
            gate.close();
        }
    }

    pub(crate) fn fail(&self, amount: i64, how: Failing) {
        self.failing().insert(amount, how);
    }

    pub(crate) fn mend(&self, amount: i64) {
        self.failing().remove(&amount);
    }

    fn failing(&self) -> MutexGuard<'_, HashMap<i64, Failing>> {
        self.0.failing.lock().unwrap()
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.0.heard.lock().unwrap().clone()
    }

    /// Returns the handled amounts in order.
    pub(crate) fn amounts(&self) -> Vec<i64> {
        self.heard().iter().map(|heard| heard.amount).collect()
    }

    pub(crate) fn forget(&self) {
        self.0.heard.lock().unwrap().clear();
    }
}

pub(crate) type Handled = std::pin::Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// Counts how many handlers run at the same time.
#[derive(Default)]
pub(crate) struct Inside {
    now: Mutex<(usize, usize)>,
}

impl Inside {
    pub(crate) fn enter(&self) {
        let mut now = self.now.lock().unwrap();
        now.0 += 1;
        now.1 = now.1.max(now.0);
    }

    pub(crate) fn leave(&self) {
        self.now.lock().unwrap().0 -= 1;
    }

    pub(crate) fn now(&self) -> usize {
        self.now.lock().unwrap().0
    }

    pub(crate) fn most(&self) -> usize {
        self.now.lock().unwrap().1
    }
}

/// Describes a subscription called `mailer` with the scribe as its handler.
pub(crate) fn mailer(runtime: &Runtime, scribe: &Scribe) -> SubscriptionBuilder {
    runtime.subscribe("mailer").on(scribe.handler()).retry(at_once())
}

pub(crate) async fn halting(runtime: &Runtime, scribe: &Scribe) -> Subscription {
    mailer(runtime, scribe).on_poison(OnPoison::Halt).start().await.unwrap()
}

/// Adds one amount after the other, each as a command of its own, and returns the last position.
pub(crate) async fn add(ledgers: &Aggregates<Ledger>, id: &str, amounts: &[i64]) -> Position {
    let mut last = Position::NONE;
    for amount in amounts {
        last = ledgers.execute(id, Command::Add(*amount)).await.unwrap().position;
    }
    last
}

pub(crate) async fn caught_up(runtime: &Runtime, subscription: &Subscription) {
    subscription.wait_for_within(runtime.head(), LONG).await.unwrap();
}

pub(crate) async fn until(subscription: &Subscription, wanted: impl Fn(&FollowerStatus) -> bool) {
    eventually(|| wanted(&subscription.status())).await;
}

pub(crate) async fn until_halted(subscription: &Subscription) -> (u64, String) {
    until(subscription, |status| matches!(status, FollowerStatus::Halted { .. })).await;
    match subscription.status() {
        FollowerStatus::Halted { position, why } => (position.get(), why),
        other => panic!("{other:?}"),
    }
}

/// Waits until `count` events are parked under a key.
pub(crate) async fn until_parked(subscription: &Subscription, key: &str, events: u64) {
    let count = async || subscription.parked_of(key).await.first().map_or(0, |it| it.behind + 1);
    while count().await < events {
        tokio::task::yield_now().await;
    }
}

/// Simulates a power cut: no more writes reach the store.
pub(crate) async fn cut_power(runtime: Runtime, faults: &Faults) {
    faults.fail_commit(1, Failure::Unwritten);
    let _ = runtime.shutdown(Duration::ZERO).await;
}

/// Returns the durable position of the subscription `mailer` from its note.
pub(crate) fn stored(runtime: &Runtime) -> u64 {
    let note = runtime.reader().unwrap().note(b"subscription/mailer").unwrap();
    let note = note.expect("it has been started");
    u64::from_le_bytes(note[17..25].try_into().unwrap())
}

/// Returns every event of the log, as a scribe records it.
pub(crate) fn log(runtime: &Runtime) -> Vec<Heard> {
    let reader = runtime.reader().unwrap();
    let limit = PageLimit { commits: usize::MAX, bytes: usize::MAX };
    let page = reader.read_log(Position::NONE, limit).unwrap();
    let mut log = Vec::new();
    for commit in &page.commits {
        let view = commit.view();
        for event in view.events() {
            if let Ok(Event::Added(amount)) = event.decode::<Event>() {
                let position = event.position.get();
                log.push(Heard { id: view.id.to_owned(), amount, position });
            }
        }
    }
    log
}

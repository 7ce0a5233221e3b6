//! The handlers at work.

use std::collections::HashMap;
use std::panic::resume_unwind;
use std::sync::Arc;

use actuarius_domain::Position;
use actuarius_persistence::{Commit, PageLimit, ReadError};
use tokio::task::{Id, JoinError, JoinSet};

use super::checkpoint::Mark;
use super::handler::{Handling, NotNow, Outdated};
use super::lanes::Spot;
use super::opening::Plan;
use super::parked::LogRange;
use super::parked_overflow::{self, OverflowPage};
use crate::base::panics::guarded;
use crate::engine::decoded::Decoded;
use crate::engine::handed_out::Lent;
use crate::follow::at_work;
use crate::follow::followers::{BoxError, FollowerShared};

/// The handlers at work. Each runs in a task of its own, so that one that panics or computes for long does
/// not affect the others. They are aborted when this is dropped.
pub(super) struct Attempts {
    of: Arc<FollowerShared>,
    tasks: JoinSet<Outcome>,
    jobs: HashMap<Id, Job>,
}

/// What is attempted.
#[derive(Debug, Clone)]
pub(super) enum Job {
    /// The share of an event in its lane.
    Event(Spot),
    /// What must be done before the share of an event is parked after another one.
    BeforeParking(Spot),
    /// The first event parked under this key.
    Parked(Arc<str>),
    /// Finds what is parked under this key after what is listed.
    Overflow(Arc<str>),
}

/// An event that is read again for another attempt.
#[derive(Debug)]
pub(super) struct Reattempt {
    /// The position of the event's commit.
    pub(super) commit: Position,
    pub(super) position: Position,
    /// The key whose share of the event is handled.
    pub(super) key: Arc<str>,
}

/// How an attempt ended.
pub(super) enum Outcome {
    Done,
    /// No handler was called: the aggregate of the event was deleted, or no handler takes the event any more.
    PassedOver,
    Failed(String),
    /// The event or the overflow of its key could not be read again, or no handler can handle it now.
    Unread(String),
    /// A data subject was forgotten since the event was decoded.
    Outdated,
    /// The next events of a key's overflow.
    Found(OverflowPage),
}

impl Attempts {
    pub(super) fn of(shared: &Arc<FollowerShared>) -> Self {
        Self { of: shared.clone(), tasks: JoinSet::new(), jobs: HashMap::new() }
    }

    /// Starts the first attempt at an event.
    pub(super) fn start(&mut self, job: Job, first: (Result<Handling, String>, Option<Lent>)) {
        let task = self.tasks.spawn(at_work::during(self.of.clone(), handled(first)));
        self.jobs.insert(task.id(), job);
    }

    /// Starts another attempt at an event.
    pub(super) fn start_again(&mut self, job: Job, plan: &Arc<Plan>, again: Reattempt) {
        let handling = handled_again(plan.clone(), again);
        let task = self.tasks.spawn(at_work::during(self.of.clone(), handling));
        self.jobs.insert(task.id(), job);
    }

    /// Starts to read the next part of a key's overflow.
    pub(super) fn read(&mut self, key: Arc<str>, plan: &Arc<Plan>, range: LogRange) {
        let (scan, of) = (plan.clone(), key.clone());
        let read = move || parked_overflow::read(&scan, &of, &range);
        let reading = plan.engine.read_pool.run_if_awaited(read);
        let task = self.tasks.spawn(async move {
            match reading.await {
                Ok(Ok(found)) => Outcome::Found(found),
                Ok(Err(error)) => Outcome::Unread(error.to_string()),
                Err(error) => Outcome::Unread(error.to_string()),
            }
        });
        self.jobs.insert(task.id(), Job::Overflow(key));
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Waits for the next attempt that ends; returns `None` when none is at work. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<(Job, Outcome)> {
        let ended = self.tasks.join_next_with_id().await?;
        self.ended(ended)
    }

    /// Returns an attempt that has ended already, if any.
    pub(super) fn next_now(&mut self) -> Option<(Job, Outcome)> {
        let ended = self.tasks.try_join_next_with_id()?;
        self.ended(ended)
    }

    fn ended(&mut self, ended: Result<(Id, Outcome), JoinError>) -> Option<(Job, Outcome)> {
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, outcome),
            Err(error) => (error.id(), Outcome::Failed(reason(error))),
        };
        Some((self.jobs.remove(&id)?, outcome))
    }
}

fn reason(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => match guarded(|| resume_unwind(panic)) {
            Ok(()) => "the handler panicked".to_owned(),
            Err(message) => format!("the handler panicked: {message}"),
        },
        Err(_) => "the handler was aborted".to_owned(),
    }
}

async fn handled((handling, lent): (Result<Handling, String>, Option<Lent>)) -> Outcome {
    match (handling, lent) {
        (Ok(handling), Some(lent)) => outcome(lent.during(handling).await),
        (Ok(handling), None) => outcome(handling.await),
        (Err(why), _) => Outcome::Failed(why),
    }
}

fn outcome(ended: Result<(), BoxError>) -> Outcome {
    match ended {
        Ok(()) => Outcome::Done,
        Err(error) if error.is::<NotNow>() => Outcome::Unread(error.to_string()),
        Err(error) if error.is::<Outdated>() => Outcome::Outdated,
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

async fn handled_again(plan: Arc<Plan>, again: Reattempt) -> Outcome {
    let (scan, commit) = (plan.clone(), again.commit);
    let reading = plan.engine.read_pool.run_if_awaited(move || read_again(&scan, commit));
    let found = reading.await;
    match found {
        Ok(Ok(Some(commit))) if plan.engine.deletions.has_deleted(&commit) => Outcome::PassedOver,
        Ok(Ok(Some(commit))) => match handling(&plan, &commit, &again) {
            (Ok(None), _) => Outcome::PassedOver,
            (Ok(Some(handling)), lent) => handled((Ok(handling), lent)).await,
            (Err(why), _) => Outcome::Failed(why),
        },
        Ok(Ok(None)) => Outcome::Unread(format!("there is no commit at position {commit}")),
        Ok(Err(error)) => Outcome::Unread(error.to_string()),
        Err(error) => Outcome::Unread(error.to_string()),
    }
}

/// Decodes the event for another attempt; again if a data subject is forgotten meanwhile.
fn handling(
    plan: &Plan,
    commit: &Commit,
    again: &Reattempt,
) -> (Result<Option<Handling>, String>, Option<Lent>) {
    let keyring = &plan.engine.keyring;
    loop {
        let decode = || plan.routes.handling(commit, again.position, &again.key);
        if let Some(lent) = Decoded::by(keyring, decode).lend(keyring, &plan.shared.name) {
            return lent;
        }
    }
}

fn read_again(plan: &Plan, position: Position) -> Result<Option<Commit>, ReadError> {
    let before = Mark::before(position, position).resume_after;
    let page = plan.engine.store.reader()?.read_log(before, PageLimit { commits: 1, bytes: 1 })?;
    Ok(page.commits.into_iter().find(|commit| commit.position() == position))
}

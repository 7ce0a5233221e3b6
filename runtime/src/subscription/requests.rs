use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use actuarius_persistence::Reader;
use tokio::sync::{mpsc, oneshot};

use super::attempts::{Job, Outcome};
use super::checkpoint::{self, Mark, NoPlace};
use super::dispatcher::Work;
use super::failures::Failures;
use super::lanes::Lanes;
use super::reading::Reading;
use super::writing::Answer;
use super::{Parked, ParkedError, ResetError, Start};
use crate::followers::Wanted;

/// What the handle of a subscription asks for. Each has a caller who waits, so they are never more
/// than callers.
pub(super) enum Request {
    /// To be told when it is paused, durably.
    Paused(oneshot::Sender<()>),
    Parked(oneshot::Sender<Vec<Parked>>),
    Retry {
        key: String,
        skip_first: bool,
        caller: oneshot::Sender<Result<usize, ParkedError>>,
    },
    Reset(Start, oneshot::Sender<Result<(), ResetError>>),
}

/// The requests that take a while.
#[derive(Default)]
pub(super) struct Requests {
    pausing: Vec<oneshot::Sender<()>>,
    resets: VecDeque<(Start, oneshot::Sender<Result<(), ResetError>>)>,
    /// By key, whose parked events are being retried.
    retries: BTreeMap<Arc<str>, Retry>,
    /// Those of them that wait for a worker.
    retries_waiting: VecDeque<Arc<str>>,
    /// What is given once it is durable.
    answers: Vec<Answer>,
}

struct Retry {
    handled: usize,
    caller: oneshot::Sender<Result<usize, ParkedError>>,
}

impl Requests {
    pub(super) fn wants_reset(&self) -> bool {
        !self.resets.is_empty()
    }

    pub(super) fn take_answers(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.answers)
    }

    pub(super) fn tell_paused(&mut self) {
        for caller in self.pausing.drain(..) {
            // Here and below: who no longer waits has dropped the other end.
            let _ = caller.send(());
        }
    }

    fn refuse_retries_waiting(&mut self, why: &str) {
        for key in std::mem::take(&mut self.retries_waiting) {
            self.end_retry(&key, |_| Err(ParkedError::NotStored { why: why.to_owned() }));
        }
    }

    fn end_retry(&mut self, key: &str, answer: impl FnOnce(usize) -> Result<usize, ParkedError>) {
        if let Some(retry) = self.retries.remove(key) {
            self.answers.push((retry.caller, answer(retry.handled)));
        }
    }
}

impl Work {
    /// Takes what waits now: before anything else is started.
    pub(super) fn take_requests(&mut self, requests: &mut mpsc::Receiver<Request>) {
        for _ in 0..requests.len() {
            if let Ok(request) = requests.try_recv() {
                self.take_request(request);
            }
        }
    }

    pub(super) fn take_request(&mut self, request: Request) {
        match request {
            Request::Paused(caller) => self.requests.pausing.push(caller),
            Request::Parked(caller) => drop(caller.send(self.parked.all())),
            Request::Reset(start, caller) => self.requests.resets.push_back((start, caller)),
            Request::Retry { key, skip_first, caller } => match self.retry(&key, skip_first) {
                Ok(key) => {
                    self.requests.retries.insert(key.clone(), Retry { handled: 0, caller });
                    self.go_on_retrying(&key);
                }
                Err(error) => drop(caller.send(Err(error))),
            },
        }
    }

    /// The key, whose first event is dropped if that is asked for.
    fn retry(&mut self, key: &str, skip_first: bool) -> Result<Arc<str>, ParkedError> {
        if let Some(why) = self.failure() {
            return Err(ParkedError::NotStored { why });
        }
        if self.requests.retries.contains_key(key) {
            return Err(ParkedError::UnderWay { key: key.to_owned() });
        }
        let key: Arc<str> = match self.parked.holds(key) {
            true => key.into(),
            false => return Err(ParkedError::NotParked { key: key.to_owned() }),
        };
        if skip_first && let Some(skipped) = self.parked.skip_first(&key) {
            let standing = &self.plan.standing;
            tracing::warn!(
                target: "actuarius::subscription",
                name = %standing.name, position = %skipped.position, "a parked event is skipped"
            );
            standing.meters.parked(self.parked.len());
        }
        Ok(key)
    }

    fn go_on_retrying(&mut self, key: &Arc<str>) {
        if self.parked.holds(key) {
            self.requests.retries_waiting.push_back(key.clone());
        } else {
            self.requests.end_retry(key, Ok);
        }
    }

    /// Someone has asked for it, so it is done even while the subscription is paused or halted.
    pub(super) fn start_retries(&mut self) {
        if !self.requests.retries_waiting.is_empty()
            && let Some(why) = self.failure()
        {
            // Their effects could not be remembered.
            self.requests.refuse_retries_waiting(&why);
        }
        let waits = self.requests.wants_reset() || self.wanted == Wanted::Stop;
        while !waits
            && self.has_a_worker()
            && let Some(key) = self.requests.retries_waiting.pop_front()
        {
            let Some(first) = self.parked.first(&key) else { continue };
            let (commit, position) = (first.commit, first.position);
            self.attempts.start_again(Job::Parked(key), &self.plan, commit, position);
        }
    }

    /// The first event parked under `key` was tried again.
    pub(super) fn retried(&mut self, key: &Arc<str>, outcome: Outcome) {
        let meters = &self.plan.standing.meters;
        match outcome {
            Outcome::Done => {
                meters.handled(1);
                self.parked.remove_first(key);
                meters.parked(self.parked.len());
                if let Some(retry) = self.requests.retries.get_mut(key) {
                    retry.handled += 1;
                }
                self.go_on_retrying(key);
            }
            Outcome::Failed(why) | Outcome::Unread(why) => {
                meters.failed();
                self.parked.first_failed(key, &why);
                let Some(first) = self.parked.first(key) else { return };
                let position = first.position;
                tracing::warn!(
                    target: "actuarius::subscription",
                    name = %self.plan.standing.name, %position, why, "a parked event failed again"
                );
                self.requests.end_retry(key, |_| Err(ParkedError::StillFails { position, why }));
            }
        }
    }

    /// Does what resets ask for, once no handler is at work and no write under way.
    pub(super) async fn reset_if_asked(&mut self) {
        while self.attempts.is_empty()
            && !self.writing.is_under_way()
            && let Some((start, caller)) = self.requests.resets.pop_front()
        {
            let outcome = self.reset(start).await;
            let _ = caller.send(outcome);
        }
    }

    async fn reset(&mut self, start: Start) -> Result<(), ResetError> {
        let mark = place(self.plan.engine.library.reader()?, start).await?;
        tracing::info!(
            target: "actuarius::subscription",
            name = %self.plan.standing.name, position = %mark.position, "reset"
        );
        self.reading = Reading::behind(&self.plan.engine, mark);
        self.lanes = Lanes::default();
        self.failures = Failures::default();
        self.halted = None;
        self.parked.forget_behind(mark.position);
        self.plan.standing.meters.parked(self.parked.len());
        self.store().await?;
        // Those who wait for a retry of what has just been forgotten.
        for key in std::mem::take(&mut self.requests.retries_waiting) {
            self.go_on_retrying(&key);
        }
        Ok(())
    }

    /// Stores the new place, and with it or behind it what is parked no more: as many sets as it
    /// takes. What one of them leaves behind is recognised at the next start.
    async fn store(&mut self) -> Result<(), ResetError> {
        while self.writing.broken().is_none() && !self.is_stored(&self.checkpoint()) {
            let taken = self.parked.take_notes(&self.plan.standing.name, self.checkpoint());
            self.writing.begin(&self.plan.engine, taken, Vec::new());
            self.writing.ended().await;
        }
        match self.writing.broken() {
            None => Ok(()),
            Some(why) => Err(ResetError::NotStored { why: why.to_owned() }),
        }
    }
}

async fn place(reader: Arc<dyn Reader>, start: Start) -> Result<Mark, ResetError> {
    match tokio::task::spawn_blocking(move || checkpoint::place(&*reader, start)).await {
        Ok(Ok(mark)) => Ok(mark),
        Ok(Err(NoPlace::Ahead { position, head })) => Err(ResetError::Ahead { position, head }),
        Ok(Err(NoPlace::Unread(error))) => Err(error.into()),
        Err(panic) => Err(ResetError::Read(std::io::Error::other(panic).into())),
    }
}

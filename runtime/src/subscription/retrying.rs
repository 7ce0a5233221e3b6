use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use actuarius_domain::Position;
use tokio::sync::oneshot;

use super::ParkedError;
use super::attempts::{Again, Job, Outcome};
use super::dispatcher::Work;
use crate::follow::followers::DesiredState;

/// The answer to who asked for parked events, given when what was done is durable.
pub(super) type Answer = (oneshot::Sender<Result<usize, ParkedError>>, Result<usize, ParkedError>);

/// The keys whose parked events are being handled after all. Each has a caller who waits.
#[derive(Default)]
pub(super) struct Retries {
    under_way: BTreeMap<Arc<str>, Retry>,
    /// Those of them that wait for a worker.
    waiting: VecDeque<Arc<str>>,
    /// What is given once it is durable.
    answers: Vec<Answer>,
}

struct Retry {
    /// The first event is to be dropped before anything is handled.
    skips: bool,
    handled: usize,
    caller: oneshot::Sender<Result<usize, ParkedError>>,
}

impl Retries {
    pub(super) fn take_answers(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.answers)
    }

    fn end(&mut self, key: &str, answer: impl FnOnce(usize) -> Result<usize, ParkedError>) {
        if let Some(retry) = self.under_way.remove(key) {
            self.answers.push((retry.caller, answer(retry.handled)));
        }
    }
}

impl Work {
    pub(super) fn begin_retry(
        &mut self,
        key: &str,
        skips: bool,
        caller: oneshot::Sender<Result<usize, ParkedError>>,
    ) {
        if let Err(error) = self.may_be_retried(key) {
            // Here and below: who no longer waits has dropped the other end.
            return drop(caller.send(Err(error)));
        }
        let key: Arc<str> = key.into();
        self.retries.under_way.insert(key.clone(), Retry { skips, handled: 0, caller });
        self.go_on_retrying(&key);
    }

    fn may_be_retried(&self, key: &str) -> Result<(), ParkedError> {
        if let Some(why) = self.failure() {
            return Err(ParkedError::NotStored { why });
        }
        if self.retries.under_way.contains_key(key) {
            return Err(ParkedError::UnderWay { key: key.to_owned() });
        }
        match self.parked.holds(key) {
            true => Ok(()),
            false => Err(ParkedError::NotParked { key: key.to_owned() }),
        }
    }

    /// The next step for a key: nothing is left, or the first event goes, or it waits for a worker.
    fn go_on_retrying(&mut self, key: &Arc<str>) {
        self.skip_if_asked(key);
        if self.parked.holds(key) {
            self.retries.waiting.push_back(key.clone());
        } else {
            self.retries.end(key, Ok);
        }
    }

    fn skip_if_asked(&mut self, key: &Arc<str>) {
        let Some(retry) = self.retries.under_way.get_mut(key).filter(|retry| retry.skips) else {
            return;
        };
        if self.parked.unread(key).is_some() {
            // What follows it must be found first.
            return;
        }
        retry.skips = false;
        if let Some(skipped) = self.parked.skip_first(key) {
            let shared = &self.plan.shared;
            tracing::warn!(
                target: "actuarius::subscription",
                name = %shared.name, position = %skipped.position, "a parked event is skipped"
            );
            shared.meters.parked(self.parked.count());
        }
    }

    /// Someone has asked for it, so it is done even while the subscription is paused or halted.
    pub(super) fn start_retries(&mut self) {
        if !self.retries.waiting.is_empty()
            && let Some(why) = self.failure()
        {
            return self.refuse_retries_waiting(&why);
        }
        let waits = self.requests.wants_reset() || self.wanted == DesiredState::Stop;
        while !waits
            && self.has_a_worker()
            && let Some(key) = self.retries.waiting.pop_front()
        {
            if let Some(stretch) = self.parked.unread(&key) {
                self.attempts.read(key, &self.plan, stretch);
            } else if let Some(first) = self.parked.first(&key) {
                let (commit, position) = (first.commit, first.position);
                let again = Again { commit, position, key: key.clone() };
                self.attempts.start_again(Job::Parked(key), &self.plan, again);
            }
        }
    }

    /// Their effects could not be remembered.
    fn refuse_retries_waiting(&mut self, why: &str) {
        for key in std::mem::take(&mut self.retries.waiting) {
            self.retries.end(&key, |_| Err(ParkedError::NotStored { why: why.to_owned() }));
        }
    }

    /// The first event parked under `key` was tried again, or what follows it was looked for.
    pub(super) fn retried(&mut self, key: &Arc<str>, outcome: Outcome) {
        let meters = &self.plan.shared.meters;
        match outcome {
            Outcome::Found(found) => {
                self.parked.add_read(key, found.entries, found.read);
                meters.parked(self.parked.count());
                self.go_on_retrying(key);
            }
            Outcome::Done => {
                meters.handled(1);
                self.parked.remove_first(key);
                meters.parked(self.parked.count());
                if let Some(retry) = self.retries.under_way.get_mut(key) {
                    retry.handled += 1;
                }
                self.go_on_retrying(key);
            }
            Outcome::Failed(why) => {
                meters.failed();
                self.parked.first_failed(key, &why);
                self.end_in_vain(key, why, |position, why| ParkedError::StillFails {
                    position,
                    why,
                });
            }
            Outcome::Unread(why) => {
                self.end_in_vain(key, why, |position, why| ParkedError::Unread { position, why });
            }
        }
    }

    fn end_in_vain(
        &mut self,
        key: &Arc<str>,
        why: String,
        error: impl FnOnce(Position, String) -> ParkedError,
    ) {
        let Some(position) = self.parked.first(key).map(|first| first.position) else { return };
        tracing::warn!(
            target: "actuarius::subscription",
            name = %self.plan.shared.name, %position, why, "a parked event was retried in vain"
        );
        self.retries.end(key, |_| Err(error(position, why)));
    }

    /// A reset has forgotten some of what they wait for.
    pub(super) fn look_at_retries_again(&mut self) {
        for key in std::mem::take(&mut self.retries.waiting) {
            self.go_on_retrying(&key);
        }
    }
}

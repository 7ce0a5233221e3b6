//! Retries parked events of a key on request, in order, until one fails.

use std::sync::Arc;

use actuarius_domain::Position;
use tokio::sync::oneshot;

use super::attempts::{Job, Outcome, Reattempt};
use super::error::ParkedError;
use super::retries::Retry;
use super::state::SubscriptionState;
use crate::follow::followers::DesiredState;

impl SubscriptionState {
    pub(super) fn begin_retry(
        &mut self,
        key: &str,
        skips: bool,
        caller: oneshot::Sender<Result<usize, ParkedError>>,
    ) {
        if let Err(error) = self.may_be_retried(key) {
            // Here and below: a caller that gave up has dropped the other end.
            return drop(caller.send(Err(error)));
        }
        let key: Arc<str> = key.into();
        self.retries
            .under_way
            .insert(key.clone(), Retry { skips, handled: 0, caller: Some(caller) });
        self.continue_retry(&key);
    }

    /// Continues the retries of an earlier run: those of the keys whose first event has not failed.
    pub(super) fn continue_earlier_retries(&mut self) {
        if !self.continues || !self.may_start() {
            return;
        }
        self.continues = false;
        for key in self.parked.due_at_start() {
            if !self.retries.under_way.contains_key(&key) {
                let retry = Retry { skips: false, handled: 0, caller: None };
                self.retries.under_way.insert(key.clone(), retry);
                self.continue_retry(&key);
            }
        }
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

    /// Takes the next step for a key: it is done, its first event is skipped, or it waits for a worker.
    fn continue_retry(&mut self, key: &Arc<str>) {
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
            tracing::warn!(
                target: "actuarius::subscription",
                name = %self.plan.shared.name, position = %skipped.position, "a parked event is skipped"
            );
            self.report_parked();
        }
    }

    /// Starts retries, even while the subscription is paused or halted, because a caller asked for them.
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
            if let Some(range) = self.parked.unread(&key) {
                self.attempts.read(key, &self.plan, range);
            } else if let Some(first) = self.parked.first(&key) {
                let (commit, position) = (first.commit, first.position);
                let again = Reattempt { commit, position, key: key.clone() };
                self.attempts.start_again(Job::Parked(key), &self.plan, again);
            }
        }
    }

    /// Ends the waiting retries, whose effects could not be recorded.
    fn refuse_retries_waiting(&mut self, why: &str) {
        for key in std::mem::take(&mut self.retries.waiting) {
            self.retries.end(&key, |_| Err(ParkedError::NotStored { why: why.to_owned() }));
        }
    }

    /// Takes the result of a retry of the first event parked under `key`, or of a search for what follows it.
    pub(super) fn retried(&mut self, key: &Arc<str>, outcome: Outcome) {
        let plan = self.plan.clone();
        match outcome {
            Outcome::Found(found) => {
                self.parked.add_read(key, found.entries, found.read);
                self.report_parked();
                self.continue_retry(key);
            }
            Outcome::Done => {
                plan.shared.meters.handled(1);
                if let Some(retry) = self.retries.under_way.get_mut(key) {
                    retry.handled += 1;
                }
                self.first_is_finished(key);
            }
            Outcome::PassedOver => {
                plan.shared.meters.filtered(1);
                self.first_is_finished(key);
            }
            Outcome::Failed(why) => {
                plan.shared.meters.failed();
                self.parked.first_failed(key, &why);
                self.end_failed(key, why, |position, why| ParkedError::StillFails {
                    position,
                    why,
                });
            }
            Outcome::Outdated => self.continue_retry(key),
            Outcome::Unread(why) => {
                self.end_failed(key, why, |position, why| ParkedError::Unread { position, why });
            }
        }
    }

    /// Continues with the next event of the key, because nothing is left to do for the first one.
    fn first_is_finished(&mut self, key: &Arc<str>) {
        self.parked.remove_first(key);
        self.report_parked();
        self.continue_retry(key);
    }

    fn end_failed(
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

    /// Rechecks the waiting retries after a reset has discarded some of their events.
    pub(super) fn recheck_retries(&mut self) {
        for key in std::mem::take(&mut self.retries.waiting) {
            self.continue_retry(&key);
        }
    }
}

//! Starts handlers for the next events of the lanes, and takes their results.

use std::sync::Arc;

use actuarius_domain::Position;
use tokio::time::Instant;

use super::attempts::{Job, Outcome, Reattempt};
use super::lanes::Spot;
use super::options::OnPoison;
use super::parked::Entry;
use super::state::SubscriptionState;
use crate::follow::followers::{DesiredState, FollowerStatus};

impl SubscriptionState {
    pub(super) fn wake(&mut self) {
        let now = Instant::now();
        while let Some(spot) = self.failures.next_due(now) {
            self.lanes.wake(spot);
        }
        self.reading.wake(now);
    }

    pub(super) fn fill(&mut self) {
        if self.may_start() {
            let parked_in_flight = self.parked.unstored();
            let by = (&self.plan.routes, &self.plan.engine.keyring);
            let passed = self.reading.fill(&mut self.lanes, by, parked_in_flight);
            self.plan.shared.meters.filtered(passed);
        }
    }

    /// Starts what may be handled now. Returns whether there is room for more, because something was parked or
    /// had been skipped. No more can be than fit in memory.
    pub(super) fn start(&mut self) -> bool {
        self.start_retries();
        let mut has_room = false;
        while self.may_start()
            && self.has_a_worker()
            && let Some(spot) = self.next()
            && let Some(key) = self.lanes.key(spot).cloned()
        {
            if self.parked.has_skipped(spot.position, &key) {
                has_room |= self.lanes.finish(spot).is_some();
            } else if self.parked.holds(&key) {
                has_room |= self.park_after_others(spot, &key);
            } else {
                self.handle(spot, key);
            }
        }
        has_room
    }

    pub(super) fn may_start(&self) -> bool {
        self.wanted == DesiredState::Run && self.halted.is_none() && !self.requests.wants_reset()
    }

    pub(super) fn has_a_worker(&self) -> bool {
        self.attempts.len() < self.plan.options.workers
    }

    fn next(&self) -> Option<Spot> {
        let holds_back =
            self.plan.options.on_poison == OnPoison::Halt && self.lanes.suspended() > 0;
        if holds_back { None } else { self.lanes.next() }
    }

    fn handle(&mut self, spot: Spot, key: Arc<str>) {
        if let Some(why) = self.failure() {
            // The effect could not be recorded.
            return self.halt(spot.position, why);
        }
        self.lanes.begin(spot);
        let Some(due) = self.lanes.get_mut(spot) else { return };
        let (keyring, name) = (&self.plan.engine.keyring, &self.plan.shared.name);
        if self.plan.engine.deletions.may_have_removed(&due.stream, due.commit, due.read) {
            due.first_attempt = None;
        }
        match due.first_attempt.take().and_then(|decoded| decoded.lend(keyring, name)) {
            Some(lent) => self.attempts.start(Job::Event(spot), lent),
            None => {
                let again = Reattempt { commit: due.commit, position: spot.position, key };
                self.attempts.start_again(Job::Event(spot), &self.plan, again);
            }
        }
    }

    pub(super) fn attempted(&mut self, (job, outcome): (Job, Outcome)) {
        let spot = match job {
            Job::Event(spot) => spot,
            Job::BeforeParking(spot) => return self.parks(spot, outcome),
            Job::Parked(key) | Job::Overflow(key) => return self.retried(&key, outcome),
        };
        match outcome {
            Outcome::Done => {
                self.plan.shared.meters.handled(1);
                self.finish(spot);
            }
            Outcome::PassedOver => {
                self.plan.shared.meters.filtered(1);
                self.finish(spot);
            }
            Outcome::Failed(why) => self.failed(spot, why),
            Outcome::Unread(why) => self.unread_again(spot, why),
            Outcome::Outdated => {
                self.lanes.suspend(spot);
                self.lanes.wake(spot);
            }
            // Only an overflow job finds events.
            Outcome::Found(_) => {}
        }
    }

    fn finish(&mut self, spot: Spot) {
        self.failures.remove(spot);
        self.lanes.finish(spot);
    }

    /// Handles a failure to read the log.
    pub(super) fn unread(&mut self, why: String) {
        let (position, name) = (self.reading.next_position(), &self.plan.shared.name);
        tracing::warn!(
            target: "actuarius::subscription", %name, %position, why, "the log could not be read"
        );
        if !self.reading.schedule_retry(why.clone(), &self.plan.options.retry, Instant::now()) {
            self.halt(position, why);
        }
    }

    /// Handles a failure to read an event for another attempt. The event may be fine, so it is not parked.
    fn unread_again(&mut self, spot: Spot, why: String) {
        self.lanes.suspend(spot);
        self.failures.count_unread(spot, why.clone());
        if !self.failures.schedule_retry(spot, &self.plan.options.retry, Instant::now()) {
            self.failures.give_up(spot);
            self.halt(spot.position, why);
        }
    }

    fn failed(&mut self, spot: Spot, why: String) {
        let plan = self.plan.clone();
        plan.shared.meters.failed();
        self.lanes.suspend(spot);
        let attempts = self.failures.count(spot, why.clone());
        tracing::warn!(
            target: "actuarius::subscription",
            name = %plan.shared.name, position = %spot.position, attempts, why, "an event failed"
        );
        if self.failures.schedule_retry(spot, &plan.options.retry, Instant::now()) {
            return;
        }
        match (plan.options.on_poison, self.lanes.key(spot).cloned()) {
            (OnPoison::Park, Some(key)) => drop(self.park(spot, &key)),
            _ => {
                self.failures.give_up(spot);
                self.halt(spot.position, why);
            }
        }
    }

    /// Parks an event whose key is held up, once everything is done that must be done before. Returns whether there
    /// is room for more at once.
    fn park_after_others(&mut self, spot: Spot, key: &Arc<str>) -> bool {
        let before = self.lanes.get_mut(spot).and_then(|due| due.before_parking.take());
        let Some(before) = before else { return self.park(spot, key) };
        self.lanes.begin(spot);
        self.attempts.start(Job::BeforeParking(spot), (Ok(before), None));
        false
    }

    /// Parks an event for which everything is done that must be done before, unless nothing is parked under its key
    /// any more.
    fn parks(&mut self, spot: Spot, outcome: Outcome) {
        match (outcome, self.lanes.key(spot).cloned()) {
            (Outcome::Done, Some(key)) if self.parked.holds(&key) => drop(self.park(spot, &key)),
            (Outcome::Done, _) => {
                self.lanes.suspend(spot);
                self.lanes.wake(spot);
            }
            (Outcome::Failed(why) | Outcome::Unread(why), _) => self.unread_again(spot, why),
            // It holds no clear text, it is not read again, and only an overflow job finds events.
            (Outcome::Outdated | Outcome::PassedOver | Outcome::Found(_), _) => {}
        }
    }

    /// Parks an event that failed too often, or whose key is held up by one that did. Returns whether there
    /// was room for it.
    fn park(&mut self, spot: Spot, key: &Arc<str>) -> bool {
        let has_key = self.lanes.get_mut(spot).is_some_and(|due| due.has_key);
        if let Err(why) = self.parked.has_room_for(key, has_key) {
            self.failures.give_up(spot);
            self.halt(spot.position, why);
            return false;
        }
        let Some((key, due)) = self.lanes.finish(spot) else { return false };
        let (attempts, error) = self.failures.remove(spot).unwrap_or_default();
        let shared = &self.plan.shared;
        if attempts > 0 {
            // Thousands may be parked after it.
            tracing::warn!(
                target: "actuarius::subscription",
                name = %shared.name, position = %spot.position, attempts, "an event is parked"
            );
        }
        let entry = Entry {
            position: spot.position,
            commit: due.commit,
            stream: due.stream,
            event_type: due.event_type.into(),
            attempts,
            error: error.into(),
            parked_at: self.plan.engine.clock.now(),
        };
        self.parked.park(&key, entry);
        shared.meters.parks();
        self.report_parked();
        true
    }

    /// Halts the subscription until it is resumed. The first cause stays.
    pub(super) fn halt(&mut self, position: Position, why: String) {
        self.halted.get_or_insert(FollowerStatus::Halted { position, why });
    }
}

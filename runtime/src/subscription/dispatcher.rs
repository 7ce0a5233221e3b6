//! The loop of a running subscription.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::opening::{self, Plan, Stored};
use super::options::Start;
use super::requests::Request;
use super::state::SubscriptionState;
use crate::follow::followers::{DesiredState, FollowerStatus, Runs};

/// Runs a subscription as a background task.
pub(super) struct Dispatcher {
    plan: Arc<Plan>,
    requests: mpsc::Receiver<Request>,
    /// Taken at the first run.
    stored: Option<Stored>,
}

impl Dispatcher {
    pub(super) fn new(plan: Arc<Plan>, requests: mpsc::Receiver<Request>, stored: Stored) -> Self {
        Self { plan, requests, stored: Some(stored) }
    }

    async fn dispatch(&mut self) {
        if let Some(stored) = self.stored().await {
            SubscriptionState::new(self.plan.clone(), stored).run(&mut self.requests).await;
        }
        // Later callers learn at once that the subscription has stopped.
        self.requests.close();
        while self.requests.try_recv().is_ok() {}
    }

    /// Returns what is durable, or `None` if the subscription is asked to stop before that could be read.
    async fn stored(&mut self) -> Option<Stored> {
        if let Some(stored) = self.stored.take() {
            return Some(stored);
        }
        // A run has failed: the next one starts from what is durable.
        let (engine, shared) = (&self.plan.engine, &self.plan.shared);
        let mut desired = shared.wanted();
        while desired.borrow_and_update().0 != DesiredState::Stop {
            match opening::open(engine, &shared.name, Start::default(), false).await {
                Ok(stored) => return Some(stored),
                Err(error) => {
                    let position = shared.progress.position().next();
                    shared.now(FollowerStatus::Halted { position, why: error.to_string() });
                }
            }
            // `FollowerShared` holds the sender.
            let _ = desired.changed().await;
        }
        None
    }
}

impl Runs for Dispatcher {
    fn run(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.dispatch())
    }
}

impl SubscriptionState {
    /// Runs until the subscription is asked to stop and everything is finished and stored.
    async fn run(mut self, requests: &mut mpsc::Receiver<Request>) {
        loop {
            // In this order, because a caller that waits for a pause has asked for the pause before.
            self.take_requests(requests);
            self.take_desired_state();
            self.erasing.erase_if_due(&mut self.lanes);
            self.reset_if_asked().await;
            self.continue_earlier_retries();
            self.wake();
            self.fill();
            while self.start() {
                self.fill();
            }
            self.write_if_due();
            self.report_status();
            if self.is_over() {
                return;
            }
            self.wait(requests).await;
        }
    }

    /// Applies a change of the desired state.
    fn take_desired_state(&mut self) {
        if !self.desired.has_changed().unwrap_or(false) {
            return;
        }
        (self.wanted, _) = *self.desired.borrow_and_update();
        // The caller may have changed the status, too.
        self.reported = None;
        if self.wanted == DesiredState::Run {
            self.halted = None;
            self.reading.resume();
            for spot in self.failures.resume() {
                self.lanes.wake(spot);
            }
        }
    }

    fn is_over(&self) -> bool {
        let is_stored = self.writing.broken().is_some()
            || (!self.writing.is_under_way() && self.is_stored(&self.checkpoint()));
        self.wanted == DesiredState::Stop && self.attempts.is_empty() && is_stored
    }

    /// Publishes position, status and metrics.
    fn report_status(&mut self) {
        if let (Some(why), None) = (self.writing.broken(), &self.halted) {
            self.halt(self.finished().position.next(), why.to_owned());
        }
        let (shared, position) = (self.plan.shared.clone(), self.finished().position);
        let status = self.status();
        match &status {
            None => shared.reached(position),
            Some(status) => {
                shared.progress.reached(position);
                shared.meters.lag(shared.lag());
                if self.reported.as_ref() != Some(status) {
                    shared.now(status.clone());
                }
            }
        }
        self.reported = status;
        let is_over = self.wanted != DesiredState::Pause || self.writing.broken().is_some();
        if is_over || self.is_paused() {
            self.requests.notify_paused();
        }
    }

    /// Whether no handler is at work and everything finished is durable.
    fn is_paused(&self) -> bool {
        self.wanted == DesiredState::Pause
            && self.attempts.is_empty()
            && !self.writing.is_under_way()
            && self.is_stored(&self.checkpoint())
    }

    /// Returns `None` while the subscription runs without failures.
    fn status(&self) -> Option<FollowerStatus> {
        if self.halted.is_some() {
            return self.halted.clone();
        }
        if self.is_paused() {
            return Some(FollowerStatus::Paused);
        }
        self.failures.status().or_else(|| self.reading.status())
    }

    /// Waits until there is something to do.
    async fn wait(&mut self, requests: &mut mpsc::Receiver<Request>) {
        let timer = self.next_timer();
        let reads = self.may_start() && self.reading.wants_more();
        // In no fixed order, so that a frequent source does not hold up the others.
        tokio::select! {
            _ = self.desired.changed() => self.desired.mark_changed(),
            Some(request) = requests.recv() => self.take_request(request),
            () = self.writing.ended() => {}
            () = self.erasing.due() => {}
            Some(attempted) = self.attempts.next() => {
                self.attempted(attempted);
                while let Some(attempted) = self.attempts.next_now() {
                    self.attempted(attempted);
                }
            }
            read = self.reading.read(), if reads => {
                if let Err(error) = read {
                    self.unread(error.to_string());
                }
            }
            () = sleep_until(timer.unwrap_or_else(Instant::now)), if timer.is_some() => {}
        }
    }

    /// Returns when there is something to do even if nothing happens until then.
    fn next_timer(&self) -> Option<Instant> {
        let waits_to_write = !self.writing.is_under_way()
            && self.writing.broken().is_none()
            && !self.is_stored(&self.checkpoint());
        let write = self.writing.next_at(self.plan.options.checkpoint_every);
        let write = write.filter(|_| waits_to_write);
        let again = [self.failures.next_at(), self.reading.next_at()];
        write.into_iter().chain(again.into_iter().flatten()).min()
    }
}

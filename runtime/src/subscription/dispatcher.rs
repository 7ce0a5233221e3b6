use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::opening::{self, Found, Plan};
use super::options::Start;
use super::requests::Request;
use super::state::SubscriptionState;
use crate::follow::followers::{DesiredState, FollowerStatus, Runs};

/// What a subscription's actor runs.
pub(super) struct Dispatcher {
    plan: Arc<Plan>,
    requests: mpsc::Receiver<Request>,
    /// Taken at the first run.
    found: Option<Found>,
}

impl Dispatcher {
    pub(super) fn new(plan: Arc<Plan>, requests: mpsc::Receiver<Request>, found: Found) -> Self {
        Self { plan, requests, found: Some(found) }
    }

    async fn dispatch(&mut self) {
        if let Some(found) = self.found().await {
            SubscriptionState::new(self.plan.clone(), found).run(&mut self.requests).await;
        }
        // Who comes now hears at once that it has stopped.
        self.requests.close();
        while self.requests.try_recv().is_ok() {}
    }

    /// What is durable; none when it is asked to stop before that could be read.
    async fn found(&mut self) -> Option<Found> {
        if let Some(found) = self.found.take() {
            return Some(found);
        }
        // An actor failed: what is durable is a good place to begin again.
        let (engine, shared) = (&self.plan.engine, &self.plan.shared);
        let mut desired = shared.wanted();
        while desired.borrow_and_update().0 != DesiredState::Stop {
            match opening::open(engine, &shared.name, Start::default(), false).await {
                Ok(found) => return Some(found),
                Err(error) => {
                    let position = shared.progress.position().next();
                    shared.now(FollowerStatus::Halted { position, why: error.to_string() });
                }
            }
            // The sender is held by the standing.
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
    /// Goes on until it is asked to stop, and everything is finished and stored.
    async fn run(mut self, requests: &mut mpsc::Receiver<Request>) {
        loop {
            // In this order: who asks to be told of a pause has asked for the pause before.
            self.take_requests(requests);
            self.take_desired_state();
            self.reset_if_asked().await;
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

    /// Hears what is wanted of it.
    fn take_desired_state(&mut self) {
        if !self.desired.has_changed().unwrap_or(false) {
            return;
        }
        (self.wanted, _) = *self.desired.borrow_and_update();
        // Whoever asked may have changed the status with it.
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

    /// Lets everyone see how it is doing.
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

    /// Whether nothing is at work, durably.
    fn is_paused(&self) -> bool {
        self.wanted == DesiredState::Pause
            && self.attempts.is_empty()
            && !self.writing.is_under_way()
            && self.is_stored(&self.checkpoint())
    }

    /// None while it runs and nothing is wrong.
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
        // In no fixed order, so that nobody who comes often holds up the others.
        tokio::select! {
            _ = self.desired.changed() => self.desired.mark_changed(),
            Some(request) = requests.recv() => self.take_request(request),
            () = self.writing.ended() => {}
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

    /// When there is something to do even if nothing happens.
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

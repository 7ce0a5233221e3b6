//! The background task of a saga: delivers deadlines that are due and resumes commands that no task is
//! dispatching, after a start and periodically.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actuarius_domain::{Id, Saga};
use tokio::time::{Instant, sleep, sleep_until};

use super::dispatch::{Permit, not_taken};
use super::host::{Host, TraceIds};
use super::instance::{Instance, Kind};
use super::stage::Stage;
use super::stored::{At, EffectId};
use crate::follow::followers::{DesiredState, Runs};
use crate::subscription::ParkedError;

/// How often the clock is checked, because it may be set during a wait.
const CLOCK_CHECK_EVERY: Duration = Duration::from_secs(1);

/// How often the index is searched for open commands that no task is dispatching. Commands that could not
/// be dispatched before are tried once each time.
const RESUME_EVERY: Duration = Duration::from_secs(10);

/// How long to wait for a step in progress, and how often. Commands still open after that are resumed the
/// next time.
const RESUME_RETRY_AFTER: Duration = Duration::from_millis(10);
const RESUME_TRIES: u32 = 100;

/// How many index entries are read at once.
const BATCH: usize = 1_024;

pub(super) struct Coordinator<S: Saga> {
    host: Arc<Host<S>>,
    /// Deadlines being delivered that the index may still show.
    in_delivery: InDelivery,
    /// Held while open commands are being resumed, so that one run at a time does so.
    resuming: Arc<tokio::sync::Mutex<()>>,
}

type InDelivery = Arc<Mutex<HashSet<(Arc<str>, EffectId)>>>;

impl<S: Saga> Coordinator<S> {
    pub(super) fn of(host: Arc<Host<S>>) -> Self {
        Self { host, in_delivery: InDelivery::default(), resuming: Arc::default() }
    }

    async fn coordinate(&mut self) {
        let mut wanted = self.host.shared.wanted();
        let mut resume_at = Instant::now();
        while wanted.borrow_and_update().0 != DesiredState::Stop {
            tokio::select! {
                biased;
                _ = wanted.changed() => {}
                () = self.serve(&mut resume_at) => {}
            }
        }
        self.host.busy.close();
        self.host.due_permits.close();
        self.host.tasks.end().await;
        self.host.drop_waiters();
        self.host.report_counts();
    }

    /// Does what is due now, then waits until more may be due. Cancel safe.
    async fn serve(&self, resume_at: &mut Instant) {
        let host = &self.host;
        let mut shown = host.index.shared.progress.changes();
        let position = *shown.borrow_and_update();
        host.shared.reached(position);
        host.report_counts();
        let moved = host.engine.clock.moved();
        if *resume_at <= Instant::now() {
            self.spawn_resume_all();
            *resume_at = Instant::now() + RESUME_EVERY;
        }
        if self.start_due().await {
            return;
        }
        tokio::select! {
            () = moved => {}
            _ = shown.changed() => {}
            () = sleep(self.until_next_due()) => {}
            () = sleep_until(*resume_at) => {}
        }
    }
    /// Starts to deliver the deadlines that are due. Returns whether there were any.
    async fn start_due(&self) -> bool {
        let (host, now) = (&self.host, self.host.engine.clock.now());
        let due: Vec<(Arc<str>, EffectId)> = host.index.read(|index| {
            let in_delivery = lock(&self.in_delivery);
            let due = index.due(now).map(|(id, deadline)| (Arc::from(id), deadline));
            due.filter(|due| !in_delivery.contains(due)).take(BATCH).collect()
        });
        let has_any = !due.is_empty();
        for due in due {
            let permit = host.due_permits.clone().acquire_owned().await;
            let Ok(permit) = permit.map(Arc::new) else { return false };
            lock(&self.in_delivery).insert(due.clone());
            let (host, all) = (host.clone(), self.in_delivery.clone());
            self.host.tasks.spawn(async move {
                host.deliver_due(&due, &permit).await;
                lock(&all).remove(&due);
            });
        }
        has_any
    }

    fn until_next_due(&self) -> Duration {
        let now = self.host.engine.clock.now();
        let next = self.host.index.read(|index| index.next_due(now));
        let wait = next.map(|at| at.as_micros().saturating_sub(now.as_micros()).max(0) as u64);
        wait.map_or(CLOCK_CHECK_EVERY, |wait| Duration::from_micros(wait).min(CLOCK_CHECK_EVERY))
    }

    /// Resumes open commands in a task beside the deadlines, because a deadline may free permits for it.
    fn spawn_resume_all(&self) {
        let Ok(resuming) = self.resuming.clone().try_lock_owned() else { return };
        let host = self.host.clone();
        self.host.tasks.spawn(async move {
            host.drop_closed_waiters();
            host.resume_all().await;
            host.retry_all_parked().await;
            drop(resuming);
        });
    }
}

impl<S: Saga> Host<S> {
    /// Resumes the open commands that no task is dispatching.
    async fn resume_all(self: &Arc<Self>) {
        let host = self;
        let mut after = String::new();
        loop {
            let page: Vec<_> = host.index.read(|index| {
                let open = index.open_after(&after).take(BATCH);
                open.map(|(id, open)| (id.to_owned(), open)).collect()
            });
            let Some((last, _)) = page.last() else { return };
            after.clone_from(last);
            for (id, open) in page {
                if host.claims.of(&id) as u64 >= open {
                    continue;
                }
                // A stored id was valid when it was stored.
                let (Some(permit), Ok(id)) = (host.permit().await, Id::new(id)) else { return };
                let host = host.clone();
                self.tasks.spawn(async move { host.resume_open(&id, &permit).await });
            }
        }
    }

    /// Retries the parked events whose instance takes events again: an operator released the instance, and
    /// the process ended before the events were retried.
    pub(super) async fn retry_all_parked(self: &Arc<Self>) {
        let Some(events) = self.events.get() else { return };
        for parked in events.parked().await {
            let Ok(id) = Id::new(&*parked.key) else { continue };
            let takes = |it: &Instance<S>| it.state.steps > 0 && !it.state.is_blocked();
            if self.read(&id, takes).await.is_ok_and(|takes| takes) {
                let host = self.clone();
                self.tasks.spawn(async move { host.retry_parked(&id).await });
            }
        }
    }

    /// Resumes the open commands of an instance that no task is dispatching.
    pub(super) async fn resume_open(self: &Arc<Self>, id: &Id<Instance<S>>, permit: &Permit) {
        for _ in 0..RESUME_TRIES {
            let was_stepping = self.claims.is_stepping(id.as_str());
            match self.read(id, |instance| instance.state.open.clone()).await {
                Ok(open) => self.resume(id, open, permit),
                Err(error) => {
                    tracing::warn!(target: "actuarius::saga", saga = S::TYPE, %id, %error, "open commands not resumed");
                    return;
                }
            }
            if !was_stepping && !self.claims.is_stepping(id.as_str()) {
                return;
            }
            // The caller that takes a step has the first claim, and usually leaves older commands resuming.
            sleep(RESUME_RETRY_AFTER).await;
        }
    }

    /// Retries the events parked for an instance.
    pub(super) async fn retry_parked(&self, id: &Id<Instance<S>>) {
        let Some(events) = self.events.get() else { return };
        match events.retry_parked(id.as_str()).await {
            Ok(_) | Err(ParkedError::NotParked { .. } | ParkedError::UnderWay { .. }) => {}
            Err(error) => {
                tracing::warn!(target: "actuarius::saga", saga = S::TYPE, %id, %error, "parked events not retried");
            }
        }
    }

    /// Delivers a deadline to its instance; returns when the index shows the result.
    async fn deliver_due(self: &Arc<Self>, (id, deadline): &(Arc<str>, EffectId), permit: &Permit) {
        // A stored id was valid when it was stored.
        let Ok(id) = Id::new(id.clone()) else { return };
        self.stages.reached(Stage::Due, id.as_str());
        let cause = TraceIds::of(&id).because_of(self.cause_of(&id, deadline.step).await);
        for attempts in 1.. {
            let forgotten = self.engine.keyring.forgotten();
            let cause = match self.step(&id, Kind::Due(*deadline), cause.clone()).await {
                Ok(Some(outcome)) => {
                    self.dispatch_step(&id, outcome, permit);
                    break;
                }
                Ok(None) => break,
                Err(_) if self.is_outdated(forgotten) => continue,
                Err(error) => not_taken(error),
            };
            match (cause, self.retry.wait_after(attempts)) {
                (None, _) => break,
                (Some(_), Some(wait)) => sleep(wait).await,
                (Some(cause), None) => {
                    self.give_up(&id, At::Deadline(*deadline), cause, Vec::new()).await;
                    break;
                }
            }
        }
        self.index.shared.progress.wait_for(self.engine.tail.head()).await;
    }
}

fn lock(in_delivery: &InDelivery) -> MutexGuard<'_, HashSet<(Arc<str>, EffectId)>> {
    in_delivery.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Saga> Runs for Coordinator<S> {
    fn run(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.coordinate())
    }
}

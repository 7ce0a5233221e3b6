//! The task of the timers of one type: starts a delivery for each that is due, and repeats those that failed.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use actuarius_domain::{Aggregate, Timestamp};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, sleep, sleep_until};

use super::delivery::deliver;
use super::loading::load;
use crate::aggregate::directory::Directory;
use crate::aggregate::timers::{DueTimer, Loading, Timers};
use crate::base::error::Failure;
use crate::base::panics::{caught, guarded};

/// How often the clock is checked, because it may be set during a wait.
const CLOCK_CHECK_EVERY: Duration = Duration::from_secs(1);

/// After how long a delivery that failed is repeated: first, and at most. It doubles with each attempt. An aggregate
/// that an operator has released is reached a minute later at most.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(60));

/// Delivers the timers of a type while it is hosted.
pub(crate) async fn run<A: Aggregate>(directory: Weak<Directory<A>>, timers: Arc<Timers<A>>) {
    let why = match caught(load(&timers)).await {
        Ok(true) => None,
        Ok(false) => Some("the store is closed".to_owned()),
        Err(panic) => Some(panic),
    };
    if let Some(why) = why {
        // So that no actor waits for them any more.
        return timers.set_loading(Loading::Failing(why));
    }
    // Not long: no more fail at once than are delivered at once.
    let (failed, failures) = mpsc::unbounded_channel();
    let (waiting, retries_first) = (BTreeMap::new(), false);
    let deliverer = Deliverer { directory, timers, failed, failures, waiting, retries_first };
    deliverer.run().await;
}

struct Deliverer<A: Aggregate> {
    directory: Weak<Directory<A>>,
    timers: Arc<Timers<A>>,
    failed: UnboundedSender<Attempt>,
    failures: UnboundedReceiver<Attempt>,
    /// Those that failed, by the moment at which they are repeated. No more than armed timers.
    waiting: BTreeMap<(Instant, DueTimer), Attempt>,
    /// Whether one that failed comes before one that is newly due, the next time.
    retries_first: bool,
}

/// A timer that is due, and how often its delivery has failed.
struct Attempt {
    due: DueTimer,
    failures: u32,
}

impl<A: Aggregate> Deliverer<A> {
    async fn run(mut self) {
        let timers = self.timers.clone();
        while !timers.is_closed() {
            // Both before the search, so that nothing that happens after it is missed.
            let (mut moved, mut rung) = (pin!(timers.engine.clock.moved()), pin!(timers.rung()));
            rung.as_mut().enable();
            while let Ok(attempt) = self.failures.try_recv() {
                self.wait(attempt);
            }
            if let Some(attempt) = self.next().await {
                let Ok(permit) = timers.permits.clone().acquire_owned().await else { return };
                let Some(directory) = self.directory.upgrade() else { return };
                self.start(directory, attempt, permit);
                continue;
            }
            timers.report();
            let next_due = self.until_next_due();
            let retry = self.waiting.keys().next().map(|(at, _)| *at);
            tokio::select! {
                () = &mut moved => {}
                () = &mut rung => {}
                Some(attempt) = self.failures.recv() => self.wait(attempt),
                () = sleep(next_due) => {}
                () = sleep_until(retry.unwrap_or_else(Instant::now)), if retry.is_some() => {}
            }
        }
    }

    /// Returns what is to be delivered now, if anything is. Those that failed and those that are newly due take turns, so
    /// that thousands that fail slowly do not keep the others waiting.
    async fn next(&mut self) -> Option<Attempt> {
        let now = self.timers.engine.clock.now();
        self.retries_first = !self.retries_first;
        if self.retries_first
            && let Some(retry) = self.next_retry(now).await
        {
            return Some(retry);
        }
        match self.timers.take_due(now) {
            Some(due) => Some(Attempt { due, failures: 0 }),
            None => self.next_retry(now).await,
        }
    }

    /// Returns one that failed and is to be tried again. If the clock was set back to before its time, it is armed for that.
    async fn next_retry(&mut self, now: Timestamp) -> Option<Attempt> {
        loop {
            let first = self.waiting.first_entry()?;
            if first.key().0 > Instant::now() {
                return None;
            }
            let attempt = first.remove();
            if attempt.due.at <= now {
                return Some(attempt);
            }
            self.timers.put_back(&attempt.due).await;
        }
    }

    fn wait(&mut self, attempt: Attempt) {
        let times = 1_u32 << (attempt.failures - 1).min(16);
        let wait = (RETRY_AFTER.0 * times).min(RETRY_AFTER.1);
        self.waiting.insert((Instant::now() + wait, attempt.due.clone()), attempt);
    }

    fn until_next_due(&self) -> Duration {
        let now = self.timers.engine.clock.now();
        let wait = self.timers.next_due().map(|at| at.as_micros().saturating_sub(now.as_micros()));
        let wait = wait.map(|micros| Duration::from_micros(micros.max(0).unsigned_abs()));
        wait.map_or(CLOCK_CHECK_EVERY, |wait| wait.min(CLOCK_CHECK_EVERY))
    }

    fn start(&self, directory: Arc<Directory<A>>, attempt: Attempt, permit: OwnedSemaphorePermit) {
        let (timers, failed) = (self.timers.clone(), self.failed.clone());
        self.timers.engine.home.spawn(async move {
            let delivered = caught(deliver(&directory, &timers, &attempt.due)).await;
            let why = match delivered {
                Ok(Ok(())) => None,
                Ok(Err(failure)) => Some(failure),
                // A defect, or a tracing layer.
                Err(panic) => {
                    timers.perhaps_sent(&attempt.due);
                    Some(Failure::Indeterminate(panic))
                }
            };
            drop(permit);
            match why {
                None if attempt.failures > 0 => timers.recovered(),
                None => {}
                Some(failure) => {
                    report(&timers, &attempt, &failure);
                    // Fails only if the runtime has closed.
                    let _ = failed.send(Attempt { failures: attempt.failures + 1, ..attempt });
                }
            }
        });
    }
}

fn report<A: Aggregate>(
    timers: &Timers<A>,
    Attempt { due, failures }: &Attempt,
    failure: &Failure,
) {
    let is_first = *failures == 0;
    timers.failed(is_first, failure.to_string());
    if is_first {
        // A tracing layer may panic.
        let _ = guarded(|| {
            tracing::warn!(
                target: "actuarius::timers",
                aggregate = A::TYPE,
                id = %due.id.escape_debug(),
                timer = timers.name(due.timer),
                %failure,
                "a timer that is due was not delivered; it is tried again"
            );
        });
    }
}

//! The supervised actor of a follower: it is restarted after a failure, or halts.

use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use actuarius_domain::Position;
use tokio::sync::{Mutex, watch};
use tokio::time::sleep;

use super::{BoxError, DesiredState, FollowerShared, FollowerStatus, Retry};
use crate::base::error::Unavailable;
use crate::base::panics::{caught, discard, guarded};
use crate::engine::Engine;
use crate::engine::supervision::Supervised;

/// What the actor of a follower runs.
pub(crate) trait Runs: Send + 'static {
    /// Opens again what is durable, to continue with, after the actor has failed.
    ///
    /// # Errors
    /// Any error counts as a failure of the actor, and is tried again.
    fn reopen(&mut self) -> Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send + '_>> {
        Box::pin(ready(Ok(())))
    }

    /// Runs until it is asked to stop.
    fn run(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// Runs the follower in a supervised actor of its own.
pub(crate) fn start(engine: &Arc<Engine>, shared: Arc<FollowerShared>, runs: impl Runs) {
    let runs: Mutex<Box<dyn Runs>> = Mutex::new(Box::new(runs));
    let activation = Arc::new_cyclic(|myself| FollowerActivation {
        myself: myself.clone(),
        engine: engine.clone(),
        shared,
        runs,
        has_run: AtomicBool::new(false),
        failures: std::sync::Mutex::default(),
    });
    activation.start_actor();
}

/// One follower, across the actors that run it in turn. The current actor holds it, the supervisor after a failure, or the task that
/// waits to start the next one. When it is dropped, the follower has stopped.
struct FollowerActivation {
    myself: Weak<FollowerActivation>,
    engine: Arc<Engine>,
    shared: Arc<FollowerShared>,
    runs: Mutex<Box<dyn Runs>>,
    has_run: AtomicBool,
    failures: std::sync::Mutex<Failures>,
}

impl FollowerActivation {
    fn start_actor(self: Arc<Self>) {
        let engine = self.engine.clone();
        let actor = FollowerActor { activation: self, has_finished: false };
        engine.supervision.spawn_until_stopped(actor.run());
    }

    /// Runs until the follower is asked to stop.
    async fn run_once(&self) -> Result<(), String> {
        let has_run = self.has_run.swap(true, Ordering::Relaxed);
        let mut runs = self.runs.lock().await;
        if has_run {
            let reopened = runs.reopen().await;
            reopened.map_err(|error| format!("it could not be opened again: {error}"))?;
        }
        runs.run().await;
        // What it has open is closed before the stop is reported, after which it may be started again.
        discard(std::mem::replace(&mut *runs, Box::new(Ended)));
        drop(runs);
        self.shared.want(DesiredState::Stop);
        self.shared.now(FollowerStatus::Stopped);
        Ok(())
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the next attempt, or a request to resume or to stop.
    async fn restart_after(self: Arc<Self>, wait: Option<Duration>, mut asked: Asked) {
        let waited = async {
            match wait {
                Some(wait) => sleep(wait).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = waited => {}
            () = until_resumed_or_stopped(&mut asked) => {
                *self.failures() = Failures::default();
            }
        }
        if asked.borrow().0 != DesiredState::Stop {
            self.start_actor();
        }
    }
}

type Asked = watch::Receiver<(DesiredState, u64)>;

/// A pause is ignored: the follower stands still already.
async fn until_resumed_or_stopped(asked: &mut Asked) {
    // `FollowerShared` holds the sender.
    while asked.changed().await.is_ok() {
        if asked.borrow_and_update().0 != DesiredState::Pause {
            return;
        }
    }
}

/// How often the actor has failed since the follower last advanced.
#[derive(Default)]
struct Failures {
    count: u32,
    at: Position,
    /// Why it failed last.
    why: String,
}

impl Failures {
    fn count(&mut self, at: Position) -> u32 {
        if at > self.at {
            self.count = 0;
        }
        self.at = at;
        self.count += 1;
        self.count
    }
}

impl Supervised for FollowerActivation {
    /// Panics of the user's code are caught before, so each failure is a defect of this library, unless a view cannot
    /// be opened again after it. The actor is restarted some times, because what is durable is a safe state to start
    /// from. Then the follower halts until it is asked to resume.
    fn restart(&self) {
        // Subscribed before the check, so that no later request is missed.
        let asked = self.shared.wanted();
        let Some(myself) = self.myself.upgrade() else { return };
        if asked.borrow().0 == DesiredState::Stop {
            return;
        }
        let (name, position) = (&self.shared.name, self.shared.progress.position());
        let (attempts, why) = {
            let mut failures = self.failures();
            (failures.count(position), std::mem::take(&mut failures.why))
        };
        // What receives the line is code of the user's, and a panic here would end the restart.
        let _ = guarded(|| {
            tracing::error!(
                target: "actuarius::supervision", %name, attempts, %why,
                "a follower's actor ended unexpectedly"
            );
        });
        let position = position.next();
        let why = format!("its actor failed: {why}");
        let wait = Retry::default().wait_after(attempts);
        self.shared.failed(position, attempts, why, wait);
        self.engine.home.spawn(myself.restart_after(wait, asked));
    }

    /// Dropping it is enough.
    fn refuse(&self, _why: Unavailable) {}
}

impl Drop for FollowerActivation {
    /// No actor will run it again: it has ended, or was killed together with its tokio runtime.
    fn drop(&mut self) {
        // What it has open is closed before the stop is reported.
        discard(std::mem::replace(self.runs.get_mut(), Box::new(Ended)));
        self.shared.now(FollowerStatus::Stopped);
    }
}

/// Replaces what a stopped follower ran.
struct Ended;

impl Runs for Ended {
    fn run(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(ready(()))
    }
}

/// The actor of a follower. Dropping it before it has finished reports a failure.
struct FollowerActor {
    activation: Arc<FollowerActivation>,
    has_finished: bool,
}

impl FollowerActor {
    async fn run(mut self) {
        match caught(self.activation.run_once()).await {
            Ok(Ok(())) => self.has_finished = true,
            Ok(Err(why)) | Err(why) => self.activation.failures().why = why,
        }
    }
}

impl Drop for FollowerActor {
    fn drop(&mut self) {
        if !self.has_finished {
            self.activation.engine.supervision.report_end(self.activation.clone());
        }
    }
}

#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use actuarius_domain::Position;
use ractor::actor::ActorRuntime;
use ractor::{ActorCell, ActorId, ActorProcessingErr, ActorRef};
use tokio::sync::{Mutex, watch};
use tokio::time::sleep;

use super::{BoxError, DesiredState, FollowerShared, FollowerStatus, Retry};
use crate::engine::Engine;
use crate::engine::supervision::Supervised;

/// What a follower's actor does.
pub(crate) trait Runs: Send + 'static {
    /// When its actor has failed: opens anew what there is to go on with, which is what is durable.
    ///
    /// # Errors
    /// What is in the way; it counts as a failure of the actor, and is tried again.
    fn reopen(&mut self) -> Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send + '_>> {
        Box::pin(ready(Ok(())))
    }

    /// Goes on until it is asked to stop.
    fn run(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// Has the follower run in a supervised actor of its own.
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
    activation.begin();
}

/// One follower's place, whichever actor runs it. It is held by that actor and its manager, or by
/// the task that waits for the next one; when it is dropped, the follower has stopped.
struct FollowerActivation {
    myself: Weak<FollowerActivation>,
    engine: Arc<Engine>,
    shared: Arc<FollowerShared>,
    runs: Mutex<Box<dyn Runs>>,
    has_run: AtomicBool,
    failures: std::sync::Mutex<Failures>,
}

impl FollowerActivation {
    fn begin(self: Arc<Self>) {
        let shard = self.shared.name.bytes().map(usize::from).sum();
        let engine = self.engine.clone();
        engine.supervision.start(shard, self);
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is tried again, or until someone asks to resume or to stop.
    async fn go_on_after(self: Arc<Self>, wait: Option<Duration>, mut asked: Asked) {
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
            self.begin();
        }
    }
}

type Asked = watch::Receiver<(DesiredState, u64)>;

/// A pause is not heard: who stands still need not be told.
async fn until_resumed_or_stopped(asked: &mut Asked) {
    // The sender is held by the standing.
    while asked.changed().await.is_ok() {
        if asked.borrow_and_update().0 != DesiredState::Pause {
            return;
        }
    }
}

/// How often the actor has failed since the follower came any further.
#[derive(Default)]
struct Failures {
    count: u32,
    at: Position,
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
    fn start(self: Arc<Self>, manager: ActorCell) -> Option<ActorId> {
        match ActorRuntime::spawn_linked_instant(None, FollowerActor(self.clone()), (), manager) {
            Ok((actor, _)) => Some(actor.get_id()),
            Err(error) => {
                self.ended(&error);
                None
            }
        }
    }

    /// Who refuses it drops it.
    fn refuse(&self) {}

    /// The user's panics are caught before they get here, so even one failure is a defect of this
    /// library, unless a view cannot be opened again after it. Some are borne, because what is
    /// durable is a good place to begin again; then it halts until it is asked to resume.
    fn ended(&self, why: &dyn Display) {
        // Before the look, so that whatever is asked from then on is heard.
        let asked = self.shared.wanted();
        let Some(myself) = self.myself.upgrade() else { return };
        if asked.borrow().0 == DesiredState::Stop {
            return;
        }
        let (name, position) = (&self.shared.name, self.shared.progress.position());
        let attempts = self.failures().count(position);
        tracing::error!(
            target: "actuarius::supervision", %name, attempts, %why,
            "a follower's actor ended unexpectedly"
        );
        let position = position.next();
        let why = format!("its actor failed: {why}");
        let wait = Retry::default().wait_after(attempts);
        self.shared.now(match wait {
            Some(_) => FollowerStatus::Retrying { position, attempts, why },
            None => FollowerStatus::Halted { position, why },
        });
        tokio::spawn(myself.go_on_after(wait, asked));
    }
}

impl Drop for FollowerActivation {
    /// Nobody runs it, and nobody will: it has come to its end, or was killed with its runtime in the
    /// middle of what it did.
    fn drop(&mut self) {
        // What it has open is closed before anyone hears that it has stopped.
        *self.runs.get_mut() = Box::new(Over);
        self.shared.now(FollowerStatus::Stopped);
    }
}

/// What is left of a follower that has stopped.
struct Over;

impl Runs for Over {
    fn run(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(ready(()))
    }
}

/// The only thing it is ever told.
type Begin = u8;

struct FollowerActor(Arc<FollowerActivation>);

#[ractor::actor(message = Begin, state = (), arguments = ())]
impl FollowerActor {
    async fn pre_start(
        &self,
        myself: ActorRef<Begin>,
        _arguments: (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(myself.cast(1)?)
    }

    async fn handle(
        &self,
        myself: ActorRef<Begin>,
        _begin: Begin,
        _state: &mut (),
    ) -> Result<(), ActorProcessingErr> {
        let activation = &self.0;
        let has_run = activation.has_run.swap(true, Ordering::Relaxed);
        let mut runs = activation.runs.lock().await;
        if has_run {
            let reopened = runs.reopen().await;
            reopened.map_err(|error| format!("it could not be opened again: {error}"))?;
        }
        runs.run().await;
        // What it has open is closed before anyone hears that it has stopped, and starts it again.
        *runs = Box::new(Over);
        drop(runs);
        activation.shared.want(DesiredState::Stop);
        activation.shared.now(FollowerStatus::Stopped);
        myself.stop(None);
        Ok(())
    }
}

#[cfg(test)]
mod tests;

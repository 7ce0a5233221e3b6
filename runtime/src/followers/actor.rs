use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use ractor::actor::ActorRuntime;
use ractor::{ActorCell, ActorId, ActorProcessingErr, ActorRef};
use tokio::sync::Mutex;

use super::{FollowerStatus, Retry, Standing, Wanted};
use crate::engine::Engine;
use crate::supervision::Seated;

/// What a follower's actor does.
pub(crate) trait Runs: Send + 'static {
    /// Goes on until it is asked to stop. When its actor has failed it is called `again`, and begins
    /// with what is durable.
    fn run(&mut self, again: bool) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// Has the follower run in a supervised actor of its own.
pub(crate) fn start(engine: &Arc<Engine>, standing: Arc<Standing>, runs: impl Runs) {
    let runs: Mutex<Box<dyn Runs>> = Mutex::new(Box::new(runs));
    let seat = Arc::new_cyclic(|myself| Seat {
        myself: myself.clone(),
        engine: engine.clone(),
        standing,
        runs,
        failures: AtomicU32::new(0),
    });
    seat.begin();
}

/// One follower's place, whichever actor runs it.
struct Seat {
    myself: Weak<Seat>,
    engine: Arc<Engine>,
    standing: Arc<Standing>,
    runs: Mutex<Box<dyn Runs>>,
    failures: AtomicU32,
}

impl Seat {
    fn begin(self: Arc<Self>) {
        let shard = self.standing.name.bytes().map(usize::from).sum();
        let engine = self.engine.clone();
        engine.supervision.start(shard, self);
    }

    fn begin_again_after(&self, wait: Duration) {
        let Some(seat) = self.myself.upgrade() else { return };
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            seat.begin();
        });
    }

    fn is_over(&self) -> bool {
        self.standing.has_stopped() || self.standing.wanted().borrow().0 == Wanted::Stop
    }
}

impl Seated for Seat {
    fn start(self: Arc<Self>, manager: ActorCell) -> Option<ActorId> {
        match ActorRuntime::spawn_linked_instant(None, FollowerActor(self.clone()), (), manager) {
            Ok((actor, _)) => Some(actor.get_id()),
            Err(error) => {
                self.ended(&error);
                None
            }
        }
    }

    fn refuse(&self) {
        self.standing.now(FollowerStatus::Stopped);
    }

    /// The user's panics are caught before they get here, so even one failure is a defect of this
    /// library. Some are borne, because what is durable is a good place to begin again.
    fn ended(&self, why: &dyn std::fmt::Display) {
        if self.is_over() {
            return self.standing.now(FollowerStatus::Stopped);
        }
        let attempts = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        let name = &self.standing.name;
        tracing::error!(
            target: "actuarius::supervision", %name, attempts, %why,
            "a follower's actor ended unexpectedly"
        );
        let position = self.standing.progress.position().next();
        let why = format!("its actor failed: {why}");
        match Retry::default().wait_after(attempts) {
            Some(wait) => {
                self.standing.now(FollowerStatus::Retrying { position, attempts, why });
                self.begin_again_after(wait);
            }
            None => self.standing.now(FollowerStatus::Halted { position, why }),
        }
    }
}

impl Drop for Seat {
    /// Nobody runs it, and nobody will: it is over. It may have been killed with its runtime, in the
    /// middle of what it did.
    fn drop(&mut self) {
        // What it has open is closed before anyone hears that it has stopped.
        *self.runs.get_mut() = Box::new(Over);
        self.standing.now(FollowerStatus::Stopped);
    }
}

/// What is left of a follower that has stopped.
struct Over;

impl Runs for Over {
    fn run(&mut self, _again: bool) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }
}

/// The only thing it is ever told.
type Begin = u8;

struct FollowerActor(Arc<Seat>);

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
        let seat = &self.0;
        let again = seat.failures.load(Ordering::Relaxed) > 0;
        let mut runs = seat.runs.lock().await;
        runs.run(again).await;
        // What it has open is closed before anyone hears that it has stopped, and starts it again.
        *runs = Box::new(Over);
        drop(runs);
        seat.standing.want(Wanted::Stop);
        seat.standing.now(FollowerStatus::Stopped);
        myself.stop(None);
        Ok(())
    }
}

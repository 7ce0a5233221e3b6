//! [`Supervision`]: spawns the actors of aggregates, and the supervisor, the actor that restarts those that fail.
//!
//! An aggregate's actor reports its own end when it is dropped, so no end is missed: not one during its
//! recovery, and not the end of the tokio runtime.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ractor::actor::ActorRuntime;
use ractor::{ActorProcessingErr, ActorRef};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::base::error::Unavailable;
use crate::base::panics::guarded;

/// The only message of all ractor actors: it announces work that waits beside the actor, and carries nothing.
/// A plain byte, because that is a message under every feature set of ractor.
pub(crate) type Bell = u8;

/// An incarnation as its supervisor sees it.
pub(crate) trait Supervised: Send + Sync {
    /// Its actor has ended unexpectedly: starts the next one, or puts the aggregate out of service.
    fn restart(&self);
    /// Answers its waiting requests, because no actor is started any more.
    fn refuse(&self, why: Unavailable);
}

/// Where actors of aggregates run, and who is notified of their ends.
pub(crate) struct Supervision {
    tokio: Handle,
    ended: Arc<EndedActors>,
    supervisor: ActorRef<Bell>,
    is_stopped: watch::Sender<bool>,
}

impl Supervision {
    pub(crate) async fn start(tokio: Handle) -> Result<Self, ractor::SpawnErr> {
        let ended = Arc::new(EndedActors::default());
        let supervisor = Supervisor { ended: ended.clone() };
        let (supervisor, _) = ActorRuntime::spawn(None, supervisor, ()).await?;
        Ok(Self { tokio, ended, supervisor, is_stopped: watch::Sender::new(false) })
    }

    /// Spawns an actor. It does not run in the caller's task, so it is unaffected if the caller is dropped.
    pub(crate) fn spawn(&self, actor: impl Future<Output = ()> + Send + 'static) {
        self.tokio.spawn(actor);
    }

    /// Spawns an actor that may be at work when supervision is stopped. It is cut off then: its future is dropped
    /// at the next point at which it waits.
    pub(crate) fn spawn_until_stopped(&self, actor: impl Future<Output = ()> + Send + 'static) {
        let mut is_stopped = self.is_stopped.subscribe();
        self.spawn(async move {
            tokio::select! {
                biased;
                // The sender is dropped with the runtime, which is the end as well. The result holds a lock that
                // `stop` takes, and dropping the actor may drop the last handle of the runtime, so it is
                // dropped first.
                () = async { drop(is_stopped.wait_for(|stopped| *stopped).await) } => {}
                () = actor => {}
            }
        });
    }

    /// Receives the report that an actor has ended while its incarnation was in service.
    pub(crate) fn report_end(&self, incarnation: Arc<dyn Supervised>) {
        match self.ended.push(incarnation) {
            // Fails if the supervisor has ended just now: then it closes the queue.
            Ok(()) => drop(self.supervisor.cast(1)),
            Err((incarnation, why)) => incarnation.refuse(why),
        }
    }

    /// Stops the supervisor and cuts off followers that are at work: nothing is restarted any more.
    pub(crate) fn stop(&self) {
        self.ended.close(Unavailable::ShuttingDown);
        self.is_stopped.send_replace(true);
        self.supervisor.stop(None);
    }
}

impl Drop for Supervision {
    /// A ractor actor does not end with its last reference. So the supervisor is stopped here, also if opening
    /// fails after it was started.
    fn drop(&mut self) {
        self.stop();
    }
}

/// The incarnations whose actors have ended, until the supervisor takes them. Bounded by the number of actors,
/// each of which ends once.
#[derive(Default)]
struct EndedActors(Mutex<Ended>);

#[derive(Default)]
struct Ended {
    waiting: Vec<Arc<dyn Supervised>>,
    closed: Option<Unavailable>,
}

impl EndedActors {
    fn push(
        &self,
        incarnation: Arc<dyn Supervised>,
    ) -> Result<(), (Arc<dyn Supervised>, Unavailable)> {
        let mut ended = self.lock();
        match &ended.closed {
            Some(why) => Err((incarnation, why.clone())),
            None => {
                ended.waiting.push(incarnation);
                Ok(())
            }
        }
    }

    fn take(&self) -> Vec<Arc<dyn Supervised>> {
        std::mem::take(&mut self.lock().waiting)
    }

    /// Refuses what waits and what follows.
    fn close(&self, why: Unavailable) {
        let mut ended = self.lock();
        let why = ended.closed.get_or_insert(why).clone();
        let waiting = std::mem::take(&mut ended.waiting);
        drop(ended);
        for incarnation in waiting {
            incarnation.refuse(why.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ended> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Supervisor {
    ended: Arc<EndedActors>,
}

/// Closes the queue when the supervisor ends, however it ends: with the tokio runtime, too.
struct ClosesQueue(Arc<EndedActors>);

impl Drop for ClosesQueue {
    fn drop(&mut self) {
        self.0.close(Unavailable::TokioRuntimeEnded);
    }
}

#[ractor::actor(message = Bell, state = ClosesQueue, arguments = ())]
impl Supervisor {
    async fn pre_start(
        &self,
        _myself: ActorRef<Bell>,
        _arguments: (),
    ) -> Result<ClosesQueue, ActorProcessingErr> {
        Ok(ClosesQueue(self.ended.clone()))
    }

    async fn handle(
        &self,
        _myself: ActorRef<Bell>,
        _bell: Bell,
        _closes_queue: &mut ClosesQueue,
    ) -> Result<(), ActorProcessingErr> {
        for incarnation in self.ended.take() {
            // A metrics recorder or a tracing layer may panic. The other incarnations are still restarted.
            let _ = guarded(|| incarnation.restart());
        }
        Ok(())
    }
}

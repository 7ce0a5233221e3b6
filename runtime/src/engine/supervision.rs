//! [`Supervision`]: managers, the actors that start the aggregates' actors and are notified when they end.
//!
//! Managers are sharded by the aggregate's hash, because one supervisor with a million children stalls
//! unrelated starts for up to a quarter of a second while its table grows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ractor::actor::ActorRuntime;
use ractor::{ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};

/// The only message of all actors: it announces work that waits beside the actor, and carries nothing. A
/// plain byte, because that is a message under every feature set of ractor.
pub(crate) type Bell = u8;

/// How many managers there are. Measured: 64 keep the worst stall of an unrelated start below
/// 83 ms while a million aggregates are loaded, and cost nothing when idle.
const MANAGERS: usize = 64;

/// The managers with their queues.
pub(crate) struct Supervision {
    queues: Vec<Arc<StartQueue>>,
    managers: Vec<ActorRef<Bell>>,
}

/// The starts that wait for one manager; `None` once it is closed.
struct StartQueue {
    waiting: Mutex<Option<Vec<Arc<dyn Supervised>>>>,
}

impl StartQueue {
    fn waiting(&self) -> MutexGuard<'_, Option<Vec<Arc<dyn Supervised>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An incarnation as its manager sees it.
pub(crate) trait Supervised: Send + Sync {
    /// Starts its actor under `manager`, and returns the actor's id if it has started.
    fn start(self: Arc<Self>, manager: ActorCell) -> Option<ActorId>;
    /// Reports that the managers are stopped, so it will not be started.
    fn refuse(&self);
    /// Reports that its actor has ended, and why.
    fn ended(&self, why: &dyn std::fmt::Display);
}

impl Supervision {
    pub(crate) async fn start_managers() -> Result<Self, ractor::SpawnErr> {
        let (mut queues, mut managers) = (Vec::new(), Vec::new());
        for _ in 0..MANAGERS {
            let queue = Arc::new(StartQueue { waiting: Mutex::new(Some(Vec::new())) });
            let (manager, _) =
                ActorRuntime::spawn(None, Manager { queue: queue.clone() }, ()).await?;
            queues.push(queue);
            managers.push(manager);
        }
        Ok(Self { queues, managers })
    }

    /// Starts an incarnation from the manager's task: if the caller is dropped, the start still happens.
    pub(crate) fn start(&self, shard: usize, activation: Arc<dyn Supervised>) {
        let manager = shard % MANAGERS;
        let mut waiting = self.queues[manager].waiting();
        let Some(waiting) = &mut *waiting else {
            drop(waiting);
            return activation.refuse();
        };
        waiting.push(activation);
        if waiting.len() == 1 {
            // Fails only if the manager was stopped just now: then its queue is about to be closed.
            let _ = self.managers[manager].cast(1);
        }
    }

    /// Stops the managers, and with them all actors of aggregates.
    pub(crate) fn stop(&self) {
        for (queue, manager) in self.queues.iter().zip(&self.managers) {
            manager.stop(None);
            let refused = queue.waiting().take();
            for activation in refused.into_iter().flatten() {
                activation.refuse();
            }
        }
    }
}

struct Manager {
    queue: Arc<StartQueue>,
}

/// The aggregates under one manager, by the id of their actor.
type Children = HashMap<ActorId, Arc<dyn Supervised>>;

#[ractor::actor(message = Bell, state = Children, arguments = ())]
impl Manager {
    async fn pre_start(
        &self,
        _myself: ActorRef<Bell>,
        _arguments: (),
    ) -> Result<Children, ActorProcessingErr> {
        Ok(Children::new())
    }

    async fn handle(
        &self,
        myself: ActorRef<Bell>,
        _bell: Bell,
        children: &mut Children,
    ) -> Result<(), ActorProcessingErr> {
        let waiting = self.queue.waiting().as_mut().map(std::mem::take);
        for activation in waiting.into_iter().flatten() {
            if let Some(actor) = activation.clone().start(myself.get_cell()) {
                children.insert(actor, activation);
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Bell>,
        event: SupervisionEvent,
        children: &mut Children,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorTerminated(cell, _, _) => {
                if let Some(activation) = children.remove(&cell.get_id()) {
                    activation.ended(&"it was stopped");
                }
            }
            SupervisionEvent::ActorFailed(cell, error) => {
                if let Some(activation) = children.remove(&cell.get_id()) {
                    activation.ended(&error);
                }
            }
            // Starts, and events that only exist under other feature sets of ractor.
            _ => {}
        }
        Ok(())
    }
}

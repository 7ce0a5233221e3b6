//! The managers: actors that start the aggregates' actors and hear of their ends.
//!
//! They are sharded by the aggregate's hash, because one supervisor with a million children stalls
//! unrelated starts for up to a quarter of a second while its table grows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ractor::actor::ActorRuntime;
use ractor::{ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::aggregate::inbox::Bell;

/// How many managers there are. Measured: 64 keep the worst stall of an unrelated start below
/// 83 ms while a million aggregates come into memory, and cost nothing when idle.
const MANAGERS: usize = 64;

pub(crate) struct Supervision {
    queues: Vec<Arc<StartQueue>>,
    managers: Vec<ActorRef<Bell>>,
}

/// What waits for one manager; nothing any more once it is closed.
struct StartQueue {
    waiting: Mutex<Option<Vec<Arc<dyn Supervised>>>>,
}

impl StartQueue {
    fn waiting(&self) -> MutexGuard<'_, Option<Vec<Arc<dyn Supervised>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An aggregate as its manager sees it.
pub(crate) trait Supervised: Send + Sync {
    /// Starts an incarnation under `manager`.
    fn start(self: Arc<Self>, manager: ActorCell) -> Option<ActorId>;
    /// There is no manager any more, and will be none.
    fn refuse(&self);
    /// Its actor has ended; `failed` if it did so on its own account.
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

    /// Has an incarnation started for the aggregate, off the caller's task: a caller that gives up
    /// does not take the start with it.
    pub(crate) fn start(&self, shard: usize, activation: Arc<dyn Supervised>) {
        let place = shard % MANAGERS;
        let mut waiting = self.queues[place].waiting();
        let Some(waiting) = &mut *waiting else {
            drop(waiting);
            return activation.refuse();
        };
        waiting.push(activation);
        if waiting.len() == 1 {
            // Fails only when the manager was stopped just now: then its desk is about to close.
            let _ = self.managers[place].cast(1);
        }
    }

    /// Stops the managers, and with them every aggregate's actor.
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

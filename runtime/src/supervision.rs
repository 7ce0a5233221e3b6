//! The managers: actors that start the aggregates' actors and hear of their ends.
//!
//! They are sharded by the aggregate's hash, because one supervisor with a million children stalls
//! unrelated starts for up to a quarter of a second while its table grows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ractor::actor::ActorRuntime;
use ractor::{ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::slot::Bell;

/// How many managers there are. Measured: 64 keep the worst stall of an unrelated start below
/// 83 ms while a million aggregates come into memory, and cost nothing when idle.
const MANAGERS: usize = 64;

pub(crate) struct Supervision {
    desks: Vec<Arc<Desk>>,
    managers: Vec<ActorRef<Bell>>,
}

/// What waits for one manager.
#[derive(Default)]
struct Desk {
    waiting: Mutex<Vec<Arc<dyn Seated>>>,
}

/// An aggregate as its manager sees it.
pub(crate) trait Seated: Send + Sync {
    /// Starts an incarnation under `manager`.
    fn start(self: Arc<Self>, manager: ActorCell) -> Option<ActorId>;
    /// Its actor has ended; `failed` if it did so on its own account.
    fn ended(&self, why: &dyn std::fmt::Display);
}

impl Supervision {
    pub(crate) async fn start_managers() -> Result<Self, ractor::SpawnErr> {
        let (mut desks, mut managers) = (Vec::new(), Vec::new());
        for _ in 0..MANAGERS {
            let desk = Arc::new(Desk::default());
            let (manager, _) =
                ActorRuntime::spawn(None, Manager { desk: desk.clone() }, ()).await?;
            desks.push(desk);
            managers.push(manager);
        }
        Ok(Self { desks, managers })
    }

    /// Has an incarnation started for the aggregate, off the caller's task: a caller that gives up
    /// does not take the start with it.
    pub(crate) fn start(&self, shard: usize, seat: Arc<dyn Seated>) {
        let place = shard % MANAGERS;
        let mut waiting = self.desks[place].waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(seat);
        if waiting.len() == 1 {
            // Fails only when the runtime is closed; the requests are answered when it is dropped.
            let _ = self.managers[place].cast(1);
        }
    }

    pub(crate) fn stop(&self) {
        for manager in &self.managers {
            manager.stop(None);
        }
    }
}

struct Manager {
    desk: Arc<Desk>,
}

/// The aggregates under one manager, by the id of their actor.
type Children = HashMap<ActorId, Arc<dyn Seated>>;

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
        let waiting = {
            let mut waiting = self.desk.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *waiting)
        };
        for seat in waiting {
            if let Some(actor) = seat.clone().start(myself.get_cell()) {
                children.insert(actor, seat);
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
                if let Some(seat) = children.remove(&cell.get_id()) {
                    seat.ended(&"it was stopped");
                }
            }
            SupervisionEvent::ActorFailed(cell, error) => {
                if let Some(seat) = children.remove(&cell.get_id()) {
                    seat.ended(&error);
                }
            }
            // Starts, and events that only exist under other feature sets of ractor.
            _ => {}
        }
        Ok(())
    }
}

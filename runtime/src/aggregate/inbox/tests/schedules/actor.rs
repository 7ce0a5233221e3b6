//! A model of the actor of one incarnation, with the steps of `AggregateActor`. It may fail at each step.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use actuarius_domain::Position;
use shuttle::future::yield_now;

use super::callers::Book;
use super::store::RunningTurn;
use super::turn::{Turn, TurnEnd};
use super::world::World;
use super::{lock, once_in};
use crate::aggregate::activation::Activation;
use crate::aggregate::inbox::{Bell, TurnOutcome, Work};
use crate::aggregate::incarnation::Incarnation;
use crate::aggregate::pending_append::TurnGuard;
use crate::aggregate::replay::Start;
use crate::aggregate::request::Request;
use crate::base::error::Unavailable;

pub(super) struct Actor {
    world: Arc<World>,
    activation: Arc<Activation<Book>>,
    is_counted: bool,
}

/// A running turn. The store forgets it first, so that it is not counted beside the next one.
pub(super) struct Guards {
    pub(super) running: RunningTurn,
    pub(super) guard: TurnGuard<Book>,
}

impl Actor {
    pub(super) fn new(world: Arc<World>, activation: Arc<Activation<Book>>) -> Self {
        Self { world, activation, is_counted: false }
    }

    pub(super) async fn run(mut self) {
        let Some(mut incarnation) = self.load().await else { return };
        loop {
            let bell = self.bell().await;
            let work = match bell {
                Bell::Work(work) => work,
                Bell::NoRoom if self.world.actor_fails() => return,
                Bell::NoRoom => continue,
                Bell::Over => return,
            };
            let guards = (!work.requests.is_empty()).then(|| self.start_turn());
            if work.stays {
                self.world.hosted.residency.stays(&self.activation.slot);
                lock(&self.world.in_memory).push(self.activation.slot.clone());
            }
            if must_be_rebuilt(&incarnation, &work) {
                drop(incarnation);
                let Some(rebuilt) = self.rebuild(work, guards).await else { return };
                incarnation = rebuilt;
                continue;
            }
            incarnation.record_outcome(work.last_turn);
            if !self.process(&mut incarnation, work, guards) {
                return;
            }
        }
    }

    async fn bell(&self) -> Bell<Book> {
        let (Activation { slot, epoch, .. }, store) = (&*self.activation, &self.world.store);
        let mut room = pin!(store.room());
        poll_fn(|context| match slot.poll_work(*epoch, store.has_room(), context) {
            Poll::Ready(Bell::NoRoom) => room.as_mut().poll(context).map(|()| Bell::NoRoom),
            bell => bell,
        })
        .await
    }

    fn start_turn(&self) -> Guards {
        let running = self.world.store.start_turn();
        Guards { running, guard: TurnGuard::new(self.activation.clone()) }
    }

    async fn load(&mut self) -> Option<Box<Incarnation<Book>>> {
        let Activation { hosted, slot, epoch, .. } = &*self.activation;
        let incarnation = if slot.first_request_assumes_new() {
            Box::new(Incarnation::assumed_new())
        } else {
            self.recover().await?
        };
        hosted.loaded(slot);
        lock(&self.world.in_memory).push(slot.clone());
        self.is_counted = true;
        slot.set_resident(*epoch).then_some(incarnation)
    }

    async fn rebuild(
        &self,
        work: Work<Book>,
        guards: Option<Guards>,
    ) -> Option<Box<Incarnation<Book>>> {
        self.activation.put_back(work.requests);
        if let Some(Guards { running, guard }) = guards {
            drop(running);
            guard.end(TurnOutcome::Nothing);
        }
        self.activation.slot.state_dropped();
        let rebuilt = self.recover().await;
        self.activation.slot.rebuilt();
        rebuilt
    }

    /// Recovers, is cut off, or finds that the aggregate cannot be read now or ever.
    async fn recover(&self) -> Option<Box<Incarnation<Book>>> {
        yield_now().await;
        let version = self.world.store.version();
        yield_now().await;
        if self.world.actor_fails() {
            return None;
        }
        if self.world.store.is_stopped() || once_in(12) {
            self.activation.close_unavailable(&Unavailable::ShuttingDown);
            return None;
        }
        if once_in(20) {
            self.activation.quarantine_after_failed_recovery("a panic".to_owned());
            return None;
        }
        let position = Position::new(version.get());
        Some(Box::new(Incarnation::from_start(Start { version, position, ..Start::empty() })))
    }

    /// Returns whether the actor continues.
    fn process(
        &self,
        incarnation: &mut Incarnation<Book>,
        work: Work<Book>,
        guards: Option<Guards>,
    ) -> bool {
        let Some(guards) = guards else {
            return !self.world.actor_fails() && (!work.leaving || self.stays());
        };
        let turn = Turn::new(&self.world, &self.activation, guards, incarnation);
        turn.run(work.requests) == TurnEnd::Usable
    }

    /// Unloads the aggregate, unless a request has arrived in the meantime.
    fn stays(&self) -> bool {
        let Activation { slot, owner, .. } = &*self.activation;
        !slot.try_close(|| owner.remove(slot))
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let Activation { hosted, slot, epoch, .. } = &*self.activation;
        if self.is_counted {
            hosted.unloaded(slot, *epoch);
        }
        if slot.is_in_service(*epoch) {
            self.world.report_end(self.activation.clone());
        }
    }
}

fn must_be_rebuilt(incarnation: &Incarnation<Book>, work: &Work<Book>) -> bool {
    let is_proved = matches!(work.last_turn, Some(TurnOutcome::Stored { .. }));
    let first_assumes_new = work.requests.front().map(Request::assumes_new);
    work.last_turn == Some(TurnOutcome::Failed)
        || work.needs_rebuild
        || (!is_proved && incarnation.certainty.must_recover(first_assumes_new))
}

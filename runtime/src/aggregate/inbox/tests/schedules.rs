//! Explores the schedules of the inbox: many parties use one aggregate at once, and a schedule explorer decides, at
//! each access to a slot, which of them runs next.
//!
//! The slots, the activations, the turn guards, the appends in flight, the replies and the restart after a
//! failure are those of the library. What would need threads of its own is a model with the same steps: the
//! directory, the store and the supervisor (`world`, `store`), and the actor's loop (`actor`, `turn`).
//!
//! In each schedule, these are checked:
//!
//! - Each caller that waits receives one answer, which agrees with what is stored. A request that is lost, or a
//!   bell that is not rung, leaves a party waiting, which the explorer reports as a deadlock.
//! - Nothing is stored twice, and the commands of one caller are stored in the order in which it sent them.
//! - One turn is in flight at a time, over all incarnations and slots of the aggregate, and none decides on a
//!   state that is out of date.
//! - Each incarnation is started once, and its number is higher than those of the earlier ones of its slot.
//! - At the end, nothing is in memory, in an inbox, or counted as inside.
//!
//! A failure prints its seed. `SHUTTLE_RANDOM_SEED=<seed>` repeats the schedule of a random run.

mod actor;
mod callers;
mod parties;
mod store;
mod turn;
mod world;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, MaxSteps, Runner};

use crate::builder::RuntimeBuilder;
use crate::engine::Engine;
use world::World;

/// How many schedules a run of the tests explores. `ACTUARIUS_SCHEDULES` sets another number.
const SCHEDULES: usize = 100_000;

/// How many switches between parties one schedule has at most. The longest have a few thousand.
const SWITCHES: usize = 50_000;

/// How many of a schedule's switches are not the choice of the party with the highest priority.
const PRIORITY_CHANGES: usize = 3;

const SEED: u64 = 42;

/// A request that arrived at the wrong moment was lost, or was answered by an incarnation that had ended: such
/// orders are too rare for tests with real threads.
#[test]
fn in_every_random_schedule_each_request_is_answered_once_and_in_order() {
    explore(|schedules| RandomScheduler::new_from_seed(SEED, schedules), SCHEDULES);
}

/// Some orders need one party to stand still while all others run to their ends. Random schedules hardly ever do
/// that; here, each party has a priority.
#[test]
fn in_schedules_by_priority_each_request_is_answered_once_and_in_order() {
    let scheduler = |schedules| PctScheduler::new_from_seed(SEED, PRIORITY_CHANGES, schedules);
    explore(scheduler, SCHEDULES / 4);
}

fn explore<S: Scheduler + 'static>(scheduler: impl FnOnce(usize) -> S, schedules: usize) {
    let asked_for = std::env::var("ACTUARIUS_SCHEDULES").ok();
    let schedules = asked_for.map_or(schedules, |it| it.parse().expect("a number of schedules"));
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("tokio");
    // Its threads are never used: the world models what they would do.
    let runtime = tokio.block_on(RuntimeBuilder::default().in_memory()).expect("a runtime");
    let engine = runtime.inner.engine.clone();
    let mut config = Config::new();
    config.stack_size = 256 * 1024;
    config.max_steps = MaxSteps::FailAfter(SWITCHES);
    Runner::new(scheduler(schedules), config).run(move || one_schedule(&engine));
}

fn one_schedule(engine: &Arc<Engine>) {
    let world = World::new(engine.clone());
    let callers: Vec<_> = (0..3).map(|caller| callers::start(caller, &world)).collect();
    let parties = parties::start_some(&world);
    let mut answers = Vec::new();
    for caller in callers {
        answers.extend(caller.join().expect("a caller"));
    }
    for party in parties {
        party.join().expect("a party");
    }
    world.unload();
    callers::check(&answers, &world.store);
    world.check();
}

/// Lets another party run. Does nothing outside of the explorer.
pub(in crate::aggregate::inbox) fn switch() {
    let is_explored = shuttle::current::try_get_current_task().is_some();
    if is_explored && !std::thread::panicking() {
        // Only a switch: the explorer has no time.
        shuttle::thread::sleep(Duration::ZERO);
    }
}

/// Locks something that only the model uses. It is never locked at a switch.
fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().expect("not poisoned, because a panic ends the exploration")
}

/// Returns true once in `n` times.
fn once_in(n: u32) -> bool {
    thread_rng().gen_range(0..n) == 0
}

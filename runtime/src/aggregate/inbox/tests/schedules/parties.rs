//! The parties beside the callers: each disturbs the aggregate in its own way, in half of the schedules.

use std::sync::Arc;

use shuttle::thread::{JoinHandle, yield_now};

use super::world::{World, quarantine_of};
use super::{lock, once_in, switch};
use crate::aggregate::activation::SlotOwner;
use crate::aggregate::inbox::Eviction;
use crate::base::error::QuarantineReason;

/// Starts some of the parties.
pub(super) fn start_some(world: &Arc<World>) -> Vec<JoinHandle<()>> {
    let all: [fn(&Arc<World>); 8] =
        [evict, passivate, rebuild, quarantine, release, forget, fill_the_store, end];
    let some = all.into_iter().filter(|_| once_in(2));
    some.map(|party| {
        let world = world.clone();
        shuttle::thread::spawn(move || party(&world))
    })
    .collect()
}

/// Evicts the aggregates that are listed as in memory, with the steps of `Residency::evict`, which holds the lock
/// of its list meanwhile.
fn evict(world: &Arc<World>) {
    for _ in 0..3 {
        switch();
        let Some(slot) = lock(&world.in_memory).pop() else { continue };
        if world.hosted.residency.evict_slot(&slot) == Eviction::Busy {
            lock(&world.in_memory).push(slot);
        }
    }
}

/// Unloads the aggregate as soon as it is idle.
fn passivate(world: &Arc<World>) {
    for _ in 0..2 {
        switch();
        if let Some(slot) = world.existing() {
            slot.leave_when_idle();
        }
    }
}

/// Forgets a subject whose clear text the state may hold, and waits until it does not.
fn rebuild(world: &Arc<World>) {
    switch();
    let Some(slot) = world.existing().filter(|slot| !slot.is_unloaded()) else { return };
    slot.request_rebuild();
    while slot.needs_rebuild() {
        yield_now();
    }
}

/// Puts the aggregate out of service after the failures of earlier actors, as a slow supervisor does while the
/// next incarnation is at work, and back into service.
fn quarantine(world: &Arc<World>) {
    for _ in 0..2 {
        switch();
        let Some(slot) = world.existing() else { continue };
        world.hosted.quarantine(&slot, quarantine_of(&slot, QuarantineReason::KeepsFailing(3)));
        if once_in(2) {
            slot.release(|| world.hosted.residency.released(slot.stream.id()));
        }
    }
}

/// Puts the aggregate back into service, if it is quarantined.
fn release(world: &Arc<World>) {
    for _ in 0..4 {
        switch();
        if let Some(slot) = world.existing() {
            slot.release(|| world.hosted.residency.released(slot.stream.id()));
        }
    }
}

/// Removes a slot without an incarnation, because there are too many.
fn forget(world: &Arc<World>) {
    for _ in 0..3 {
        switch();
        if let Some(slot) = world.existing() {
            slot.forget(|| {
                world.remove(&slot);
                world.hosted.residency.released(slot.stream.id());
            });
        }
    }
}

/// Another aggregate fills the room for appends for a moment.
fn fill_the_store(world: &Arc<World>) {
    world.store.set_full(true);
    for _ in 0..10 {
        switch();
    }
    world.store.set_full(false);
}

/// Ends everything, in some of the schedules.
fn end(world: &Arc<World>) {
    if once_in(2) {
        switch();
        world.end();
    }
}

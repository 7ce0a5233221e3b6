//! Storing and removing snapshots. A small one is stored with its batch, a large one in pieces.
//!
//! The parts of a large snapshot are listed as leftovers, then written from part 1 on, and part 0 is written
//! last, in the group that strikes the list off. So a snapshot is found only when it is whole, and what a
//! power cut leaves of one is removed later.

use actuarius_persistence::{NewSnapshot, StoreFailure};

use super::backlog::{Backlog, CLEARINGS_MAX, Job, Keeping};
use super::packing::BatchPacker;
use crate::engine::{Engine, Group};
use crate::error::engine_io;
use crate::keys::{self, StreamHash};
use crate::leftovers::Leftover;
use crate::snapshots::BLANK;
use crate::snapshots::parts::{PAYLOAD_MAX, Parts};
use crate::snapshots::surplus::{Surplus, surplus};

/// How many parts are stored or removed in one group.
const PARTS_AT_ONCE: u16 = 12;

/// Stores a snapshot with the batch if it is small, or adds it to the backlog.
pub(super) fn keep(
    packer: &mut BatchPacker<'_>,
    backlog: &mut Backlog,
    key: StreamHash,
    new: &NewSnapshot,
) -> Result<(), StoreFailure> {
    if new.payload.len() > PAYLOAD_MAX {
        tracing::warn!(
            target: "actuarius::store",
            stream = %new.stream,
            "a snapshot is too large to store"
        );
        return Ok(());
    }
    let mut parts = Parts::of(new);
    if parts.count() > PARTS_AT_ONCE || backlog.concerns(key) {
        backlog.keep(key, new);
        return Ok(());
    }
    keep_now(packer, backlog, (key, new), &mut parts)
}

/// Removes all snapshots of a stream, and gives up those that wait. None is found when the batch is durable.
pub(super) fn drop_all(
    packer: &mut BatchPacker<'_>,
    backlog: &mut Backlog,
    key: StreamHash,
) -> Result<(), StoreFailure> {
    backlog.give_up(key, |_| true);
    packer.begin_stream(key)?;
    let found = readable(surplus(packer.engine(), key, u64::MAX, (1, None)));
    let older = found.map(|found| found.older).unwrap_or_default();
    older.into_iter().try_for_each(|old| retire(packer, backlog, key, old))
}

/// Carries out the backlog, until sled has written about `piece` bytes for it.
pub(super) fn work(
    packer: &mut BatchPacker<'_>,
    backlog: &mut Backlog,
    piece: usize,
) -> Result<(), StoreFailure> {
    let end = packer.written() + piece;
    while packer.written() < end
        && let Some(job) = backlog.take()
    {
        match job {
            Job::Clear(leftover) => clear(packer, backlog, leftover)?,
            Job::Keep(keeping) if keeping.has_begun => go_on(packer, backlog, keeping)?,
            Job::Keep(keeping) => begin(packer, backlog, keeping)?,
        }
    }
    Ok(())
}

/// Stores a small snapshot in one group, which makes it atomic, and removes older ones after it, so that
/// there is always one.
fn keep_now(
    packer: &mut BatchPacker<'_>,
    backlog: &mut Backlog,
    (key, new): (StreamHash, &NewSnapshot),
    parts: &mut Parts,
) -> Result<(), StoreFailure> {
    packer.begin_stream(key)?;
    let Some(found) = find_surplus(packer.engine(), key, new) else { return Ok(()) };
    let (version, count) = (new.version.get(), parts.count());
    let part = |number| keys::snapshot(key, version, number);
    if !can_change(packer.engine(), &[&part(0), &part(count - 1)]) {
        return Ok(());
    }
    let mut group = Group::default();
    for _ in 1..count {
        let number = parts.next();
        group.put_in_order(&keys::snapshot(key, version, number), parts.take());
    }
    group.put(packer.engine().db(), &keys::snapshot(key, version, 0), parts.take());
    if let Some(last) = found.replaced.filter(|&last| last >= count) {
        let prefix = keys::snapshot_parts(key, version);
        remove_rest(packer, backlog, &mut group, Leftover { prefix, parts: count..last + 1 });
    }
    packer.together(group)?;
    found.older.into_iter().try_for_each(|old| retire(packer, backlog, key, old))
}

/// Begins a snapshot that waited: lists its parts, after those of an older one at its version were removed.
fn begin(
    packer: &mut BatchPacker<'_>,
    backlog: &mut Backlog,
    mut keeping: Box<Keeping>,
) -> Result<(), StoreFailure> {
    let (key, version) = (keeping.key, keeping.version());
    packer.begin_stream(key)?;
    let Some(found) = find_surplus(packer.engine(), key, &keeping.new) else { return Ok(()) };
    let rest = keeping.rest();
    let is_cleared_first = backlog.clear_first(&rest.prefix);
    if keeping.parts.count() <= PARTS_AT_ONCE && !is_cleared_first {
        let keeping = &mut *keeping;
        return keep_now(packer, backlog, (key, &keeping.new), &mut keeping.parts);
    }
    if is_cleared_first || found.replaced.is_some() {
        if keeping.clearings == CLEARINGS_MAX {
            report_damage("a snapshot is not stored");
            return Ok(());
        }
        keeping.clearings += 1;
        if let Some(last) = found.replaced.filter(|_| !is_cleared_first) {
            retire(packer, backlog, key, (version, last))?;
        }
        backlog.put_back(Job::Keep(keeping));
        backlog.clear_first(&rest.prefix);
        return Ok(());
    }
    let (listed, value) = rest.listed();
    if !can_change(packer.engine(), &[&listed]) {
        return Ok(());
    }
    packer.put(&listed, value)?;
    keeping.has_begun = true;
    backlog.put_back(Job::Keep(keeping));
    Ok(())
}

/// Writes the next part of a snapshot. The last one makes it whole.
fn go_on(
    packer: &mut BatchPacker<'_>,
    backlog: &mut Backlog,
    mut keeping: Box<Keeping>,
) -> Result<(), StoreFailure> {
    let (key, version, number) = (keeping.key, keeping.version(), keeping.parts.next());
    if number > 0 {
        let place = keys::snapshot(key, version, number);
        if !can_change(packer.engine(), &[&place]) {
            backlog.clear(keeping.rest());
            return Ok(());
        }
        let part = keeping.parts.take();
        // The first one goes into a leaf of others.
        if number == 1 {
            packer.put(&place, part)?;
        } else {
            packer.put_in_order(&place, part)?;
        }
        backlog.put_back(Job::Keep(keeping));
        return Ok(());
    }
    packer.begin_stream(key)?;
    let (front, listed) = (keys::snapshot(key, version, 0), keys::leftover(&keeping.rest().prefix));
    let found = find_surplus(packer.engine(), key, &keeping.new);
    let Some(found) = found.filter(|_| can_change(packer.engine(), &[&front, &listed])) else {
        backlog.clear(keeping.rest());
        return Ok(());
    };
    let mut group = Group::default();
    group.put(packer.engine().db(), &front, keeping.parts.take());
    group.remove(packer.engine().db(), &listed);
    packer.together(group)?;
    found.older.into_iter().try_for_each(|old| retire(packer, backlog, key, old))
}

/// Removes part 0 of a snapshot, after which it is not found, and its other parts with it or later.
fn retire(
    packer: &mut BatchPacker<'_>,
    backlog: &mut Backlog,
    key: StreamHash,
    (version, last): (u64, u16),
) -> Result<(), StoreFailure> {
    let (front, mut group) = (keys::snapshot(key, version, 0), Group::default());
    if !can_remove(packer.engine(), &front) {
        return blank(packer, &front);
    }
    group.remove(packer.engine().db(), &front);
    if last > 0 {
        let prefix = keys::snapshot_parts(key, version);
        remove_rest(packer, backlog, &mut group, Leftover { prefix, parts: 1..last + 1 });
    }
    packer.together(group)
}

/// Overwrites part 0 of a snapshot that cannot be removed, so that its state is not read any more.
fn blank(packer: &mut BatchPacker<'_>, front: &[u8]) -> Result<(), StoreFailure> {
    if packer.engine().is_writable(front) { packer.put(front, BLANK.to_vec()) } else { Ok(()) }
}

/// Removes parts that nothing refers to any more: with the group if they are few, or in pieces.
pub(super) fn remove_rest(
    packer: &BatchPacker<'_>,
    backlog: &mut Backlog,
    group: &mut Group,
    leftover: Leftover,
) {
    let (first, listed) = (leftover.parts.start, keys::leftover(&leftover.prefix));
    let is_writable = packer.engine().is_writable(&listed);
    if !can_remove(packer.engine(), &keys::part(&leftover.prefix, first)) || !is_writable {
        return;
    }
    if leftover.parts.len() <= usize::from(PARTS_AT_ONCE) {
        let mut parts = leftover.parts.map(|number| keys::part(&leftover.prefix, number));
        parts.next().iter().for_each(|first| group.remove(packer.engine().db(), first));
        parts.for_each(|part| group.remove_part(&part));
        return;
    }
    let (listed, value) = leftover.listed();
    group.put(packer.engine().db(), &listed, value);
    backlog.clear(leftover);
}

/// Removes the last of the parts, and strikes the list off after the first.
fn clear(
    packer: &mut BatchPacker<'_>,
    backlog: &mut Backlog,
    mut leftover: Leftover,
) -> Result<(), StoreFailure> {
    let number = leftover.parts.next_back();
    let part = match number {
        Some(number) => keys::part(&leftover.prefix, number),
        None => keys::leftover(&leftover.prefix).iter().copied().collect(),
    };
    if !can_remove(packer.engine(), &part) {
        return Ok(());
    }
    if number.is_none() {
        return packer.remove(&part);
    }
    // The first one is in a leaf of others.
    if leftover.parts.is_empty() {
        packer.remove(&part)?;
    } else {
        packer.remove_part(&part)?;
    }
    backlog.put_back(Job::Clear(leftover));
    Ok(())
}

/// Returns what to remove for a new snapshot, or `None` if it is not to be stored.
fn find_surplus(engine: &Engine, key: StreamHash, new: &NewSnapshot) -> Option<Surplus> {
    let found = surplus(engine, key, new.version.get(), (new.keep, new.keep_since));
    readable(found).filter(|found| !found.is_superfluous)
}

/// Returns whether these keys can be changed: a group fails as a whole if a page of it is damaged. If not, the
/// stream goes without a new snapshot.
fn can_change(engine: &Engine, keys: &[&[u8]]) -> bool {
    let can = keys.iter().all(|key| engine.is_writable(key));
    if !can {
        report_damage("a snapshot is not stored");
    }
    can
}

/// Returns whether a key can be removed. If not, what nothing refers to takes space until the store is compacted.
fn can_remove(engine: &Engine, key: &[u8]) -> bool {
    let can = engine.is_removable(key);
    if !can {
        report_damage("a part of a snapshot is not removed");
    }
    can
}

fn report_damage(what: &str) {
    tracing::error!(target: "actuarius::store", "{what}, because its page is damaged; compact the store");
}

/// Reports damage among the snapshots of a stream. They are optional, so the stream goes without a new one
/// and no other work is affected.
fn readable(found: sled::Result<Surplus>) -> Option<Surplus> {
    let report = |error: &sled::Error| {
        let error = engine_io(error.clone());
        tracing::error!(target: "actuarius::store", %error, "snapshots cannot be read");
    };
    found.inspect_err(report).ok()
}

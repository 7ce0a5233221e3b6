//! Which snapshots of a stream are removed when a new one is stored.

use actuarius_domain::Timestamp;

use super::{front, time};
use crate::engine::Engine;
use crate::keys::{self, StreamHash};
use crate::leftovers;

/// What to remove so that a stream keeps no more snapshots than a new one allows: the oldest ones, those
/// that are too old, and the one that is replaced. Each comes with its highest part number.
pub(crate) struct Surplus {
    /// The versions of the snapshots to remove, with their highest parts: all of the stream's if the new
    /// version is `u64::MAX`.
    pub(crate) older: Vec<(u64, u16)>,
    /// The highest part of the snapshot at the version of the new one.
    pub(crate) replaced: Option<u16>,
    /// Whether `keep` newer snapshots exist already, so that the new one is not stored.
    pub(crate) is_superfluous: bool,
}

/// Finds what to remove when a snapshot of `version` is stored.
pub(crate) fn surplus(
    engine: &Engine,
    key: StreamHash,
    version: u64,
    (keep, since): (u32, Option<Timestamp>),
) -> sled::Result<Surplus> {
    let keep = keep.max(1);
    let (mut newer, mut older) = (0, 0);
    let mut surplus = Surplus { older: vec![], replaced: None, is_superfluous: false };
    let mut last = keys::snapshot(key, u64::MAX, u16::MAX);
    while let Some((found, _)) = engine.floor(&last)?
        && let Some((at, part)) = keys::snapshot_place(key, &found)
    {
        let front = front(engine, key, at)?;
        let is_listed = || leftovers::is_listed(engine, &keys::snapshot_parts(key, at));
        match at.cmp(&version) {
            std::cmp::Ordering::Greater => newer += u32::from(front.is_some()),
            std::cmp::Ordering::Equal => surplus.replaced = Some(part),
            // Its parts are being written or removed.
            std::cmp::Ordering::Less if front.is_none() && is_listed()? => {}
            std::cmp::Ordering::Less => {
                let is_wanted = front.is_some_and(|front| !is_too_old(&front, since));
                older += u32::from(is_wanted);
                if !is_wanted || newer + 1 + older > keep {
                    surplus.older.push((at, part));
                }
            }
        }
        let Some(next) = at.checked_sub(1) else { break };
        last = keys::snapshot(key, next, u16::MAX);
    }
    surplus.is_superfluous = newer >= keep;
    Ok(surplus)
}

/// Returns whether the snapshot is older than `since`. One of unknown age is not; it still counts.
pub(super) fn is_too_old(front: &[u8], since: Option<Timestamp>) -> bool {
    since.is_some_and(|since| time(front).is_ok_and(|time| time < since))
}

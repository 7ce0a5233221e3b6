use std::collections::{BTreeMap, BTreeSet};

use actuarius_domain::Position;
use tokio::time::Instant;

use crate::followers::{FollowerStatus, Retry};

/// The events in the lanes that have failed and are not finished yet: how often, why, and when they
/// are tried again. Bounded by the events in the lanes.
#[derive(Default)]
pub(super) struct Failures {
    failed: BTreeMap<Position, Failed>,
    again_at: BTreeSet<(Instant, Position)>,
}

struct Failed {
    attempts: u32,
    why: String,
    /// It is not tried again before someone asks for it.
    given_up: bool,
}

impl Failures {
    /// Counts another failure, and returns how many there are.
    pub(super) fn count(&mut self, position: Position, why: String) -> u32 {
        let before = self.failed.remove(&position).map_or(0, |failed| failed.attempts);
        let attempts = before.saturating_add(1);
        self.failed.insert(position, Failed { attempts, why, given_up: false });
        attempts
    }

    /// Has the event tried again after the wait its failures earn, and says whether it is.
    pub(super) fn try_again(&mut self, position: Position, retry: &Retry) -> bool {
        let attempts = self.failed.get(&position).map_or(0, |failed| failed.attempts);
        let Some(wait) = retry.wait_after(attempts) else { return false };
        self.again_at.insert((Instant::now() + wait, position));
        true
    }

    /// The event is not tried again before someone asks for it.
    pub(super) fn give_up(&mut self, position: Position) {
        if let Some(failed) = self.failed.get_mut(&position) {
            failed.given_up = true;
        }
    }

    /// The event is finished or forgotten: how often it has failed, and why.
    pub(super) fn forget(&mut self, position: Position) -> Option<(u32, String)> {
        self.failed.remove(&position).map(|failed| (failed.attempts, failed.why))
    }

    /// When the next event is tried again.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.again_at.first().map(|(at, _)| *at)
    }

    /// An event that is to be tried again now.
    pub(super) fn next_due(&mut self, now: Instant) -> Option<Position> {
        let (_, position) = *self.again_at.first().filter(|(at, _)| *at <= now)?;
        self.again_at.pop_first();
        Some(position)
    }

    /// Someone asks for it: the events that were given up begin with their attempts anew.
    pub(super) fn resume(&mut self) -> Vec<Position> {
        let given_up = self.failed.iter_mut().filter(|(_, failed)| failed.given_up);
        let resumed = given_up.map(|(position, failed)| {
            (failed.attempts, failed.given_up) = (0, false);
            *position
        });
        resumed.collect()
    }

    /// How to say that some event is tried again: the first of them.
    pub(super) fn status(&self) -> Option<FollowerStatus> {
        let (position, failed) = self.failed.first_key_value()?;
        Some(FollowerStatus::Retrying {
            position: *position,
            attempts: failed.attempts,
            why: failed.why.clone(),
        })
    }
}

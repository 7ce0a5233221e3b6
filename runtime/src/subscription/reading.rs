//! Reads the log into the lanes.

use std::sync::Arc;

use actuarius_domain::Position;
use actuarius_persistence::{Commit, ReadError};
use tokio::time::Instant;

use super::checkpoint::Mark;
use super::lanes::{Lanes, Spot};
use super::routes::{Due, Routes};
use crate::base::deadline;
use crate::engine::Engine;
use crate::engine::deletions::BeforeRead;
use crate::engine::keyring::Keyring;
use crate::follow::follower::{Follower, Slice};
use crate::follow::followers::{FollowerStatus, Retry};

/// How many events of a subscription are in memory: enough to keep many workers busy, few enough
/// that a hundred slow subscriptions fit in memory. Beyond it reading pauses.
pub(super) const EVENTS_IN_FLIGHT: usize = 1_024;
/// How many bytes of them, except the last one.
const BYTES_IN_FLIGHT: usize = 16 * 1024 * 1024;

/// How many events are taken from the lowest unfinished one on. Finished events after it are handled again
/// after a crash, so a very slow handler must not let their number grow without bound. The bound is large
/// enough that an event that takes seconds, or waits for a retry, does not hold up the others.
const EVENTS_AHEAD: u64 = 65_536;

/// Reads the log and fills the lanes.
pub(super) struct Reading {
    follower: Follower,
    /// What was read last, and how many of its commits are taken as a whole.
    slice: Option<(Slice, usize)>,
    /// Up to here every event was taken, or is taken by no handler.
    taken: Mark,
    /// Set while the next commit could not be read.
    unread: Option<Unread>,
}

struct Unread {
    attempts: u32,
    why: String,
    /// `None` once it is time to retry.
    retry_at: Option<Instant>,
}

impl Reading {
    pub(super) fn after(engine: &Arc<Engine>, mark: Mark) -> Self {
        Self {
            follower: Follower::after(engine, mark.resume_after),
            slice: None,
            taken: mark,
            unread: None,
        }
    }

    /// Returns the mark up to which every event was taken, or is taken by no handler.
    pub(super) fn taken(&self) -> Mark {
        self.taken
    }

    /// Whether everything that was read is taken, and it is time to read on.
    pub(super) fn wants_more(&self) -> bool {
        self.slice.is_none() && self.next_at().is_none()
    }

    /// Reads the next commits, and waits until there are any. Cancel safe.
    ///
    /// # Errors
    /// [`ReadError`]; nothing was skipped.
    pub(super) async fn read(&mut self) -> Result<(), ReadError> {
        self.slice = Some((self.follower.next().await?, 0));
        self.unread = None;
        Ok(())
    }

    /// Schedules a retry after the wait that follows from the failures in a row. Returns whether there is one.
    pub(super) fn schedule_retry(&mut self, why: String, retry: &Retry, now: Instant) -> bool {
        let attempts = self.unread.as_ref().map_or(0, |it| it.attempts).saturating_add(1);
        let wait = retry.wait_after(attempts);
        let retry_at = wait.map(|wait| deadline::after(now, wait));
        self.unread = Some(Unread { attempts, why, retry_at });
        wait.is_some()
    }

    /// Returns when it retries.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.unread.as_ref()?.retry_at
    }

    pub(super) fn wake(&mut self, now: Instant) {
        if let Some(unread) = &mut self.unread {
            unread.retry_at = unread.retry_at.filter(|at| *at > now);
        }
    }

    /// Restarts the attempts.
    pub(super) fn resume(&mut self) {
        self.unread = None;
    }

    /// Returns the status that describes the retry.
    pub(super) fn status(&self) -> Option<FollowerStatus> {
        let Unread { attempts, why, .. } = self.unread.as_ref()?;
        let (position, attempts, why) = (self.next_position(), *attempts, why.clone());
        Some(FollowerStatus::Retrying { position, attempts, why })
    }

    /// Returns the position that is read next.
    pub(super) fn next_position(&self) -> Position {
        self.follower.at().next()
    }

    /// Takes what was read into the lanes while there is room; `parked_in_flight` is how many parked events are
    /// in memory only. Returns how many events no handler takes.
    pub(super) fn fill(
        &mut self,
        lanes: &mut Lanes<Due>,
        (routes, keyring): (&Routes, &Keyring),
        parked_in_flight: usize,
    ) -> u64 {
        let mut passed = 0;
        while let Some((slice, commits)) = &mut self.slice {
            let Some(commit) = slice.get(*commits) else {
                self.slice = None;
                break;
            };
            let by = (routes, keyring, slice.before_read());
            if !take(commit, &mut self.taken, lanes, by, parked_in_flight, &mut passed) {
                break;
            }
            *commits += 1;
        }
        passed
    }
}

/// Takes the remaining events of a commit. Returns whether all were taken.
fn take(
    commit: &Commit,
    taken: &mut Mark,
    lanes: &mut Lanes<Due>,
    (routes, keyring, read): (&Routes, &Keyring, BeforeRead),
    parked_in_flight: usize,
    passed: &mut u64,
) -> bool {
    let (view, last) = (commit.view(), commit.last_position());
    let from = taken.position.next().max(commit.position());
    let Some(stream) = routes.stream_of(&view) else {
        *passed += (last.get() + 1).saturating_sub(from.get());
        *taken = Mark::at(last);
        return true;
    };
    let skipped = (from.get() - commit.position().get()) as usize;
    if !has_room(lanes, parked_in_flight, skipped) {
        return false;
    }
    let bytes = commit.bytes() / view.events.max(1) as usize;
    for event in view.events().skip(skipped) {
        if !has_room(lanes, parked_in_flight, 0) {
            return false;
        }
        let unfinished = |lane: &str| lanes.keys_in(lane).cloned().collect();
        let shares = routes.due((keyring, read), &stream, &view, &event, &unfinished);
        let Some(shares) = shares else { return false };
        *passed += u64::from(shares.is_empty());
        for (share, (place, due)) in (0..).zip(shares) {
            lanes.accept(Spot { position: event.position, share }, place, bytes, due);
        }
        *taken = Mark { position: event.position, ..*taken };
    }
    *taken = Mark::at(last);
    true
}

/// Deep inside a large commit half of the room must be free, because resuming there walks over all events
/// before the place.
fn has_room<T>(lanes: &Lanes<T>, parked_in_flight: usize, skipped: usize) -> bool {
    let room = if skipped > EVENTS_IN_FLIGHT { EVENTS_IN_FLIGHT / 2 } else { 1 };
    lanes.len() + parked_in_flight + room <= EVENTS_IN_FLIGHT
        && lanes.bytes() < BYTES_IN_FLIGHT
        && lanes.ahead() < EVENTS_AHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_not_taken_too_far_ahead_of_an_unfinished_one() {
        let mut lanes = Lanes::default();
        let at = |position| Spot { position: Position::new(position), share: 0 };
        lanes.accept(at(1), ("slow".into(), vec![]), 1, ());
        let mut next = 2;
        while has_room(&lanes, 0, 0) {
            lanes.accept(at(next), ("quick".into(), vec![]), 1, ());
            lanes.finish(at(next));
            next += 1;
        }
        assert_eq!(next, 1 + EVENTS_AHEAD);
        lanes.finish(at(1));
        assert!(has_room(&lanes, 0, 0));
    }
}

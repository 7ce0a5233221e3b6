use std::sync::Arc;

use actuarius_domain::Position;
use actuarius_persistence::{Commit, ReadError};
use tokio::time::Instant;

use super::checkpoint::Mark;
use super::lanes::{Lanes, Spot};
use super::routes::{Due, Routes};
use crate::base::deadline::Deadline;
use crate::engine::Engine;
use crate::follow::follower::{Follower, Slice};
use crate::follow::followers::{FollowerStatus, Retry};

/// How many events of a subscription are in memory: enough to keep many workers busy, few enough
/// that a hundred slow subscriptions fit in memory. Over it the log is not read on.
pub(super) const EVENTS_IN_FLIGHT: usize = 1_024;
/// How many bytes of them, the last one excepted.
const BYTES_IN_FLIGHT: usize = 16 * 1024 * 1024;

/// How many events are taken from the lowest unfinished one on. Those behind it that are finished
/// come again after a crash, so a handler that takes very long must not make them ever more. Many
/// enough that one that takes seconds, or waits to be tried again, holds up nobody else.
const EVENTS_AHEAD: u64 = 65_536;

/// The way from the log into the lanes.
pub(super) struct Reading {
    follower: Follower,
    /// What was read last, and how many of its commits are taken whole.
    slice: Option<(Slice, usize)>,
    /// Up to here every event was taken, or concerns nobody.
    taken: Mark,
    /// Set while what comes next could not be read.
    unread: Option<Unread>,
}

struct Unread {
    attempts: u32,
    why: String,
    /// None once it is time to try again.
    retry_at: Option<Instant>,
}

impl Reading {
    pub(super) fn after(engine: &Arc<Engine>, mark: Mark) -> Self {
        Self {
            follower: Follower::behind(engine, mark.behind),
            slice: None,
            taken: mark,
            unread: None,
        }
    }

    /// Up to here every event was taken, or concerns nobody.
    pub(super) fn taken(&self) -> Mark {
        self.taken
    }

    /// Whether everything that was read is taken, and it is time to read on.
    pub(super) fn wants_more(&self) -> bool {
        self.slice.is_none() && self.next_at().is_none()
    }

    /// Reads on; waits until there is something. May be dropped at any time.
    ///
    /// # Errors
    /// [`ReadError`]; nothing was skipped.
    pub(super) async fn read(&mut self) -> Result<(), ReadError> {
        self.slice = Some((self.follower.next().await?, 0));
        self.unread = None;
        Ok(())
    }

    /// Has it try again after the wait that its failures in a row earn, and says whether it does.
    pub(super) fn schedule_retry(&mut self, why: String, retry: &Retry, now: Instant) -> bool {
        let attempts = self.unread.as_ref().map_or(0, |it| it.attempts).saturating_add(1);
        let wait = retry.wait_after(attempts);
        let retry_at = wait.map(|wait| Deadline::after(now, wait).at());
        self.unread = Some(Unread { attempts, why, retry_at });
        wait.is_some()
    }

    /// When it tries again.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.unread.as_ref()?.retry_at
    }

    pub(super) fn wake(&mut self, now: Instant) {
        if let Some(unread) = &mut self.unread {
            unread.retry_at = unread.retry_at.filter(|at| *at > now);
        }
    }

    /// Someone asks for it: it begins with its attempts anew.
    pub(super) fn resume(&mut self) {
        self.unread = None;
    }

    /// How to say that it tries again.
    pub(super) fn status(&self) -> Option<FollowerStatus> {
        let Unread { attempts, why, .. } = self.unread.as_ref()?;
        let (position, attempts, why) = (self.next_position(), *attempts, why.clone());
        Some(FollowerStatus::Retrying { position, attempts, why })
    }

    /// The position that is read next.
    pub(super) fn next_position(&self) -> Position {
        self.follower.at().next()
    }

    /// Takes what was read into the lanes, as long as there is room; `elsewhere` is how many events
    /// in flight are not in the lanes. Returns how many events concern nobody.
    pub(super) fn fill(
        &mut self,
        lanes: &mut Lanes<Due>,
        routes: &Routes,
        parked_in_flight: usize,
    ) -> u64 {
        let mut passed = 0;
        while let Some((slice, commits)) = &mut self.slice {
            let Some(commit) = slice.get(*commits) else {
                self.slice = None;
                break;
            };
            if !take(commit, &mut self.taken, lanes, routes, parked_in_flight, &mut passed) {
                break;
            }
            *commits += 1;
        }
        passed
    }
}

/// Takes the rest of a commit, and says whether all of it.
fn take(
    commit: &Commit,
    taken: &mut Mark,
    lanes: &mut Lanes<Due>,
    routes: &Routes,
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
        let shares = routes.due(&stream, &view, &event);
        *passed += u64::from(shares.is_empty());
        for (share, (key, due)) in (0..).zip(shares) {
            lanes.accept(Spot { position: event.position, share }, key, bytes, due);
        }
        *taken = Mark { position: event.position, behind: taken.behind };
    }
    *taken = Mark::at(last);
    true
}

/// Deep inside a large commit half of the room must be free: coming back to the place means to walk
/// over all events before it.
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
    fn nothing_is_taken_far_ahead_of_an_event_that_is_not_finished() {
        let mut lanes = Lanes::default();
        let at = |position| Spot { position: Position::new(position), share: 0 };
        lanes.accept(at(1), "slow".into(), 1, ());
        let mut next = 2;
        while has_room(&lanes, 0, 0) {
            lanes.accept(at(next), "quick".into(), 1, ());
            lanes.finish(at(next));
            next += 1;
        }
        assert_eq!(next, 1 + EVENTS_AHEAD);
        lanes.finish(at(1));
        assert!(has_room(&lanes, 0, 0));
    }
}

//! The failed events of a subscription and their retries.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::lanes::Spot;
use crate::base::deadline;
use crate::follow::followers::{FollowerStatus, Retry};

/// The events in the lanes that have failed and are not finished yet: how often they failed, why, and when
/// they are retried. Bounded by the events in the lanes.
#[derive(Default)]
pub(super) struct Failures {
    failed: BTreeMap<Spot, Failed>,
    retry_at: BTreeSet<(Instant, Spot)>,
}

struct Failed {
    attempts: u32,
    /// How often since then the event could not be read again. That does not make the event poison, so it is
    /// not parked for it.
    unread: u32,
    why: String,
    /// The event is not retried until the subscription is resumed.
    given_up: bool,
}

impl Failures {
    /// Counts another failure, and returns how many there are.
    pub(super) fn count(&mut self, spot: Spot, why: String) -> u32 {
        let before = self.failed.remove(&spot).map_or(0, |failed| failed.attempts);
        let attempts = before.saturating_add(1);
        self.failed.insert(spot, Failed { attempts, unread: 0, why, given_up: false });
        attempts
    }

    /// Counts that the event could not be read for another attempt.
    pub(super) fn count_unread(&mut self, spot: Spot, why: String) {
        let (attempts, before) =
            self.failed.remove(&spot).map_or((0, 0), |failed| (failed.attempts, failed.unread));
        let unread = before.saturating_add(1);
        self.failed.insert(spot, Failed { attempts, unread, why, given_up: false });
    }

    /// Schedules a retry after the wait that follows from the failures. Returns whether there is one.
    pub(super) fn schedule_retry(&mut self, spot: Spot, retry: &Retry, now: Instant) -> bool {
        let Some(failed) = self.failed.get(&spot) else { return false };
        let times = if failed.unread > 0 { failed.unread } else { failed.attempts };
        let Some(wait) = retry.wait_after(times) else { return false };
        self.retry_at.insert((deadline::after(now, wait), spot));
        true
    }

    /// Gives the event up: it is not retried until the subscription is resumed.
    pub(super) fn give_up(&mut self, spot: Spot) {
        if let Some(failed) = self.failed.get_mut(&spot) {
            failed.given_up = true;
        }
    }

    /// Removes an event that is finished or discarded. Returns how often it has failed, and why.
    pub(super) fn remove(&mut self, spot: Spot) -> Option<(u32, String)> {
        self.failed.remove(&spot).map(|failed| (failed.attempts, failed.why))
    }

    /// Returns when the next event is retried.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.retry_at.first().map(|(at, _)| *at)
    }

    /// Returns an event that is to be retried now.
    pub(super) fn next_due(&mut self, now: Instant) -> Option<Spot> {
        let (_, spot) = *self.retry_at.first().filter(|(at, _)| *at <= now)?;
        self.retry_at.pop_first();
        Some(spot)
    }

    /// Restarts the attempts of the events that were given up.
    pub(super) fn resume(&mut self) -> Vec<Spot> {
        let given_up = self.failed.iter_mut().filter(|(_, failed)| failed.given_up);
        let resumed = given_up.map(|(spot, failed)| {
            (failed.attempts, failed.unread, failed.given_up) = (0, 0, false);
            *spot
        });
        resumed.collect()
    }

    /// Returns the status that describes the first event being retried.
    pub(super) fn status(&self) -> Option<FollowerStatus> {
        let (spot, failed) = self.failed.first_key_value()?;
        Some(FollowerStatus::Retrying {
            position: spot.position,
            attempts: failed.attempts.saturating_add(failed.unread),
            why: failed.why.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actuarius_domain::Position;

    use super::*;

    fn at(position: u64) -> Spot {
        Spot { position: Position::new(position), share: 0 }
    }

    #[test]
    fn an_event_is_retried_when_its_wait_is_over_and_not_before() {
        let (mut failures, begun) = (Failures::default(), Instant::now());
        let second = Duration::from_secs(1);
        let retry = Retry::default().attempts(4).waits(second * 10, second * 30);
        let (position, mut now) = (at(7), begun);
        while failures.count(position, "no".to_owned()) > 0
            && failures.schedule_retry(position, &retry, now)
        {
            let at = failures.next_at().unwrap();
            assert_eq!(failures.next_due(at - Duration::from_nanos(1)), None);
            assert_eq!(failures.next_due(at), Some(position));
            now = at;
        }
        assert_eq!(now - begun, second * (10 + 20 + 30));
        assert_eq!(failures.remove(position), Some((4, "no".to_owned())));
    }

    #[test]
    fn an_event_that_cannot_be_read_again_is_retried_as_often_without_counting_as_failed() {
        let (mut failures, now, position) = (Failures::default(), Instant::now(), at(7));
        let retry = Retry::default().attempts(3).waits(Duration::ZERO, Duration::ZERO);
        for _ in 0..2 {
            failures.count(position, "no".to_owned());
        }
        let tried = |failures: &mut Failures| {
            failures.count_unread(position, "unread".to_owned());
            failures.schedule_retry(position, &retry, now)
        };
        assert_eq!([(); 3].map(|()| tried(&mut failures)), [true, true, false]);
        assert_eq!(failures.count(position, "no".to_owned()), 3);
    }

    #[test]
    fn an_endless_wait_does_not_panic() {
        let mut failures = Failures::default();
        failures.count(at(7), "no".to_owned());
        let retry = Retry::default().waits(Duration::MAX, Duration::MAX);
        assert!(failures.schedule_retry(at(7), &retry, Instant::now()));
        assert_eq!(failures.next_due(Instant::now()), None);
    }

    #[test]
    fn only_an_event_that_was_given_up_restarts_its_attempts() {
        let mut failures = Failures::default();
        for position in [3, 5] {
            failures.count(at(position), "no".to_owned());
        }
        failures.give_up(at(5));
        assert_eq!(failures.resume(), [at(5)]);
        assert_eq!(failures.resume(), []);
        assert_eq!(failures.count(at(5), "no".to_owned()), 1);
        assert_eq!(failures.count(at(3), "no".to_owned()), 2);
    }
}

//! `Pacing`: when a follower that keeps up takes the next events. It computes, and reads no clock.

use std::time::Duration;

use tokio::time::Instant;

/// How many times as long as its last batch a follower rests: so it works a third of the time at most while its batches
/// are short, and the commands have the rest.
const REST_SHARE: u32 = 2;

/// The longest rest that a slow batch causes. A longer one would delay readers more than it helps the commands.
const REST_MAX: Duration = Duration::from_millis(50);

/// How many events gather at most. Beyond it a batch is large enough that a larger one is no cheaper.
const GATHERED_MAX: u64 = 4_096;

/// How long a follower does not rest after a caller has waited for it: the next caller probably comes soon, and then
/// finds its event in the view.
const DEMANDED_FOR: Duration = Duration::from_millis(20);

/// When a follower that keeps up takes the next events.
///
/// It takes the first event after a quiet moment at once. Under load it rests after each batch, so that it takes many
/// events together: a batch costs a wake-up, and on a disk a sync, however many events it has.
pub(crate) struct Pacing {
    /// The shortest rest; zero if it never rests.
    batch_time: Duration,
    /// How long the last batch took, and when it ended.
    last: Option<(Duration, Instant)>,
    /// Until when it does not rest, because a caller has waited for it.
    demanded_until: Option<Instant>,
}

impl Pacing {
    pub(crate) fn new(batch_time: Duration) -> Self {
        Self { batch_time, last: None, demanded_until: None }
    }

    /// Begins a batch. It consists of the portions that are taken before the next call.
    pub(crate) fn begin(&mut self) {
        self.last = None;
    }

    /// Adds a portion that was taken.
    pub(crate) fn took(&mut self, time: Duration, now: Instant) {
        let before = self.last.map_or(Duration::ZERO, |(time, _)| time);
        self.last = Some((before.saturating_add(time), now));
    }

    /// Records that a caller waits for it, or has waited.
    pub(crate) fn demanded(&mut self, now: Instant) {
        self.demanded_until = now.checked_add(DEMANDED_FOR);
    }

    /// Returns whether it takes events without a rest: always, or because a caller has waited for it a moment ago.
    pub(crate) fn is_urgent(&self, now: Instant) -> bool {
        self.batch_time.is_zero() || self.demanded_until.is_some_and(|until| now < until)
    }

    /// Returns until when it rests although it lacks `lag` events. `None`: it takes what there is.
    pub(crate) fn rests_until(&self, lag: u64, now: Instant) -> Option<Instant> {
        if self.is_urgent(now) || lag >= GATHERED_MAX {
            return None;
        }
        let (took, ended) = self.last?;
        let longest = self.batch_time.max(REST_MAX);
        let rest = took.saturating_mul(REST_SHARE).clamp(self.batch_time, longest);
        ended.checked_add(rest).filter(|until| now < *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn after_a_batch(batch_time: Duration, portions: &[Duration]) -> (Pacing, Instant) {
        let (mut pacing, now) = (Pacing::new(batch_time), Instant::now());
        pacing.begin();
        portions.iter().for_each(|time| pacing.took(*time, now));
        (pacing, now)
    }

    #[test]
    fn the_first_event_and_one_after_a_quiet_moment_are_taken_at_once() {
        let now = Instant::now();
        assert_eq!(Pacing::new(5 * MILLISECOND).rests_until(1, now), None);
        let (pacing, now) = after_a_batch(5 * MILLISECOND, &[MILLISECOND]);
        assert_eq!(pacing.rests_until(1, now), Some(now + 5 * MILLISECOND));
        assert_eq!(pacing.rests_until(1, now + 5 * MILLISECOND), None);
    }

    #[test]
    fn with_short_batches_it_works_a_third_of_the_time_at_most() {
        let (pacing, now) = after_a_batch(5 * MILLISECOND, &[4 * MILLISECOND, 6 * MILLISECOND]);
        assert_eq!(pacing.rests_until(1, now), Some(now + 20 * MILLISECOND));
    }

    #[test]
    fn the_rest_of_a_slow_view_has_a_bound_and_a_longer_one_that_was_set_is_kept() {
        let slow = Duration::from_secs(100);
        let (pacing, now) = after_a_batch(5 * MILLISECOND, &[slow]);
        assert_eq!(pacing.rests_until(1, now), Some(now + REST_MAX));
        let (pacing, now) = after_a_batch(slow, &[slow, Duration::MAX]);
        assert_eq!(pacing.rests_until(1, now), Some(now + slow));
        let (pacing, now) = after_a_batch(Duration::MAX, &[MILLISECOND]);
        assert_eq!(pacing.rests_until(1, now), None);
    }

    #[test]
    fn a_full_batch_is_taken_at_once() {
        let (pacing, now) = after_a_batch(5 * MILLISECOND, &[MILLISECOND]);
        assert!(pacing.rests_until(GATHERED_MAX - 1, now).is_some());
        assert_eq!(pacing.rests_until(GATHERED_MAX, now), None);
    }

    #[test]
    fn it_does_not_rest_while_callers_wait_for_it_again_and_again() {
        let (mut pacing, now) = after_a_batch(50 * MILLISECOND, &[MILLISECOND]);
        pacing.demanded(now);
        assert_eq!(pacing.rests_until(1, now), None);
        assert_eq!(pacing.rests_until(1, now + DEMANDED_FOR), Some(now + 50 * MILLISECOND));
    }

    #[test]
    fn without_a_time_it_never_rests() {
        let (pacing, now) = after_a_batch(Duration::ZERO, &[MILLISECOND]);
        assert_eq!(pacing.rests_until(1, now), None);
    }
}

//! [`Deadline`]: the moment at which a wait ends, in real time.

use std::time::{Duration, Instant};

/// Thirty years: stands for a time that is too long for an [`Instant`].
const FAR_FUTURE: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);

/// Returns the moment `time` after `start`. Accepts any duration, `Duration::MAX` too.
pub(crate) fn after<I>(start: I, time: Duration) -> I
where
    I: Copy + std::ops::Add<Duration, Output = I> + CheckedAdd,
{
    start.checked_add(time).unwrap_or_else(|| start + FAR_FUTURE)
}

/// A moment of either clock.
pub(crate) trait CheckedAdd: Sized {
    fn checked_add(&self, time: Duration) -> Option<Self>;
}

impl CheckedAdd for Instant {
    fn checked_add(&self, time: Duration) -> Option<Self> {
        Self::checked_add(self, time)
    }
}

impl CheckedAdd for tokio::time::Instant {
    fn checked_add(&self, time: Duration) -> Option<Self> {
        Self::checked_add(self, time)
    }
}

/// The moment at which a caller's wait ends. Accepts any duration, `Duration::MAX` too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) fn within(time: Duration) -> Self {
        Self(after(Instant::now(), time))
    }

    pub(crate) fn at(self) -> Instant {
        self.0
    }

    /// The time left until the deadline.
    pub(crate) fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// The moment at which half of the remaining time is over.
    pub(crate) fn half(self) -> Self {
        Self::within(self.remaining() / 2)
    }

    pub(crate) fn moment(self) -> Instant {
        self.0
    }

    pub(crate) fn is_over(self) -> bool {
        self.remaining().is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_duration_gives_a_deadline_in_the_future() {
        let deadline = Deadline::within(Duration::MAX);
        assert!(!deadline.is_over() && deadline.half() < deadline);
        assert!(Deadline::within(Duration::ZERO).is_over());
        assert!(after(tokio::time::Instant::now(), Duration::MAX) > tokio::time::Instant::now());
    }
}

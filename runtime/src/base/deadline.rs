use std::time::Duration;

use tokio::time::Instant;

/// Thirty years, for those who would wait longer than an instant can say.
const FOR_EVER: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);

/// The moment at which a wait ends. Any time makes one, `Duration::MAX` too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) fn within(time: Duration) -> Self {
        Self::behind(Instant::now(), time)
    }

    /// That time behind `start`.
    pub(crate) fn behind(start: Instant, time: Duration) -> Self {
        Self(start.checked_add(time).unwrap_or_else(|| start + FOR_EVER))
    }

    pub(crate) fn at(self) -> Instant {
        self.0
    }

    /// How long it is until then.
    pub(crate) fn rest(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// When half of the time until then is over.
    pub(crate) fn half(self) -> Self {
        Self::within(self.rest() / 2)
    }

    pub(crate) fn is_over(self) -> bool {
        self.rest().is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_time_there_is_makes_a_deadline_that_is_not_over() {
        let deadline = Deadline::within(Duration::MAX);
        assert!(!deadline.is_over() && deadline.half() < deadline);
        assert!(Deadline::within(Duration::ZERO).is_over());
    }
}

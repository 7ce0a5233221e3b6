//! `Retry`: how often a failed operation is tried again.

use std::time::Duration;

/// How often a failed operation is tried again, and after which waits.
///
/// ```
/// use std::time::Duration;
/// use actuarius::subscription::Retry;
///
/// let retry = Retry::default().attempts(3).waits(Duration::from_millis(50), Duration::from_secs(5));
/// # let _ = retry;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    attempts: u32,
    shortest: Duration,
    longest: Duration,
}

impl Default for Retry {
    /// Five attempts, with waits of 0.1, 0.2, 0.4 and 0.8 seconds between them: long enough for a short failure of
    /// the other side, short enough not to hide an outage.
    fn default() -> Self {
        Self { attempts: 5, shortest: Duration::from_millis(100), longest: Duration::from_secs(60) }
    }
}

impl Retry {
    /// Sets how often it is tried in total, including the first time. At least once.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// Sets the wait before the second attempt, which doubles with each further one, and the longest wait.
    #[must_use]
    pub fn waits(mut self, shortest: Duration, longest: Duration) -> Self {
        self.shortest = shortest;
        self.longest = longest.max(shortest);
        self
    }

    /// Returns how long to wait after `failed` attempts; `None` if it is not tried again.
    pub(crate) fn wait_after(&self, failed: u32) -> Option<Duration> {
        let doublings = failed.saturating_sub(1).min(31);
        (failed < self.attempts)
            .then(|| self.shortest.saturating_mul(1 << doublings).min(self.longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_end_with_the_attempts() {
        let retry =
            Retry::default().attempts(5).waits(Duration::from_secs(1), Duration::from_secs(3));
        let waits: Vec<_> =
            (1..=5).map(|failed| retry.wait_after(failed).map(|it| it.as_secs())).collect();
        assert_eq!(waits, [Some(1), Some(2), Some(3), Some(3), None]);
    }
}

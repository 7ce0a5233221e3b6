//! The progress of a long job: milestones by count, and a line on a terminal.

use std::io::{IsTerminal, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts pieces of work, and reports each time another part of all of them is done. The parts depend on the count
/// and not on the time, so that the same job reports the same milestones.
pub struct Milestones {
    all: u64,
    parts: u64,
    done: AtomicU64,
}

impl Milestones {
    /// Divides `all` pieces into `parts`.
    #[must_use]
    pub fn new(all: u64, parts: u64) -> Self {
        Self { all, parts, done: AtomicU64::new(0) }
    }

    /// Counts one more piece. Returns the number of pieces done and their percentage if it completes a part.
    pub fn advance(&self) -> Option<(u64, u64)> {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let share =
            |done: u64, of: u64| u128::from(done) * u128::from(of) / u128::from(self.all.max(1));
        let percent = u64::try_from(share(done, 100)).unwrap_or(100);
        (share(done, self.parts) > share(done - 1, self.parts)).then_some((done, percent))
    }
}

/// A line on standard error that shows the progress, and is cleared at the end.
pub struct ProgressLine(Milestones);

impl ProgressLine {
    /// A line for `all` pieces, or `None` if standard error is not a terminal.
    #[must_use]
    pub fn on_terminal(all: u64) -> Option<Self> {
        std::io::stderr().is_terminal().then(|| Self(Milestones::new(all, 200)))
    }

    /// Counts one more piece; `what` names them.
    pub fn advance(&self, what: &str) {
        if let Some((done, percent)) = self.0.advance() {
            let bar = "=".repeat((percent * 2 / 5) as usize);
            let _ = write!(std::io::stderr(), "\r  [{bar:<40}] {done} of {} {what}", self.0.all);
        }
    }

    /// Clears the line.
    pub fn clear(&self) {
        let _ = write!(std::io::stderr(), "\r\x1b[2K");
    }
}

#[cfg(test)]
mod tests {
    use super::Milestones;

    #[test]
    fn a_job_of_any_size_reaches_its_milestones() {
        for all in [1, 3, 7, 1_000] {
            let milestones = Milestones::new(all, 5);
            let reached: Vec<_> = (0..all).filter_map(|_| milestones.advance()).collect();
            assert_eq!(reached.len() as u64, all.min(5), "{reached:?}");
            assert_eq!(reached.last(), Some(&(all, 100)));
        }
    }
}

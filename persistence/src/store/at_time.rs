//! What a time means in a log: the position at which the log ended then.

use std::time::Duration;

use actuarius_domain::{Position, Timestamp};
use thiserror::Error;

use crate::record::Commit;

/// How far apart the times of two commits in reverse order may be without being reported. Aggregates
/// decide concurrently: what is decided first may be stored a moment later, up to seconds under load.
const DISORDER_USUAL: Duration = Duration::from_secs(5);

/// How many commits an [`AmbiguousTime`] names of each kind.
const EXAMPLES: usize = 10;

/// Where the log ends at a time if its times are not in order, for example because a clock was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimePolicy {
    /// Before the first commit that was decided later. Commits after it are left out, even if they were
    /// decided earlier.
    BeforeFirstLater,
    /// After the last commit that was decided by then. Commits before it are included, even if they were
    /// decided later.
    AfterLastEarlier,
}

/// The position and the time of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitTime {
    /// The position of its first event.
    pub position: Position,
    /// When it was decided.
    pub time: Timestamp,
}

/// A time does not name one position of the log: commits that were decided by then are stored after a commit
/// that was decided more than five seconds later. A clock was wrong, or histories were merged. Nothing was
/// changed.
///
/// Repeat the call with a [`TimePolicy`], or with a position. The examples show which clock was wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "the time {time} is ambiguous: position {before_first_later} is the end before the first commit that was \
     decided later, but {earlier} commits that were decided by then follow, up to position \
     {after_last_earlier}{}; use one of these positions, or choose with a TimePolicy",
    named(.later_examples, .earlier_examples)
)]
#[non_exhaustive]
pub struct AmbiguousTime {
    /// The time.
    pub time: Timestamp,
    /// The end of the log with [`TimePolicy::BeforeFirstLater`].
    pub before_first_later: Position,
    /// The end of the log with [`TimePolicy::AfterLastEarlier`].
    pub after_last_earlier: Position,
    /// The number of commits between the two that were decided by then.
    pub earlier: u64,
    /// The number of commits between the two that were decided later.
    pub later: u64,
    /// The first ten commits between the two that were decided by then.
    pub earlier_examples: Vec<CommitTime>,
    /// The first ten commits between the two that were decided later.
    pub later_examples: Vec<CommitTime>,
}

fn named(later: &[CommitTime], earlier: &[CommitTime]) -> String {
    let shown = |commits: &[CommitTime]| {
        let shown = commits.iter().take(3).map(|it| format!("{} at {}", it.position, it.time));
        shown.collect::<Vec<_>>().join(", ")
    };
    format!(" (decided later: {}; decided by then: {})", shown(later), shown(earlier))
}

/// Finds the position at which the log ended at a time. Pass it all commits in their order.
#[derive(Debug)]
pub struct TimeSearch {
    time: Timestamp,
    /// The latest time of a commit so far.
    latest: Timestamp,
    /// By how much a commit was decided before one that is stored before it.
    disorder: Duration,
    /// The number of later commits so far.
    later: u64,
    later_examples: Vec<CommitTime>,
    found: AmbiguousTime,
}

impl TimeSearch {
    /// Starts a search for the end of the log at `time`.
    #[must_use]
    pub fn at(time: Timestamp) -> Self {
        let found = AmbiguousTime {
            time,
            before_first_later: Position::NONE,
            after_last_earlier: Position::NONE,
            earlier: 0,
            later: 0,
            earlier_examples: Vec::new(),
            later_examples: Vec::new(),
        };
        let (later, later_examples) = (0, Vec::new());
        Self { time, latest: time, disorder: Duration::ZERO, later, later_examples, found }
    }

    /// Takes the next commit of the log.
    pub fn take(&mut self, commit: &Commit) {
        let view = commit.view();
        let this = CommitTime { position: view.position, time: view.time };
        if view.time > self.time {
            self.latest = self.latest.max(view.time);
            self.later += 1;
            if self.later_examples.len() < EXAMPLES {
                self.later_examples.push(this);
            }
            return;
        }
        let found = &mut self.found;
        found.after_last_earlier = commit.last_position();
        if self.later == 0 {
            found.before_first_later = commit.last_position();
            return;
        }
        let disorder = self.latest.as_micros().abs_diff(view.time.as_micros());
        self.disorder = self.disorder.max(Duration::from_micros(disorder));
        (found.earlier, found.later) = (found.earlier + 1, self.later);
        if found.earlier_examples.len() < EXAMPLES {
            found.earlier_examples.push(this);
        }
    }

    /// Returns the end of the log at the time, after all commits were taken.
    ///
    /// It is that of [`TimePolicy::BeforeFirstLater`].
    ///
    /// # Errors
    /// Returns [`AmbiguousTime`] if times are out of order by more than five seconds around it.
    pub fn end(mut self) -> Result<Position, AmbiguousTime> {
        if self.disorder <= DISORDER_USUAL {
            return Ok(self.found.before_first_later);
        }
        let end = self.found.after_last_earlier;
        self.later_examples.retain(|commit| commit.position <= end);
        self.found.later_examples = self.later_examples;
        Err(self.found)
    }

    /// Returns the end of the log that the policy chooses, after all commits were taken.
    #[must_use]
    pub fn end_with(self, policy: TimePolicy) -> Position {
        match policy {
            TimePolicy::BeforeFirstLater => self.found.before_first_later,
            TimePolicy::AfterLastEarlier => self.found.after_last_earlier,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Append, NewCommit};
    use actuarius_domain::{Metadata, StreamId, Version};

    #[derive(serde::Serialize)]
    enum Event {
        Noted,
    }

    /// Searches a log of one commit of two events for each of these times in seconds.
    fn search(seconds: &[i64], time: i64) -> TimeSearch {
        let micros = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let mut search = TimeSearch::at(micros(time));
        for (number, seconds) in (0..).zip(seconds) {
            let stream = StreamId::new("note", "a").expect("valid");
            let mut append = Append::new(stream, Version::new(number * 2));
            let commit = NewCommit {
                time: micros(*seconds),
                command_id: "".into(),
                named_by_caller: false,
                metadata: &Metadata::default(),
            };
            let events = [Event::Noted, Event::Noted];
            append.push(commit, crate::Codec::default(), &events, |_| 1).expect("encodable");
            let (frame, _, _) = append.hashed_frames().next().expect("one");
            let frame = bytes::Bytes::copy_from_slice(frame);
            let position = Position::new(number * 2 + 1);
            search.take(&Commit::from_frame(&frame, position).expect("a frame"));
        }
        search
    }

    fn ends(seconds: &[i64], time: i64) -> (Option<u64>, u64, u64) {
        let [before, after] = [TimePolicy::BeforeFirstLater, TimePolicy::AfterLastEarlier]
            .map(|policy| search(seconds, time).end_with(policy).get());
        (search(seconds, time).end().ok().map(Position::get), before, after)
    }

    #[test]
    fn times_in_order_name_one_position() {
        let log = [10, 20, 20, 30];
        for (time, end) in [(9, 0), (10, 2), (19, 2), (20, 6), (29, 6), (30, 8), (99, 8)] {
            assert_eq!(ends(&log, time), (Some(end), end, end), "{time}");
        }
        assert_eq!(ends(&[], 5), (Some(0), 0, 0));
    }

    #[test]
    fn commits_that_overtook_each_other_by_moments_are_not_reported() {
        assert_eq!(ends(&[10, 15, 12, 20], 12), (Some(2), 2, 6));
        assert_eq!(ends(&[10, 15, 10, 20], 12), (Some(2), 2, 6), "five seconds");
        assert_eq!(ends(&[10, 16, 10, 20], 12), (None, 2, 6), "six seconds");
    }

    /// A clock showed the year 2099 for one commit: everything stored after it was left out of each restore
    /// to a time, without a word.
    #[test]
    fn a_commit_of_the_far_future_is_named_with_what_it_hides() {
        let log = [10, 20, 2_000_000_000, 30, 40, 50];
        assert_eq!(ends(&log, 45), (None, 4, 10));
        let ambiguous = search(&log, 45).end().expect_err("ambiguous");
        let at =
            |commits: &[CommitTime]| commits.iter().map(|it| it.position.get()).collect::<Vec<_>>();
        assert_eq!((ambiguous.earlier, ambiguous.later), (2, 1), "the last one is simply later");
        assert_eq!(at(&ambiguous.earlier_examples), [7, 9]);
        assert_eq!(at(&ambiguous.later_examples), [5]);
        assert!(ambiguous.to_string().contains("5 at 2000000000000000µs"), "{ambiguous}");
        assert_eq!(ends(&log, 20), (Some(4), 4, 4), "before it nothing is ambiguous");
    }

    #[test]
    fn commits_of_a_clock_that_was_set_back_are_named() {
        let log = [1_000, 2_000, 500, 600, 2_100];
        assert_eq!(ends(&log, 1_500), (None, 2, 8));
        assert_eq!(ends(&log, 550), (None, 0, 6));
        assert_eq!(ends(&log, 2_000), (Some(8), 8, 8));
    }
}

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actuarius_persistence::{Commit, ReadError};

use super::target::{Failed, PORTION_TAKES, Target, blocking};
use crate::engine::Engine;
use crate::follow::follower::{Follower, Slice};

/// A projection that takes longer for a commit, so that 64 do not fit into a portion, works where it
/// holds nobody up.
const SLOW: Duration = Duration::from_nanos(15_625);

/// How many portions are remembered. A worker that has to share its processor makes a portion look
/// slow, never quick: so the quickest of them tells what the projection takes.
const PORTIONS_REMEMBERED: usize = 4;

/// A target with its place in the log, taking portion after portion.
pub(crate) struct Cursor<T> {
    pub(crate) target: T,
    pub(crate) follower: Follower,
    /// Read, and not yet taken.
    rest: Option<Slice>,
    /// How long a commit took, in the last portions.
    costs: VecDeque<Duration>,
    /// How long it has worked on a task without letting others go first.
    held: Duration,
}

/// A portion that was taken, as far as it could be.
pub(crate) struct Taken {
    /// The events in it.
    pub(crate) events: u64,
    /// How many of them concerned the projection, or why it stopped at one.
    pub(crate) outcome: Result<u64, Failed>,
}

impl<T: Target> Cursor<T> {
    pub(crate) fn of(engine: &Arc<Engine>, target: T) -> Self {
        let follower = Follower::behind(engine, target.position());
        Self { target, follower, rest: None, costs: VecDeque::new(), held: Duration::ZERO }
    }

    /// The next commits; waits until there are any. May be dropped at any time.
    ///
    /// # Errors
    /// [`ReadError`]; nothing was skipped.
    pub(crate) async fn next(&mut self) -> Result<Slice, ReadError> {
        match self.rest.take() {
            Some(rest) => Ok(rest),
            None => self.follower.next().await,
        }
    }

    /// How many durable events it has not taken.
    pub(crate) fn lag(&self) -> u64 {
        self.follower.head().get().saturating_sub(self.target.position().get())
    }

    /// Takes a portion of what [`next`](Track::next) gave, and keeps the rest. After a failure it
    /// has to [`go_back`](Track::go_back).
    pub(crate) async fn take(mut self, slice: Slice) -> (Self, Taken) {
        let started = Instant::now();
        let at_once = if self.is_slow() { None } else { self.target.take_at_once(&slice) };
        let (outcome, took, slice) = match at_once {
            Some(outcome) => {
                let took = started.elapsed();
                self.let_others_go_first(took).await;
                (outcome, took, slice)
            }
            None => {
                let taken;
                (self.target, taken) =
                    blocking(self.target, |it| take_all_it_likes(it, slice)).await;
                taken
            }
        };
        let position = self.target.position();
        let count = slice.partition_point(|commit| commit.last_position() <= position);
        let (portion, rest) = slice.split(count);
        self.rest = rest;
        self.remember(portion.len(), took);
        (self, Taken { events: events_of(&portion), outcome })
    }

    /// Does something with the target that may wait for a disk.
    pub(crate) async fn work<R: Send + 'static>(
        mut self,
        work: impl FnOnce(&mut T) -> R + Send + 'static,
    ) -> (Self, R) {
        let done;
        (self.target, done) = blocking(self.target, work).await;
        (self, done)
    }

    /// After a failure: goes on behind what the target has then.
    pub(crate) async fn go_back(self) -> Self {
        let (mut cursor, ()) = self.work(T::recover).await;
        cursor.rest = None;
        cursor.follower.seek(cursor.target.position());
        cursor
    }

    fn remember(&mut self, commits: usize, took: Duration) {
        self.costs.truncate(PORTIONS_REMEMBERED - 1);
        self.costs.push_front(took / u32::try_from(commits).unwrap_or(u32::MAX).max(1));
    }

    /// Whether the quickest of the last portions was slow.
    fn is_slow(&self) -> bool {
        self.costs.len() == PORTIONS_REMEMBERED && self.costs.iter().all(|cost| *cost > SLOW)
    }

    /// Not behind each portion, because a small one would be followed by a round of all tasks.
    async fn let_others_go_first(&mut self, took: Duration) {
        self.held += took;
        if self.held >= PORTION_TAKES {
            self.held = Duration::ZERO;
            tokio::task::yield_now().await;
        }
    }
}

/// On a thread that may wait: it is not the waiting for the thread that tells what a target takes.
fn take_all_it_likes<T: Target>(
    target: &mut T,
    slice: Slice,
) -> (Result<u64, Failed>, Duration, Slice) {
    let started = Instant::now();
    let outcome = target.take(&slice);
    (outcome, started.elapsed(), slice)
}

fn events_of(commits: &[Commit]) -> u64 {
    commits.iter().map(|commit| commit.view().events).sum()
}

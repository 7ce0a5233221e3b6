use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actuarius_persistence::ReadError;

use super::target::{Failed, Target, blocking};
use crate::engine::Engine;
use crate::follower::{Follower, Slice};

/// How long a portion of commits may take: what is asked of the projection meanwhile waits for it,
/// and so does everything else that its worker could do.
const PORTION_TAKES: Duration = Duration::from_millis(1);
/// How many commits a portion has at most.
const PORTION_MAX: usize = 4_096;
/// A projection that cannot take this many in the time of a portion works where it holds nobody up.
const PORTION_SLOW: usize = 64;

/// How many portions are remembered. A worker that has to share its processor makes a portion look
/// slow, never quick: so the quickest of them tells what the projection takes.
const PORTIONS_REMEMBERED: usize = 4;

/// A target with its place in the log, taking portion after portion.
pub(crate) struct Track<T> {
    pub(crate) target: T,
    pub(crate) follower: Follower,
    /// Read, and not yet taken.
    rest: Option<Slice>,
    /// How many commits the next portion has.
    portion: usize,
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

impl<T: Target> Track<T> {
    pub(crate) fn of(engine: &Arc<Engine>, target: T) -> Self {
        let follower = Follower::behind(engine, target.position());
        let (portion, costs, held) = (PORTION_SLOW, VecDeque::new(), Duration::ZERO);
        Self { target, follower, rest: None, portion, costs, held }
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

    /// Takes a portion of what [`next`](Track::next) gave, and keeps the rest. Where that fails, it
    /// goes on behind what the target has.
    pub(crate) async fn take(mut self, slice: Slice) -> (Self, Taken) {
        // A target that waits for the disk knows itself how much it stores at once.
        let most = if T::WAITS { PORTION_MAX } else { self.portion };
        let waits = T::WAITS || most < PORTION_SLOW;
        let (portion, rest) = slice.split(most);
        self.rest = rest;
        let events = portion.iter().map(|commit| commit.view().events).sum();
        let (commits, started) = (portion.len(), Instant::now());
        let outcome;
        if waits {
            let work = move |target: &mut T| target.take(&portion);
            (self.target, outcome) = blocking(self.target, work).await;
        } else {
            outcome = self.target.take(&portion);
        }
        let took = started.elapsed();
        self.measure(commits, took);
        if !waits {
            self.let_others_go_first(took).await;
        }
        if outcome.is_err() {
            self.go_back();
        }
        (self, Taken { events, outcome })
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

    /// Goes on behind what the target has.
    pub(crate) fn go_back(&mut self) {
        self.rest = None;
        self.follower.seek(self.target.position());
    }

    /// Lets the next portion have as many commits as its time allows; in steps, because what is quick
    /// on the whole may be slow here and there.
    fn measure(&mut self, commits: usize, took: Duration) {
        self.costs.truncate(PORTIONS_REMEMBERED - 1);
        self.costs.push_front(took / u32::try_from(commits).unwrap_or(u32::MAX).max(1));
        let cost = self.costs.iter().min().map_or(1, |cost| cost.as_nanos().max(1));
        let fit = usize::try_from(PORTION_TAKES.as_nanos() / cost).unwrap_or(PORTION_MAX);
        let was_full = commits >= self.portion;
        let most = if was_full { self.portion * 2 } else { self.portion };
        self.portion = fit.clamp(1, most.min(PORTION_MAX));
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

//! `Cursor`: a projection's target with its position in the log.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actuarius_persistence::{Commit, ReadError};
use tokio::time::sleep_until;

use super::target::{Failed, PORTION_TAKES, Target, blocking};
use crate::engine::Engine;
use crate::engine::folding::{Folding, Place};
use crate::follow::follower::{Follower, Slice};
use crate::follow::pacing::Pacing;
use crate::follow::progress::Progress;

/// A projection that takes longer for a commit, so that 64 commits do not fit into a portion, runs on a
/// thread of the work pool.
const SLOW: Duration = Duration::from_nanos(15_625);

/// How many portions are remembered. A worker that shares its processor makes a portion look slow, never
/// quick, so the quickest of them shows what the projection takes.
const PORTIONS_REMEMBERED: usize = 4;

/// How often a follower that rests looks whether a caller waits for an event that has been stored since.
const LOOKS_EVERY: Duration = Duration::from_millis(50);

/// A target with its position in the log. It takes portion after portion.
pub(crate) struct Cursor<T> {
    engine: Arc<Engine>,
    pub(crate) target: T,
    pub(crate) follower: Follower,
    /// Read, and not yet taken.
    remaining: Option<Slice>,
    pacing: Pacing,
    /// The time per commit in the last portions.
    costs: VecDeque<Duration>,
    /// How long it has run on its task without yielding.
    held: Duration,
}

/// A portion that was taken, in whole or up to a failure.
pub(crate) struct Taken {
    /// The events in it.
    pub(crate) events: u64,
    /// How many of them the projection followed, or why it failed at one.
    pub(crate) outcome: Result<u64, Failed>,
}

impl<T: Target> Cursor<T> {
    /// Creates a cursor that lets events gather for `batch_time` where it [rests](Self::rest).
    pub(crate) fn of(engine: &Arc<Engine>, target: T, batch_time: Duration) -> Self {
        let follower = Follower::after(engine, target.position());
        Self {
            engine: engine.clone(),
            target,
            follower,
            remaining: None,
            pacing: Pacing::new(batch_time),
            costs: VecDeque::new(),
            held: Duration::ZERO,
        }
    }

    /// Rests while events gather, unless a caller waits for `progress`, or the events are no longer in memory. May be
    /// dropped at any time.
    pub(crate) async fn rest(&mut self, progress: &Progress) {
        while self.remaining.is_none() && !self.is_behind_tail() {
            let now = tokio::time::Instant::now();
            if progress.is_awaited(self.follower.head()) {
                self.pacing.demanded(now);
            }
            let Some(until) = self.pacing.rests_until(self.lag(), now) else { return };
            tokio::select! {
                biased;
                () = progress.demanded() => self.pacing.demanded(tokio::time::Instant::now()),
                () = self.follower.filled() => return,
                // A caller may wait for an event that is stored in the meantime.
                () = sleep_until(until.min(now + LOOKS_EVERY)) => {}
            }
        }
    }

    /// Whether it lacks events that only the store has.
    fn is_behind_tail(&self) -> bool {
        self.lag() > 0 && !self.engine.tail.keeps_after(self.follower.at())
    }

    /// Returns the next commits, and waits until there are some. May be dropped at any time.
    ///
    /// # Errors
    /// [`ReadError`]; nothing was skipped.
    pub(crate) async fn next(&mut self) -> Result<Slice, ReadError> {
        match self.remaining.take() {
            Some(slice) => Ok(slice),
            None => {
                let slice = self.follower.next().await?;
                self.pacing.begin();
                Ok(slice)
            }
        }
    }

    /// Returns how many durable events it has not taken.
    pub(crate) fn lag(&self) -> u64 {
        self.follower.head().get().saturating_sub(self.target.position().get())
    }

    /// Takes a portion of what [`next`](Self::next) returned once it is its turn, and keeps the rest. After a failure
    /// it must [`rewind`](Self::rewind).
    pub(crate) async fn take(mut self, slice: Slice, progress: Option<&Progress>) -> (Self, Taken) {
        let engine = self.engine.clone();
        let place = self.place(&engine.folding, progress).await;
        self.take_at(place, slice).await
    }

    /// Does the same without waiting for its turn.
    pub(crate) async fn take_now(self, slice: Slice) -> (Self, Taken) {
        self.take_at(Place::none(), slice).await
    }

    async fn take_at(mut self, place: Place<'_>, slice: Slice) -> (Self, Taken) {
        let engine = self.engine.clone();
        let started = Instant::now();
        let at_once = if self.is_slow() { None } else { self.target.take_at_once(&slice) };
        let (outcome, took, slice) = match at_once {
            Some(outcome) => {
                let took = started.elapsed();
                drop(place);
                self.yield_if_due(took).await;
                (outcome, took, slice)
            }
            None => {
                let taken;
                let taking = blocking(&engine.work_pool, self.target, |it| take_timed(it, slice));
                (self.target, taken) = place.during(taking).await;
                taken
            }
        };
        let position = self.target.position();
        let count = slice.partition_point(|commit| commit.last_position() <= position);
        let (portion, remaining) = slice.split(count);
        self.remaining = remaining;
        self.remember(portion.len(), took);
        self.pacing.took(started.elapsed(), tokio::time::Instant::now());
        (self, Taken { events: events_of(&portion), outcome })
    }

    /// Waits for its turn to fold, unless a caller waits for `progress`.
    async fn place<'a>(&mut self, folding: &'a Folding, progress: Option<&Progress>) -> Place<'a> {
        let is_awaited = progress.is_some_and(|it| it.is_awaited(self.follower.head()));
        if is_awaited || self.pacing.is_urgent(tokio::time::Instant::now()) {
            return Place::none();
        }
        let demanded = async {
            match progress {
                Some(progress) => progress.demanded().await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = demanded => {
                self.pacing.demanded(tokio::time::Instant::now());
                Place::none()
            }
            place = folding.place() => place,
        }
    }

    /// Runs work on the target that may wait for a disk.
    pub(crate) async fn work<R: Send + 'static>(
        mut self,
        work: impl FnOnce(&mut T) -> R + Send + 'static,
    ) -> (Self, R) {
        let done;
        (self.target, done) = blocking(&self.engine.work_pool, self.target, work).await;
        (self, done)
    }

    /// Recovers the target after a failure, and continues after its position.
    pub(crate) async fn rewind(self) -> Self {
        let (mut cursor, ()) = self.work(T::recover).await;
        cursor.remaining = None;
        cursor.follower.seek(cursor.target.position());
        cursor
    }

    fn remember(&mut self, commits: usize, took: Duration) {
        self.costs.truncate(PORTIONS_REMEMBERED - 1);
        self.costs.push_front(took / u32::try_from(commits).unwrap_or(u32::MAX).max(1));
    }

    /// Returns whether even the quickest of the last portions was slow.
    fn is_slow(&self) -> bool {
        self.costs.len() == PORTIONS_REMEMBERED && self.costs.iter().all(|cost| *cost > SLOW)
    }

    /// Lets other tasks run. Not after each portion: a small one would cost a round of all tasks.
    async fn yield_if_due(&mut self, took: Duration) {
        self.held += took;
        if self.held >= PORTION_TAKES {
            self.held = Duration::ZERO;
            tokio::task::yield_now().await;
        }
    }
}

/// Takes the commits on a thread of the work pool, and measures the time without the wait for that thread.
fn take_timed<T: Target>(target: &mut T, slice: Slice) -> (Result<u64, Failed>, Duration, Slice) {
    let started = Instant::now();
    let outcome = target.take(&slice);
    (outcome, started.elapsed(), slice)
}

fn events_of(commits: &[Commit]) -> u64 {
    // Not by parsing each of them: they follow each other without a gap.
    let bounds = commits.first().zip(commits.last());
    bounds.map_or(0, |(first, last)| last.last_position().get() + 1 - first.position().get())
}

//! A view that is not read yet and catches up with the log.

use std::time::Duration;

use actuarius_domain::Position;
use tokio::sync::watch;

use super::super::cursor::Cursor;
use super::RebuildError;
use crate::follow::follower::Slice;
use crate::follow::followers::{DesiredState, Retry};
use crate::follow::progress::Progress;
use crate::projection::target::{Failed, Target};

/// How many events a rebuild may lack to be near the end of the log, once it has reached the position where
/// the end was when it started. The view that is read stands still while the rebuild takes the rest; under load
/// the end keeps moving.
const NEAR: u64 = 4_096;

/// What a build shares with its projection.
#[derive(Clone)]
pub(crate) struct BuildContext {
    pub(crate) progress: Progress,
    pub(crate) retry: Retry,
    pub(crate) wanted: watch::Receiver<(DesiredState, u64)>,
}

impl BuildContext {
    pub(super) fn is_stopped(&self) -> bool {
        self.wanted.borrow().0 == DesiredState::Stop
    }

    /// Waits until an event is tried again, or the projection is stopped.
    pub(super) async fn wait(&self, time: Duration) {
        let mut wanted = self.wanted.clone();
        tokio::select! {
            _ = wanted.wait_for(|(wanted, _)| *wanted == DesiredState::Stop) => {}
            () = tokio::time::sleep(time) => {}
        }
    }
}

/// A build that is near the end of the log, or has failed.
pub(crate) type CaughtUp<T> = Result<Build<T>, (Build<T>, RebuildError)>;

/// A view that is not read yet and catches up with the log.
pub(crate) struct Build<T> {
    pub(crate) cursor: Cursor<T>,
    failures: Failures,
    is_prepared: bool,
}

impl<T: Target> Build<T> {
    pub(crate) fn of(cursor: Cursor<T>) -> Self {
        Self { cursor, failures: Failures::default(), is_prepared: false }
    }

    pub(crate) fn position(&self) -> Position {
        self.cursor.target.position()
    }

    /// Follows the log until it is near the end and prepared. It starts with the outcome so far.
    pub(super) async fn catch_up(
        mut self,
        mut outcome: Result<(), Failed>,
        context: BuildContext,
    ) -> CaughtUp<T> {
        let goal = self.cursor.follower.head();
        loop {
            if let Err(failed) = outcome {
                let attempts = self.failures.at(failed.position);
                let Some(wait) = context.retry.wait_after(attempts) else {
                    return Err((self, failed.into()));
                };
                self.cursor = self.cursor.rewind().await;
                context.progress.reached(self.position());
                context.wait(wait).await;
            }
            context.progress.reached(self.position());
            if context.is_stopped() {
                return Err((self, RebuildError::Stopped));
            }
            let is_near = self.position() >= goal && self.cursor.lag() <= NEAR;
            (self, outcome) = match is_near {
                false => self.step().await,
                true if self.is_prepared => return Ok(self),
                true => self.prepare().await,
            };
        }
    }

    async fn step(mut self) -> (Self, Result<(), Failed>) {
        match self.cursor.next().await {
            Ok(slice) => self.take(slice).await,
            Err(error) => {
                let failed = Failed::at(self.cursor.follower.at().next(), error);
                (self, Err(failed))
            }
        }
    }

    /// Takes a portion of these commits.
    async fn take(mut self, slice: Slice) -> (Self, Result<(), Failed>) {
        let taken;
        (self.cursor, taken) = self.cursor.take(slice, None).await;
        (self, taken.outcome.map(|_| ()))
    }

    /// Takes the last commits, while the view that is read stands still.
    pub(crate) async fn take_now(mut self, slice: Slice) -> (Self, Result<(), Failed>) {
        let taken;
        (self.cursor, taken) = self.cursor.take_now(slice).await;
        (self, taken.outcome.map(|_| ()))
    }

    async fn prepare(mut self) -> (Self, Result<(), Failed>) {
        let prepared;
        (self.cursor, prepared) = self.cursor.work(T::prepare).await;
        self.is_prepared = prepared.is_ok();
        (self, prepared)
    }

    /// Makes it the view that is read.
    pub(crate) async fn serve(mut self) -> (Self, Result<(), Failed>) {
        let served;
        (self.cursor, served) = self.cursor.work(T::serve).await;
        (self, served)
    }
}

/// How often the same event has failed.
#[derive(Default)]
pub(crate) struct Failures(Option<(Position, u32)>);

impl Failures {
    /// Counts a failure at a position, and returns how many there were.
    pub(crate) fn at(&mut self, position: Position) -> u32 {
        let before = self.0.filter(|&(same, _)| same == position);
        let count = before.map_or(0, |(_, count)| count) + 1;
        self.0 = Some((position, count));
        count
    }
}

//! How the host takes events, and what it does after a failure.

use std::time::Instant;

use actuarius_domain::Position;

use super::super::cursor::{Cursor, Taken};
use super::{Host, Pace};
use crate::base::deadline;
use crate::follow::follower::Slice;
use crate::follow::followers::FollowerStatus;
use crate::follow::progress::Progress;
use crate::projection::rebuild::Failures;
use crate::projection::target::{Failed, Target};

impl<T: Target> Host<T> {
    /// Lets an older view be read until the cursor has reached `serve_from`, if there is one.
    pub(super) fn read_older(&mut self, serve_from: Option<Position>, cursor: &Cursor<T>) {
        self.serve_from = serve_from;
        if serve_from.is_some() {
            self.building.begins(Progress::at(cursor.target.position()));
        }
    }

    pub(super) async fn take(&mut self, slice: Slice) {
        let Some(cursor) = self.cursor.take() else { return };
        let started = Instant::now();
        let (cursor, Taken { events, outcome }) =
            cursor.take(slice, Some(&self.shared.progress)).await;
        self.shared.meters.batch(started.elapsed());
        self.cursor = Some(cursor);
        match outcome {
            Ok(handled) => {
                self.shared.meters.handled(handled);
                self.shared.meters.filtered(events - handled);
                self.report_progress();
                self.after_taking().await;
            }
            Err(failed) => self.failed(failed).await,
        }
    }

    pub(super) async fn after_taking(&mut self) {
        let Some(cursor) = &self.cursor else { return };
        if self.serve_from.is_some_and(|from| cursor.target.position() >= from) {
            self.serve().await;
        } else if self.serve_from.is_none() && cursor.target.is_save_due() {
            self.with_target(T::save_soon).await;
        }
    }

    /// Makes the new view the one that is read, in place of the older one.
    async fn serve(&mut self) {
        match self.with_target(T::serve).await {
            Some(Ok(())) => {
                self.serve_from = None;
                self.report_progress();
                // Last, so that a reader that sees no build sees the new status.
                self.building.ends();
            }
            Some(Err(failed)) => self.failed(failed).await,
            None => {}
        }
    }

    pub(super) async fn with_target<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut T) -> R + Send + 'static,
    ) -> Option<R> {
        let (cursor, done) = self.cursor.take()?.work(work).await;
        self.cursor = Some(cursor);
        Some(done)
    }

    pub(super) async fn failed(&mut self, Failed { position, why }: Failed) {
        self.shared.meters.failed();
        let attempts = self.failures.at(position);
        let wait = self.manner.retry.wait_after(attempts);
        self.pace = wait.map_or(Pace::Halted, |wait| {
            Pace::Waiting(deadline::after(tokio::time::Instant::now(), wait))
        });
        // First, so that a reader that sees the halt sees its position.
        self.report_position();
        self.shared.failed(position, attempts, why, wait);
        self.rewind().await;
    }

    /// Recovers the target after a failure, and continues after its position.
    pub(super) async fn rewind(&mut self) {
        let Some(cursor) = self.cursor.take() else { return };
        self.cursor = Some(cursor.rewind().await);
        self.report_position();
    }

    /// Reports the position of the view that is read, unless that is an older one.
    fn report_position(&self) {
        if let (Some(cursor), None) = (&self.cursor, self.serve_from) {
            self.shared.progress.reached(cursor.target.position());
        }
    }

    /// Takes events, and forgets earlier failures.
    pub(super) fn start_taking(&mut self) {
        self.pace = Pace::Running;
        self.failures = Failures::default();
        self.report_progress();
    }

    /// Reports that it runs, and its position. An older view that is read until then stands still.
    fn report_progress(&self) {
        let Some(cursor) = &self.cursor else { return };
        let position = cursor.target.position();
        match self.serve_from {
            None => self.shared.reached(position),
            Some(_) => {
                self.building.reached(position);
                self.shared.now(FollowerStatus::CatchingUp);
            }
        }
    }
}

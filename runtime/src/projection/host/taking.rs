use std::time::Instant;

use super::{Host, Pace};
use crate::deadline::Deadline;
use crate::follower::Slice;
use crate::followers::FollowerStatus;
use crate::projection::rebuild::Failures;
use crate::projection::target::{Failed, Target};
use crate::projection::track::Taken;

impl<T: Target> Host<T> {
    pub(super) async fn take(&mut self, slice: Slice) {
        let Some(track) = self.track.take() else { return };
        let started = Instant::now();
        let (track, Taken { events, outcome }) = track.take(slice).await;
        self.standing.meters.batch(started.elapsed());
        let position = track.target.position();
        self.track = Some(track);
        if self.serve_from.is_none() {
            self.standing.reached(position);
        }
        match outcome {
            Ok(handled) => {
                self.standing.meters.handled(handled);
                self.standing.meters.filtered(events - handled);
                self.after_taking().await;
            }
            Err(failed) => self.failed(failed),
        }
    }

    pub(super) async fn after_taking(&mut self) {
        let Some(track) = &self.track else { return };
        if self.serve_from.is_some_and(|from| track.target.position() >= from) {
            self.serve().await;
        } else if self.serve_from.is_none() && track.target.is_save_due() {
            self.with_target(T::save).await;
        }
    }

    async fn serve(&mut self) {
        match self.with_target(T::serve).await {
            Some(Ok(())) => {
                self.serve_from = None;
                if let Some(track) = &self.track {
                    self.standing.reached(track.target.position());
                }
                if let Some(end) = self.taking_over.take() {
                    let _ = end.send(Ok(()));
                }
            }
            Some(Err(failed)) => self.failed(failed),
            None => {}
        }
    }

    async fn with_target<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut T) -> R + Send + 'static,
    ) -> Option<R> {
        let (track, done) = self.track.take()?.work(work).await;
        self.track = Some(track);
        Some(done)
    }

    pub(super) fn failed(&mut self, Failed { position, why }: Failed) {
        self.standing.meters.failed();
        let attempts = self.failures.at(position);
        let wait = self.retry.wait_after(attempts);
        self.pace = wait.map_or(Pace::Halted, |wait| Pace::Waiting(Deadline::within(wait)));
        self.standing.now(match wait {
            Some(_) => FollowerStatus::Retrying { position, attempts, why },
            None => FollowerStatus::Halted { position, why },
        });
        if let Some(track) = &mut self.track {
            track.go_back();
        }
    }

    /// As if nothing had failed yet.
    pub(super) fn begin_again(&mut self) {
        self.pace = Pace::Running;
        self.failures = Failures::default();
        self.standing.reached(self.standing.progress.position());
    }
}

//! How the host runs a rebuild, and replaces the view that is read.

use actuarius_domain::Position;
use actuarius_persistence::ReadError;

use super::super::cursor::Cursor;
use super::Host;
use crate::follow::follower::Slice;
use crate::projection::rebuild::{
    Build, BuildContext, CaughtUp, Order, RebuildError, Rebuilding, Step,
};
use crate::projection::target::{Failed, Target};

impl<T: Target> Host<T> {
    pub(super) async fn start_rebuild(&mut self, order: Order<T>) {
        let Order { target, progress, end } = order;
        if self.rebuilding.is_some() || self.serve_from.is_some() {
            end.send(Err(RebuildError::UnderWay));
            return self.discard(target).await;
        }
        let source = self.source.clone();
        let fresh = match target {
            Some(target) => Ok(target),
            None => {
                let creating = self.engine.work_pool.run(move || source.fresh());
                creating.await.unwrap_or_else(|error| Err(Failed::at(Position::NONE, error)))
            }
        };
        match fresh {
            Ok(target) => {
                self.building.begins(progress.clone());
                let (retry, wanted) = (self.manner.retry.clone(), self.shared.wanted());
                let context = BuildContext { progress, retry, wanted };
                let build = Build::of(Cursor::of(&self.engine, target, self.manner.batch_time));
                self.rebuilding = Some(Rebuilding::begin(build, context, end));
            }
            Err(failed) => end.send(Err(failed.into())),
        }
    }

    pub(super) async fn handle_rebuild_step(&mut self, step: Step<T>) {
        let caught_up = match step {
            Step::CaughtUp(caught_up) => *caught_up,
            Step::Commits(commits) => return self.take_last(commits).await,
        };
        match caught_up {
            Ok(caught_up) => self.caught_up(caught_up).await,
            Err(panic) => {
                let name = &self.shared.name;
                tracing::error!(target: "actuarius::projection", %name, %panic, "a rebuild failed");
                let at = self.rebuilding.as_ref().map_or(Position::NONE, Rebuilding::position);
                self.finish_rebuild(None, Err(Failed::at(at.next(), panic).into())).await;
            }
        }
    }

    async fn caught_up(&mut self, caught_up: CaughtUp<T>) {
        match (caught_up, &mut self.rebuilding) {
            (Ok(build), Some(rebuilding)) => {
                rebuilding.keep(build);
                self.replace_if_caught_up().await;
            }
            (Ok(build), None) => self.discard(Some(build.cursor.target)).await,
            (Err((build, error)), _) => {
                self.finish_rebuild(Some(build.cursor.target), Err(error)).await;
            }
        }
    }

    /// Takes the last events while the view that is read stands still.
    async fn take_last(&mut self, commits: Result<Slice, ReadError>) {
        let Some(rebuilding) = &mut self.rebuilding else { return };
        let Some(build) = rebuilding.take_near() else { return };
        let (build, outcome) = match commits {
            Ok(slice) => build.take_now(slice).await,
            Err(error) => {
                let at = build.position().next();
                (build, Err(Failed::at(at, error)))
            }
        };
        match outcome {
            Ok(()) => {
                rebuilding.keep(build);
                self.replace_if_caught_up().await;
            }
            // The view that is read does not stand still for another attempt.
            failed => rebuilding.follow(build, failed),
        }
    }

    /// Replaces the view that is read once the new one has reached its position. If that fails, the old one
    /// continues.
    async fn replace_if_caught_up(&mut self) {
        let position = self.shared.progress.position();
        let Some(rebuilding) = &mut self.rebuilding else { return };
        let Some(build) = rebuilding.take_near_from(position) else { return };
        let (build, served) = build.serve().await;
        match served {
            Ok(()) => {
                let old = self.cursor.replace(build.cursor).map(|cursor| cursor.target);
                self.start_taking();
                self.finish_rebuild(old, Ok(())).await;
            }
            failed => {
                rebuilding.follow(build, failed);
                if let Some(cursor) = &mut self.cursor {
                    cursor.target.recheck();
                }
                self.rewind().await;
            }
        }
    }

    /// Closes what is no longer needed, and then reports the end.
    async fn finish_rebuild(&mut self, left: Option<T>, end: Result<(), RebuildError>) {
        self.building.ends();
        let rebuilding = self.rebuilding.take();
        self.discard(left).await;
        self.erase_after(&end).await;
        if let Some(rebuilding) = rebuilding {
            rebuilding.finish(end);
        }
    }

    /// Ends a rebuild whose target was lost with an actor that failed.
    pub(super) fn drop_lost_rebuild(&mut self) {
        if let Some(lost) = self.rebuilding.take_if(|rebuilding| rebuilding.is_lost()) {
            self.building.ends();
            let at = self.shared.progress.position().next();
            lost.finish(Err(Failed::at(at, "the projection's actor failed").into()));
        }
    }

    /// Stops the rebuild. Those that wait for it are notified, because the sender is dropped.
    pub(super) async fn stop_rebuilding(&mut self) {
        self.orders.close();
        while let Some(order) = self.orders.recv().await {
            self.discard(order.target).await;
        }
        if let Some(mut rebuilding) = self.rebuilding.take() {
            let build = rebuilding.stopped().await;
            self.discard(build.map(|build| build.cursor.target)).await;
        }
        self.building.ends();
    }

    /// Closes files and connections, which waits for a disk.
    async fn discard(&mut self, target: Option<T>) {
        let Some(target) = target else { return };
        let discarding = self.engine.work_pool.run(move || target.discard());
        if let Err(error) = discarding.await {
            let name = &self.shared.name;
            tracing::error!(target: "actuarius::projection", %name, %error, "closing a view failed");
        }
    }
}

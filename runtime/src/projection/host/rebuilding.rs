use actuarius_domain::Position;
use actuarius_persistence::ReadError;

use super::super::cursor::Cursor;
use super::Host;
use crate::follow::follower::Slice;
use crate::projection::rebuild::{Around, Build, CaughtUp, Order, RebuildError, Rebuilding, Step};
use crate::projection::target::{Failed, Target};

impl<T: Target> Host<T> {
    pub(super) async fn begin_rebuild(&mut self, order: Order<T>) {
        let Order { beside, progress, end } = order;
        if self.rebuilding.is_some() || self.serve_from.is_some() {
            end.tell(Err(RebuildError::UnderWay));
            return self.discard(beside).await;
        }
        let source = self.source.clone();
        let fresh = match beside {
            Some(target) => Ok(target),
            None => tokio::task::spawn_blocking(move || source.fresh())
                .await
                .unwrap_or_else(|panic| Err(Failed::at(Position::NONE, panic))),
        };
        match fresh {
            Ok(target) => {
                self.building.begins(progress.clone());
                let (retry, wanted) = (self.retry.clone(), self.shared.wanted());
                let around = Around { progress, retry, wanted };
                let build = Build::of(Cursor::of(&self.engine, target));
                self.rebuilding = Some(Rebuilding::begin(build, around, end));
            }
            Err(failed) => end.tell(Err(failed.into())),
        }
    }

    pub(super) async fn rebuilding_goes_on(&mut self, step: Step<T>) {
        match step {
            Step::CaughtUp(Ok(caught_up)) => self.caught_up(caught_up).await,
            Step::CaughtUp(Err(panic)) => {
                let name = &self.shared.name;
                tracing::error!(target: "actuarius::projection", %name, %panic, "a rebuild failed");
                let at = self.rebuilding.as_ref().map_or(Position::NONE, Rebuilding::position);
                self.end_rebuild(None, Err(Failed::at(at.next(), panic).into())).await;
            }
            Step::Commits(commits) => self.take_beside(commits).await,
        }
    }

    async fn caught_up(&mut self, caught_up: CaughtUp<T>) {
        match (caught_up, &mut self.rebuilding) {
            (Ok(build), Some(rebuilding)) => {
                rebuilding.keep(build);
                self.replace_once_it_shows_as_much().await;
            }
            (Ok(build), None) => self.discard(Some(build.cursor.target)).await,
            (Err((build, error)), _) => {
                self.end_rebuild(Some(build.cursor.target), Err(error)).await;
            }
        }
    }

    /// The last few events, while the view that is read stands still.
    async fn take_beside(&mut self, commits: Result<Slice, ReadError>) {
        let Some(rebuilding) = &mut self.rebuilding else { return };
        let Some(build) = rebuilding.take_near() else { return };
        let (build, outcome) = match commits {
            Ok(slice) => build.take(slice).await,
            Err(error) => {
                let at = build.position().next();
                (build, Err(Failed::at(at, error)))
            }
        };
        match outcome {
            Ok(()) => {
                rebuilding.keep(build);
                self.replace_once_it_shows_as_much().await;
            }
            // The view that is read need not stand still for another attempt.
            failed => rebuilding.follow(build, failed),
        }
    }

    /// Until the new view is the one that is read, the old one can go on.
    async fn replace_once_it_shows_as_much(&mut self) {
        let shown = self.shared.progress.position();
        let Some(rebuilding) = &mut self.rebuilding else { return };
        let Some(build) = rebuilding.take_near_from(shown) else { return };
        let (build, served) = build.serve().await;
        match served {
            Ok(()) => {
                let old = self.cursor.replace(build.cursor).map(|cursor| cursor.target);
                self.begin_again();
                self.end_rebuild(old, Ok(())).await;
            }
            failed => {
                rebuilding.follow(build, failed);
                if let Some(cursor) = &mut self.cursor {
                    cursor.target.look_again();
                }
                self.go_back().await;
            }
        }
    }

    /// Closes what nobody needs any more, and then tells.
    async fn end_rebuild(&mut self, left: Option<T>, end: Result<(), RebuildError>) {
        self.building.ends();
        let rebuilding = self.rebuilding.take();
        self.discard(left).await;
        self.erase_after(&end).await;
        if let Some(rebuilding) = rebuilding {
            rebuilding.tell(end);
        }
    }

    /// The target of a rebuild may be lost with an actor that failed.
    pub(super) fn forget_lost_rebuild(&mut self) {
        if let Some(lost) = self.rebuilding.take_if(|rebuilding| rebuilding.is_lost()) {
            self.building.ends();
            let at = self.shared.progress.position().next();
            lost.tell(Err(Failed::at(at, "the projection's actor failed").into()));
        }
    }

    /// Whoever waits for one hears that it was stopped, because the other end is dropped.
    pub(super) async fn end_rebuilding(&mut self) {
        self.orders.close();
        while let Some(order) = self.orders.recv().await {
            self.discard(order.beside).await;
        }
        if let Some(mut rebuilding) = self.rebuilding.take() {
            let build = rebuilding.stopped().await;
            self.discard(build.map(|build| build.cursor.target)).await;
        }
        self.building.ends();
    }

    /// Files and connections are closed where that holds up nobody.
    async fn discard(&mut self, target: Option<T>) {
        let Some(target) = target else { return };
        let discarding = tokio::task::spawn_blocking(move || target.discard());
        if let Err(error) = discarding.await {
            let name = &self.shared.name;
            tracing::error!(target: "actuarius::projection", %name, %error, "closing a view failed");
        }
    }
}

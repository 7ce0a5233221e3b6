//! A running rebuild: its task, and the last events that it takes while the view that is read stands still.

use std::future::pending;

use actuarius_domain::Position;
use actuarius_persistence::ReadError;
use tokio::task::{JoinError, JoinSet};

use super::build::{Build, BuildContext, CaughtUp};
use super::{EndSender, RebuildError};
use crate::follow::follower::Slice;
use crate::projection::target::{Failed, Target};

/// A running rebuild, as its projection sees it.
pub(crate) struct Rebuilding<T> {
    context: BuildContext,
    end: EndSender,
    /// Holds the build while it follows the log on its own and the view that is read continues: at most one.
    task: JoinSet<CaughtUp<T>>,
    /// Holds the build while it takes the last events and the view that is read stands still.
    near: Option<Build<T>>,
}

/// The next event of a rebuild.
pub(crate) enum Step<T> {
    CaughtUp(Box<Result<CaughtUp<T>, JoinError>>),
    Commits(Result<Slice, ReadError>),
}

impl<T: Target> Rebuilding<T> {
    pub(crate) fn begin(build: Build<T>, context: BuildContext, end: EndSender) -> Self {
        let mut rebuilding = Self { context, end, task: JoinSet::new(), near: None };
        rebuilding.follow(build, Ok(()));
        rebuilding
    }

    /// Lets the build follow the log on its own, after the outcome so far.
    pub(crate) fn follow(&mut self, build: Build<T>, outcome: Result<(), Failed>) {
        self.task.spawn(build.catch_up(outcome, self.context.clone()));
    }

    /// Keeps the build until it has the last events.
    pub(crate) fn keep(&mut self, build: Build<T>) {
        self.context.progress.reached(build.position());
        self.near = Some(build);
    }

    pub(crate) fn take_near(&mut self) -> Option<Build<T>> {
        self.near.take()
    }

    /// Takes the build if it has reached `position`.
    pub(crate) fn take_near_from(&mut self, position: Position) -> Option<Build<T>> {
        self.near.take_if(|build| build.position() >= position)
    }

    /// Returns whether it lacks only the last events.
    pub(crate) fn is_near(&self) -> bool {
        self.near.is_some()
    }

    /// Returns whether its build was lost with an actor that failed.
    pub(crate) fn is_lost(&self) -> bool {
        self.task.is_empty() && self.near.is_none()
    }

    pub(crate) fn position(&self) -> Position {
        self.context.progress.position()
    }

    /// Waits for the next step. May be dropped at any time.
    pub(crate) async fn next(&mut self) -> Step<T> {
        if let Some(build) = &mut self.near {
            return Step::Commits(build.cursor.next().await);
        }
        match self.task.join_next().await {
            Some(caught_up) => Step::CaughtUp(Box::new(caught_up)),
            None => pending().await,
        }
    }

    /// Waits until the task has ended after a stop of the projection, and returns the build.
    pub(crate) async fn stopped(&mut self) -> Option<Build<T>> {
        if self.near.is_some() {
            return self.near.take();
        }
        match self.task.join_next().await? {
            Ok(Ok(build) | Err((build, _))) => Some(build),
            // Its target was lost with the task.
            Err(_) => None,
        }
    }

    pub(crate) fn finish(self, end: Result<(), RebuildError>) {
        self.end.send(end);
    }
}

use std::future::pending;
use std::time::Duration;

use actuarius_domain::Position;
use actuarius_persistence::ReadError;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use super::{Build, End, RebuildError};
use crate::follow::follower::Slice;
use crate::follow::followers::{DesiredState, Retry};
use crate::follow::progress::Progress;
use crate::projection::target::{Failed, Target};

/// What a build has to do with the projection it is for.
#[derive(Clone)]
pub(crate) struct Around {
    pub(crate) progress: Progress,
    pub(crate) retry: Retry,
    pub(crate) wanted: watch::Receiver<(DesiredState, u64)>,
}

impl Around {
    pub(super) fn is_stopped(&self) -> bool {
        self.wanted.borrow().0 == DesiredState::Stop
    }

    /// Until an event is tried again, or the projection is stopped.
    pub(super) async fn wait(&self, time: Duration) {
        let mut wanted = self.wanted.clone();
        tokio::select! {
            _ = wanted.wait_for(|(wanted, _)| *wanted == DesiredState::Stop) => {}
            () = tokio::time::sleep(time) => {}
        }
    }
}

/// A rebuild as its projection sees it.
pub(crate) struct Rebuilding<T> {
    around: Around,
    end: End,
    /// While it follows the log on its own, and the view that is read goes on: at most one.
    task: JoinSet<CaughtUp<T>>,
    /// While it takes the last few events, and the view that is read stands still.
    near: Option<Build<T>>,
}

/// A build that is near to the end of the log, or will not get there.
pub(crate) type CaughtUp<T> = Result<Build<T>, (Build<T>, RebuildError)>;

/// What comes next of a rebuild.
pub(crate) enum Step<T> {
    CaughtUp(Result<CaughtUp<T>, JoinError>),
    Commits(Result<Slice, ReadError>),
}

impl<T: Target> Rebuilding<T> {
    pub(crate) fn begin(build: Build<T>, around: Around, end: End) -> Self {
        let mut rebuilding = Self { around, end, task: JoinSet::new(), near: None };
        rebuilding.follow(build, Ok(()));
        rebuilding
    }

    /// Lets it follow the log on its own, after what came of it so far.
    pub(crate) fn follow(&mut self, build: Build<T>, outcome: Result<(), Failed>) {
        self.task.spawn(build.catch_up(outcome, self.around.clone()));
    }

    /// Keeps it until it has the last few events.
    pub(crate) fn keep(&mut self, build: Build<T>) {
        self.around.progress.reached(build.position());
        self.near = Some(build);
    }

    pub(crate) fn take_near(&mut self) -> Option<Build<T>> {
        self.near.take()
    }

    /// The build, if it has come to `shown`.
    pub(crate) fn take_near_from(&mut self, shown: Position) -> Option<Build<T>> {
        self.near.take_if(|build| build.position() >= shown)
    }

    /// Whether it lacks few events, and has everything else behind it.
    pub(crate) fn is_near(&self) -> bool {
        self.near.is_some()
    }

    /// Whether its build went down with an actor that failed.
    pub(crate) fn is_lost(&self) -> bool {
        self.task.is_empty() && self.near.is_none()
    }

    pub(crate) fn position(&self) -> Position {
        self.around.progress.position()
    }

    /// What comes next; waits for it. May be dropped at any time.
    pub(crate) async fn next(&mut self) -> Step<T> {
        if let Some(build) = &mut self.near {
            return Step::Commits(build.cursor.next().await);
        }
        match self.task.join_next().await {
            Some(caught_up) => Step::CaughtUp(caught_up),
            None => pending().await,
        }
    }

    /// What is left of it when the projection is stopped, once nobody works on it any more.
    pub(crate) async fn stopped(&mut self) -> Option<Build<T>> {
        if self.near.is_some() {
            return self.near.take();
        }
        match self.task.join_next().await? {
            Ok(Ok(build) | Err((build, _))) => Some(build),
            // Its target went down with it.
            Err(_) => None,
        }
    }

    pub(crate) fn tell(self, end: Result<(), RebuildError>) {
        self.end.tell(end);
    }
}

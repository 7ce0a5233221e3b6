use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use actuarius_domain::Position;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

use super::target::{Failed, Target};
use crate::engine::Engine;
use crate::follower::Follower;
use crate::followers::{Retry, Wanted};
use crate::progress::Progress;

/// Why a rebuild did not come to its end. The view that served before serves on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// A rebuild is under way. Wait for it.
    #[error("a rebuild of it is under way")]
    UnderWay,
    /// It cannot get past an event, or its new view could not be written.
    #[error("the rebuild failed at position {position}: {why}")]
    Failed {
        /// The event.
        position: Position,
        /// What went wrong.
        why: String,
    },
    /// The projection was stopped meanwhile.
    #[error("the projection was stopped")]
    Stopped,
}

/// A rebuild under way: await its end, or look how far it is. It goes on when this is dropped.
#[must_use = "it says how the rebuild ends"]
pub struct Rebuild {
    progress: Progress,
    end: oneshot::Receiver<Result<(), RebuildError>>,
}

impl Rebuild {
    /// The position up to which the new view has all events; the log's end is the goal.
    #[must_use]
    pub fn position(&self) -> Position {
        self.progress.position()
    }
}

impl IntoFuture for Rebuild {
    type Output = Result<(), RebuildError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.end.await.unwrap_or(Err(RebuildError::Stopped)) })
    }
}

/// The order to rebuild: into a target of the user's, or one the host makes.
pub(crate) struct Order<T> {
    pub(crate) beside: Option<T>,
    pub(crate) progress: Progress,
    pub(crate) end: oneshot::Sender<Result<(), RebuildError>>,
}

pub(crate) fn order<T>(orders: &mpsc::Sender<Order<T>>, beside: Option<T>) -> Rebuild {
    let (end, ended) = oneshot::channel();
    let progress = Progress::at(Position::NONE);
    let order = Order { beside, progress: progress.clone(), end };
    match orders.try_send(order) {
        Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
        Err(mpsc::error::TrySendError::Full(order)) => {
            // Who ordered has just been handed the other end.
            let _ = order.end.send(Err(RebuildError::UnderWay));
        }
    }
    Rebuild { progress, end: ended }
}

/// A target with its place in the log.
pub(crate) struct Track<T> {
    pub(crate) target: T,
    pub(crate) follower: Follower,
}

impl<T: Target> Track<T> {
    pub(crate) fn of(engine: &Arc<Engine>, target: T) -> Self {
        let follower = Follower::behind(engine, target.position());
        Self { target, follower }
    }

    /// Follows the log to its end, with nobody looking. It fails when the projection stops.
    pub(crate) async fn catch_up(
        mut self,
        progress: Progress,
        retry: Retry,
        mut wanted: watch::Receiver<(Wanted, u64)>,
    ) -> Result<Self, Failed> {
        let mut failures = 0;
        while !self.follower.is_at_head() {
            if wanted.borrow().0 == Wanted::Stop {
                return Err(Failed::at(self.follower.at(), "the projection was stopped"));
            }
            let taken = match self.follower.next().await {
                Ok(slice) => {
                    let taken;
                    (self.target, taken) = super::target::take(self.target, slice).await;
                    taken
                }
                Err(error) => Err(Failed::at(self.follower.at().next(), error)),
            };
            if let Err(failed) = taken {
                failures += 1;
                let Some(wait) = retry.wait_after(failures) else { return Err(failed) };
                tokio::select! {
                    _ = wanted.wait_for(|(wanted, _)| *wanted == Wanted::Stop) => {}
                    () = tokio::time::sleep(wait) => {}
                }
                self.follower.seek(self.target.position());
            }
            progress.reached(self.target.position());
        }
        Ok(self)
    }
}

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use actuarius_domain::Position;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

use super::target::{Failed, Target};
use super::track::Track;
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

/// How near to the end of the log a rebuild is done, once it has come to where the end was when it
/// began: the view takes the rest before it is read. Under load the end moves on and on.
const NEAR: u64 = 4_096;

/// Follows the log to its end, with nobody looking. It fails when the projection stops.
pub(crate) async fn catch_up<T: Target>(
    mut track: Track<T>,
    progress: Progress,
    retry: Retry,
    mut wanted: watch::Receiver<(Wanted, u64)>,
) -> Result<Track<T>, Failed> {
    let (goal, mut failures) = (track.follower.head(), Failures::default());
    while track.target.position() < goal || track.lag() > NEAR {
        if wanted.borrow().0 == Wanted::Stop {
            return Err(Failed::at(track.follower.at(), "the projection was stopped"));
        }
        let outcome = match track.next().await {
            Ok(slice) => {
                let taken;
                (track, taken) = track.take(slice).await;
                taken.outcome
            }
            Err(error) => Err(Failed::at(track.follower.at().next(), error)),
        };
        if let Err(failed) = outcome {
            let Some(wait) = retry.wait_after(failures.at(failed.position)) else {
                return Err(failed);
            };
            tokio::select! {
                _ = wanted.wait_for(|(wanted, _)| *wanted == Wanted::Stop) => {}
                () = tokio::time::sleep(wait) => {}
            }
            track.go_back();
        }
        progress.reached(track.target.position());
    }
    Ok(track)
}

/// How often the same event has failed.
#[derive(Default)]
pub(crate) struct Failures(Option<(Position, u32)>);

impl Failures {
    /// Counts a failure at a position, and tells how many there were.
    pub(crate) fn at(&mut self, position: Position) -> u32 {
        let before = self.0.filter(|&(same, _)| same == position);
        let count = before.map_or(0, |(_, count)| count) + 1;
        self.0 = Some((position, count));
        count
    }
}

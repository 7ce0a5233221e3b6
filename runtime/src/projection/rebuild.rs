//! Rebuilds: what a caller that starts one gets, `build` (a view that catches up with the log) and
//! `rebuilding` (its task, and what is left to do after that).

mod build;
mod rebuilding;

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use actuarius_domain::Position;
use thiserror::Error;
use tokio::sync::{mpsc, watch};

pub(crate) use build::{Build, BuildContext, CaughtUp, Failures};
pub(crate) use rebuilding::{Rebuilding, Step};

use super::target::Failed;
use crate::follow::progress::Progress;

/// Why a rebuild did not finish. The view that was read before is still read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// Another rebuild is running. Wait for it.
    #[error("another rebuild is running")]
    UnderWay,
    /// It failed at an event, or its new view could not be written.
    #[error("the rebuild failed at position {position}: {why}")]
    Failed {
        /// The event.
        position: Position,
        /// What went wrong.
        why: String,
    },
    /// The projection was stopped.
    #[error("the projection was stopped")]
    Stopped,
}

impl From<Failed> for RebuildError {
    fn from(Failed { position, why }: Failed) -> Self {
        Self::Failed { position, why }
    }
}

/// A running rebuild: await its end, or read its position. It continues after this is dropped. Cheap to clone:
/// one clone may be awaited while another is read.
#[derive(Clone)]
#[must_use = "it reports how the rebuild ends"]
pub struct Rebuild {
    progress: Progress,
    end: watch::Receiver<Option<Result<(), RebuildError>>>,
}

impl Rebuild {
    /// Returns the position up to which the new view has all events. It is done near the end of the log.
    #[must_use]
    pub fn position(&self) -> Position {
        self.progress.position()
    }
}

impl IntoFuture for Rebuild {
    type Output = Result<(), RebuildError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move {
            let ended = self.end.wait_for(Option::is_some).await;
            // A stop drops the sender.
            ended.ok().and_then(|end| end.clone()).unwrap_or(Err(RebuildError::Stopped))
        })
    }
}

/// Reports the end of a rebuild to those that wait for it. If it is dropped before, the rebuild was stopped.
pub(crate) struct EndSender(watch::Sender<Option<Result<(), RebuildError>>>);

impl EndSender {
    pub(crate) fn send(self, end: Result<(), RebuildError>) {
        self.0.send_replace(Some(end));
    }
}

/// The order to rebuild: into a target of the user, or one that the host creates.
pub(crate) struct Order<T> {
    pub(crate) target: Option<T>,
    pub(crate) progress: Progress,
    pub(crate) end: EndSender,
}

impl<T> Order<T> {
    pub(crate) fn new(target: Option<T>) -> (Self, Rebuild) {
        let (end, ended) = watch::channel(None);
        let progress = Progress::at(Position::NONE);
        let rebuild = Rebuild { progress: progress.clone(), end: ended };
        (Self { target, progress, end: EndSender(end) }, rebuild)
    }
}

/// Sends an order to the host, unless another one waits there.
pub(crate) fn order<T>(orders: &mpsc::Sender<Order<T>>, target: Option<T>) -> Rebuild {
    let (order, rebuild) = Order::new(target);
    if let Err(mpsc::error::TrySendError::Full(order)) = orders.try_send(order) {
        order.end.send(Err(RebuildError::UnderWay));
    }
    rebuild
}

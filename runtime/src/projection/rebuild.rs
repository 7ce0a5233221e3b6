//! Rebuilds: what whoever orders one gets, `build` (a view on its way to the end of the log) and
//! `rebuilding` (its task, and what is left to do when that is done).

mod build;
mod rebuilding;

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use actuarius_domain::Position;
use thiserror::Error;
use tokio::sync::{mpsc, watch};

pub(crate) use build::{Build, Failures};
pub(crate) use rebuilding::{Around, CaughtUp, Rebuilding, Step};

use super::target::Failed;
use crate::follow::progress::Progress;

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

impl From<Failed> for RebuildError {
    fn from(Failed { position, why }: Failed) -> Self {
        Self::Failed { position, why }
    }
}

/// A rebuild under way: await its end, or look how far it is. It goes on when this is dropped. Cheap
/// to clone: one may be awaited while another is looked at.
#[derive(Clone)]
#[must_use = "it says how the rebuild ends"]
pub struct Rebuild {
    progress: Progress,
    end: watch::Receiver<Option<Result<(), RebuildError>>>,
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

    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move {
            let ended = self.end.wait_for(Option::is_some).await;
            // Who stops says nothing.
            ended.ok().and_then(|end| end.clone()).unwrap_or(Err(RebuildError::Stopped))
        })
    }
}

/// Tells whoever waits for the end of a rebuild; that it was stopped if it is dropped before.
pub(crate) struct End(watch::Sender<Option<Result<(), RebuildError>>>);

impl End {
    pub(crate) fn tell(self, end: Result<(), RebuildError>) {
        self.0.send_replace(Some(end));
    }
}

/// The order to rebuild: into a target of the user's, or one the host makes.
pub(crate) struct Order<T> {
    pub(crate) beside: Option<T>,
    pub(crate) progress: Progress,
    pub(crate) end: End,
}

impl<T> Order<T> {
    /// One that nobody waits for.
    pub(crate) fn of_our_own() -> Self {
        let (end, _) = watch::channel(None);
        Self { beside: None, progress: Progress::at(Position::NONE), end: End(end) }
    }
}

pub(crate) fn order<T>(orders: &mpsc::Sender<Order<T>>, beside: Option<T>) -> Rebuild {
    let (end, ended) = watch::channel(None);
    let progress = Progress::at(Position::NONE);
    let order = Order { beside, progress: progress.clone(), end: End(end) };
    match orders.try_send(order) {
        Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
        Err(mpsc::error::TrySendError::Full(order)) => {
            order.end.tell(Err(RebuildError::UnderWay));
        }
    }
    Rebuild { progress, end: ended }
}

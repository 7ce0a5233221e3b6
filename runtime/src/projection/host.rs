mod rebuilding;
mod taking;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use actuarius_domain::Position;
use actuarius_persistence::ReadError;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::rebuild::{Failures, Order, RebuildError};
use super::target::{Failed, Target};
use super::track::Track;
use crate::deadline::Deadline;
use crate::engine::Engine;
use crate::follower::Slice;
use crate::followers::{
    self, BoxError, Enlisted, FollowerStatus, Retry, Runs, Standing, StartError, Wanted,
};

/// Where the targets of one projection come from. Both calls wait for a disk.
pub(crate) trait Source<T>: Send + Sync + 'static {
    /// The target to go on with.
    fn open(&self) -> Result<Opened<T>, StartError>;

    /// An empty one for a rebuild, which nobody reads yet.
    fn fresh(&self) -> Result<T, Failed>;
}

/// A target found or made at the start.
pub(crate) struct Opened<T> {
    pub(crate) target: T,
    /// The position of an older view that is read until this one has caught up, if there is one.
    pub(crate) older: Option<Position>,
}

/// Follows the log for one projection: the loop its actor runs.
pub(crate) struct Host<T: Target> {
    engine: Arc<Engine>,
    standing: Arc<Standing>,
    retry: Retry,
    source: Arc<dyn Source<T>>,
    orders: mpsc::Receiver<Order<T>>,
    /// None only while it is worked on, and after a failure of the actor.
    track: Option<Track<T>>,
    /// Set while an older view is read: from this position on, the new one is.
    serve_from: Option<Position>,
    pace: Pace,
    /// The event it failed at, and how often.
    failures: Failures,
    /// The rebuild beside, at most one.
    rebuilding: JoinSet<(Result<Track<T>, Failed>, EndOfRebuild)>,
    /// The rebuild whose view is about to be read.
    taking_over: Option<EndOfRebuild>,
}

type EndOfRebuild = tokio::sync::oneshot::Sender<Result<(), RebuildError>>;

/// Whether it takes events.
#[derive(Clone, Copy, PartialEq)]
enum Pace {
    Running,
    /// Until an event that failed is tried again.
    Waiting(Deadline),
    /// Until it is asked to resume.
    Halted,
}

/// Starts a projection under the name that was taken for it, and returns where to order rebuilds.
pub(crate) async fn start<T: Target>(
    engine: &Arc<Engine>,
    enlisted: Enlisted,
    retry: Retry,
    source: Arc<dyn Source<T>>,
) -> Result<(Arc<Standing>, mpsc::Sender<Order<T>>), StartError> {
    let (sender, orders) = mpsc::channel(1);
    let mut host = Host {
        engine: engine.clone(),
        standing: enlisted.standing().clone(),
        retry,
        source,
        orders,
        track: None,
        serve_from: None,
        pace: Pace::Running,
        failures: Failures::default(),
        rebuilding: JoinSet::new(),
        taking_over: None,
    };
    host.open().await?;
    let standing = enlisted.keep();
    followers::start(engine, standing.clone(), host);
    Ok((standing, sender))
}

impl<T: Target> Runs for Host<T> {
    fn reopen(&mut self) -> Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send + '_>> {
        // Its target may be gone.
        self.taking_over = None;
        Box::pin(async move { Ok(self.open().await?) })
    }

    fn run(&mut self, _again: bool) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            // It may have all events already.
            self.after_taking().await;
            self.follow().await;
            self.end_rebuilds().await;
            self.close().await;
        })
    }
}

/// What comes next in the life of a host.
enum Next<T> {
    Asked,
    Ordered(Order<T>),
    Built(Result<(Result<Track<T>, Failed>, EndOfRebuild), JoinError>),
    TryAgain,
    Commits(Result<Slice, ReadError>),
}

impl<T: Target> Host<T> {
    /// Opens what there is to go on with, in place of what an actor that failed had open.
    async fn open(&mut self) -> Result<(), StartError> {
        let (source, before) = (self.source.clone(), self.track.take());
        let opening = tokio::task::spawn_blocking(move || {
            drop(before);
            source.open()
        });
        let Opened { target, older } = opening.await.map_err(|_| StartError::ShuttingDown)??;
        let (position, head) = (target.position(), self.engine.tail.head());
        if position > head {
            let name = self.standing.name.to_string();
            return Err(StartError::Ahead { name, checkpoint: position, head });
        }
        self.serve_from = older.map(|older| older.max(head));
        self.standing.reached(older.unwrap_or(position));
        self.begin_again();
        self.track = Some(Track::of(&self.engine, target));
        Ok(())
    }

    async fn follow(&mut self) {
        let mut wanted = self.standing.wanted();
        loop {
            let pausing = match wanted.borrow_and_update().0 {
                Wanted::Stop => return,
                Wanted::Pause => true,
                Wanted::Run => false,
            };
            if pausing {
                self.standing.now(FollowerStatus::Paused);
            }
            let Some(track) = &mut self.track else { return };
            let again = if let Pace::Waiting(until) = self.pace { Some(until.at()) } else { None };
            let next = tokio::select! {
                biased;
                _ = wanted.changed() => Next::Asked,
                Some(order) = self.orders.recv() => Next::Ordered(order),
                Some(built) = self.rebuilding.join_next() => Next::Built(built),
                () = sleep_until(again.unwrap_or_else(Instant::now)), if again.is_some() => {
                    Next::TryAgain
                }
                slice = track.next(), if !pausing && self.pace == Pace::Running => {
                    Next::Commits(slice)
                }
            };
            self.go_on(next).await;
        }
    }

    async fn go_on(&mut self, next: Next<T>) {
        match next {
            Next::Asked => {
                // After a halt, too, everything is tried again, but not because of a pause.
                if self.standing.wanted().borrow().0 == Wanted::Run {
                    self.begin_again();
                }
                self.after_taking().await;
            }
            Next::TryAgain => {
                self.pace = Pace::Running;
                self.after_taking().await;
            }
            Next::Ordered(order) => self.begin_rebuild(order).await,
            Next::Built(Ok((Ok(track), end))) => {
                self.take_over(track, end);
                self.after_taking().await;
            }
            // Who ordered may have gone away; then nobody is told.
            Next::Built(Ok((Err(Failed { position, why }), end))) => {
                let _ = end.send(Err(RebuildError::Failed { position, why }));
            }
            Next::Built(Err(error)) => {
                let name = &self.standing.name;
                tracing::error!(target: "actuarius::projection", %name, %error, "a rebuild failed");
            }
            Next::Commits(Ok(slice)) => self.take(slice).await,
            Next::Commits(Err(error)) => {
                let at = self.track.as_ref().map_or(Position::NONE, |it| it.follower.at());
                self.failed(Failed::at(at.next(), error));
            }
        }
    }

    /// Keeps what there is to keep, and closes the view's files, which waits for a disk.
    async fn close(&mut self) {
        let Some(Track { mut target, .. }) = self.track.take() else { return };
        let saves = self.serve_from.is_none();
        let closing = tokio::task::spawn_blocking(move || {
            if saves {
                target.save();
            }
        });
        if let Err(error) = closing.await {
            let name = &self.standing.name;
            tracing::error!(target: "actuarius::projection", %name, %error, "closing a view failed");
        }
    }
}

#[cfg(test)]
mod tests;

//! The loop that follows the log for one projection: its start, the requests it receives, and its end.
//!
//! `taking` (what it does with events), `rebuilding` (with the view that is built to replace the one that is
//! read) and `erasing` (when a subject is forgotten).

mod erasing;
mod rebuilding;
mod taking;

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actuarius_domain::Position;
use actuarius_persistence::ReadError;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::cursor::Cursor;
use super::rebuild::{Failures, Order, Rebuilding, Step};
use super::target::{Failed, Target, opening};
use crate::engine::Engine;
use crate::follow::building::Building;
use crate::follow::follower::Slice;
use crate::follow::followers::{
    self, BoxError, DesiredState, FollowerShared, FollowerStatus, Registration, Retry, Runs,
    StartError,
};
use crate::follow::progress::Progress;

/// Opens and creates the targets of one projection. Both calls wait for a disk.
pub(crate) trait Source<T>: Send + Sync + 'static {
    /// Opens the target to continue with.
    fn open(&self) -> Result<Opened<T>, StartError>;

    /// Creates an empty target for a rebuild, which is not read yet.
    fn fresh(&self) -> Result<T, Failed>;
}

/// A target found or made at the start.
pub(crate) struct Opened<T> {
    pub(crate) target: T,
    /// The position of an older view that is read until this one has caught up, if there is one.
    pub(crate) older: Option<Position>,
}

/// How a projection takes events.
#[derive(Clone)]
pub(crate) struct Manner {
    pub(crate) retry: Retry,
    /// How long events gather while it keeps up.
    pub(crate) batch_time: Duration,
}

/// The loop that the actor of one projection runs.
pub(crate) struct Host<T: Target> {
    engine: Arc<Engine>,
    shared: Arc<FollowerShared>,
    manner: Manner,
    source: Arc<dyn Source<T>>,
    orders: mpsc::Receiver<Order<T>>,
    /// `None` only while the target works, and after a failure of the actor.
    cursor: Option<Cursor<T>>,
    /// Set while an older view is read. From this position on, the new one is read.
    serve_from: Option<Position>,
    pace: Pace,
    /// The event at which it failed, and how often.
    failures: Failures,
    /// The running rebuild: at most one, and `None` while an older view is read.
    rebuilding: Option<Rebuilding<T>>,
    /// The progress of the view that is built to replace the one that is read, in either case.
    building: Building,
    /// How many subjects are forgotten.
    forgotten: watch::Receiver<u64>,
    /// How many were when it was opened. The view it continues with holds none of these.
    forgotten_at_opening: u64,
}

/// What the handles of a projection share with its host.
pub(crate) struct Hosted {
    pub(crate) shared: Arc<FollowerShared>,
    pub(crate) building: Building,
}

/// Whether it takes events.
#[derive(Clone, Copy, PartialEq)]
enum Pace {
    Running,
    /// Until an event that failed is tried again.
    Waiting(Instant),
    /// Until a request to resume.
    Halted,
}

/// Starts a projection under its registered name, and returns the sender for rebuild orders.
pub(crate) async fn start<T: Target>(
    engine: &Arc<Engine>,
    registration: Registration,
    manner: Manner,
    source: Arc<dyn Source<T>>,
) -> Result<(Hosted, mpsc::Sender<Order<T>>), StartError> {
    let (sender, orders) = mpsc::channel(1);
    let mut host = Host::of(engine, registration.shared(), (manner, source, orders));
    host.shared.erased(0);
    host.open().await?;
    let (shared, building) = (registration.keep(), host.building.clone());
    followers::start(engine, shared.clone(), host);
    Ok((Hosted { shared, building }, sender))
}

/// How a host takes events, where its targets come from, and the orders to rebuild.
type Parts<T> = (Manner, Arc<dyn Source<T>>, mpsc::Receiver<Order<T>>);

impl<T: Target> Runs for Host<T> {
    fn reopen(&mut self) -> Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send + '_>> {
        Box::pin(async move {
            self.drop_lost_rebuild();
            Ok(self.open().await?)
        })
    }

    fn run(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            let wanted = self.shared.wanted();
            // It may have all events already.
            self.after_taking().await;
            self.erase().await;
            self.follow(wanted).await;
            self.stop_rebuilding().await;
            self.close().await;
        })
    }
}

/// The next event of the loop.
enum Next<T> {
    Request,
    Rebuild(Order<T>),
    RebuildStep(Step<T>),
    Retry,
    Commits(Result<Slice, ReadError>),
    SaveDue,
    Forgotten,
}

impl<T: Target> Host<T> {
    /// Creates a host that has nothing open yet.
    fn of(
        engine: &Arc<Engine>,
        shared: &Arc<FollowerShared>,
        (manner, source, orders): Parts<T>,
    ) -> Self {
        Self {
            engine: engine.clone(),
            shared: shared.clone(),
            manner,
            source,
            orders,
            cursor: None,
            serve_from: None,
            pace: Pace::Running,
            failures: Failures::default(),
            rebuilding: None,
            building: shared.building.clone(),
            forgotten: engine.keyring.changes(),
            forgotten_at_opening: 0,
        }
    }

    /// Opens the view to continue with, in place of what a failed actor had open.
    async fn open(&mut self) -> Result<(), StartError> {
        self.forgotten_at_opening = self.engine.keyring.forgotten();
        let (source, before) = (self.source.clone(), self.cursor.take());
        let (name, head) = (self.shared.name.to_string(), self.engine.tail.head());
        let (target, older) = opening(&self.engine.work_pool, move || {
            drop(before);
            let Opened { target, older } = source.open()?;
            let checkpoint = target.position().max(older.unwrap_or_default());
            if checkpoint > head {
                return Err(StartError::Ahead { name, checkpoint, head });
            }
            Ok((target, older))
        })
        .await?;
        let cursor = Cursor::of(&self.engine, target, self.manner.batch_time);
        self.read_older(older.map(|older| older.max(head)), &cursor);
        self.shared.progress.reached(older.unwrap_or(cursor.target.position()));
        self.cursor = Some(cursor);
        self.start_taking();
        Ok(())
    }

    async fn follow(&mut self, mut wanted: watch::Receiver<(DesiredState, u64)>) {
        loop {
            // Borrowed, so that a request made during the last step still counts as changed below.
            let asked = wanted.borrow().0;
            let pausing = match asked {
                DesiredState::Stop => return,
                DesiredState::Pause => true,
                DesiredState::Run => false,
            };
            if pausing {
                self.shared.now(FollowerStatus::Paused);
            }
            let Some(cursor) = &mut self.cursor else { return };
            let again = if let Pace::Waiting(until) = self.pace { Some(until) } else { None };
            let is_near = self.rebuilding.as_ref().is_some_and(Rebuilding::is_near);
            let takes = !pausing && !is_near && self.pace == Pace::Running;
            let is_current = self.serve_from.is_none();
            let (is_live, progress) = (self.shared.is_live(), &self.shared.progress);
            let rests = is_current && is_live;
            let save_at = cursor.target.save_at().filter(|_| is_current);
            let next = tokio::select! {
                biased;
                _ = wanted.changed() => Next::Request,
                Ok(()) = self.forgotten.changed() => Next::Forgotten,
                Some(order) = self.orders.recv() => Next::Rebuild(order),
                step = next_step(&mut self.rebuilding) => Next::RebuildStep(step),
                () = until(again) => Next::Retry,
                slice = next_slice(cursor, progress, rests), if takes => Next::Commits(slice),
                () = until(save_at) => Next::SaveDue,
            };
            self.handle(next).await;
        }
    }

    async fn handle(&mut self, next: Next<T>) {
        match next {
            Next::Request => {
                // Resuming retries everything, also after a halt. A pause does not.
                if self.shared.wanted().borrow().0 == DesiredState::Run {
                    self.start_taking();
                }
                self.after_taking().await;
            }
            Next::Retry => {
                self.pace = Pace::Running;
                self.after_taking().await;
            }
            Next::Rebuild(order) => self.start_rebuild(order).await,
            Next::RebuildStep(step) => self.handle_rebuild_step(step).await,
            Next::SaveDue => self.after_taking().await,
            Next::Forgotten => self.erase().await,
            Next::Commits(Ok(slice)) => self.take(slice).await,
            Next::Commits(Err(error)) => {
                let at = self.cursor.as_ref().map_or(Position::NONE, |it| it.follower.at());
                self.failed(Failed::at(at.next(), error)).await;
            }
        }
    }

    /// Saves what is not stored, and closes the view's files, which waits for a disk.
    async fn close(&mut self) {
        let Some(Cursor { mut target, .. }) = self.cursor.take() else { return };
        let saves = self.serve_from.is_none();
        let closing = self.engine.work_pool.run(move || {
            if saves {
                target.save();
            }
        });
        if let Err(error) = closing.await {
            let name = &self.shared.name;
            tracing::error!(target: "actuarius::projection", %name, %error, "closing a view failed");
        }
    }
}

/// Waits until a moment, or forever if there is none.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

async fn next_slice<T: Target>(
    cursor: &mut Cursor<T>,
    progress: &Progress,
    rests: bool,
) -> Result<Slice, ReadError> {
    if rests {
        cursor.rest(progress).await;
    }
    cursor.next().await
}

async fn next_step<T: Target>(rebuilding: &mut Option<Rebuilding<T>>) -> Step<T> {
    match rebuilding {
        Some(rebuilding) => rebuilding.next().await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests;

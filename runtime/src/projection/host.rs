//! The loop that follows the log for one projection: here it is started, hears what is asked of it,
//! and ends. `taking` is what it does with events, `rebuilding` what it does with the view that is
//! built beside.

mod erasing;
mod rebuilding;
mod taking;

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;

use actuarius_domain::Position;
use actuarius_persistence::ReadError;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::building::Building;
use super::cursor::Cursor;
use super::rebuild::{Failures, Order, Rebuilding, Step};
use super::target::{Failed, Target, opening};
use crate::base::deadline::Deadline;
use crate::engine::Engine;
use crate::follow::follower::Slice;
use crate::follow::followers::{
    self, BoxError, DesiredState, FollowerShared, FollowerStatus, Registration, Retry, Runs,
    StartError,
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
    shared: Arc<FollowerShared>,
    retry: Retry,
    source: Arc<dyn Source<T>>,
    orders: mpsc::Receiver<Order<T>>,
    /// None only while it is worked on, and after a failure of the actor.
    cursor: Option<Cursor<T>>,
    /// Set while an older view is read: from this position on, the new one is.
    serve_from: Option<Position>,
    pace: Pace,
    /// The event it failed at, and how often.
    failures: Failures,
    /// The rebuild beside, at most one, and none while an older view is read.
    rebuilding: Option<Rebuilding<T>>,
    /// How far the view is that is built beside the one that is read, in either case.
    building: Building,
    /// How many subjects are forgotten.
    forgotten: watch::Receiver<u64>,
    /// How many were when it was opened: nobody of these is in what it goes on with.
    forgotten_at_opening: u64,
}

/// What everyone may know of a projection.
pub(crate) struct Hosted {
    pub(crate) shared: Arc<FollowerShared>,
    pub(crate) building: Building,
}

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
    registration: Registration,
    retry: Retry,
    source: Arc<dyn Source<T>>,
) -> Result<(Hosted, mpsc::Sender<Order<T>>), StartError> {
    let (sender, orders) = mpsc::channel(1);
    let building = Building::default();
    let mut host = Host {
        engine: engine.clone(),
        shared: registration.shared().clone(),
        retry,
        source,
        orders,
        cursor: None,
        serve_from: None,
        pace: Pace::Running,
        failures: Failures::default(),
        rebuilding: None,
        building: building.clone(),
        forgotten: engine.keyring.changes(),
        forgotten_at_opening: 0,
    };
    host.shared.erased(0);
    host.open().await?;
    let shared = registration.keep();
    followers::start(engine, shared.clone(), host);
    Ok((Hosted { shared, building }, sender))
}

impl<T: Target> Runs for Host<T> {
    fn reopen(&mut self) -> Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send + '_>> {
        Box::pin(async move {
            self.forget_lost_rebuild();
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
            self.end_rebuilding().await;
            self.close().await;
        })
    }
}

/// What comes next in the life of a host.
enum Next<T> {
    Asked,
    Ordered(Order<T>),
    Rebuilding(Step<T>),
    TryAgain,
    Commits(Result<Slice, ReadError>),
    SaveDue,
    Forgotten,
}

impl<T: Target> Host<T> {
    /// Opens what there is to go on with, in place of what an actor that failed had open.
    async fn open(&mut self) -> Result<(), StartError> {
        self.forgotten_at_opening = self.engine.keyring.forgotten();
        let (source, before) = (self.source.clone(), self.cursor.take());
        let (name, head) = (self.shared.name.to_string(), self.engine.tail.head());
        let (target, older) = opening(move || {
            drop(before);
            let Opened { target, older } = source.open()?;
            let checkpoint = target.position().max(older.unwrap_or_default());
            if checkpoint > head {
                return Err(StartError::Ahead { name, checkpoint, head });
            }
            Ok((target, older))
        })
        .await?;
        let cursor = Cursor::of(&self.engine, target);
        self.read_older(older.map(|older| older.max(head)), &cursor);
        self.shared.progress.reached(older.unwrap_or(cursor.target.position()));
        self.cursor = Some(cursor);
        self.begin_again();
        Ok(())
    }

    async fn follow(&mut self, mut wanted: watch::Receiver<(DesiredState, u64)>) {
        loop {
            // Only looked at: what was asked while it was at work is heard below.
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
            let again = if let Pace::Waiting(until) = self.pace { Some(until.at()) } else { None };
            let is_near = self.rebuilding.as_ref().is_some_and(Rebuilding::is_near);
            let takes = !pausing && !is_near && self.pace == Pace::Running;
            let save_at = cursor.target.save_at().filter(|_| self.serve_from.is_none());
            let next = tokio::select! {
                biased;
                _ = wanted.changed() => Next::Asked,
                Ok(()) = self.forgotten.changed() => Next::Forgotten,
                Some(order) = self.orders.recv() => Next::Ordered(order),
                step = next_step(&mut self.rebuilding) => Next::Rebuilding(step),
                () = until(again) => Next::TryAgain,
                slice = cursor.next(), if takes => Next::Commits(slice),
                () = until(save_at) => Next::SaveDue,
            };
            self.go_on(next).await;
        }
    }

    async fn go_on(&mut self, next: Next<T>) {
        match next {
            Next::Asked => {
                // After a halt, too, everything is tried again, but not because of a pause.
                if self.shared.wanted().borrow().0 == DesiredState::Run {
                    self.begin_again();
                }
                self.after_taking().await;
            }
            Next::TryAgain => {
                self.pace = Pace::Running;
                self.after_taking().await;
            }
            Next::Ordered(order) => self.begin_rebuild(order).await,
            Next::Rebuilding(step) => self.rebuilding_goes_on(step).await,
            Next::SaveDue => self.after_taking().await,
            Next::Forgotten => self.erase().await,
            Next::Commits(Ok(slice)) => self.take(slice).await,
            Next::Commits(Err(error)) => {
                let at = self.cursor.as_ref().map_or(Position::NONE, |it| it.follower.at());
                self.failed(Failed::at(at.next(), error)).await;
            }
        }
    }

    /// Keeps what there is to keep, and closes the view's files, which waits for a disk.
    async fn close(&mut self) {
        let Some(Cursor { mut target, .. }) = self.cursor.take() else { return };
        let saves = self.serve_from.is_none();
        let closing = tokio::task::spawn_blocking(move || {
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

/// Until a moment, if there is one.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

async fn next_step<T: Target>(rebuilding: &mut Option<Rebuilding<T>>) -> Step<T> {
    match rebuilding {
        Some(rebuilding) => rebuilding.next().await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests;

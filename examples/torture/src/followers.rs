//! The followers of the log: a subscription and a view of each kind.

use std::time::Duration;

use actuarius::error::{StartError, WaitError};
use actuarius::projection::{InDatabase, InMemory, Keyed, ProjectionBuilder};
use actuarius::subscription::{Retry, Subscription};
use actuarius::{Position, Runtime};

use crate::Journal;
use crate::effects::Effects;
use crate::report::{BATCH, Report};
use crate::total::{Recent, Totals};

/// The names of the followers, which files on disk use as well.
pub(crate) const EFFECTS: &str = "effects";
pub(crate) const RECENT: &str = "recent";
pub(crate) const TOTALS: &str = "totals";
pub(crate) const REPORT: &str = "report";

/// The interval at which the view in memory is saved: far shorter than in practice.
const SAVED_EVERY: Duration = Duration::from_millis(20);

/// The number of handlers that run at the same time.
const WORKERS: usize = 4;

/// The time limit for a follower to catch up.
pub(crate) const CATCHING_UP: Duration = Duration::from_secs(120);

/// One follower of each kind.
#[derive(Clone)]
pub(crate) struct Followers {
    pub(crate) effects: Subscription,
    pub(crate) recent: Keyed<Recent>,
    pub(crate) totals: InMemory<Totals>,
    pub(crate) report: InDatabase<Report>,
}

impl Followers {
    /// Waits until all followers have reached `position`.
    pub(crate) async fn wait_for(&self, position: Position) -> Result<(), WaitError> {
        self.effects.wait_for_within(position, CATCHING_UP).await?;
        self.recent.wait_for_within(position, CATCHING_UP).await?;
        self.totals.wait_for_within(position, CATCHING_UP).await?;
        self.report.wait_for_within(position, CATCHING_UP).await
    }
}

pub(crate) async fn subscribe(
    runtime: &Runtime,
    effects: Effects,
) -> Result<Subscription, StartError> {
    let subscribed = runtime.subscribe(EFFECTS).on(effects).workers(WORKERS).retry(short_delay());
    subscribed.checkpoint_every(Duration::from_millis(10)).start().await
}

/// Starts the keyed view. While a newer version is built, an older one is read.
pub(crate) async fn keep_recent(
    runtime: &Runtime,
    version: u32,
) -> Result<Keyed<Recent>, StartError> {
    let projection = runtime.keyed(RECENT).on::<Journal>().version(version);
    (1..version).fold(projection, ProjectionBuilder::also_reads).retry(short_delay()).start().await
}

pub(crate) async fn keep_totals(runtime: &Runtime) -> Result<InMemory<Totals>, StartError> {
    let projection = runtime.projection(TOTALS).on::<Journal>();
    projection.save_every(SAVED_EVERY).retry(short_delay()).start().await
}

pub(crate) async fn keep_report(
    runtime: &Runtime,
    report: Report,
) -> Result<InDatabase<Report>, StartError> {
    let projection = runtime.database(REPORT, report).on::<Journal>();
    projection.batch_events(BATCH).retry(short_delay()).start().await
}

/// A short delay: the failures made here do not occur at the second attempt.
fn short_delay() -> Retry {
    Retry::default().waits(Duration::from_millis(1), Duration::from_millis(10))
}

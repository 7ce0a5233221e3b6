use std::time::Duration;

use actuarius::error::{StartError, WaitError};
use actuarius::projection::{InDatabase, InMemory, Keyed, ProjectionBuilder};
use actuarius::subscription::{Retry, Subscription};
use actuarius::{Position, Runtime};

use crate::Journal;
use crate::effects::Effects;
use crate::report::{BATCH, Report};
use crate::total::{Recent, Totals};

/// The names they are started under; files on disk have them, too.
pub(crate) const EFFECTS: &str = "effects";
pub(crate) const RECENT: &str = "recent";
pub(crate) const TOTALS: &str = "totals";
pub(crate) const REPORT: &str = "report";

/// How often the view in memory is saved: far more often than anyone needs.
const SAVED_EVERY: Duration = Duration::from_millis(20);

/// How many handlers are at work at once.
const WORKERS: usize = 4;

/// Longer than any of them takes to catch up.
pub(crate) const CATCHING_UP: Duration = Duration::from_secs(120);

/// What follows the log: one of each kind.
#[derive(Clone)]
pub(crate) struct Followers {
    pub(crate) effects: Subscription,
    pub(crate) recent: Keyed<Recent>,
    pub(crate) totals: InMemory<Totals>,
    pub(crate) report: InDatabase<Report>,
}

impl Followers {
    /// Waits until all of them have come to `position`.
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
    let subscribed = runtime.subscribe(EFFECTS).on(effects).workers(WORKERS).retry(soon());
    subscribed.checkpoint_every(Duration::from_millis(10)).start().await
}

/// While a newer version of the view is built, that of an older one is read.
pub(crate) async fn keep_recent(
    runtime: &Runtime,
    version: u32,
) -> Result<Keyed<Recent>, StartError> {
    let projection = runtime.keyed(RECENT).on::<Journal>().version(version);
    (1..version).fold(projection, ProjectionBuilder::also_reads).retry(soon()).start().await
}

pub(crate) async fn keep_totals(runtime: &Runtime) -> Result<InMemory<Totals>, StartError> {
    let projection = runtime.projection(TOTALS).on::<Journal>();
    projection.save_every(SAVED_EVERY).retry(soon()).start().await
}

pub(crate) async fn keep_report(
    runtime: &Runtime,
    report: Report,
) -> Result<InDatabase<Report>, StartError> {
    let projection = runtime.database(REPORT, report).on::<Journal>();
    projection.batch_events(BATCH).retry(soon()).start().await
}

/// Failures that are made here are over at the second attempt.
fn soon() -> Retry {
    Retry::default().waits(Duration::from_millis(1), Duration::from_millis(10))
}

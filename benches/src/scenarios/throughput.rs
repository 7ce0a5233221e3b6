//! Commands per second, beside the plain log.

use std::path::Path;

use actuarius::{Hosting, Runtime};

use crate::Result;
use crate::distribution::Distribution;
use crate::machine::bytes_below;
use crate::options::{Options, Scenario};
use crate::plain_log::PlainLog;
use crate::rounds::{alternate, load};
use crate::row::Row;
use crate::subject::{StoreKind, Subject};

pub(super) async fn spread(scenario: Scenario, options: &Options) -> Result<Vec<Row>> {
    side_by_side(scenario.name(), options, Hosting::default()).await
}

pub(super) async fn hot(options: &Options) -> Result<Vec<Row>> {
    let options =
        Options { aggregates: Some(1), distribution: Some(Distribution::Hot), ..options.clone() };
    side_by_side(Scenario::Hot.name(), &options, Hosting::default()).await
}

/// Lets the runtime and the plain log take turns, on one disk and with the same clients.
pub(super) async fn side_by_side(
    name: &str,
    options: &Options,
    hosting: Hosting,
) -> Result<Vec<Row>> {
    let scratch = options.scratch()?;
    let store = scratch.path().join("store");
    let row = Row::new(name, options, scratch.path());
    let subject = Subject::open(options.store, &store, Runtime::builder(), hosting).await?;
    let plain = PlainLog::create(&scratch.path().join("plain.log"))?;
    let load = load(&row, options);
    let (ours, theirs) = alternate(&subject, &plain, &load, options.rounds()).await?;
    let row = with_disk(row.with_sides(&ours, &theirs), subject, options.store, &store).await?;
    let figure = row.commands_per_second.unwrap_or_default();
    Ok(vec![row.with_figure(figure, "commands/s")])
}

/// Closes the store and adds what it takes on disk.
pub(super) async fn with_disk(
    mut row: Row,
    subject: Subject,
    kind: StoreKind,
    store: &Path,
) -> Result<Row> {
    let events = subject.runtime.head().get();
    row.workload.store = subject.runtime.reader()?.info()?.engine.to_owned();
    subject.close().await?;
    if kind == StoreKind::Sled && events > 0 && store.exists() {
        row.disk_bytes_per_event = Some(bytes_below(store)? as f64 / events as f64);
    }
    Ok(row.with_detail("events_stored", events as f64))
}

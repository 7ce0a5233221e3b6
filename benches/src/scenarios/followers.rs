//! The scenario `followers`: commands per second with followers attached, as a share of those without, measured in turns
//! so that drift affects all equally.

mod watch;

use std::path::Path;

use actuarius::Runtime;
use actuarius::projection::ProjectionHandle;

use super::projection::views;
use crate::Result;
use crate::options::Options;
use crate::rounds::{Side, load, turn};
use crate::row::{Row, median, ratio};
use crate::subject::Subject;
use crate::workload::Journal;

/// What follows the log: this many views of each kind, and perhaps a saga that reacts to every event.
#[derive(Clone, Copy)]
struct Attached {
    name: &'static str,
    in_memory: usize,
    keyed: usize,
    sqlite: usize,
    saga: bool,
}

const fn views(name: &'static str, [in_memory, keyed, sqlite]: [usize; 3]) -> Attached {
    Attached { name, in_memory, keyed, sqlite, saga: false }
}

const ATTACHED: [Attached; 12] = [
    views("followers-none", [0, 0, 0]),
    views("followers-memory-1", [1, 0, 0]),
    views("followers-memory-3", [3, 0, 0]),
    views("followers-memory-5", [5, 0, 0]),
    views("followers-keyed-1", [0, 1, 0]),
    views("followers-keyed-3", [0, 3, 0]),
    views("followers-keyed-5", [0, 5, 0]),
    views("followers-sqlite-1", [0, 0, 1]),
    views("followers-sqlite-3", [0, 0, 3]),
    views("followers-sqlite-5", [0, 0, 5]),
    views("followers-three-kinds", [1, 1, 1]),
    Attached { name: "followers-saga", in_memory: 0, keyed: 0, sqlite: 0, saga: true },
];

pub(super) async fn followers(options: &Options) -> Result<Vec<Row>> {
    let mut sides: [(Side, u64); ATTACHED.len()] = Default::default();
    for _ in 0..options.rounds() {
        for (attached, (side, lag)) in ATTACHED.into_iter().zip(&mut sides) {
            *lag = (*lag).max(with_attached(attached, options, side).await?);
        }
    }
    let none = sides[0].0.rates.clone();
    let rows = ATTACHED.iter().zip(&sides);
    Ok(rows.map(|(attached, (side, lag))| row(attached.name, options, side, &none, *lag)).collect())
}

fn row(name: &str, options: &Options, side: &Side, none: &[f64], lag: u64) -> Row {
    let mut row = Row::new(name, options, Path::new(".")).with_seen(&side.seen);
    let rate = median(&side.rates).unwrap_or_default();
    (row.commands_per_second, row.events_per_second) = (Some(rate), Some(rate));
    row.rss_bytes = side.rss_bytes;
    row.foreign_cores = Some(side.foreign_cores);
    row.workload.rounds = side.rates.len();
    let kept = ratio(&side.rates, none).unwrap_or_default();
    row.with_figure(rate, "commands/s")
        .with_detail("share_of_commands_without", kept)
        .with_detail("largest_lag_at_end", lag as f64)
}

/// Measures one round on a new store, so that all begin with equal stores. Returns the largest lag of a follower, in
/// events, when the clients stop.
async fn with_attached(attached: Attached, options: &Options, side: &mut Side) -> Result<u64> {
    let scratch = options.scratch()?;
    let row = Row::new(attached.name, options, scratch.path());
    let store = scratch.path().join("store");
    let subject =
        Subject::open(options.store, &store, Runtime::builder(), options.hosting()).await?;
    let projections = attached.start(&subject.runtime, scratch.path()).await?;
    let watches = if attached.saga { Some(watch::start(&subject.runtime).await?) } else { None };
    turn(&subject, &load(&row, options), side).await?;
    let lags = projections.iter().map(|projection| projection.lag());
    let lag = lags.chain(watches.as_ref().map(watch::lag)).max().unwrap_or(0);
    drop(watches);
    subject.close().await?;
    Ok(lag)
}

impl Attached {
    async fn start(self, runtime: &Runtime, directory: &Path) -> Result<Vec<ProjectionHandle>> {
        let mut all: Vec<ProjectionHandle> = Vec::new();
        for number in 0..self.in_memory {
            let view = views::in_memory(runtime, &format!("memory-{number}")).await?;
            all.push((*view).clone());
        }
        for number in 0..self.keyed {
            let view = runtime.keyed::<views::SumsOnDisk>(format!("keyed-{number}"));
            all.push((**view.on::<Journal>().start().await?).clone());
        }
        for number in 0..self.sqlite {
            let file = directory.join(format!("view-{number}.sqlite"));
            let view =
                runtime.database(format!("sqlite-{number}"), views::SumsInSqlite::create(&file)?);
            all.push((*view.on::<Journal>().start().await?).clone());
        }
        Ok(all)
    }
}

//! The scenario `timers`: commands per second to aggregates with a timer that each command replaces, as a share of those
//! without, measured in turns so that drift affects all equally.

use std::path::Path;
use std::time::Duration;

use actuarius::timers::TimedHosting;
use actuarius::{Hosting, Runtime, Timestamp};

use crate::Result;
use crate::options::Options;
use crate::rounds::{Side, load, turn};
use crate::row::{Row, median, ratio};
use crate::subject::Subject;
use crate::workload::{Journal, Record};

/// What each command does to the timer of its aggregate.
#[derive(Clone, Copy)]
enum Timer {
    /// There is none.
    None,
    /// It is replaced by a later time, as a reminder of inactivity is: nothing is written.
    Later,
    /// It is replaced by an earlier time: a note is written.
    Earlier,
}

const TIMERS: [(&str, Timer); 3] = [
    ("timers-none", Timer::None),
    ("timers-later", Timer::Later),
    ("timers-earlier", Timer::Earlier),
];

/// The year 2100: no timer is due while this runs.
const FAR: Timestamp = Timestamp::from_micros(4_102_444_800_000_000);

impl Timer {
    fn hosting(self, hosting: Hosting) -> TimedHosting<Journal> {
        let second = |journal: &Journal| Duration::from_secs(journal.notes);
        let command = |_: &Journal| Record(String::new());
        match self {
            Self::None => hosting.into(),
            Self::Later => {
                hosting.timer("idle", move |it: &Journal| Some(FAR.plus(second(it))), command)
            }
            Self::Earlier => {
                hosting.timer("idle", move |it: &Journal| Some(FAR.minus(second(it))), command)
            }
        }
    }
}

pub(super) async fn timers(options: &Options) -> Result<Vec<Row>> {
    let mut sides: [Side; TIMERS.len()] = Default::default();
    for _ in 0..options.rounds() {
        for ((name, timer), side) in TIMERS.into_iter().zip(&mut sides) {
            round(name, timer, options, side).await?;
        }
    }
    let none = sides[0].rates.clone();
    let rows = TIMERS.iter().zip(&sides);
    Ok(rows.map(|((name, _), side)| row(name, options, side, &none)).collect())
}

/// Measures one round on a new store, so that all begin with equal stores.
async fn round(name: &str, timer: Timer, options: &Options, side: &mut Side) -> Result<()> {
    let scratch = options.scratch()?;
    let row = Row::new(name, options, scratch.path());
    let (store, hosting) = (scratch.path().join("store"), timer.hosting(options.hosting()));
    let subject = Subject::open(options.store, &store, Runtime::builder(), hosting).await?;
    turn(&subject, &load(&row, options), side).await?;
    subject.close().await
}

fn row(name: &str, options: &Options, side: &Side, none: &[f64]) -> Row {
    let mut row = Row::new(name, options, Path::new(".")).with_seen(&side.seen);
    let rate = median(&side.rates).unwrap_or_default();
    (row.commands_per_second, row.events_per_second) = (Some(rate), Some(rate));
    row.rss_bytes = side.rss_bytes;
    row.foreign_cores = Some(side.foreign_cores);
    row.workload.rounds = side.rates.len();
    let kept = ratio(&side.rates, none).unwrap_or_default();
    row.with_figure(rate, "commands/s").with_detail("share_of_commands_without", kept)
}

//! Checks everything that the followers have made of the log against the log.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;

use actuarius::error::{ReadError, StartError};
use actuarius::projection::{InMemory, Keyed, ViewReadError};
use actuarius::store::views::ViewError;
use actuarius::subscription::Subscription;
use actuarius::{OpenError, Position, Runtime};
use clap::Args;

use crate::diary::{self, Diary, Line};
use crate::effects::Effects;
use crate::followers::{self, EFFECTS, Followers, RECENT, REPORT, TOTALS};
use crate::operator::{self, Poison};
use crate::order::ParkedFrom;
use crate::report::Report;
use crate::rows::{all_rows, rows_by_position};
use crate::total::{Recent, Total, Totals};
use crate::write::CLOSING;
use crate::{Finding, Log};

/// The followers to check.
#[derive(Debug, Clone, Args)]
pub struct CheckOptions {
    /// The directory of the store
    pub directory: PathBuf,
    /// The version of the keyed view that `follow` used
    #[arg(long, default_value_t = 1)]
    pub view_version: u32,
    /// Sync the handler's effects here as well, so that a power cut may interrupt the check
    #[arg(long)]
    pub synced_effects: bool,
    /// Retry all parked events, so that none is left out
    #[arg(long)]
    pub retry_parked: bool,
}

/// Opens the store in `directory` and compares the results of its followers with the log: first as they are found, up
/// to the position that they claim, and again once they have reached the end of the log.
///
/// Must run on one thread: a follower that has just been started then handles no event until this waits for it, so
/// that its results are seen as they were found.
///
/// # Errors
/// [`OpenError`] if the store does not open.
pub async fn check(
    options: &CheckOptions,
    on_finding: &mut impl FnMut(Finding),
) -> Result<(), OpenError> {
    let runtime = Runtime::open(&options.directory).await?;
    let found = match runtime.reader() {
        Ok(reader) => Log::walk(&*reader, on_finding).map_err(damaged),
        Err(error) => Err(damaged(error)),
    };
    let checked = match found {
        Ok(log) => Check { runtime: &runtime, log, options, on_finding }.run().await,
        Err(finding) => Err(finding),
    };
    if let Err(finding) = checked {
        on_finding(finding);
    }
    if !runtime.shutdown(CLOSING).await.is_clean() {
        on_finding(bad("the store did not close in time"));
    }
    Ok(())
}

/// A check in progress. A finding that prevents further checks is an error; other findings are only reported.
struct Check<'a, OnFinding> {
    runtime: &'a Runtime,
    log: Log,
    options: &'a CheckOptions,
    on_finding: &'a mut OnFinding,
}

impl<OnFinding: FnMut(Finding)> Check<'_, OnFinding> {
    async fn run(mut self) -> Result<(), Finding> {
        let effects = self.start_effects().await?;
        let recent = followers::keep_recent(self.runtime, self.options.view_version).await;
        let recent = recent.map_err(not_started)?;
        self.check_recent(&recent)?;
        let totals = followers::keep_totals(self.runtime).await.map_err(not_started)?;
        self.check_totals(&totals);
        let report = self.open_report()?;
        let report = followers::keep_report(self.runtime, report).await.map_err(not_started)?;
        let followers = Followers { effects, recent, totals, report };
        followers.wait_for(self.log.last).await.map_err(bad)?;
        self.check_recent(&followers.recent)?;
        self.check_totals(&followers.totals);
        followers.report.stop().await;
        self.open_report()?;
        let effects = followers.effects;
        if self.options.retry_parked {
            for first in effects.parked().await {
                operator::retry_to_the_end(&effects, &first.key).await.map_err(bad)?;
            }
        }
        let parked = parked_from(&effects).await;
        if self.options.retry_parked && !parked.is_empty() {
            (self.on_finding)(bad(format!("{EFFECTS}: {parked:?} are still parked")));
        }
        self.check_effects(&self.read_diary()?, self.log.last, &parked);
        Ok(())
    }

    async fn start_effects(&mut self) -> Result<Subscription, Finding> {
        let found = self.read_diary()?;
        let diary = Diary::open(&self.options.directory, self.options.synced_effects);
        let handler = Effects::new(Arc::new(diary.map_err(bad)?), Poison::none());
        let started = followers::subscribe(self.runtime, handler).await;
        let subscription = started.map_err(not_started)?;
        let position = subscription.position();
        // The subscription may advance until this is answered, but the parked events do not change.
        let parked = parked_from(&subscription).await;
        self.check_effects(&found, position, &parked);
        Ok(subscription)
    }

    fn read_diary(&self) -> Result<Vec<Line>, Finding> {
        diary::read(&self.options.directory).map_err(bad)
    }

    fn check_effects(&mut self, diary: &[Line], checkpoint: Position, parked: &ParkedFrom) {
        self.report_position(EFFECTS, checkpoint);
        for error in self.log.errors_in(diary, checkpoint, parked) {
            (self.on_finding)(bad(format!("{EFFECTS}: {error}")));
        }
    }

    fn check_recent(&mut self, recent: &Keyed<Recent>) -> Result<(), Finding> {
        let position = recent.position();
        self.report_position(RECENT, position);
        self.check_boundary(RECENT, position);
        let rows = all_rows(recent).map_err(unreadable)?;
        let expected = self.log.recent(position);
        self.compare(RECENT, position, &rows, &expected);
        let mut by_position = rows_by_position(recent).map_err(unreadable)?;
        if !by_position.is_sorted_by_key(|(key, row)| (row.position, key.clone())) {
            (self.on_finding)(bad(format!("{RECENT}: rows by position are not in order")));
        }
        by_position.sort();
        let expected: Vec<_> = expected.into_iter().collect();
        if by_position != expected {
            let (found, due) = (by_position.len(), expected.len());
            (self.on_finding)(bad(format!("{RECENT}: {found} rows by position, expected {due}")));
        }
        Ok(())
    }

    fn check_totals(&mut self, totals: &InMemory<Totals>) {
        let (found, position) = totals.read_at(|view, position| (view.0.clone(), position));
        self.report_position(TOTALS, position);
        self.check_boundary(TOTALS, position);
        self.compare(TOTALS, position, &found, &self.log.totals(position));
    }
}

impl<OnFinding: FnMut(Finding)> Check<'_, OnFinding> {
    /// Compares the report with the log, and returns it.
    fn open_report(&mut self) -> Result<Report, Finding> {
        let report = Report::open(&self.options.directory).map_err(bad)?;
        let position = report.checkpoint().map_err(bad)?;
        let totals = report.totals().map_err(bad)?;
        self.report_position(REPORT, position);
        self.check_boundary(REPORT, position);
        self.compare(REPORT, position, &totals, &self.log.totals(position));
        Ok(report)
    }

    fn report_position(&mut self, name: &str, position: Position) {
        (self.on_finding)(Finding::At(format!("{name} {position} of {}", self.log.last)));
    }

    /// A view shows either all events of a command or none.
    fn check_boundary(&mut self, name: &str, position: Position) {
        if position != Position::NONE && !self.log.ends.contains(&position) {
            (self.on_finding)(bad(format!("{name}: {position} is not the end of a command")));
        }
    }

    fn compare<Key: Ord + std::fmt::Debug>(
        &mut self,
        name: &str,
        position: Position,
        found: &BTreeMap<Key, Total>,
        expected: &BTreeMap<Key, Total>,
    ) {
        let keys = found.keys().chain(expected.keys().filter(|key| !found.contains_key(key)));
        for key in keys {
            let (found, expected) = (found.get(key), expected.get(key));
            if found != expected {
                let what = format!("at {position}, {key:?} is {found:?}, expected {expected:?}");
                (self.on_finding)(bad(format!("{name}: {what}")));
            }
        }
    }
}

/// The first parked event of each journal, because events are ordered by journal.
async fn parked_from(effects: &Subscription) -> ParkedFrom {
    let firsts = effects.parked().await;
    firsts.into_iter().map(|first| (first.stream.id().to_owned(), first.position)).collect()
}

fn bad(what: impl Display) -> Finding {
    Finding::Bad(what.to_string())
}

fn damaged(error: ReadError) -> Finding {
    Finding::Damaged(error.to_string())
}

/// Damage of a view that the library reports is not a wrong result.
fn not_started(error: StartError) -> Finding {
    match error {
        StartError::View(ViewError::Damaged { .. }) | StartError::Checkpoint { .. } => {
            Finding::Damaged(error.to_string())
        }
        _ => bad(format!("a follower did not start: {error}")),
    }
}

fn unreadable(error: ViewReadError) -> Finding {
    match error {
        ViewReadError::Table(ViewError::Damaged { .. }) => Finding::Damaged(error.to_string()),
        _ => bad(error),
    }
}

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

/// Whose followers to check.
#[derive(Debug, Clone, Args)]
pub struct CheckOptions {
    /// Where the store is
    pub directory: PathBuf,
    /// The version of the keyed view, as it was followed with
    #[arg(long, default_value_t = 1)]
    pub view_version: u32,
    /// Has the handler sync its effects here, too, so that the check can be cut short by a power cut
    #[arg(long)]
    pub synced_effects: bool,
    /// Has all parked events handled, so that nothing is left out
    #[arg(long)]
    pub retry_parked: bool,
}

/// Opens the store in `directory` and holds everything its followers have made of the log against
/// the log: as it was found, up to the position it claims; and at the end of the log, once they have
/// come there.
///
/// To be run on one thread: then a follower that has just been started takes nothing before this
/// waits for it, and is seen as it was found.
///
/// # Errors
/// [`OpenError`] when the store does not open.
pub async fn check(
    options: &CheckOptions,
    tell: &mut impl FnMut(Finding),
) -> Result<(), OpenError> {
    let runtime = Runtime::open(&options.directory).await?;
    let found = match runtime.reader() {
        Ok(reader) => Log::walk(&*reader, tell).map_err(damaged),
        Err(error) => Err(damaged(error)),
    };
    let checked = match found {
        Ok(log) => Check { runtime: &runtime, log, options, tell }.run().await,
        Err(finding) => Err(finding),
    };
    if let Err(finding) = checked {
        tell(finding);
    }
    if !runtime.shutdown(CLOSING).await.is_clean() {
        tell(bad("the store did not close in time"));
    }
    Ok(())
}

/// A check under way. What it cannot get past is an error; other findings it only tells.
struct Check<'a, Tell> {
    runtime: &'a Runtime,
    log: Log,
    options: &'a CheckOptions,
    tell: &'a mut Tell,
}

impl<Tell: FnMut(Finding)> Check<'_, Tell> {
    async fn run(mut self) -> Result<(), Finding> {
        let effects = self.find_effects().await?;
        let recent = followers::keep_recent(self.runtime, self.options.view_version).await;
        let recent = recent.map_err(not_started)?;
        self.hold_recent(&recent)?;
        let totals = followers::keep_totals(self.runtime).await.map_err(not_started)?;
        self.hold_totals(&totals);
        let report = self.open_report()?;
        let report = followers::keep_report(self.runtime, report).await.map_err(not_started)?;
        let followers = Followers { effects, recent, totals, report };
        followers.wait_for(self.log.last).await.map_err(bad)?;
        self.hold_recent(&followers.recent)?;
        self.hold_totals(&followers.totals);
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
            (self.tell)(bad(format!("{EFFECTS}: {parked:?} stays parked")));
        }
        self.hold_effects(&self.read_diary()?, self.log.last, &parked);
        Ok(())
    }

    async fn find_effects(&mut self) -> Result<Subscription, Finding> {
        let found = self.read_diary()?;
        let diary = Diary::open(&self.options.directory, self.options.synced_effects);
        let handler = Effects::new(Arc::new(diary.map_err(bad)?), Poison::none());
        let started = followers::subscribe(self.runtime, handler).await;
        let subscription = started.map_err(not_started)?;
        let position = subscription.position();
        // It may go on while this is answered; but nothing more is parked, and nothing less.
        let parked = parked_from(&subscription).await;
        self.hold_effects(&found, position, &parked);
        Ok(subscription)
    }

    fn read_diary(&self) -> Result<Vec<Line>, Finding> {
        diary::read(&self.options.directory).map_err(bad)
    }

    fn hold_effects(&mut self, diary: &[Line], checkpoint: Position, parked: &ParkedFrom) {
        self.came_to(EFFECTS, checkpoint);
        for objection in self.log.object_to(diary, checkpoint, parked) {
            (self.tell)(bad(format!("{EFFECTS}: {objection}")));
        }
    }

    fn hold_recent(&mut self, recent: &Keyed<Recent>) -> Result<(), Finding> {
        let position = recent.position();
        self.came_to(RECENT, position);
        self.is_whole(RECENT, position);
        let rows = all_rows(recent).map_err(unreadable)?;
        let expected = self.log.recent(position);
        self.compare(RECENT, position, &rows, &expected);
        let mut by_position = rows_by_position(recent).map_err(unreadable)?;
        if !by_position.is_sorted_by_key(|(key, row)| (row.position, key.clone())) {
            (self.tell)(bad(format!("{RECENT}: rows by position are not in order")));
        }
        by_position.sort();
        let expected: Vec<_> = expected.into_iter().collect();
        if by_position != expected {
            let (found, due) = (by_position.len(), expected.len());
            (self.tell)(bad(format!(
                "{RECENT}: {found} rows by position, not the {due} there are"
            )));
        }
        Ok(())
    }

    fn hold_totals(&mut self, totals: &InMemory<Totals>) {
        let (found, position) = totals.read_at(|view, position| (view.0.clone(), position));
        self.came_to(TOTALS, position);
        self.is_whole(TOTALS, position);
        self.compare(TOTALS, position, &found, &self.log.totals(position));
    }
}

impl<Tell: FnMut(Finding)> Check<'_, Tell> {
    /// The report, after it was held against the log.
    fn open_report(&mut self) -> Result<Report, Finding> {
        let report = Report::open(&self.options.directory).map_err(bad)?;
        let position = report.checkpoint().map_err(bad)?;
        let totals = report.totals().map_err(bad)?;
        self.came_to(REPORT, position);
        self.is_whole(REPORT, position);
        self.compare(REPORT, position, &totals, &self.log.totals(position));
        Ok(report)
    }

    fn came_to(&mut self, name: &str, position: Position) {
        (self.tell)(Finding::At(format!("{name} {position} of {}", self.log.last)));
    }

    /// A view shows the events of a command all together or not at all.
    fn is_whole(&mut self, name: &str, position: Position) {
        if position != Position::NONE && !self.log.ends.contains(&position) {
            (self.tell)(bad(format!("{name}: {position} is no end of a command")));
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
                let what = format!("at {position}, {key:?} is {found:?}, not {expected:?}");
                (self.tell)(bad(format!("{name}: {what}")));
            }
        }
    }
}

/// By journal, which is what events are ordered by.
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

/// A view that is damaged and says so is not wrong.
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

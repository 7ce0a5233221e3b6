//! The command `info`.

use std::path::Path;

use actuarius::Position;
use actuarius::store::PageLimit;
use actuarius::store::backup::Run;
use serde::Serialize;

use super::backup::{RUN_COLUMNS, RunShown};
use super::{Session, Settings};
use crate::error::{Outcome, ToolError};
use crate::moment::Utc;
use crate::open_store::Contents;
use crate::output::Output;
use crate::text;

#[derive(Serialize)]
struct Info {
    directory: String,
    engine: &'static str,
    identity: String,
    head: u64,
    chain: String,
    disk_bytes: u64,
    first_time: Option<Utc>,
    last_time: Option<Utc>,
    subscriptions: usize,
}

#[derive(Serialize)]
struct BackupInfo {
    backup: String,
    runs: Vec<RunShown>,
}

pub(super) fn run(settings: &Settings<'_>, output: &mut Output<'_>) -> Result<Outcome, ToolError> {
    let directory = settings.directory()?;
    match Contents::of(directory)? {
        Contents::Store => {
            store(&mut Session { store: settings.open()?, types: settings.types, output })
        }
        Contents::Backup(runs) => backup(directory, &runs, output),
    }
}

fn backup(directory: &Path, runs: &[Run], output: &mut Output<'_>) -> Result<Outcome, ToolError> {
    let runs = runs.iter().map(RunShown::of).collect();
    let shown = BackupInfo { backup: directory.display().to_string(), runs };
    let fields =
        [("backup", text::Name(&shown.backup).to_string()), ("runs", shown.runs.len().to_string())];
    output.document(&shown, &fields)?;
    output.table_of(&RUN_COLUMNS, shown.runs.iter().map(RunShown::cells))?;
    Ok(Outcome::Success)
}

fn store(session: &mut Session<'_, '_>) -> Result<Outcome, ToolError> {
    let reader = &*session.store.reader;
    let (info, end) = (reader.info()?, reader.maintenance().chain()?);
    let before_last = Position::new(end.position.get().saturating_sub(1));
    let shown = Info {
        directory: session.store.directory.display().to_string(),
        engine: info.engine,
        identity: reader.identity().to_string(),
        head: end.position.get(),
        chain: end.to_string(),
        disk_bytes: info.disk_bytes,
        first_time: time_after(session, Position::NONE)?,
        last_time: time_after(session, before_last)?,
        subscriptions: actuarius::inspection::subscriptions(reader)?.len(),
    };
    session.output.document(&shown, &shown.fields())?;
    Ok(Outcome::Success)
}

impl Info {
    fn fields(&self) -> [(&'static str, String); 9] {
        let time = |time: &Option<Utc>| time.as_ref().map_or("–".to_owned(), Utc::to_string);
        [
            ("directory", text::Name(&self.directory).to_string()),
            ("engine", self.engine.to_owned()),
            ("identity", self.identity.clone()),
            ("head", self.head.to_string()),
            ("chain", self.chain.clone()),
            ("on disk", text::bytes(self.disk_bytes)),
            ("first event", time(&self.first_time)),
            ("last event", time(&self.last_time)),
            ("subscriptions", self.subscriptions.to_string()),
        ]
    }
}

/// The time of the commit with the event after `after`.
fn time_after(session: &Session<'_, '_>, after: Position) -> Result<Option<Utc>, ToolError> {
    let page =
        session.store.reader.maintenance().read_raw(after, PageLimit { commits: 1, bytes: 0 })?;
    Ok(page.commits.first().map(|commit| Utc(commit.view().time)))
}

//! The commands `backup` and `restore`, and how a run of a backup is shown.

use std::ops::ControlFlow;
use std::path::Path;

use actuarius::store::backup::{Restored, Run, TakeOptions, take as take_run};
use serde::Serialize;

use super::Session;
use crate::arguments::Restore;
use crate::error::{Outcome, ToolError};
use crate::moment::Utc;
use crate::open_store;
use crate::output::Output;
use crate::progress::Progress;
use crate::text;

/// One run of a backup.
#[derive(Serialize)]
pub(super) struct RunShown {
    run: u32,
    store: String,
    from: String,
    to: String,
    until: Option<Utc>,
    commits: u64,
    events: u64,
    notes: u64,
    bytes: u64,
}

pub(super) const RUN_COLUMNS: [&str; 6] =
    ["#RUN", "#COMMITS", "#EVENTS", "#NOTES", "#SIZE", "ENDS AT"];

impl RunShown {
    pub(super) fn of(run: &Run) -> Self {
        Self {
            run: run.number,
            store: run.store.to_string(),
            from: run.from.to_string(),
            to: run.to.to_string(),
            until: run.until.map(Utc),
            commits: run.commits,
            events: run.events,
            notes: run.notes,
            bytes: run.bytes,
        }
    }

    pub(super) fn cells(&self) -> Vec<String> {
        vec![
            self.run.to_string(),
            self.commits.to_string(),
            self.events.to_string(),
            self.notes.to_string(),
            text::bytes(self.bytes),
            self.to.clone(),
        ]
    }
}

pub(super) fn take(session: &mut Session<'_, '_>, to: &Path) -> Result<Outcome, ToolError> {
    let reader = session.store.writable()?.reader.clone();
    let bar = Progress::of("copying", reader.head().get(), false);
    let run = take_run(&*reader, to, &TakeOptions::default(), &mut |progress| {
        bar.at(progress.position.get());
        ControlFlow::Continue(())
    })?;
    drop(bar);
    let shown = RunShown::of(&run);
    let fields = [
        ("run", shown.run.to_string()),
        ("events", shown.events.to_string()),
        ("size", text::bytes(shown.bytes)),
        ("ends at", shown.to.clone()),
    ];
    session.output.document(&shown, &fields)?;
    Ok(Outcome::Success)
}

#[derive(Serialize)]
struct RestoredShown {
    directory: String,
    end: String,
    commits: u64,
    notes: Option<u64>,
    archived: usize,
    /// Segments of the archive that are missing in the backup.
    archived_missing: Vec<String>,
    /// Commits whose events had been deleted by then.
    deleted: u64,
    /// How many aggregates have neither their events nor their end.
    unended: u64,
    /// The first of them.
    unended_first: Vec<String>,
}

impl RestoredShown {
    fn of(to: &Path, restored: &Restored) -> Self {
        Self {
            directory: to.display().to_string(),
            end: restored.end.to_string(),
            commits: restored.commits,
            notes: restored.notes.map(|(notes, _)| notes),
            archived: restored.archived.len(),
            archived_missing: restored.archived_missing.iter().map(ToString::to_string).collect(),
            deleted: restored.deleted,
            unended: restored.unended.streams,
            unended_first: restored.unended.first.iter().map(ToString::to_string).collect(),
        }
    }
}

pub(super) fn restore(output: &mut Output<'_>, args: &Restore) -> Result<Outcome, ToolError> {
    let restored = open_store::restore(&args.from, &args.to, args.until())?;
    let shown = RestoredShown::of(&args.to, &restored);
    let notes = match shown.notes {
        Some(notes) => notes.to_string(),
        None => "not restored: subscriptions start from the beginning and handle all events again"
            .to_owned(),
    };
    let fields = [
        ("restored", text::Name(&shown.directory).to_string()),
        ("ends at", shown.end.clone()),
        ("commits", shown.commits.to_string()),
        ("notes", notes),
        ("archive", text::count(shown.archived as u64, "segment")),
        ("deleted", text::count(shown.deleted, "commit")),
        ("missing", text::count(shown.archived_missing.len() as u64, "segment")),
        ("unended", text::count(shown.unended, "stream")),
    ];
    output.document(&shown, &fields)?;
    if shown.unended > 0 {
        output.remark("\nneither the events nor the end of these are left; `delete` them to use their ids again:")?;
        output.table_of(
            &["STREAM"],
            shown.unended_first.iter().map(|it| vec![text::Name(it).to_string()]),
        )?;
    }
    let is_whole = shown.archived_missing.is_empty() && shown.unended == 0;
    Ok(if is_whole { Outcome::Success } else { Outcome::Findings })
}

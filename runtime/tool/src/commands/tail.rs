//! The command `tail`, and how removed events are shown.

use std::ops::ControlFlow;

use actuarius::Position;
use actuarius::store::Commit;
use serde::Serialize;

use super::Session;
use crate::arguments::Tail;
use crate::error::{Outcome, ToolError};
use crate::events::EventShown;
use crate::moment::Utc;
use crate::output::Table;
use crate::progress::Progress;
use crate::scan::{self, CONTINUE};
use crate::text;

pub(super) fn run(session: &mut Session<'_, '_>, args: &Tail) -> Result<Outcome, ToolError> {
    let reader = &*session.store.reader;
    let (head, shapes) = (reader.head().get(), session.types.shapes(reader)?);
    let after = args.after.unwrap_or(Position::new(head.saturating_sub(args.number)));
    let last = after.get().saturating_add(args.number);
    let progress = Progress::of("reading", head, true);
    let columns = ["#POSITION", "TIME", "STREAM", "#VERSION", "EVENT", "VALUE"];
    let mut table = session.output.list(&columns);
    scan::log(reader, after, &progress, |commit| {
        if commit.position().get() > last {
            return Ok(ControlFlow::Break(()));
        }
        if commit.gone().is_some() {
            removed(&mut table, commit, true)?;
        }
        let view = commit.view();
        let wanted = after.get() + 1..=last;
        for event in view.events().filter(|event| wanted.contains(&event.position.get())) {
            for shown in EventShown::all((session.types, &shapes), &view, &event) {
                table.row(&shown, |shown| shown.cells(true))?;
            }
        }
        CONTINUE
    })?;
    table.end()?;
    Ok(Outcome::Success)
}

/// A commit whose events were permanently removed.
#[derive(Serialize)]
struct RemovedShown<'a> {
    position: u64,
    last_position: u64,
    time: Utc,
    r#type: &'a str,
    id: &'a str,
    version: u64,
    last_version: u64,
    removed: bool,
}

/// Writes one row for a commit whose events were removed.
pub(super) fn removed(
    table: &mut Table<'_, '_>,
    commit: &Commit,
    with_stream: bool,
) -> Result<(), ToolError> {
    let view = commit.view();
    let shown = RemovedShown {
        position: commit.position().get(),
        last_position: commit.last_position().get(),
        time: Utc(view.time),
        r#type: view.category,
        id: view.id,
        version: view.version.get(),
        last_version: view.last_version().get(),
        removed: true,
    };
    table.row(&shown, |it| {
        let mut cells = vec![it.position.to_string(), it.time.to_string()];
        cells.extend(with_stream.then(|| text::stream(it.r#type, it.id)));
        cells.extend([
            it.version.to_string(),
            "(removed)".to_owned(),
            text::count(view.events, "event"),
        ]);
        cells
    })?;
    Ok(())
}

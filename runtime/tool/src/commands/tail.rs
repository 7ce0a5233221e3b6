use std::ops::ControlFlow;

use actuarius::Position;
use actuarius::store::Commit;
use serde::Serialize;

use super::Desk;
use crate::arguments::Tail;
use crate::events::EventShown;
use crate::moment::Utc;
use crate::output::Table;
use crate::progress::Progress;
use crate::scan::{self, GO_ON};
use crate::text;
use crate::trouble::{Outcome, Trouble};

pub(super) fn run(desk: &mut Desk<'_, '_>, asked: &Tail) -> Result<Outcome, Trouble> {
    let reader = &*desk.place.reader;
    let head = reader.head().get();
    let after = asked.after.unwrap_or(Position::new(head.saturating_sub(asked.number)));
    let last = after.get().saturating_add(asked.number);
    let progress = Progress::of("reading", head, true);
    let columns = ["#POSITION", "TIME", "STREAM", "#VERSION", "EVENT", "VALUE"];
    let mut table = desk.output.list(&columns);
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
            for shown in EventShown::all(desk.types, &view, &event) {
                table.row(&shown, |shown| shown.cells(true))?;
            }
        }
        GO_ON
    })?;
    table.end()?;
    Ok(Outcome::Fine)
}

/// A commit whose events were removed for good.
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

/// One line for what is left of a commit whose events were removed.
pub(super) fn removed(
    table: &mut Table<'_, '_>,
    commit: &Commit,
    with_stream: bool,
) -> Result<(), Trouble> {
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
            format!("{} events", view.events),
        ]);
        cells
    })?;
    Ok(())
}

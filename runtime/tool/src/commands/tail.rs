use std::ops::ControlFlow;

use actuarius::Position;

use super::Desk;
use crate::arguments::Tail;
use crate::events::EventShown;
use crate::progress::Progress;
use crate::scan;
use crate::trouble::{Outcome, Trouble};

pub(super) fn run(desk: &mut Desk<'_, '_>, asked: &Tail) -> Result<Outcome, Trouble> {
    let reader = &*desk.place.store.reader;
    let head = reader.head().get();
    let after = asked.after.unwrap_or(Position::new(head.saturating_sub(asked.number)));
    let last = after.get().saturating_add(asked.number);
    let progress = Progress::of("reading", head, true);
    let columns = ["#POSITION", "TIME", "STREAM", "#VERSION", "EVENT", "VALUE"];
    let mut table = desk.output.list(&columns);
    scan::log(reader, after, &progress, |commit| {
        for event in commit.events().filter(|event| event.position > after) {
            if event.position.get() > last {
                return Ok(ControlFlow::Break(()));
            }
            let shown = EventShown::of(desk.types, commit, &event);
            table.row(&shown, |shown| shown.cells(true))?;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    table.end()?;
    Ok(Outcome::Fine)
}

use std::ops::ControlFlow;

use actuarius::persistence::{CommitView, EventView};
use actuarius::{StreamId, Version};

use super::Desk;
use crate::arguments::History;
use crate::events::EventShown;
use crate::scan;
use crate::text;
use crate::trouble::{Outcome, Trouble};
use crate::types::State;

/// Each event of a stream and, of a registered type, the state behind it.
///
/// The state is folded from the first event on, also when the first ones are not shown. When that fails,
/// the events go on without it, and the failure is a finding.
pub(super) fn run(desk: &mut Desk<'_, '_>, asked: &History) -> Result<Outcome, Trouble> {
    let stream = asked.stream.id()?;
    let reader = &*desk.place.store.reader;
    if reader.version(&stream)? == Version::NONE {
        return Err(no_such(&stream));
    }
    let known = desk.types.find(stream.category()).filter(|_| !asked.no_state);
    let mut state = known.map(|known| Folded { state: known.unborn(), failed: None });
    let before_first = Version::new(asked.from.get().saturating_sub(1));
    let after = if state.is_some() { Version::NONE } else { before_first };
    let columns = ["#POSITION", "TIME", "#VERSION", "EVENT", "VALUE"];
    let columns =
        if state.is_some() { [&columns[..], &["STATE"]].concat() } else { columns.to_vec() };
    let (mut table, mut left) = (desk.output.list(&columns), asked.limit);
    let mut show = |commit: &CommitView<'_>, event: &EventView<'_>| {
        let folded = state.as_mut().map(|state| state.take(event));
        if event.version < asked.from || left == 0 {
            return Ok(left > 0);
        }
        left -= 1;
        let mut shown = EventShown::of(desk.types, commit, event);
        shown.state = folded.and_then(Result::ok);
        table.row(&shown, |shown| {
            let mut cells = shown.cells(false);
            cells.extend(shown.state.as_ref().map(|state| text::cut(state.get(), 160)));
            cells
        })?;
        Ok::<_, Trouble>(true)
    };
    scan::stream(reader, &stream, after, |commit| {
        for event in commit.events().filter(|event| event.version > after) {
            if !show(commit, &event)? {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    table.end()?;
    match state.and_then(|state| state.failed) {
        None => Ok(Outcome::Fine),
        Some((version, why)) => Err(Trouble::Unfolded { stream, version, why }),
    }
}

pub(super) fn no_such(stream: &StreamId) -> Trouble {
    Trouble::Other(format!("there is no stream {stream}"))
}

/// A state that follows the events, as long as it can.
pub(super) struct Folded {
    pub(super) state: Box<dyn State>,
    pub(super) failed: Option<(Version, String)>,
}

impl Folded {
    pub(super) fn take(&mut self, event: &EventView<'_>) -> Result<crate::value::Json, ()> {
        if self.failed.is_some() {
            return Err(());
        }
        let taken = self.state.take(event).and_then(|()| self.state.json());
        taken.map_err(|why| self.failed = Some((event.version, why)))
    }
}

use std::ops::ControlFlow;

use actuarius::store::Commit;
use actuarius::{Failure, StreamId, Version};

use super::Desk;
use super::tail::removed;
use crate::arguments::History;
use crate::events::{CUT_AT, EventShown};
use crate::output::Table;
use crate::scan::{self, GO_ON, Step};
use crate::text;
use crate::trouble::{Outcome, Trouble};
use crate::types::{States, Types, is_sealed};

/// Each event of a stream and, of a registered type, the state behind it.
///
/// When a state cannot be had, the events go on without, and that is said at the end.
pub(super) fn run(desk: &mut Desk<'_, '_>, asked: &History) -> Result<Outcome, Trouble> {
    let stream = asked.stream.id()?;
    let (reader, types) = (desk.place.reader.clone(), desk.types);
    if reader.version(&stream)? == Version::NONE {
        return Err(no_such(&stream));
    }
    let known = types.find(stream.category()).filter(|_| !asked.no_state);
    let engine = known.map(|_| desk.place.engine()).transpose()?;
    let states = known.zip(engine.as_ref());
    let states = states.map(|(known, engine)| known.states(engine, stream.id(), asked.from));
    let columns = ["#POSITION", "TIME", "#VERSION", "EVENT", "VALUE", "STATE"];
    let columns = if states.is_some() { &columns[..] } else { &columns[..5] };
    let table = desk.output.list(columns);
    let after = Version::new(asked.from.get().saturating_sub(1));
    let (left, failed, is_sealed) = (asked.limit, None, false);
    let mut telling = Telling { types, table, states, left, after, failed, is_sealed };
    scan::stream(&*reader, &stream, after, |commit| telling.commit(commit))?;
    let Telling { table, failed, is_sealed, .. } = telling;
    table.end()?;
    if is_sealed {
        desk.output.remark("There is personal data in the states: say --master-keys FILE.")?;
    }
    failed.map_or(Ok(Outcome::Fine), |failure| Err(failure.into()))
}

pub(super) fn no_such(stream: &StreamId) -> Trouble {
    Trouble::Other(format!("there is no stream {stream}"))
}

/// A history on its way to the output.
struct Telling<'a, 'b, 'c> {
    types: &'a Types,
    table: Table<'b, 'c>,
    states: Option<Box<dyn States + 'a>>,
    left: u64,
    after: Version,
    failed: Option<Failure>,
    /// There is personal data in the states from here on.
    is_sealed: bool,
}

impl Telling<'_, '_, '_> {
    fn commit(&mut self, commit: &Commit) -> Step {
        if self.left == 0 {
            return Ok(ControlFlow::Break(()));
        }
        if commit.gone().is_some() {
            removed(&mut self.table, commit, false)?;
        }
        let (view, after) = (commit.view(), self.after);
        for event in view.events().filter(|event| event.version > after) {
            if self.left == 0 {
                return Ok(ControlFlow::Break(()));
            }
            self.left -= 1;
            for mut shown in EventShown::all(self.types, &view, &event) {
                if shown.is_applied() {
                    shown.state = self.next_state();
                    shown.sealed |= self.is_sealed;
                }
                self.table.row(&shown, |shown| {
                    let mut cells = shown.cells(false);
                    cells.extend(shown.state.as_ref().map(|it| text::cut(it.get(), CUT_AT)));
                    cells
                })?;
            }
        }
        GO_ON
    }

    /// The state behind the next event; none from the first on that cannot be had.
    fn next_state(&mut self) -> Option<crate::value::Json> {
        match self.states.as_mut()?.next() {
            Ok(was) => was.and_then(|was| was.state.ok()),
            Err(failure) => {
                self.is_sealed = is_sealed(&failure);
                (self.states, self.failed) = (None, Some(failure).filter(|_| !self.is_sealed));
                None
            }
        }
    }
}

//! The command `history`.

use std::ops::ControlFlow;

use actuarius::inspection::Shapes;
use actuarius::store::Commit;
use actuarius::{Failure, StreamId, Version};

use super::Session;
use super::tail::removed;
use crate::arguments::History;
use crate::error::{Outcome, ToolError};
use crate::events::{CUT_AT, EventShown};
use crate::output::Table;
use crate::scan::{self, CONTINUE, Step};
use crate::text;
use crate::types::{States, Types, is_sealed};

/// Lists the events of a stream and, for a registered type, the state after each.
///
/// If a state cannot be computed, the remaining events are listed without states, and the error is reported at
/// the end.
pub(super) fn run(session: &mut Session<'_, '_>, args: &History) -> Result<Outcome, ToolError> {
    let stream = args.stream.id()?;
    let (reader, types) = (session.store.reader.clone(), session.types);
    if reader.version(&stream)? == Version::NONE {
        return Err(no_such(&stream));
    }
    let known = types.find(stream.category()).filter(|_| !args.no_state);
    let engine = known.map(|_| session.store.engine()).transpose()?;
    let states = known.zip(engine.as_ref());
    let states = states.map(|(known, engine)| known.states(engine, stream.id(), args.from));
    let columns = ["#POSITION", "TIME", "#VERSION", "EVENT", "VALUE", "STATE"];
    let columns = if states.is_some() { &columns[..] } else { &columns[..5] };
    let table = session.output.list(columns);
    let after = Version::new(args.from.get().saturating_sub(1));
    let (left, failed, is_sealed) = (args.limit, None, false);
    let shapes = &types.shapes(&*reader)?;
    let mut printer = Printer { types, shapes, table, states, left, after, failed, is_sealed };
    scan::stream(&*reader, &stream, after, |commit| printer.commit(commit))?;
    let Printer { table, failed, is_sealed, .. } = printer;
    table.end()?;
    if is_sealed {
        session.output.remark("The states contain personal data: use --master-keys FILE.")?;
    }
    failed.map_or(Ok(Outcome::Success), |failure| Err(failure.into()))
}

pub(super) fn no_such(stream: &StreamId) -> ToolError {
    ToolError::Other(format!("there is no stream {stream}"))
}

/// Writes a history to the output.
struct Printer<'a, 'b, 'c> {
    types: &'a Types,
    shapes: &'a Shapes,
    table: Table<'b, 'c>,
    states: Option<Box<dyn States + 'a>>,
    left: u64,
    after: Version,
    failed: Option<Failure>,
    /// The states from here on contain personal data that cannot be decrypted.
    is_sealed: bool,
}

impl Printer<'_, '_, '_> {
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
            for mut shown in EventShown::all((self.types, self.shapes), &view, &event) {
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
        CONTINUE
    }

    /// The state after the next event. `None` from the first state on that cannot be computed.
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

//! Decodes every event of the registered types, as the runtime does.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use actuarius::Position;
use actuarius::inspection::Shapes;
use actuarius::store::{Commit, CommitView, EventView};

use super::super::Session;
use super::{FindingShown, VerifiedShown};
use crate::error::ToolError;
use crate::progress::Progress;
use crate::scan::{self, CONTINUE};
use crate::text;
use crate::types::{KnownType, NotDecoded, Types};

/// The most event types and schema versions for which the first error is listed. Errors of further ones are only
/// counted: a program that cannot read a hundred of its event types is the wrong program.
const TYPES_MAX: usize = 100;

/// Decodes all events, and adds the first error of each event type to the findings. Archived events are decoded only if
/// no segment is missing.
pub(super) fn run(session: &Session<'_, '_>, shown: &mut VerifiedShown) -> Result<(), ToolError> {
    let reader = &*session.store.reader;
    let mut decoding = Decoding { shapes: session.types.shapes(reader)?, ..Decoding::default() };
    let bar = Progress::of("decoding", reader.head().get(), false);
    let each = |commit: &_| {
        decoding.commit(session.types, commit);
        CONTINUE
    };
    let done = match shown.archived_elsewhere {
        0 => scan::log(reader, Position::NONE, &bar, each),
        _ => scan::raw_log(reader, &bar, each),
    };
    shown.events_decoded = Some(decoding.decoded);
    shown.more_findings += decoding.more;
    let mut firsts: Vec<_> = decoding.firsts.into_values().collect();
    firsts.sort_by_key(|first| first.position);
    firsts.into_iter().for_each(|first| shown.find(first.finding()));
    done
}

#[derive(Default)]
struct Decoding {
    shapes: Shapes,
    decoded: u64,
    /// By aggregate type, event type and schema version.
    firsts: BTreeMap<(String, String, u32), First>,
    /// Errors that are only counted.
    more: u64,
}

impl Decoding {
    fn commit(&mut self, types: &Types, commit: &Commit) {
        let view = commit.view();
        let Some(known) = types.find(view.category) else { return };
        for event in view.events().filter(|event| event.deletion().is_none()) {
            self.event(known, &view, &event);
        }
    }

    fn event(&mut self, known: &dyn KnownType, commit: &CommitView<'_>, event: &EventView<'_>) {
        let why = match known.decode(&self.shapes, commit, event) {
            Ok(()) => return self.decoded += 1,
            // Its personal data cannot be decrypted here.
            Err(NotDecoded::Sealed) => return,
            Err(NotDecoded::Undecodable(why)) => why,
        };
        let key = (commit.category.to_owned(), event.event_type.to_owned(), event.schema_version);
        let is_full = self.firsts.len() >= TYPES_MAX;
        match self.firsts.entry(key) {
            Entry::Occupied(mut first) => first.get_mut().events += 1,
            Entry::Vacant(_) if is_full => self.more += 1,
            Entry::Vacant(free) => {
                free.insert(First::of(commit, event, &why));
            }
        }
    }
}

/// The first error of an event type and schema version.
struct First {
    position: Position,
    place: String,
    what: String,
    /// The number of events of this kind that do not decode.
    events: u64,
}

impl First {
    fn of(commit: &CommitView<'_>, event: &EventView<'_>, why: &str) -> Self {
        let stream = text::stream(commit.category, commit.id);
        let (version, position) = (event.version, event.position);
        let (event_type, schema_version) = (event.event_type, event.schema_version);
        Self {
            position,
            place: format!("{stream}, version {version}, position {position}"),
            what: format!(
                "`{event_type}`, schema version {schema_version}, does not decode: {why}"
            ),
            events: 1,
        }
    }

    fn finding(self) -> FindingShown {
        let more = match self.events {
            1 => String::new(),
            events => format!("; {events} events of this type do not decode"),
        };
        FindingShown { place: self.place, what: self.what + &more }
    }
}

//! The command `show`.

use std::ops::ControlFlow;

use actuarius::history::Moment;
use actuarius::store::{CommitView, EventView};
use actuarius::{StreamId, Version};
use serde::Serialize;

use super::Session;
use super::history::no_such;
use crate::arguments::Show;
use crate::error::{Outcome, ToolError};
use crate::moment::{At, Utc};
use crate::scan::{self, CONTINUE};
use crate::text;
use crate::types::is_sealed;
use crate::value::{Json, Tree};

/// The name of all events of sagas.
const STEPPED: [&str; 2] = ["Stepped", "SteppedInPlace"];

#[derive(Serialize)]
struct Shown {
    r#type: String,
    id: String,
    /// The version of the aggregate: the number of its events.
    version: u64,
    position: Option<u64>,
    time: Option<Utc>,
    /// The name of its last event.
    event: Option<String>,
    registered: bool,
    /// The state contains personal data, and no key is available to decrypt it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    sealed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<Json>,
}

/// Shows an aggregate at a moment. Only the code of its type can compute its state; without it, only facts about
/// the stream are shown.
pub(super) fn run(session: &mut Session<'_, '_>, args: &Show) -> Result<Outcome, ToolError> {
    let stream = args.stream.id()?;
    let end = session.store.reader.version(&stream)?;
    if end == Version::NONE {
        return Err(no_such(&stream));
    }
    let mut shown = Shown::before(&stream);
    if let Some(known) = session.types.find(stream.category()) {
        let at = args.at.map_or(Moment::Version(end), Moment::from);
        let unwritten = |why| {
            ToolError::Other(format!("the state of {stream} cannot be written as JSON: {why}"))
        };
        shown.registered = true;
        match known.as_of(&session.store.engine()?, stream.id(), at) {
            Ok(was) => {
                shown.state = Some(was.state.map_err(unwritten)?);
                shown.find(session, &stream, Some(At::Version(was.version)), end)?;
            }
            Err(failure) if is_sealed(&failure) => {
                shown.sealed = true;
                shown.find(session, &stream, args.at, end)?;
            }
            Err(failure) => return Err(failure.into()),
        }
    } else {
        shown.find(session, &stream, args.at, end)?;
    }
    session.output.document(&shown, &shown.fields(&stream))?;
    Ok(Outcome::Success)
}

/// The version up to which events need not be read.
fn skipped(at: Option<At>, end: Version) -> Version {
    let wanted = match at {
        None => end,
        Some(At::Version(version)) => version.min(end),
        Some(At::Position(_) | At::Time(_)) => Version::NONE,
    };
    Version::new(wanted.get().saturating_sub(1))
}

fn is_later(at: At, commit: &CommitView<'_>, event: &EventView<'_>) -> bool {
    match at {
        At::Version(version) => event.version > version,
        At::Position(position) => event.position > position,
        At::Time(time) => commit.time > time,
    }
}

impl Shown {
    fn before(stream: &StreamId) -> Self {
        Self {
            r#type: stream.category().to_owned(),
            id: stream.id().to_owned(),
            version: 0,
            position: None,
            time: None,
            event: None,
            registered: false,
            sealed: false,
            state: None,
        }
    }

    /// Finds the last event up to the moment.
    fn find(
        &mut self,
        session: &Session<'_, '_>,
        stream: &StreamId,
        at: Option<At>,
        end: Version,
    ) -> Result<(), ToolError> {
        let skipped = skipped(at, end);
        scan::stream(&*session.store.reader, stream, skipped, |commit| {
            let view = commit.view();
            for event in view.events().filter(|event| event.version > skipped) {
                if at.is_some_and(|at| is_later(at, &view, &event)) {
                    return Ok(ControlFlow::Break(()));
                }
                self.version = event.version.get();
                self.position = Some(event.position.get());
                self.time = Some(Utc(view.time));
                self.event = Some(event.event_type.to_owned());
            }
            CONTINUE
        })
    }

    fn fields(&self, stream: &StreamId) -> Vec<(&'static str, String)> {
        let mut fields = vec![
            ("stream", text::stream(stream.category(), stream.id())),
            ("version", self.version.to_string()),
        ];
        if let (Some(position), Some(time), Some(event)) = (self.position, &self.time, &self.event)
        {
            let event = text::Name(event);
            fields.push(("last event", format!("{event} at position {position}, {time}")));
        }
        let state = match &self.state {
            Some(state) => pretty(state),
            None if self.sealed => {
                "sealed: it contains personal data; use --master-keys FILE".to_owned()
            }
            None if self.event.as_deref().is_some_and(|event| STEPPED.contains(&event)) => {
                format!("of a saga: use sagas {}", text::stream(stream.category(), stream.id()))
            }
            None => "unknown: this program has no such aggregate type registered".to_owned(),
        };
        fields.push(("state", state));
        fields
    }
}

/// JSON on several lines, if it has several fields.
fn pretty(json: &Json) -> String {
    let parsed = serde_json::from_str::<Tree>(json.get());
    let pretty = parsed.ok().and_then(|tree| serde_json::to_string_pretty(&tree).ok());
    let lines = pretty.unwrap_or_else(|| json.get().to_owned());
    // Only the formatter's own line breaks remain: those in values are escaped.
    lines.lines().map(text::escape_json).collect::<Vec<_>>().join("\n            ")
}

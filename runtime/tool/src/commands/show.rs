use std::ops::ControlFlow;

use actuarius::persistence::{CommitView, EventView};
use actuarius::{StreamId, Version};
use serde::Serialize;

use super::Desk;
use super::history::no_such;
use crate::arguments::Show;
use crate::moment::{At, Utc};
use crate::scan;
use crate::text;
use crate::trouble::{Outcome, Trouble};
use crate::value::Json;

#[derive(Serialize)]
struct Shown {
    r#type: String,
    id: String,
    /// How many events it had.
    version: u64,
    position: Option<u64>,
    time: Option<Utc>,
    /// The type of its last event.
    event: Option<String>,
    registered: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<Json>,
}

/// What an aggregate was. Its state is folded from its events by the code of its type; without that, what
/// is known of the stream is shown.
pub(super) fn run(desk: &mut Desk<'_, '_>, asked: &Show) -> Result<Outcome, Trouble> {
    let stream = asked.stream.id()?;
    let reader = &*desk.place.store.reader;
    let end = reader.version(&stream)?;
    if end == Version::NONE {
        return Err(no_such(&stream));
    }
    let known = desk.types.find(stream.category());
    let mut state = known.map(|known| known.unborn());
    let mut shown = Shown::before(&stream, state.is_some());
    // Without a state to fold, whoever wants the end needs no more than the end.
    let skipped = if known.is_none() { skipped(asked.at, end) } else { Version::NONE };
    scan::stream(reader, &stream, skipped, |commit| {
        for event in commit.events().filter(|event| event.version > skipped) {
            if asked.at.is_some_and(|at| is_later(at, commit, &event)) {
                return Ok(ControlFlow::Break(()));
            }
            if let Some(state) = &mut state {
                let (stream, version) = (stream.clone(), event.version);
                let unfolded = |why| Trouble::Unfolded { stream, version, why };
                state.take(&event).map_err(unfolded)?;
            }
            shown.take(commit, &event);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if let Some(state) = state {
        let unwritten = |why| Trouble::Other(format!("the state of {stream} is no JSON: {why}"));
        shown.state = Some(state.json().map_err(unwritten)?);
    }
    desk.output.document(&shown, &shown.fields(&stream))?;
    Ok(Outcome::Fine)
}

/// Up to which version nothing is looked at.
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
    fn before(stream: &StreamId, registered: bool) -> Self {
        Self {
            r#type: stream.category().to_owned(),
            id: stream.id().to_owned(),
            version: 0,
            position: None,
            time: None,
            event: None,
            registered,
            state: None,
        }
    }

    fn take(&mut self, commit: &CommitView<'_>, event: &EventView<'_>) {
        self.version = event.version.get();
        self.position = Some(event.position.get());
        self.time = Some(Utc(commit.time));
        self.event = Some(event.event_type.to_owned());
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
            None => "not known here: this program has no such aggregate type registered".to_owned(),
        };
        fields.push(("state", state));
        fields
    }
}

/// JSON on several lines, if it has several fields.
fn pretty(json: &Json) -> String {
    let parsed = serde_json::from_str::<crate::value::Tree>(json.get());
    let pretty = parsed.ok().and_then(|tree| serde_json::to_string_pretty(&tree).ok());
    let lines = pretty.unwrap_or_else(|| json.get().to_owned());
    // Lines of our own; in texts of the user's nothing breaks a line.
    lines.lines().map(text::tame_json).collect::<Vec<_>>().join("\n")
}

use std::ops::ControlFlow;

use actuarius::history::Moment;
use actuarius::store::{CommitView, EventView};
use actuarius::{StreamId, Version};
use serde::Serialize;

use super::Desk;
use super::history::no_such;
use crate::arguments::Show;
use crate::moment::{At, Utc};
use crate::scan::{self, GO_ON};
use crate::text;
use crate::trouble::{Outcome, Trouble};
use crate::types::is_sealed;
use crate::value::{Json, Tree};

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
    /// There is personal data in the state, and no key to open it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    sealed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<Json>,
}

/// What an aggregate was. Its state is known to the code of its type; without that, what is known of the
/// stream is shown.
pub(super) fn run(desk: &mut Desk<'_, '_>, asked: &Show) -> Result<Outcome, Trouble> {
    let stream = asked.stream.id()?;
    let end = desk.place.reader.version(&stream)?;
    if end == Version::NONE {
        return Err(no_such(&stream));
    }
    let mut shown = Shown::before(&stream);
    if let Some(known) = desk.types.find(stream.category()) {
        let at = asked.at.map_or(Moment::Version(end), Moment::from);
        let unwritten = |why| Trouble::Other(format!("the state of {stream} is no JSON: {why}"));
        shown.registered = true;
        match known.as_of(&desk.place.engine()?, stream.id(), at) {
            Ok(was) => {
                shown.state = Some(was.state.map_err(unwritten)?);
                shown.find(desk, &stream, Some(At::Version(was.version)), end)?;
            }
            Err(failure) if is_sealed(&failure) => {
                shown.sealed = true;
                shown.find(desk, &stream, asked.at, end)?;
            }
            Err(failure) => return Err(failure.into()),
        }
    } else {
        shown.find(desk, &stream, asked.at, end)?;
    }
    desk.output.document(&shown, &shown.fields(&stream))?;
    Ok(Outcome::Fine)
}

/// Up to which version nothing has to be looked at.
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

    /// Looks for the last event that was there.
    fn find(
        &mut self,
        desk: &Desk<'_, '_>,
        stream: &StreamId,
        at: Option<At>,
        end: Version,
    ) -> Result<(), Trouble> {
        let skipped = skipped(at, end);
        scan::stream(&*desk.place.reader, stream, skipped, |commit| {
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
            GO_ON
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
                "sealed: there is personal data in it; say --master-keys FILE".to_owned()
            }
            None => "not known here: this program has no such aggregate type registered".to_owned(),
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
    // Lines of our own: in texts of the user's nothing breaks a line.
    lines.lines().map(text::tame_json).collect::<Vec<_>>().join("\n            ")
}

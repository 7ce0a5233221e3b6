//! Stored events as the commands show them: as JSON and as cells of a table.

use std::collections::BTreeMap;

use actuarius::Header;
use actuarius::inspection::Shapes;
use actuarius::store::{CommitView, EventView};
use serde::Serialize;

use crate::moment::Utc;
use crate::text;
use crate::types::{CurrentEvent, NotDecoded, Types};
use crate::value::{self, Json};

/// The maximum number of characters of a value in a table.
pub(crate) const CUT_AT: usize = 160;

/// An event in JSON. It has a `value` if the payload can be decoded, otherwise the `bytes`.
#[derive(Serialize)]
pub(crate) struct EventShown<'a> {
    position: u64,
    time: Utc,
    r#type: &'a str,
    id: &'a str,
    version: u64,
    event: String,
    schema_version: u32,
    codec: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
    /// Why the payload could not be decoded, although it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    undecodable: Option<String>,
    /// The event, or the state after it, contains personal data, and no key is available to decrypt it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) sealed: bool,
    /// The stored form, if upcasters have changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    stored_as: Option<Stored>,
    /// The event ends the stream: all events before it were deleted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
    /// Upcasters drop this event.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    left_out: bool,
    event_id: String,
    command_id: String,
    correlation_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    causation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    metadata: BTreeMap<String, String>,
    /// The state after the event, for a registered type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<Json>,
}

#[derive(Serialize)]
struct Stored {
    event: String,
    schema_version: u32,
    /// Its index among the events that the stored event was split into.
    part: u32,
}

impl<'a> EventShown<'a> {
    /// Converts a stored event. The result is one event in most cases. Upcasters may split an event into
    /// several; an event that they drop is shown as left out.
    pub(crate) fn all(
        (types, shapes): (&Types, &Shapes),
        commit: &CommitView<'a>,
        event: &EventView<'a>,
    ) -> Vec<EventShown<'a>> {
        if event.deletion().is_some() {
            return vec![Self { deleted: true, ..Self::of(commit, event, commit.header(event)) }];
        }
        let Some(known) = types.find(commit.category) else {
            return vec![Self::described(commit, event)];
        };
        match known.current(shapes, commit, event) {
            Ok(all) if all.is_empty() => {
                vec![Self { left_out: true, ..Self::described(commit, event) }]
            }
            Ok(all) => all.into_iter().map(|it| Self::read(commit, event, it)).collect(),
            // As it is stored, if its codec is self-describing.
            Err(NotDecoded::Sealed) => {
                vec![Self { sealed: true, ..Self::described(commit, event) }]
            }
            Err(NotDecoded::Undecodable(why)) => {
                let shown = Self::of(commit, event, commit.header(event));
                vec![Self { undecodable: Some(why), ..shown.with_bytes(event) }]
            }
        }
    }

    /// With the value, if the codec is self-describing.
    fn described(commit: &CommitView<'a>, event: &EventView<'a>) -> Self {
        let shown = Self::of(commit, event, commit.header(event));
        match value::described(event.codec_byte(), event.payload()) {
            Some(Ok(value)) => Self { value: Some(value), ..shown },
            Some(Err(why)) => Self { undecodable: Some(why), ..shown.with_bytes(event) },
            None => shown.with_bytes(event),
        }
    }

    fn read(commit: &CommitView<'a>, event: &EventView<'a>, current: CurrentEvent) -> Self {
        Self { value: Some(current.content), ..Self::of(commit, event, current.header) }
    }

    fn with_bytes(self, event: &EventView<'_>) -> Self {
        Self { bytes: Some(value::hex(event.payload())), ..self }
    }

    fn of(commit: &CommitView<'a>, event: &EventView<'a>, header: Header) -> Self {
        let stored_as = header.stored_as.map(|it| Stored {
            event: it.event_type,
            schema_version: it.schema_version,
            part: it.part,
        });
        Self {
            position: event.position.get(),
            time: Utc(commit.time),
            r#type: commit.category,
            id: commit.id,
            version: event.version.get(),
            event: header.event_type,
            schema_version: header.schema_version,
            codec: value::codec_name(event.codec_byte()),
            value: None,
            bytes: None,
            undecodable: None,
            sealed: false,
            stored_as,
            deleted: false,
            left_out: false,
            event_id: header.event_id.to_string(),
            command_id: header.command_id.to_string(),
            correlation_id: header.correlation_id.to_string(),
            causation_id: header.causation_id.map(|id| id.to_string()),
            user: header.metadata.user,
            metadata: header.metadata.entries,
            state: None,
        }
    }

    /// Whether the type applies this event to its state.
    pub(crate) fn is_applied(&self) -> bool {
        !self.left_out && !self.deleted
    }

    /// The cells of a table: position, time, stream, version, event, value.
    pub(crate) fn cells(&self, with_stream: bool) -> Vec<String> {
        let stream = with_stream.then(|| text::stream(self.r#type, self.id));
        let mut cells = vec![self.position.to_string(), self.time.to_string()];
        cells.extend(stream);
        cells.extend([self.version.to_string(), self.name(), self.content()]);
        cells
    }

    fn name(&self) -> String {
        let name = text::Name(&self.event);
        match (&self.stored_as, self.left_out) {
            (Some(stored), _) => {
                let (event, version) = (text::Name(&stored.event), stored.schema_version);
                format!("{name} (stored as {event} {version})")
            }
            (None, true) => format!("({name}, left out)"),
            (None, false) => name.to_string(),
        }
    }

    /// The value, or a description of the bytes.
    fn content(&self) -> String {
        if self.deleted {
            return "the stream was deleted".to_owned();
        }
        if let Some(value) = &self.value {
            return text::cut(value.get(), CUT_AT);
        }
        let hex = self.bytes.as_deref().unwrap_or_default();
        let (codec, version, bytes) = (&self.codec, self.schema_version, hex.len() / 2);
        let why = self.undecodable.as_deref();
        let why = why.map(|why| format!(", not decodable: {}", text::Name(why)));
        let sealed = if self.sealed { ", sealed: use --master-keys FILE" } else { "" };
        let why = why.unwrap_or_default() + sealed;
        let hex = if hex.is_empty() { String::new() } else { text::cut(hex, 64) + " " };
        let bytes = text::count(bytes as u64, "byte");
        format!("{hex}({codec}, schema {version}, {bytes}{why})")
    }
}

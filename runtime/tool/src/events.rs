//! One stored event, as it is shown.

use actuarius::persistence::{CommitView, EventView};
use serde::Serialize;

use crate::moment::Utc;
use crate::text;
use crate::types::Types;
use crate::value::{self, Json};

/// How much of a value stands in a table.
const CUT_AT: usize = 160;

/// An event in JSON. Exactly one of `value`, `bytes` is there.
#[derive(Serialize)]
pub(crate) struct EventShown<'a> {
    position: u64,
    time: Utc,
    r#type: &'a str,
    id: &'a str,
    version: u64,
    event: &'a str,
    schema_version: u32,
    codec: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
    /// Why there is no value, though there should be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    undecodable: Option<String>,
    event_id: String,
    command_id: String,
    correlation_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    causation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    metadata: std::collections::BTreeMap<String, String>,
    /// The state behind the event, of a registered type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<Json>,
}

impl<'a> EventShown<'a> {
    pub(crate) fn of(types: &Types, commit: &CommitView<'a>, event: &EventView<'a>) -> Self {
        let header = commit.header(event);
        let read = match types.find(commit.category) {
            Some(known) => Some(known.content(event)),
            None => value::described(event.codec_byte(), event.payload()),
        };
        let (value, undecodable) = match read {
            Some(Ok(value)) => (Some(value), None),
            Some(Err(why)) => (None, Some(why)),
            None => (None, None),
        };
        Self {
            position: event.position.get(),
            time: Utc(commit.time),
            r#type: commit.category,
            id: commit.id,
            version: event.version.get(),
            event: event.event_type,
            schema_version: event.schema_version,
            codec: value::codec_name(event.codec_byte()),
            bytes: value.is_none().then(|| value::hex(event.payload())),
            value,
            undecodable,
            event_id: header.event_id.to_string(),
            command_id: header.command_id.to_string(),
            correlation_id: header.correlation_id.to_string(),
            causation_id: header.causation_id.map(|id| id.to_string()),
            user: header.metadata.user,
            metadata: header.metadata.entries.into_iter().collect(),
            state: None,
        }
    }

    /// Position, time, stream, version, event, value: what stands in a table.
    pub(crate) fn cells(&self, with_stream: bool) -> Vec<String> {
        let stream = with_stream.then(|| text::stream(self.r#type, self.id));
        let version = self.version.to_string();
        let mut cells = vec![self.position.to_string(), self.time.to_string()];
        cells.extend(stream);
        cells.extend([version, text::Name(self.event).to_string(), self.content()]);
        cells
    }

    /// The value, or what is known of the bytes.
    fn content(&self) -> String {
        if let Some(value) = &self.value {
            return text::cut(value.get(), CUT_AT);
        }
        let hex = self.bytes.as_deref().unwrap_or_default();
        let (codec, version, bytes) = (&self.codec, self.schema_version, hex.len() / 2);
        let why =
            self.undecodable.as_deref().map(|why| format!(", not decodable: {}", text::Name(why)));
        let why = why.unwrap_or_default();
        format!("{} ({codec}, schema {version}, {bytes} bytes{why})", text::cut(hex, 64))
    }
}

//! One line of an export: its fields, and the conversion from and to a commit.

use std::borrow::Cow;
use std::collections::BTreeMap;

use actuarius_domain::{
    CausationId, CorrelationId, Metadata, Position, StreamId, Timestamp, Version,
};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::record::codec::Codec;
use crate::record::{Append, Commit, EncodedEvent, EventView, NewCommit};

/// The fields of all lines. A line with any other field is refused.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line<'a> {
    /// The only field of the first line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) export: Option<Head>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
    #[serde(default, borrow, rename = "type", skip_serializing_if = "Option::is_none")]
    category: Option<Cow<'a, str>>,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command: Option<Uuid>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    named: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    causation: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    entries: BTreeMap<String, String>,
    #[serde(default, borrow, skip_serializing_if = "Vec::is_empty")]
    events: Vec<EventLine<'a>>,
    /// The bytes of a commit that cannot be expressed in fields.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    frame: Option<Cow<'a, str>>,
    /// The only field of the end line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) end: Option<End>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) format: u32,
    pub(super) store: Uuid,
    /// The identity of the key file that personal values are sealed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) keys: Option<Uuid>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct End {
    pub(super) commits: u64,
    /// The end of the chain, if the whole log up to it was exported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) chain: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventLine<'a> {
    #[serde(borrow, rename = "type")]
    event_type: Cow<'a, str>,
    schema: u32,
    #[serde(borrow)]
    codec: Cow<'a, str>,
    #[serde(
        default,
        borrow,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "even_null"
    )]
    payload: Option<&'a RawValue>,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    base64: Option<Cow<'a, str>>,
}

/// Reads a payload of `null` as a payload, not as a missing field.
fn even_null<'de: 'a, 'a, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

impl<'a> Line<'a> {
    pub(super) fn first(head: Head) -> Self {
        Self { export: Some(head), ..Self::default() }
    }

    pub(super) fn last(end: End) -> Self {
        Self { end: Some(end), ..Self::default() }
    }

    /// Returns the line of a commit.
    pub(super) fn of(commit: &'a Commit) -> Self {
        Self::in_fields(commit).unwrap_or_else(|| Self {
            position: Some(commit.position().get()),
            frame: Some(BASE64_STANDARD.encode(commit.frame()).into()),
            ..Self::default()
        })
    }

    /// Returns `None` if the fields would not restore the same bytes.
    fn in_fields(commit: &'a Commit) -> Option<Self> {
        if commit.gone().is_some() {
            return None;
        }
        let view = commit.view();
        let metadata = view.metadata();
        let line = Self {
            position: Some(view.position.get()),
            category: Some(view.category.into()),
            id: Some(view.id.into()),
            version: Some(view.version.get()),
            time: Some(view.time.as_micros()),
            command: Some(view.command_id.as_uuid()),
            named: view.named_by_caller(),
            correlation: metadata.correlation.map(CorrelationId::as_uuid),
            causation: metadata.causation.map(CausationId::as_uuid),
            user: metadata.user,
            entries: metadata.entries,
            events: view.events().map(|event| EventLine::of(&event)).collect(),
            ..Self::default()
        };
        let restored = line.commit().ok()?;
        restored.same_bytes(commit).then_some(line)
    }

    /// Returns the commit of the line.
    pub(super) fn commit(&self) -> Result<Commit, String> {
        let position = Position::new(self.position.ok_or("it has no position")?);
        let frame = match &self.frame {
            Some(frame) => Bytes::from(bytes_of(frame)?),
            None => self.frame_from_fields()?,
        };
        Commit::from_frame(&frame, position).map_err(|damage| damage.what)
    }

    fn frame_from_fields(&self) -> Result<Bytes, String> {
        let name = |name: &Option<Cow<'a, str>>| name.as_deref().unwrap_or_default().to_owned();
        let stream = StreamId::new(name(&self.category), name(&self.id));
        let stream = stream.map_err(|error| error.to_string())?;
        let version = self.version.and_then(|version| version.checked_sub(1));
        let version = Version::new(version.ok_or("it has no version")?);
        let metadata = Metadata {
            correlation: self.correlation.map(Into::into),
            causation: self.causation.map(Into::into),
            user: self.user.clone(),
            entries: self.entries.clone(),
        };
        let commit = NewCommit {
            time: Timestamp::from_micros(self.time.ok_or("it has no time")?),
            command_id: self.command.ok_or("it has no command")?.into(),
            named_by_caller: self.named,
            metadata: &metadata,
        };
        let events: Result<Vec<_>, _> = self.events.iter().map(EventLine::event).collect();
        let mut append = Append::new(stream, version);
        append.push_encoded(commit, &events?).map_err(|error| error.to_string())?;
        let frame = append.frames().next().map(|(frame, _)| Bytes::copy_from_slice(frame));
        frame.ok_or_else(|| "it has no events".to_owned())
    }
}

impl<'a> EventLine<'a> {
    fn of(event: &EventView<'a>) -> Self {
        let codec = match Codec::from_byte(event.codec_byte()) {
            Ok(Codec::Bincode) => "bincode".into(),
            Ok(Codec::Json) => "json".into(),
            Ok(Codec::MessagePack) => "messagepack".into(),
            _ => event.codec_byte().to_string().into(),
        };
        let payload = if codec == "json" { raw(event.payload()) } else { None };
        let base64 = payload.is_none().then(|| BASE64_STANDARD.encode(event.payload()).into());
        let (event_type, schema) = (event.event_type.into(), event.schema_version);
        Self { event_type, schema, codec, payload, base64 }
    }

    fn event(&self) -> Result<EncodedEvent, String> {
        let codec = match &*self.codec {
            "bincode" => Codec::Bincode.byte(),
            "json" => Codec::Json.byte(),
            "messagepack" => Codec::MessagePack.byte(),
            other => other.parse().map_err(|_| format!("there is no codec {other:?}"))?,
        };
        let payload = match (self.payload, &self.base64) {
            (Some(payload), None) => payload.get().as_bytes().to_vec(),
            (None, Some(base64)) => bytes_of(base64)?,
            _ => return Err("an event has either a payload or base64".to_owned()),
        };
        Ok(EncodedEvent::of_byte(&*self.event_type, self.schema, codec, payload))
    }
}

/// Returns the payload as embedded JSON, if it is exactly one value on one line, so that its bytes are
/// restored exactly.
fn raw(payload: &[u8]) -> Option<&RawValue> {
    let text = str::from_utf8(payload).ok()?;
    let raw: &RawValue = serde_json::from_str(text).ok()?;
    let is_plain = raw.get() == text && !text.contains(['\n', '\r']);
    is_plain.then_some(raw)
}

fn bytes_of(base64: &str) -> Result<Vec<u8>, String> {
    BASE64_STANDARD.decode(base64).map_err(|error| format!("invalid base64: {error}"))
}

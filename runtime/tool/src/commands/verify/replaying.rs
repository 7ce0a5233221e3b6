//! Compares each snapshot of a registered type with the state that its events produce.

use actuarius::error::ReadError;
use actuarius::history::Moment;
use actuarius::inspection::Shapes;
use actuarius::store::Reader;
use actuarius::{Failure, StreamId, Version};

use super::super::Session;
use super::{FindingShown, VerifiedShown};
use crate::engine::Engine;
use crate::error::ToolError;
use crate::progress::Progress;
use crate::scan::{self, CONTINUE};
use crate::text;
use crate::types::KnownType;
use crate::value::Json;

/// Compares all snapshots, and returns their number. Each difference is added to the findings.
pub(super) fn run(
    session: &mut Session<'_, '_>,
    shown: &mut VerifiedShown,
) -> Result<u64, ToolError> {
    let (reader, types) = (session.store.reader.clone(), session.types);
    let (engine, shapes) = (session.store.engine()?, Shapes::read(&*reader)?);
    let bar = Progress::of("replaying", reader.head().get(), false);
    let mut compared = 0;
    scan::raw_log(&*reader, &bar, |commit| {
        let view = commit.view();
        let known = types.find(view.category).filter(|_| view.version == Version::NONE.next());
        let Some(known) = known else { return CONTINUE };
        let stream = StreamId::new(view.category, view.id)?;
        for version in snapshots(&*reader, &stream)? {
            let Some(same) = compare(&engine, (&*reader, &shapes), known, &stream, version)? else {
                continue;
            };
            compared += 1;
            if let Err(what) = same {
                let name = text::stream(stream.category(), stream.id());
                let place = format!("snapshot of {name}, version {version}");
                shown.find(FindingShown { place, what });
            }
        }
        CONTINUE
    })?;
    Ok(compared)
}

/// The versions of a stream's snapshots, the newest first, without damaged ones, which the check of the store has
/// already reported.
fn snapshots(reader: &dyn Reader, stream: &StreamId) -> Result<Vec<Version>, ReadError> {
    let (mut versions, mut before) = (Vec::new(), None);
    loop {
        match reader.snapshot(stream, before) {
            Ok(Some(snapshot)) => {
                versions.push(snapshot.version);
                before = Some(snapshot.version);
            }
            Ok(None) => return Ok(versions),
            Err(ReadError::DamagedSnapshot { version, .. }) => before = Some(version),
            Err(error) => return Err(error),
        }
    }
}

/// Whether the state recovered from the snapshot equals the state of all events. A snapshot in an outdated form is
/// not used for recovery, and therefore counts as equal. `None` if an event does not decode, which is reported once for
/// each event type, or contains personal data and there are no keys.
fn compare(
    engine: &Engine,
    (reader, shapes): (&dyn Reader, &Shapes),
    known: &dyn KnownType,
    stream: &StreamId,
    version: Version,
) -> Result<Option<Result<(), String>>, ToolError> {
    let saved = match known.as_of(engine, stream.id(), Moment::Version(version)) {
        Ok(was) => was.state,
        Err(Failure::Undecodable(_)) => return Ok(None),
        Err(failure) => Err(failure.to_string()),
    };
    let mut replay = known.replay();
    let (mut failed, mut is_decodable) = (None, true);
    scan::stream(reader, stream, Version::NONE, |commit| {
        let view = commit.view();
        for event in view.events() {
            if event.version > version || failed.is_some() {
                return Ok(std::ops::ControlFlow::Break(()));
            }
            failed = replay.take(shapes, &view, &event).err();
            is_decodable = failed.is_none() || known.decode(shapes, &view, &event).is_ok();
        }
        CONTINUE
    })?;
    if !is_decodable {
        return Ok(None);
    }
    let replayed = failed.map_or_else(|| replay.state(), Err);
    Ok(Some(match (saved.and_then(|it| value(&it)), replayed.and_then(|it| value(&it))) {
        (Ok(saved), Ok(replayed)) if saved == replayed => Ok(()),
        (Ok(_), Ok(_)) => {
            Err("the snapshot differs from the state that its events produce".to_owned())
        }
        (Err(why), _) | (_, Err(why)) => Err(format!("the snapshot could not be compared: {why}")),
    }))
}

/// Parses JSON into a value that ignores the order of fields.
fn value(json: &Json) -> Result<serde_json::Value, String> {
    serde_json::from_str(json.get()).map_err(|error| error.to_string())
}

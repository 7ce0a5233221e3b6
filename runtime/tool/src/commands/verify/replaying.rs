//! Each snapshot of the registered types, beside what its events come to.

use actuarius::error::ReadError;
use actuarius::history::Moment;
use actuarius::store::Reader;
use actuarius::{StreamId, Version};

use super::super::Desk;
use super::FindingShown;
use crate::engine::Engine;
use crate::progress::Progress;
use crate::scan::{self, GO_ON};
use crate::text;
use crate::trouble::Trouble;
use crate::types::{Known, is_sealed};
use crate::value::Json;

/// How many there were; those that differ are findings.
pub(super) fn run(
    desk: &mut Desk<'_, '_>,
    findings: &mut Vec<FindingShown>,
) -> Result<u64, Trouble> {
    let (reader, types) = (desk.place.reader.clone(), desk.types);
    let engine = desk.place.engine()?;
    let bar = Progress::of("replaying", reader.head().get(), false);
    let mut compared = 0;
    scan::raw_log(&*reader, &bar, |commit| {
        let view = commit.view();
        let known = types.find(view.category).filter(|_| view.version == Version::NONE.next());
        let Some(known) = known else { return GO_ON };
        let stream = StreamId::new(view.category, view.id)?;
        for version in snapshots(&*reader, &stream)? {
            let Some(same) = compare(&engine, &*reader, known, &stream, version)? else { continue };
            compared += 1;
            if let Err(what) = same {
                let name = text::stream(stream.category(), stream.id());
                let place = format!("snapshot of {name}, version {version}");
                findings.push(FindingShown { place, what });
            }
        }
        GO_ON
    })?;
    Ok(compared)
}

/// The versions of a stream's snapshots, the newest first, but for those that are damaged: the check
/// before has found them.
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

/// Whether the state that is had from the snapshot is that of all events. One that is of another shape
/// than states of today is not used, and so right. None when there is personal data in it, and no keys.
fn compare(
    engine: &Engine,
    reader: &dyn Reader,
    known: &dyn Known,
    stream: &StreamId,
    version: Version,
) -> Result<Option<Result<(), String>>, Trouble> {
    let saved = match known.as_of(engine, stream.id(), Moment::Version(version)) {
        Ok(was) => was.state,
        Err(failure) if is_sealed(&failure) => return Ok(None),
        Err(failure) => Err(failure.to_string()),
    };
    let mut replay = known.replay();
    let mut failed = None;
    scan::stream(reader, stream, Version::NONE, |commit| {
        let view = commit.view();
        for event in view.events() {
            if event.version > version || failed.is_some() {
                return Ok(std::ops::ControlFlow::Break(()));
            }
            failed = replay.take(&view, &event).err();
        }
        GO_ON
    })?;
    let replayed = failed.map_or_else(|| replay.state(), Err);
    Ok(Some(match (saved.and_then(|it| value(&it)), replayed.and_then(|it| value(&it))) {
        (Ok(saved), Ok(replayed)) if saved == replayed => Ok(()),
        (Ok(_), Ok(_)) => Err("it is not what its events come to".to_owned()),
        (Err(why), _) | (_, Err(why)) => Err(format!("it could not be compared: {why}")),
    }))
}

/// Without an order of fields.
fn value(json: &Json) -> Result<serde_json::Value, String> {
    serde_json::from_str(json.get()).map_err(|error| error.to_string())
}

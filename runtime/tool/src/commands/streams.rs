//! The command `streams`.

use std::ops::ControlFlow;

use actuarius::store::{PageLimit, Reader};
use actuarius::{Position, StreamId, Version};
use serde::Serialize;

use super::Session;
use crate::arguments::Streams;
use crate::error::{Outcome, ToolError};
use crate::moment::Utc;
use crate::progress::Progress;
use crate::scan::{self, CONTINUE};
use crate::text;

#[derive(Serialize)]
struct StreamShown {
    r#type: String,
    id: String,
    version: u64,
    first_position: u64,
    first_time: Utc,
    last_position: u64,
    last_time: Utc,
}

/// Lists each stream at the commit with its first event. There is exactly one such commit per stream, so memory
/// does not grow with the number of streams.
pub(super) fn run(session: &mut Session<'_, '_>, args: &Streams) -> Result<Outcome, ToolError> {
    let reader = &*session.store.reader;
    let progress = Progress::of("reading", reader.head().get(), true);
    let columns = ["STREAM", "#EVENTS", "#FIRST", "#LAST", "BEGAN", "CHANGED"];
    let (mut table, mut left) = (session.output.list(&columns), args.limit);
    scan::raw_log(reader, &progress, |commit| {
        let commit = commit.view();
        let is_selected = commit.version == Version::NONE.next()
            && commit.id.starts_with(args.prefix.as_str())
            && args.aggregate_type.as_deref().is_none_or(|it| it == commit.category);
        if left == 0 {
            return Ok(ControlFlow::Break(()));
        }
        if !is_selected {
            return CONTINUE;
        }
        left -= 1;
        let stream = StreamId::new(commit.category, commit.id)?;
        let (version, last_position, last_time) = end_of(reader, &stream)?;
        let shown = StreamShown {
            r#type: commit.category.to_owned(),
            id: commit.id.to_owned(),
            version: version.get(),
            first_position: commit.position.get(),
            first_time: Utc(commit.time),
            last_position: last_position.get(),
            last_time: last_time.unwrap_or(Utc(commit.time)),
        };
        table.row(&shown, |it| {
            vec![
                text::stream(&it.r#type, &it.id),
                it.version.to_string(),
                it.first_position.to_string(),
                it.last_position.to_string(),
                it.first_time.to_string(),
                it.last_time.to_string(),
            ]
        })?;
        CONTINUE
    })?;
    table.end()?;
    Ok(Outcome::Success)
}

/// Version, position and time of a stream's last event.
fn end_of(
    reader: &dyn Reader,
    stream: &StreamId,
) -> Result<(Version, Position, Option<Utc>), ToolError> {
    let version = reader.version(stream)?;
    let before = Version::new(version.get().saturating_sub(1));
    let one = PageLimit { commits: 1, bytes: 0 };
    let page = reader.read_stream(stream, before, Position::NONE, one)?;
    let last = page.commits.first().map(|commit| commit.view());
    let position = last.map_or(Position::NONE, |last| last.last_position());
    Ok((version, position, last.map(|last| Utc(last.time))))
}

use std::ops::ControlFlow;

use actuarius::store::{PageLimit, Reader};
use actuarius::{Position, StreamId, Version};
use serde::Serialize;

use super::Desk;
use crate::arguments::Streams;
use crate::moment::Utc;
use crate::progress::Progress;
use crate::scan::{self, GO_ON};
use crate::text;
use crate::trouble::{Outcome, Trouble};

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

/// Each stream has exactly one commit with its first event, so none is met twice and none has to be
/// remembered: memory does not grow with their number.
pub(super) fn run(desk: &mut Desk<'_, '_>, asked: &Streams) -> Result<Outcome, Trouble> {
    let reader = &*desk.place.reader;
    let progress = Progress::of("reading", reader.head().get(), true);
    let columns = ["STREAM", "#EVENTS", "#FIRST", "#LAST", "BEGAN", "CHANGED"];
    let (mut table, mut left) = (desk.output.list(&columns), asked.limit);
    scan::raw_log(reader, &progress, |commit| {
        let commit = commit.view();
        let is_asked_for = commit.version == Version::NONE.next()
            && commit.id.starts_with(asked.prefix.as_str())
            && asked.aggregate_type.as_deref().is_none_or(|it| it == commit.category);
        if left == 0 {
            return Ok(ControlFlow::Break(()));
        }
        if !is_asked_for {
            return GO_ON;
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
        GO_ON
    })?;
    table.end()?;
    Ok(Outcome::Fine)
}

/// Version, position and time of a stream's last event.
fn end_of(
    reader: &dyn Reader,
    stream: &StreamId,
) -> Result<(Version, Position, Option<Utc>), Trouble> {
    let version = reader.version(stream)?;
    let before = Version::new(version.get().saturating_sub(1));
    let one = PageLimit { commits: 1, bytes: 0 };
    let page = reader.read_stream(stream, before, Position::NONE, one)?;
    let last = page.commits.first().map(|commit| commit.view());
    let position = last.map_or(Position::NONE, |last| last.last_position());
    Ok((version, position, last.map(|last| Utc(last.time))))
}

//! The commands `archive` and `compact`.

use std::path::Path;

use actuarius::operations::ArchivePart;
use actuarius::store::archive::{Moving, Wanted};
use actuarius::store::{Batch, sled};
use actuarius::{Position, StreamId};
use serde::Serialize;

use super::Session;
use crate::arguments::{Archive, stream};
use crate::error::{Outcome, ToolError};
use crate::open_store::Contents;
use crate::output::Output;
use crate::progress::Progress;
use crate::text;

/// The number of commits that leave the log in one batch: each one makes the store rewrite a page.
const BATCH_REMOVALS: usize = 32;

#[derive(Default, Serialize)]
struct ArchivedShown {
    events: u64,
    segments: u64,
    bytes: u64,
}

pub(super) fn run(session: &mut Session<'_, '_>, args: &Archive) -> Result<Outcome, ToolError> {
    let store = session.store.writable()?;
    let reader = store.reader.clone();
    let directory = reader.maintenance().archive().map(Path::to_owned);
    let directory =
        directory.ok_or_else(|| ToolError::Other("this store has no archive".to_owned()))?;
    let part = if args.whole { ArchivePart::Whole } else { ArchivePart::BeforeSnapshot };
    let is_selected = |it: &StreamId| {
        args.aggregate_type.as_deref().is_none_or(|category| category == it.category())
            && it.id().starts_with(args.prefix.as_str())
    };
    let wanted: Wanted<'_> =
        Box::new(|it| if is_selected(it) { part.up_to(&*reader, it) } else { Ok(None) });
    let mut moving = Moving::new(&*reader, directory, wanted);
    if let Some(name) = &args.stream {
        moving = moving.only(stream(name)?);
    }
    let bar = Progress::of("archiving", reader.head().get(), false);
    let mut shown = ArchivedShown::default();
    while let Some(moved) = moving.next_segment()? {
        for removals in moved.removals.chunks(BATCH_REMOVALS) {
            store.writer.commit(&Batch { removals: removals.to_vec(), ..Batch::default() })?;
        }
        shown.events += moved.events;
        shown.segments += 1;
        shown.bytes += moved.bytes;
        bar.at(moving.progress().0.get());
    }
    drop(bar);
    let fields = [
        ("events", shown.events.to_string()),
        ("segments", shown.segments.to_string()),
        ("size", text::bytes(shown.bytes)),
    ];
    session.output.document(&shown, &fields)?;
    if shown.events == 0 {
        session.output.remark(nothing_moved(args.whole))?;
    }
    Ok(Outcome::Success)
}

/// Why nothing was archived, and what to do.
fn nothing_moved(whole: bool) -> &'static str {
    if whole {
        "No events were archived: there are none, or all of them are in the archive already."
    } else {
        "No events were archived: no newer snapshot covers any. --whole archives all events."
    }
}

#[derive(Serialize)]
struct CompactedShown {
    bytes_before: u64,
    bytes_after: u64,
}

/// Compacts a store, which must be closed, in this process as well.
pub(super) fn compact(directory: &Path, output: &mut Output<'_>) -> Result<Outcome, ToolError> {
    if let Contents::Backup(_) = Contents::of(directory)? {
        return Err(ToolError::Backup(directory.to_owned()));
    }
    let bar = Progress::of("copying", 0, false);
    let watch = |position: Position, end: Position| bar.at_of(position.get(), end.get());
    let compacted = sled::compact(directory, watch)?;
    drop(bar);
    let shown =
        CompactedShown { bytes_before: compacted.bytes_before, bytes_after: compacted.bytes_after };
    let fields =
        [("before", text::bytes(shown.bytes_before)), ("after", text::bytes(shown.bytes_after))];
    output.document(&shown, &fields)?;
    Ok(Outcome::Success)
}

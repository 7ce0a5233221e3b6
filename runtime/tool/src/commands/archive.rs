use std::path::Path;

use actuarius::operations::ArchivePart;
use actuarius::store::archive::{Moving, Wanted};
use actuarius::store::{Batch, sled};
use actuarius::{Position, StreamId};
use serde::Serialize;

use super::Desk;
use crate::arguments::{Archive, stream};
use crate::output::Output;
use crate::place::Held;
use crate::progress::Progress;
use crate::text;
use crate::trouble::{Outcome, Trouble};

/// How many commits leave the log at once: each makes the store write a page anew.
const AT_ONCE: usize = 32;

#[derive(Default, Serialize)]
struct ArchivedShown {
    events: u64,
    segments: u64,
    bytes: u64,
}

pub(super) fn run(desk: &mut Desk<'_, '_>, asked: &Archive) -> Result<Outcome, Trouble> {
    let store = desk.place.writable()?;
    let reader = store.reader.clone();
    let directory = reader.maintenance().archive().map(Path::to_owned);
    let directory =
        directory.ok_or_else(|| Trouble::Other("this store has no archive".to_owned()))?;
    let part = if asked.whole { ArchivePart::Whole } else { ArchivePart::BeforeSnapshot };
    let is_asked_for = |it: &StreamId| {
        asked.aggregate_type.as_deref().is_none_or(|category| category == it.category())
            && it.id().starts_with(asked.prefix.as_str())
    };
    let wanted: Wanted<'_> =
        Box::new(|it| if is_asked_for(it) { part.up_to(&*reader, it) } else { Ok(None) });
    let mut moving = Moving::new(&*reader, directory, wanted);
    if let Some(name) = &asked.stream {
        moving = moving.only(stream(name)?);
    }
    let bar = Progress::of("archiving", reader.head().get(), false);
    let mut shown = ArchivedShown::default();
    while let Some(moved) = moving.next_segment()? {
        for removals in moved.removals.chunks(AT_ONCE) {
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
    desk.output.document(&shown, &fields)?;
    Ok(Outcome::Fine)
}

#[derive(Serialize)]
struct CompactedShown {
    bytes_before: u64,
    bytes_after: u64,
}

/// Needs the store closed, also by us.
pub(super) fn compact(directory: &Path, output: &mut Output<'_>) -> Result<Outcome, Trouble> {
    if let Held::Backup(_) = Held::by(directory)? {
        return Err(Trouble::Backup(directory.to_owned()));
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
    Ok(Outcome::Fine)
}

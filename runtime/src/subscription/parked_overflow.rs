//! Reads again what is parked without a note of its own: the later events of a key, page by page.

use std::sync::Arc;

use actuarius_domain::{Position, StreamId, Version};
use actuarius_persistence::{Commit, Damage, EventView, Page, PageLimit, ReadError, Reader};

use super::checkpoint::Mark;
use super::opening::Plan;
use super::parked::{Entry, LogRange};

/// How much of the log is looked through at once: a few milliseconds of a worker's time.
const PAGE: PageLimit = PageLimit { commits: 4_096, bytes: 1024 * 1024 };
/// How many events are found at once: enough that looking for them costs little for each.
const FOUND_MAX: usize = 256;

/// The next events of a key, and up to which place they are all there are.
pub(super) struct Found {
    pub(super) entries: Vec<Entry>,
    pub(super) read: Mark,
}

/// Reads the next page of `stretch`; waits for a disk. A page may hold no event of the key.
///
/// # Errors
/// [`ReadError`]; asking again reads the same place.
pub(super) fn read(plan: &Plan, key: &Arc<str>, range: &LogRange) -> Result<Found, ReadError> {
    let reader = plan.engine.store.reader()?;
    let is_stream = plan.routes.orders_by_stream(&range.example.stream, key);
    let by_stream = if is_stream { page_of_stream(&*reader, range)? } else { None };
    let is_stream = by_stream.is_some();
    let page = match by_stream {
        Some(page) => page,
        None => reader.read_log(range.behind.behind, PAGE)?,
    };
    let mut scan = Scan::from(plan, key, range);
    for commit in &page.commits {
        if !scan.take(commit) {
            return Ok(scan.found);
        }
    }
    let read = &mut scan.found.read;
    match page.commits.last() {
        // The next commit of a stream is found by the one before it.
        Some(last) if is_stream => *read = last_event(last),
        Some(last) => *read = Mark::at(last.last_position()),
        None if is_stream => {}
        None => return Err(missing(range.behind.position.next())),
    }
    if is_stream && !page.more {
        read.position = read.position.max(range.last);
    }
    Ok(scan.found)
}

/// The place of the last event of a commit, in that commit.
fn last_event(commit: &Commit) -> Mark {
    let behind = Mark::before(commit.position(), commit.position()).behind;
    Mark { position: commit.last_position(), behind }
}

/// The next commits of the stream, if the commit the stretch begins with is one of it.
fn page_of_stream(reader: &dyn Reader, range: &LogRange) -> Result<Option<Page>, ReadError> {
    let (stream, behind) = (&range.example.stream, range.behind);
    let begins = reader.read_log(behind.behind, PageLimit { commits: 1, bytes: 1 })?;
    let Some(commit) = begins.commits.first() else { return Ok(None) };
    let view = commit.view();
    if (view.category, view.id) != (stream.category(), stream.id()) {
        return Ok(None);
    }
    // The events of a commit have versions that follow each other, as their positions do.
    let read = (behind.position.get() + 1).saturating_sub(view.position.get());
    let after = Version::new(view.version.get().saturating_sub(1) + read.min(view.events));
    reader.read_stream(stream, after, Position::NONE, PAGE).map(Some)
}

/// Goes through commits, and finds the events of a key.
struct Scan<'a> {
    plan: &'a Plan,
    key: &'a Arc<str>,
    range: &'a LogRange,
    found: Found,
}

impl<'a> Scan<'a> {
    fn from(plan: &'a Plan, key: &'a Arc<str>, range: &'a LogRange) -> Self {
        let found = Found { entries: Vec::new(), read: range.behind };
        Self { plan, key, range, found }
    }

    /// Says whether to go on behind the commit.
    fn take(&mut self, commit: &Commit) -> bool {
        let view = commit.view();
        let Some((stream, aggregate)) = self.plan.routes.stream_of(&view) else { return true };
        for event in view.events() {
            if event.position <= self.range.behind.position {
                continue;
            }
            let is_over = event.position > self.range.last;
            if is_over || self.found.entries.len() >= FOUND_MAX {
                self.found.read = Mark::before(event.position, view.position);
                return false;
            }
            if self.plan.routes.concerns(self.key, &aggregate, &view, &event) {
                let entry = self.entry(&stream, view.position, &event);
                self.found.entries.push(entry);
            }
        }
        true
    }

    fn entry(&self, stream: &StreamId, commit: Position, event: &EventView<'_>) -> Entry {
        Entry {
            position: event.position,
            commit,
            stream: stream.clone(),
            event_type: event.event_type.into(),
            attempts: 0,
            error: "".into(),
            parked_at: self.range.example.parked_at,
        }
    }
}

/// A rest ends before the end of the log.
fn missing(position: Position) -> ReadError {
    Damage { stream: None, position, what: "the event is missing".to_owned() }.into()
}

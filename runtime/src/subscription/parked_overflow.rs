//! Reads parked events without a note of their own from the log again: the later events of a key, page by
//! page.

use std::sync::Arc;

use actuarius_domain::{Position, StreamId, Version};
use actuarius_persistence::{Commit, Damage, EventView, Page, PageLimit, ReadError, Reader};

use super::checkpoint::Mark;
use super::opening::Plan;
use super::parked::{Entry, LogRange};

/// How much of the log is searched at once: a few milliseconds of a worker's time.
const PAGE: PageLimit = PageLimit { commits: 4_096, bytes: 1024 * 1024 };
/// How many events are found at once: enough that the search costs little for each.
const FOUND_MAX: usize = 256;

/// The next events of a key, complete up to `read`.
pub(super) struct OverflowPage {
    pub(super) entries: Vec<Entry>,
    pub(super) read: Mark,
}

/// Reads the next page of `range`; waits for a disk. A page may hold no event of the key.
///
/// # Errors
/// [`ReadError`]; another call reads the same place.
pub(super) fn read(
    plan: &Plan,
    key: &Arc<str>,
    range: &LogRange,
) -> Result<OverflowPage, ReadError> {
    let reader = plan.engine.store.reader()?;
    let is_stream = plan.routes.orders_by_stream(&range.example.stream, key);
    let by_stream = if is_stream { page_of_stream(&*reader, range)? } else { None };
    let is_stream = by_stream.is_some();
    let page = match by_stream {
        Some(page) => page,
        None => reader.read_log(range.after.resume_after, PAGE)?,
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
        None => return Err(missing(range.after.position.next())),
    }
    if is_stream && !page.more {
        read.position = read.position.max(range.last);
    }
    Ok(scan.found)
}

/// Returns the mark of the last event of a commit, within that commit.
fn last_event(commit: &Commit) -> Mark {
    let before = Mark::before(commit.position(), commit.position());
    Mark { position: commit.last_position(), ..before }
}

/// Returns the next commits of the stream, if the commit at the start of the range belongs to it.
fn page_of_stream(reader: &dyn Reader, range: &LogRange) -> Result<Option<Page>, ReadError> {
    let (stream, start) = (&range.example.stream, range.after);
    let begins = reader.read_log(start.resume_after, PageLimit { commits: 1, bytes: 1 })?;
    let Some(commit) = begins.commits.first() else { return Ok(None) };
    let view = commit.view();
    if (view.category, view.id) != (stream.category(), stream.id()) {
        return Ok(None);
    }
    // The events of a commit have consecutive versions and positions.
    let read = (start.position.get() + 1).saturating_sub(view.position.get());
    let after = Version::new(view.version.get().saturating_sub(1) + read.min(view.events));
    reader.read_stream(stream, after, Position::NONE, PAGE).map(Some)
}

/// Searches commits for the events of a key.
struct Scan<'a> {
    plan: &'a Plan,
    key: &'a Arc<str>,
    range: &'a LogRange,
    found: OverflowPage,
}

impl<'a> Scan<'a> {
    fn from(plan: &'a Plan, key: &'a Arc<str>, range: &'a LogRange) -> Self {
        let found = OverflowPage { entries: Vec::new(), read: range.after };
        Self { plan, key, range, found }
    }

    /// Searches a commit. Returns whether to continue after it.
    fn take(&mut self, commit: &Commit) -> bool {
        let view = commit.view();
        let Some((stream, aggregate)) = self.plan.routes.stream_of(&view) else { return true };
        for event in view.events() {
            if event.position <= self.range.after.position {
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

/// An overflow ends before the end of the log.
fn missing(position: Position) -> ReadError {
    Damage { stream: None, position, what: "the event is missing".to_owned() }.into()
}

//! A walk over the whole log, which checks every commit.

use std::collections::{BTreeMap, HashSet};

use actuarius::error::ReadError;
use actuarius::store::{Commit, CommitView, PageLimit, Reader};
use actuarius::{Aggregate, CommandId, Position, StreamId, Version};

use crate::verify::Finding;
use crate::{Fact, Item, Journal};

/// The content of the log, as a walk over it has found it.
#[derive(Debug, Default)]
pub struct Log {
    /// The streams, by aggregate.
    pub streams: BTreeMap<String, Stream>,
    items: HashSet<String>,
    /// The position of the last event.
    pub last: Position,
    /// The position of the last event of each command.
    pub ends: HashSet<Position>,
}

/// The events of one aggregate in the log.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// The events in order.
    pub entries: Vec<Entry>,
}

/// One event: its place, and the hash up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its number in its stream.
    pub version: Version,
    /// Its number in the log.
    pub position: Position,
    /// The hash.
    pub digest: u64,
}

impl Stream {
    /// The version of the last event.
    #[must_use]
    pub fn version(&self) -> Version {
        self.entries.last().map_or(Version::NONE, |last| last.version)
    }

    /// Adds an event.
    pub fn push(&mut self, version: Version, position: Position, fact: &Fact) {
        let before = self.entries.last().map_or(0, |last| last.digest);
        self.entries.push(Entry { version, position, digest: fact.digest(before) });
    }
}

impl Log {
    /// Walks over the whole log, page by page, and reports all findings.
    ///
    /// # Errors
    /// [`ReadError`] if the store reports damage.
    pub fn walk(
        reader: &dyn Reader,
        on_finding: &mut impl FnMut(Finding),
    ) -> Result<Self, ReadError> {
        let mut log = Self::default();
        loop {
            let page = reader.read_log(log.last, PageLimit::default())?;
            for commit in &page.commits {
                log.take(commit, on_finding);
            }
            if page.commits.is_empty() || !page.more {
                break;
            }
        }
        if log.last != reader.head() {
            let (last, head) = (log.last, reader.head());
            on_finding(Finding::Bad(format!("the log ends at {last}, its head is {head}")));
        }
        Ok(log)
    }

    fn take(&mut self, commit: &Commit, on_finding: &mut impl FnMut(Finding)) {
        let view = commit.view();
        if view.position != self.last.next() {
            let (last, position) = (self.last, view.position);
            on_finding(Finding::Bad(format!("position {position} follows position {last}")));
        }
        self.last = view.last_position();
        self.ends.insert(self.last);
        if view.category != Journal::TYPE || StreamId::new(view.category, view.id).is_err() {
            let (category, id) = (view.category, view.id);
            return on_finding(Finding::Bad(format!("unexpected stream {category}/{id}")));
        }
        let stream = self.streams.entry(view.id.to_owned()).or_default();
        if view.version != stream.version().next() {
            let (id, last, version) = (view.id, stream.version(), view.version);
            on_finding(Finding::Bad(format!("{id}: version {version} follows version {last}")));
        }
        match facts(&view) {
            Ok(facts) => self.take_facts(&view, &facts, on_finding),
            Err(what) => on_finding(Finding::Bad(what)),
        }
    }

    fn take_facts(
        &mut self,
        view: &CommitView<'_>,
        facts: &[Fact],
        on_finding: &mut impl FnMut(Finding),
    ) {
        let stream = self.streams.entry(view.id.to_owned()).or_default();
        for (event, fact) in view.events().zip(facts) {
            stream.push(event.version, event.position, fact);
        }
        match whole_item(view, facts) {
            Err(what) => on_finding(Finding::Bad(format!("position {}: {what}", view.position))),
            Ok(item) if !self.items.insert(item.id().to_owned()) => {
                on_finding(Finding::Bad(format!("{item} is stored twice")));
            }
            Ok(item) => on_finding(Finding::Found(item)),
        }
    }
}

fn facts(view: &CommitView<'_>) -> Result<Vec<Fact>, String> {
    let decoded = view.events().map(|event| event.decode());
    decoded
        .collect::<Result<_, _>>()
        .map_err(|error| format!("position {}: {error}", view.position))
}

/// The item of a commit, which must be complete, unchanged, and under its own command id.
fn whole_item(view: &CommitView<'_>, facts: &[Fact]) -> Result<Item, String> {
    let Some(Fact::Kept { item: id, .. }) = facts.first() else {
        return Err("a commit without events".to_owned());
    };
    let item = Item::parse(id).ok_or_else(|| format!("{id:?} is not an item"))?;
    if view.command_id != CommandId::from(item.id()) {
        return Err(format!("{item} is stored under another command id"));
    }
    if facts.len() != item.parts() as usize {
        return Err(format!("{item} has {} events", facts.len()));
    }
    for (part, fact) in (1..).zip(facts) {
        let payload = item.payload(part);
        if *fact != (Fact::Kept { item: item.id().to_owned(), part, payload }) {
            return Err(format!("part {part} of {item} differs from what was written"));
        }
    }
    Ok(item)
}

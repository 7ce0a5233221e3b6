use std::collections::{BTreeMap, HashSet};

use actuarius::error::ReadError;
use actuarius::store::{Commit, CommitView, PageLimit, Reader};
use actuarius::{Aggregate, CommandId, Position, StreamId, Version};

use crate::verify::Finding;
use crate::{Fact, Item, Journal};

/// What a walk over the whole log has seen.
#[derive(Debug, Default)]
pub struct Log {
    /// By aggregate.
    pub streams: BTreeMap<String, Stream>,
    items: HashSet<String>,
    /// The position of the last event.
    pub last: Position,
    /// The position of the last event of each command.
    pub ends: HashSet<Position>,
}

/// What the log holds of one aggregate.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// Its events, in order.
    pub entries: Vec<Entry>,
}

/// One event: its place, and a hash of it and all before it.
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
    /// Walks over the whole log, page by page, and tells what it finds.
    ///
    /// # Errors
    /// [`ReadError`] when the store says itself that it is damaged.
    pub fn walk(reader: &dyn Reader, tell: &mut impl FnMut(Finding)) -> Result<Self, ReadError> {
        let mut log = Self::default();
        loop {
            let page = reader.read_log(log.last, PageLimit::default())?;
            for commit in &page.commits {
                log.take(commit, tell);
            }
            if page.commits.is_empty() || !page.more {
                break;
            }
        }
        if log.last != reader.head() {
            let (last, head) = (log.last, reader.head());
            tell(Finding::Bad(format!("the log ends at {last}, its head is {head}")));
        }
        Ok(log)
    }

    fn take(&mut self, commit: &Commit, tell: &mut impl FnMut(Finding)) {
        let view = commit.view();
        if view.position != self.last.next() {
            let (last, position) = (self.last, view.position);
            tell(Finding::Bad(format!("position {position} follows position {last}")));
        }
        self.last = view.last_position();
        self.ends.insert(self.last);
        if view.category != Journal::TYPE || StreamId::new(view.category, view.id).is_err() {
            let (category, id) = (view.category, view.id);
            return tell(Finding::Bad(format!("nobody wrote to {category}/{id}")));
        }
        let stream = self.streams.entry(view.id.to_owned()).or_default();
        if view.version != stream.version().next() {
            let (id, last, version) = (view.id, stream.version(), view.version);
            tell(Finding::Bad(format!("{id}: version {version} follows version {last}")));
        }
        match facts(&view) {
            Ok(facts) => self.take_facts(&view, &facts, tell),
            Err(what) => tell(Finding::Bad(what)),
        }
    }

    fn take_facts(
        &mut self,
        view: &CommitView<'_>,
        facts: &[Fact],
        tell: &mut impl FnMut(Finding),
    ) {
        let stream = self.streams.entry(view.id.to_owned()).or_default();
        for (event, fact) in view.events().zip(facts) {
            stream.push(event.version, event.position, fact);
        }
        match whole_item(view, facts) {
            Err(what) => tell(Finding::Bad(format!("position {}: {what}", view.position))),
            Ok(item) if !self.items.insert(item.id().to_owned()) => {
                tell(Finding::Bad(format!("{item} is stored twice")));
            }
            Ok(item) => tell(Finding::Found(item)),
        }
    }
}

fn facts(view: &CommitView<'_>) -> Result<Vec<Fact>, String> {
    let decoded = view.events().map(|event| event.decode());
    decoded
        .collect::<Result<_, _>>()
        .map_err(|error| format!("position {}: {error}", view.position))
}

/// The item a commit holds: whole, unchanged, under its own command id.
fn whole_item(view: &CommitView<'_>, facts: &[Fact]) -> Result<Item, String> {
    let Some(Fact::Kept { item: id, .. }) = facts.first() else {
        return Err("a commit without events".to_owned());
    };
    let item = Item::parse(id).ok_or_else(|| format!("{id:?} is no item"))?;
    if view.command_id != CommandId::from(item.id()) {
        return Err(format!("{item} is stored under another command id"));
    }
    if facts.len() != item.parts() as usize {
        return Err(format!("{item} has {} events", facts.len()));
    }
    for (part, fact) in (1..).zip(facts) {
        let payload = item.payload(part);
        if *fact != (Fact::Kept { item: item.id().to_owned(), part, payload }) {
            return Err(format!("part {part} of {item} is not what was written"));
        }
    }
    Ok(item)
}

//! Verifies that the content of a store is intact.
//!
//! The log is read once, from its start: checksums, positions and versions without gaps, and the
//! [chain](crate::chain). A store on disk also compares its index with the log, and checks every
//! snapshot and note. Nothing is changed. A store may be verified while it is written to: events
//! written after the start are not checked.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

use actuarius_domain::{Position, StreamId, Version};
use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_128;

use crate::error::ReadError;
use crate::record::chain::ChainEnd;
use crate::record::{Commit, CommitView, Gone};

/// The most findings that are listed. Further ones are only counted: a store with a thousand findings
/// must be restored from a backup.
const FINDINGS_MAX: usize = 1_000;

/// Optional checks and progress reports of a verification.
#[derive(Default)]
pub struct Verify<'a> {
    expected: Vec<ChainEnd>,
    watch: Option<Box<dyn FnMut(u64, u64) + Send + 'a>>,
}

impl<'a> Verify<'a> {
    /// Also checks that the history up to `end` is the same as when this end was
    /// [saved](crate::Maintenance::chain).
    #[must_use]
    pub fn expect(mut self, end: ChainEnd) -> Self {
        self.expected.push(end);
        self
    }

    /// Calls `watch` with the number of checked events and of all events.
    #[must_use]
    pub fn watch(mut self, watch: impl FnMut(u64, u64) + Send + 'a) -> Self {
        self.watch = Some(Box::new(watch));
        self
    }
}

/// The result of a verification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// Events in the log, including those that are archived or removed.
    pub events: u64,
    /// Commits in the log.
    pub commits: u64,
    /// Streams in the log.
    pub streams: u64,
    /// Commits whose events are in the archive.
    pub archived: u64,
    /// Archived commits whose segment is missing in the archive, so their events were not checked.
    pub missing: u64,
    /// Commits whose events were permanently removed.
    pub removed: u64,
    /// Entries of the index on disk.
    pub index_entries: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// Notes.
    pub notes: u64,
    /// The end of the log.
    pub chain: ChainEnd,
    /// The first thousand findings, in the order of the log.
    pub findings: Vec<Finding>,
    /// The number of further findings.
    pub more_findings: u64,
}

impl Verified {
    /// Returns whether nothing is wrong.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.findings.is_empty()
    }

    /// Adds a finding. For engines.
    pub fn find(&mut self, place: Location, what: impl fmt::Display) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { place, what: what.to_string() });
        } else {
            self.more_findings += 1;
        }
    }
}

/// Something in a store that differs from what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its location.
    pub place: Location,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.what)
    }
}

/// A location in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Location {
    /// A position in the log.
    Log(Position),
    /// The index, which is derived from the log.
    Index,
    /// A snapshot, which is derived from the log. Without a stream if it cannot be read.
    Snapshot(Option<StreamId>, Version),
    /// A note.
    Note(Bytes),
    /// A file.
    File(PathBuf),
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(position) => write!(formatter, "log, position {position}"),
            Self::Index => formatter.write_str("index"),
            Self::Snapshot(Some(stream), version) => {
                write!(formatter, "snapshot of {stream}, version {version}")
            }
            Self::Snapshot(None, version) => write!(formatter, "a snapshot, version {version}"),
            Self::Note(key) => write!(formatter, "note {}", key.escape_ascii()),
            Self::File(path) => write!(formatter, "{}", path.display()),
        }
    }
}

/// Checks the commits of a log in order. For engines.
///
/// It keeps a version for each stream: about 50 bytes per stream.
pub struct LogCheck<'v, 'a> {
    /// The result so far.
    pub verified: Verified,
    verify: &'v mut Verify<'a>,
    head: Position,
    versions: HashMap<u128, u64>,
    /// The expected next position, or `None` after damage.
    next: Option<u64>,
}

impl<'v, 'a> LogCheck<'v, 'a> {
    /// Creates a check of a log that ends at `head`.
    pub fn new(verify: &'v mut Verify<'a>, head: Position) -> Self {
        let (verified, versions) = (Verified::default(), HashMap::new());
        Self { verified, verify, head, versions, next: Some(1) }
    }

    /// Reports unreadable data at `position`. The check resumes at the next readable commit.
    pub fn unreadable(&mut self, position: u64, what: impl fmt::Display) {
        self.verified.find(Location::Log(Position::new(position)), what);
        self.next = None;
    }

    /// Continues with the commit at position `first`. `before` is the chain end stored with it, if any.
    pub fn continue_at(&mut self, first: u64, before: Option<ChainEnd>) {
        if let Some(next) = self.next.filter(|&next| next != first) {
            let what = format!("events are missing: the log continues at position {first}");
            self.verified.find(Location::Log(Position::new(next)), what);
        } else if let Some(before) = before.filter(|before| *before != self.verified.chain)
            && self.next.is_some()
        {
            let what = "the chain is broken: the commits before differ from those that were stored";
            self.verified.find(Location::Log(before.position.next()), what);
        }
        self.next = Some(first);
        if let Some(before) = before {
            self.verified.chain = before;
        }
    }

    /// Checks a commit.
    pub fn commit(&mut self, commit: &Commit) {
        let view = commit.view();
        let chain = self.verified.chain.then(commit);
        self.verified.chain = chain;
        self.verified.commits += 1;
        self.verified.events += view.events;
        match commit.gone() {
            Some(Gone::Archived(_)) => self.verified.archived += 1,
            Some(Gone::Removed) => self.verified.removed += 1,
            None => {}
        }
        self.next = Some(chain.position.get() + 1);
        self.check_version(&view);
        self.check_expected(chain);
        if let Some(watch) = &mut self.verify.watch
            && self.verified.commits.is_multiple_of(1_024)
        {
            watch(chain.position.get(), self.head.get());
        }
    }

    fn check_version(&mut self, view: &CommitView<'_>) {
        let last = self.versions.entry(name_hash(view.category, view.id)).or_default();
        if view.version.get() != *last + 1 {
            let (category, id) = (view.category, view.id.escape_debug());
            let what =
                format!("version {} of {category}/{id} follows version {last}", view.version);
            self.verified.find(Location::Log(view.position), what);
        }
        *last = view.last_version().get();
    }

    fn check_expected(&mut self, chain: ChainEnd) {
        let here = |end: &&ChainEnd| end.position == chain.position && end.link != chain.link;
        if self.verify.expected.iter().any(|end| here(&end)) {
            let what = "the history up to here differs from the expected one";
            self.verified.find(Location::Log(chain.position), what);
        }
        let reached = |end: &ChainEnd| end.position == chain.position;
        self.verify.expected.retain(|end| !reached(end));
    }

    /// Records whether the events of an archived commit could be read.
    pub fn archived(&mut self, position: Position, fetched: Result<(), ReadError>) {
        match fetched {
            Ok(()) => {}
            Err(ReadError::Archived { .. }) => self.verified.missing += 1,
            Err(error) => self.verified.find(Location::Log(position), error),
        }
    }

    /// Returns the last version of a stream that was checked.
    pub fn version(&self, stream: &StreamId) -> Version {
        let hash = name_hash(stream.category(), stream.id());
        Version::new(self.versions.get(&hash).copied().unwrap_or(0))
    }

    /// Ends the check, and returns its result.
    pub fn finish(&mut self) -> Verified {
        let mut verified = std::mem::take(&mut self.verified);
        verified.streams = self.versions.len() as u64;
        if self.next.is_some_and(|next| next != self.head.get() + 1) {
            let what = format!("the log ends before position {}", self.head);
            verified.find(Location::Log(verified.chain.position.next()), what);
        }
        for end in self.verify.expected.drain(..).filter(|end| end.position != Position::NONE) {
            let what = "the expected history ends here, but no commit ends here";
            verified.find(Location::Log(end.position), what);
        }
        if let Some(watch) = &mut self.verify.watch {
            watch(self.head.get(), self.head.get());
        }
        verified
    }
}

fn name_hash(category: &str, id: &str) -> u128 {
    let mut name = smallvec::SmallVec::<[u8; 128]>::new();
    name.extend_from_slice(&(category.len() as u64).to_le_bytes());
    name.extend_from_slice(category.as_bytes());
    name.extend_from_slice(id.as_bytes());
    xxh3_128(&name)
}

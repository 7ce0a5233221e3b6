//! Whether all that a store holds is what was stored.
//!
//! The log is walked once, from its start: checksums, positions and versions without gaps, and the
//! [chain](crate::record::chain). A store on disk also compares its index with the log, and looks at every
//! snapshot and note. Nothing is changed, and a store may be verified while it is written to: what
//! comes meanwhile is not looked at.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

use actuarius_domain::{Position, StreamId, Version};
use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_128;

use crate::error::ReadError;
use crate::record::chain::ChainEnd;
use crate::record::{Commit, CommitView, Gone};

/// How many findings are listed; more are only counted. Whoever has a thousand needs a backup, not
/// a longer list.
const FINDINGS_MAX: usize = 1_000;

/// What to verify beside what always is.
#[derive(Default)]
pub struct Verify<'a> {
    expected: Vec<ChainEnd>,
    watch: Option<Box<dyn FnMut(u64, u64) + Send + 'a>>,
}

impl<'a> Verify<'a> {
    /// That the history up to `end` is the one it was when this end was [noted](crate::Maintenance::chain).
    #[must_use]
    pub fn expect(mut self, end: ChainEnd) -> Self {
        self.expected.push(end);
        self
    }

    /// Tells of progress: how many events of how many have been looked at.
    #[must_use]
    pub fn watch(mut self, watch: impl FnMut(u64, u64) + Send + 'a) -> Self {
        self.watch = Some(Box::new(watch));
        self
    }
}

/// What was looked at, and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// Events in the log, those that are gone included.
    pub events: u64,
    /// Commits in the log.
    pub commits: u64,
    /// Streams in the log.
    pub streams: u64,
    /// Commits whose events are in the archive.
    pub archived: u64,
    /// Those of them whose segment is not where the archive is looked for, so that they were not
    /// looked at.
    pub elsewhere: u64,
    /// Commits whose events were removed for good.
    pub removed: u64,
    /// Entries of the index on disk.
    pub index_entries: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// Notes.
    pub notes: u64,
    /// The end of the log, as it was found.
    pub chain: ChainEnd,
    /// What is wrong, in the order of the log: the first thousand.
    pub findings: Vec<Finding>,
    /// How many more there are.
    pub more_findings: u64,
}

impl Verified {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.findings.is_empty()
    }

    pub fn find(&mut self, place: Place, what: impl fmt::Display) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { place, what: what.to_string() });
        } else {
            self.more_findings += 1;
        }
    }
}

/// Something that is not what was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub place: Place,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.what)
    }
}

/// A place in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// In the log.
    Log(Position),
    /// In the index, which is made from the log.
    Index,
    /// A snapshot, which is made from the log; without its stream when it is not readable.
    Snapshot(Option<StreamId>, Version),
    /// A note.
    Note(Bytes),
    /// A file.
    File(PathBuf),
}

impl fmt::Display for Place {
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

/// Walks along the log.
///
/// It remembers a version for each stream: about 50 bytes per stream.
pub struct LogCheck<'v, 'a> {
    pub verified: Verified,
    verify: &'v mut Verify<'a>,
    head: Position,
    versions: HashMap<u128, u64>,
    /// The position wanted next; none behind damage.
    next: Option<u64>,
}

impl<'v, 'a> LogCheck<'v, 'a> {
    pub fn new(verify: &'v mut Verify<'a>, head: Position) -> Self {
        let (verified, versions) = (Verified::default(), HashMap::new());
        Self { verified, verify, head, versions, next: Some(1) }
    }

    /// Something at `position` is not readable; what comes behind it is known again at its start.
    pub fn unreadable(&mut self, position: u64, what: impl fmt::Display) {
        self.verified.find(Place::Log(Position::new(position)), what);
        self.next = None;
    }

    /// What comes now says that this is the chain before it.
    pub fn goes_on(&mut self, first: u64, before: Option<ChainEnd>) {
        if let Some(next) = self.next.filter(|&next| next != first) {
            let what = format!("events are missing: the log goes on at position {first}");
            self.verified.find(Place::Log(Position::new(next)), what);
        } else if let Some(before) = before.filter(|before| *before != self.verified.chain)
            && self.next.is_some()
        {
            let what = "the chain is broken: what stands before is not what was stored";
            self.verified.find(Place::Log(before.position.next()), what);
        }
        self.next = Some(first);
        if let Some(before) = before {
            self.verified.chain = before;
        }
    }

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
                format!("version {} of {category}/{id} follows upon version {last}", view.version);
            self.verified.find(Place::Log(view.position), what);
        }
        *last = view.last_version().get();
    }

    fn check_expected(&mut self, chain: ChainEnd) {
        let here = |end: &&ChainEnd| end.position == chain.position && end.link != chain.link;
        if self.verify.expected.iter().any(|end| here(&end)) {
            let what = "the history up to here is not the one that was noted";
            self.verified.find(Place::Log(chain.position), what);
        }
        let reached = |end: &ChainEnd| end.position == chain.position;
        self.verify.expected.retain(|end| !reached(end));
    }

    /// What the archive gave for a commit that is there.
    pub fn archived(&mut self, position: Position, fetched: Result<(), ReadError>) {
        match fetched {
            Ok(()) => {}
            Err(ReadError::Archived { .. }) => self.verified.elsewhere += 1,
            Err(error) => self.verified.find(Place::Log(position), error),
        }
    }

    /// The version a stream was found to have.
    pub fn version(&self, stream: &StreamId) -> Version {
        let hash = name_hash(stream.category(), stream.id());
        Version::new(self.versions.get(&hash).copied().unwrap_or(0))
    }

    /// What was found, when the log has been walked.
    pub fn finish(&mut self) -> Verified {
        let mut verified = std::mem::take(&mut self.verified);
        verified.streams = self.versions.len() as u64;
        if self.next.is_some_and(|next| next != self.head.get() + 1) {
            let what = format!("the log ends before position {}", self.head);
            verified.find(Place::Log(verified.chain.position.next()), what);
        }
        for end in self.verify.expected.drain(..).filter(|end| end.position != Position::NONE) {
            let what = "the history was noted here, but no commit ends here";
            verified.find(Place::Log(end.position), what);
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

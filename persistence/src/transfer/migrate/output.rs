//! The new store of a migration: pending commits, and commits of an interrupted run.

use std::collections::{HashMap, VecDeque};

use actuarius_domain::{Position, StreamId, Version};

use super::super::batches::Batches;
use super::MigrateError;
use super::note::Done;
use super::shapes::Shapes;
use crate::record::Commit;
use crate::record::chain::ChainEnd;
use crate::record::note::Notes;
use crate::store::{PageLimit, Reader, Store};

/// The number of streams whose versions are cached.
const VERSIONS_CACHED: usize = 65_536;

pub(super) struct Output<'a> {
    batches: Batches<'a>,
    /// Commits in the store after the note: at most a part of one batch. They are compared, not rewritten.
    found: VecDeque<Commit>,
    /// The versions of streams, including pending commits.
    versions: HashMap<StreamId, Version>,
    /// The end of all commits, including pending ones.
    pub(super) end: ChainEnd,
    shapes: Shapes,
}

impl<'a> Output<'a> {
    pub(super) fn after(end: ChainEnd, store: &'a mut Store) -> Result<Self, MigrateError> {
        let (mut found, mut after) = (VecDeque::new(), end.position);
        while after < store.reader.head() {
            let page = store.reader.maintenance().read_raw(after, PageLimit::default())?;
            let Some(last) = page.commits.last() else { break };
            after = last.last_position();
            found.extend(page.commits);
        }
        let mut versions = HashMap::new();
        for commit in &found {
            let before = Version::new(commit.version().get() - 1);
            versions.entry(stream_of(commit)?).or_insert(before);
        }
        let (batches, shapes) = (Batches::new(store), Shapes::default());
        Ok(Self { batches, found, versions, end, shapes })
    }

    /// Returns the version of a stream, including pending commits.
    pub(super) fn version(
        &mut self,
        stream: &StreamId,
        done: Done,
    ) -> Result<Version, MigrateError> {
        if let Some(version) = self.versions.get(stream) {
            return Ok(*version);
        }
        if self.versions.len() >= VERSIONS_CACHED && self.found.is_empty() {
            // Reads of the store do not see pending commits.
            self.flush(done)?;
            self.versions.clear();
        }
        let version = self.batches.store().reader.version(stream)?;
        self.versions.insert(stream.clone(), version);
        Ok(version)
    }

    /// Adds the next commit.
    pub(super) fn put(&mut self, stream: StreamId, commit: &Commit) -> Result<(), MigrateError> {
        self.end = self.end.then(commit);
        self.versions.insert(stream.clone(), commit.last_version());
        match self.found.pop_front() {
            None => Ok(self.batches.add(stream, commit)?),
            Some(found) if found.hash() == commit.hash() => Ok(()),
            Some(found) => Err(MigrateError::OtherTransform { position: found.position() }),
        }
    }

    /// Returns whether it is time to store the pending commits.
    pub(super) fn is_full(&self) -> bool {
        self.batches.is_full()
    }

    /// Stores the pending commits, and the progress.
    pub(super) fn flush(&mut self, done: Done) -> Result<(), MigrateError> {
        // A shape is removed before another one is stored.
        self.batches.store_notes(self.shapes.pending())?;
        Ok(self.batches.flush_with(Some(done.notes()))?)
    }

    /// Takes over the recorded shapes of the old store.
    pub(super) fn carry_shapes(&mut self, from: &dyn Reader) -> Result<(), MigrateError> {
        Ok(self.shapes.carry(from)?)
    }

    /// Records that a commit has become another one, with events of these shapes.
    pub(super) fn rewritten(&mut self, before: &Commit, after: &Commit, shapes: Vec<Notes>) {
        self.shapes.record(shapes);
        self.shapes.rewritten(before, after);
    }

    /// Reads the whole store again, and compares its end with the commits written.
    pub(super) fn verify(&self) -> Result<(), MigrateError> {
        let (reader, mut found) = (&self.batches.store().reader, ChainEnd::default());
        while found.position < reader.head() {
            let page = reader.maintenance().read_raw(found.position, PageLimit::default())?;
            let before = found.position;
            found = page.commits.iter().fold(found, |end, commit| end.then(commit));
            if found.position == before {
                break;
            }
        }
        let stored = reader.maintenance().chain()?;
        match [found, stored].into_iter().find(|end| *end != self.end) {
            Some(found) => Err(MigrateError::Differs { wanted: self.end, found }),
            None => Ok(()),
        }
    }

    /// Returns the position of a commit that the transform did not produce.
    pub(super) fn surplus(&self) -> Option<Position> {
        self.found.front().map(Commit::position)
    }
}

pub(super) fn stream_of(commit: &Commit) -> Result<StreamId, MigrateError> {
    let view = commit.view();
    Ok(StreamId::new(view.category, view.id)?)
}

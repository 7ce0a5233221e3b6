//! The new store: what is written to it, and what it has from a run that was cut short.

use std::collections::{HashMap, VecDeque};

use actuarius_domain::{Position, StreamId, Version};

use super::super::batches::Batches;
use super::MigrateError;
use super::note::Done;
use crate::record::chain::ChainEnd;
use crate::{Commit, PageLimit, Store};

/// How many streams' versions are kept in memory.
const VERSIONS_KEPT: usize = 65_536;

pub(super) struct Output<'a> {
    filling: Batches<'a>,
    /// What the store has behind the note: part of one batch at most. It is compared, not written again.
    found: VecDeque<Commit>,
    /// With what is on its way.
    versions: HashMap<StreamId, Version>,
    /// Everything up to here is in the store, or on its way.
    pub(super) end: ChainEnd,
}

impl<'a> Output<'a> {
    pub(super) fn behind(end: ChainEnd, store: &'a mut Store) -> Result<Self, MigrateError> {
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
        Ok(Self { filling: Batches::new(store), found, versions, end })
    }

    /// The version of a stream, with all that was put.
    pub(super) fn version(
        &mut self,
        stream: &StreamId,
        done: Done,
    ) -> Result<Version, MigrateError> {
        if let Some(version) = self.versions.get(stream) {
            return Ok(*version);
        }
        if self.versions.len() >= VERSIONS_KEPT && self.found.is_empty() {
            // What is not stored yet, the store does not know.
            self.flush(done)?;
            self.versions.clear();
        }
        let version = self.filling.store().reader.version(stream)?;
        self.versions.insert(stream.clone(), version);
        Ok(version)
    }

    /// Adds a commit, which stands behind the end.
    pub(super) fn put(&mut self, stream: StreamId, commit: &Commit) -> Result<(), MigrateError> {
        self.end = self.end.then(commit);
        self.versions.insert(stream.clone(), commit.last_version());
        match self.found.pop_front() {
            None => Ok(self.filling.add(stream, commit)?),
            Some(found) if found.hash() == commit.hash() => Ok(()),
            Some(found) => Err(MigrateError::OtherTransform { position: found.position() }),
        }
    }

    /// Whether it is time to store what was put.
    pub(super) fn is_full(&self) -> bool {
        self.filling.is_full()
    }

    /// Stores what was put, and how far that is.
    pub(super) fn flush(&mut self, done: Done) -> Result<(), MigrateError> {
        Ok(self.filling.flush_with(Some(done.notes()))?)
    }

    /// Reads all of it again.
    pub(super) fn verify(&self) -> Result<(), MigrateError> {
        let (reader, mut found) = (&self.filling.store().reader, ChainEnd::default());
        while found.position < reader.head() {
            let page = reader.maintenance().read_raw(found.position, PageLimit::default())?;
            let before = found.position;
            found = page.commits.iter().fold(found, |end, commit| end.then(commit));
            if found.position == before {
                break;
            }
        }
        let told = reader.maintenance().chain()?;
        match [found, told].into_iter().find(|end| *end != self.end) {
            Some(found) => Err(MigrateError::Differs { wanted: self.end, found }),
            None => Ok(()),
        }
    }

    /// Something the transform does not lead to.
    pub(super) fn surplus(&self) -> Option<Position> {
        self.found.front().map(Commit::position)
    }
}

pub(super) fn stream_of(commit: &Commit) -> Result<StreamId, MigrateError> {
    let view = commit.view();
    Ok(StreamId::new(view.category, view.id)?)
}

//! The reader of a failing store: scripted read failures, and the hidden batch of a failed commit.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use actuarius_domain::{Position, StreamId, Version};
use bytes::Bytes;
use uuid::Uuid;

use super::faults::Faults;
use crate::error::{Damage, ReadError};
use crate::personal::sealer::Sealer;
use crate::record::lineage::Lineage;
use crate::record::note::Note;
use crate::record::snapshot::Snapshot;
use crate::record::{Commit, CommitView};
use crate::store::verify::{Verified, Verify};
use crate::store::{Batch, Maintenance, Page, PageLimit, Reader, StoreInfo, verify_log};

/// Hides the batch of a failed commit, which the wrapped store may contain.
#[derive(Default)]
pub(super) struct HiddenBatch(RwLock<Option<Visible>>);

/// What stays visible after a failure.
struct Visible {
    head: Position,
    /// The versions of the streams in the failed batch.
    versions: HashMap<StreamId, Version>,
    /// The snapshots in it.
    hidden_snapshots: HashSet<(StreamId, Version)>,
    /// The previous values of the notes that it changes.
    notes: BTreeMap<Bytes, Option<Bytes>>,
}

impl HiddenBatch {
    /// Permanently hides everything after the current state, because a failed writer stays failed.
    pub(super) fn hide(&self, reader: &dyn Reader, batch: &Batch) {
        let mut versions = HashMap::new();
        for append in &batch.appends {
            // If the version cannot be read, later reads of the wrapped store report it, too.
            if let Ok(version) = reader.version(append.stream()) {
                versions.insert(append.stream().clone(), version);
            }
        }
        let snapshots = batch.snapshots.iter();
        let hidden_snapshots = snapshots.map(|it| (it.stream.clone(), it.version)).collect();
        let mut notes = BTreeMap::new();
        for change in batch.notes.iter().flatten() {
            if let Ok(value) = reader.note(&change.key) {
                notes.insert(change.key.clone(), value);
            }
        }
        let visible = Visible { head: reader.head(), versions, hidden_snapshots, notes };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(visible);
    }

    /// Locked during a whole read, so that nothing is hidden in the middle of it.
    fn visible(&self) -> RwLockReadGuard<'_, Option<Visible>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visible {
    /// Removes hidden commits. `is_last` returns whether no visible commit follows.
    fn trim(&self, page: &mut Page, is_last: impl Fn(CommitView<'_>) -> bool) {
        let visible = |commit: &Commit| commit.view().last_position() <= self.head;
        let end = page.commits.partition_point(visible);
        let cut = end < page.commits.len();
        page.commits.truncate(end);
        page.more &= !cut && !page.commits.last().is_some_and(|last| is_last(last.view()));
    }

    fn version(&self, stream: &StreamId) -> Option<Version> {
        self.versions.get(stream).copied()
    }

    /// Restores the previous values of hidden notes. `found` must have as many more notes than wanted as
    /// there may be hidden ones.
    fn restore(&self, found: &mut Vec<Note>, is_wanted: impl Fn(&[u8]) -> bool) {
        found.retain(|note| !self.notes.contains_key(&note.key));
        let before = self.notes.iter().filter(|(key, _)| is_wanted(key));
        found.extend(
            before
                .filter_map(|(key, value)| Some(Note { key: key.clone(), value: value.clone()? })),
        );
        found.sort_unstable_by(|one, other| one.key.cmp(&other.key));
    }
}

pub(super) struct FaultReader {
    reader: Arc<dyn Reader>,
    hidden: Arc<HiddenBatch>,
    faults: Faults,
}

impl FaultReader {
    pub(super) fn new(reader: Arc<dyn Reader>, hidden: Arc<HiddenBatch>, faults: Faults) -> Self {
        Self { reader, hidden, faults }
    }

    fn visible_snapshot(
        &self,
        stream: &StreamId,
        before: Option<Version>,
    ) -> Result<Option<Snapshot>, ReadError> {
        let hidden = self.hidden.visible();
        let mut found = self.reader.snapshot(stream, before)?;
        while let (Some(snapshot), Some(visible)) = (&found, &*hidden) {
            if !visible.hidden_snapshots.contains(&(stream.clone(), snapshot.version)) {
                break;
            }
            found = self.reader.snapshot(stream, Some(snapshot.version))?;
        }
        Ok(found)
    }

    fn visible_notes(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Note>, ReadError> {
        let hidden = self.hidden.visible();
        let Some(visible) = &*hidden else { return self.reader.notes(prefix, after, limit) };
        let hidden_notes = visible.notes.len();
        let mut found = self.reader.notes(prefix, after, limit.saturating_add(hidden_notes))?;
        visible.restore(&mut found, |key| {
            key.starts_with(prefix) && after.is_none_or(|after| key > after)
        });
        found.truncate(limit);
        Ok(found)
    }

    fn check_note(&self, key: &[u8]) -> Result<(), ReadError> {
        if !self.faults.script().damaged_notes.contains(key) {
            return Ok(());
        }
        let (key, what) = (Bytes::copy_from_slice(key), "scripted damage".to_owned());
        Err(ReadError::DamagedNote { key, what })
    }

    /// Returns the page up to the first damaged commit, or the damage if the page starts with it.
    fn damaged(&self, mut page: Page) -> Result<Page, ReadError> {
        let script = self.faults.script();
        if script.damaged.is_empty() {
            return Ok(page);
        }
        let stream_of = |commit: &Commit| {
            let view = commit.view();
            script.damaged.iter().find(|stream| view.belongs_to(stream)).cloned()
        };
        let hit = page.commits.iter().enumerate().find_map(|(at, it)| Some((at, stream_of(it)?)));
        match hit {
            None => Ok(page),
            Some((0, stream)) => {
                let (position, what) = (page.commits[0].position(), "scripted damage".to_owned());
                Err(Damage { stream: Some(stream), position, what }.into())
            }
            Some((at, _)) => {
                page.commits.truncate(at);
                page.more = true;
                Ok(page)
            }
        }
    }
}

impl Reader for FaultReader {
    fn head(&self) -> Position {
        let hidden = self.hidden.visible();
        hidden.as_ref().map_or_else(|| self.reader.head(), |visible| visible.head)
    }

    fn version(&self, stream: &StreamId) -> Result<Version, ReadError> {
        self.faults.script().count_read(Some(stream))?;
        let hidden = self.hidden.visible();
        let version = hidden.as_ref().and_then(|visible| visible.version(stream));
        version.map_or_else(|| self.reader.version(stream), Ok)
    }

    fn read_stream(
        &self,
        stream: &StreamId,
        after: Version,
        as_of: Position,
        limit: PageLimit,
    ) -> Result<Page, ReadError> {
        self.faults.script().count_read(Some(stream))?;
        let hidden = self.hidden.visible();
        let mut page = self.reader.read_stream(stream, after, as_of, limit)?;
        if let Some(visible) = &*hidden {
            let end = visible.version(stream);
            visible.trim(&mut page, |last| end.is_some_and(|end| last.last_version() >= end));
        }
        self.damaged(page)
    }

    fn read_log(&self, after: Position, limit: PageLimit) -> Result<Page, ReadError> {
        self.faults.script().count_read(None)?;
        let hidden = self.hidden.visible();
        let mut page = self.reader.read_log(after, limit)?;
        if let Some(visible) = &*hidden {
            visible.trim(&mut page, |last| last.last_position() >= visible.head);
        }
        self.damaged(page)
    }

    fn snapshot(
        &self,
        stream: &StreamId,
        before: Option<Version>,
    ) -> Result<Option<Snapshot>, ReadError> {
        self.faults.script().count_read(Some(stream))?;
        let found = self.visible_snapshot(stream, before)?;
        let place = found.as_ref().map(|it| (stream.clone(), it.version));
        match place.filter(|place| self.faults.script().damaged_snapshots.contains(place)) {
            None => Ok(found),
            Some((stream, version)) => {
                let what = "scripted damage".to_owned();
                Err(ReadError::DamagedSnapshot { stream, version, what })
            }
        }
    }

    fn note(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        self.faults.script().count_read(None)?;
        self.check_note(key)?;
        let hidden = self.hidden.visible();
        let before = hidden.as_ref().and_then(|visible| visible.notes.get(key));
        before.map_or_else(|| self.reader.note(key), |before| Ok(before.clone()))
    }

    fn notes(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Note>, ReadError> {
        self.faults.script().count_read(None)?;
        let found = self.visible_notes(prefix, after, limit)?;
        found.iter().try_for_each(|note| self.check_note(&note.key))?;
        Ok(found)
    }

    fn identity(&self) -> Uuid {
        self.reader.identity()
    }

    fn info(&self) -> Result<StoreInfo, ReadError> {
        let info = self.reader.info()?;
        Ok(StoreInfo { events: info.events.min(self.head().get()), ..info })
    }

    fn maintenance(&self) -> &dyn Maintenance {
        self
    }

    fn announce_closing(&self) {
        self.reader.announce_closing();
    }
}

impl Maintenance for FaultReader {
    fn sealer(&self) -> Option<Arc<dyn Sealer>> {
        self.reader.maintenance().sealer()
    }

    fn verify(&self, what: &mut Verify<'_>) -> Result<Verified, ReadError> {
        verify_log(self, what)
    }

    fn lineage(&self) -> Lineage {
        self.reader.maintenance().lineage()
    }
}

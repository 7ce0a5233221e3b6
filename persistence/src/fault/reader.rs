use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use actuarius_domain::{Position, StreamId, Version};

use super::Faults;
use crate::{
    Batch, Commit, CommitView, Damage, Page, PageLimit, ReadError, Reader, Snapshot, StoreInfo,
};

/// Hides what the store underneath has and nobody was told of: the batch of a failed commit.
#[derive(Default)]
pub(super) struct Veil(RwLock<Option<Visible>>);

/// What may still be seen after a failure.
struct Visible {
    head: Position,
    /// The versions of the streams in the failed batch.
    versions: HashMap<StreamId, Version>,
    /// The snapshots in it.
    hidden_snapshots: HashSet<(StreamId, Version)>,
}

impl Veil {
    /// Hides everything behind the present state; for ever, because a failed writer stays failed.
    pub(super) fn lower(&self, reader: &dyn Reader, batch: &Batch) {
        let mut versions = HashMap::new();
        for append in &batch.appends {
            // Where the version cannot be read, the reader underneath tells so later, too.
            if let Ok(version) = reader.version(append.stream()) {
                versions.insert(append.stream().clone(), version);
            }
        }
        let snapshots = batch.snapshots.iter();
        let hidden_snapshots = snapshots.map(|it| (it.stream.clone(), it.version)).collect();
        let visible = Visible { head: reader.head(), versions, hidden_snapshots };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(visible);
    }

    /// Held for the whole of a read, so that the veil cannot come down in the middle of it.
    fn look(&self) -> RwLockReadGuard<'_, Option<Visible>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visible {
    /// Cuts off what is hidden. `is_last` says whether nothing visible follows a commit.
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
}

pub(super) struct FaultReader {
    reader: Arc<dyn Reader>,
    veil: Arc<Veil>,
    faults: Faults,
}

impl FaultReader {
    pub(super) fn new(reader: Arc<dyn Reader>, veil: Arc<Veil>, faults: Faults) -> Self {
        Self { reader, veil, faults }
    }

    fn visible_snapshot(
        &self,
        stream: &StreamId,
        before: Option<Version>,
    ) -> Result<Option<Snapshot>, ReadError> {
        let veil = self.veil.look();
        let mut found = self.reader.snapshot(stream, before)?;
        while let (Some(snapshot), Some(visible)) = (&found, &*veil) {
            if !visible.hidden_snapshots.contains(&(stream.clone(), snapshot.version)) {
                break;
            }
            found = self.reader.snapshot(stream, Some(snapshot.version))?;
        }
        Ok(found)
    }

    /// The page up to the first damaged commit; the damage itself when the page begins with it.
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
        let veil = self.veil.look();
        veil.as_ref().map_or_else(|| self.reader.head(), |visible| visible.head)
    }

    fn version(&self, stream: &StreamId) -> Result<Version, ReadError> {
        self.faults.script().count_read(Some(stream))?;
        let veil = self.veil.look();
        let visible = veil.as_ref().and_then(|visible| visible.version(stream));
        visible.map_or_else(|| self.reader.version(stream), Ok)
    }

    fn read_stream(
        &self,
        stream: &StreamId,
        after: Version,
        as_of: Position,
        limit: PageLimit,
    ) -> Result<Page, ReadError> {
        self.faults.script().count_read(Some(stream))?;
        let veil = self.veil.look();
        let mut page = self.reader.read_stream(stream, after, as_of, limit)?;
        if let Some(visible) = &*veil {
            let end = visible.version(stream);
            visible.trim(&mut page, |last| end.is_some_and(|end| last.last_version() >= end));
        }
        self.damaged(page)
    }

    fn read_log(&self, after: Position, limit: PageLimit) -> Result<Page, ReadError> {
        self.faults.script().count_read(None)?;
        let veil = self.veil.look();
        let mut page = self.reader.read_log(after, limit)?;
        if let Some(visible) = &*veil {
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

    fn info(&self) -> Result<StoreInfo, ReadError> {
        let info = self.reader.info()?;
        Ok(StoreInfo { events: info.events.min(self.head().get()), ..info })
    }
}

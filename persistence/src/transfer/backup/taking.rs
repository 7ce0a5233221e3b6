//! Takes a run of a backup.

use std::path::{Path, PathBuf};

use actuarius_domain::Position;
use uuid::Uuid;

use super::super::progress::{OnProgress, Progress};
use super::manifest::{Item, Manifest};
use super::notes::Which;
use super::place::{Place, file_of};
use super::versions::{Archived, Versions};
use super::{BackupError, Run, archived, notes};
use crate::archive::segment::{Kind, Links, SegmentHead, Writing};
use crate::error::{Damage, ReadError};
use crate::files::absolute;
use crate::record::chain::{ChainEnd, Link};
use crate::record::{Commit, Gone};
use crate::store::{PageLimit, Reader};

/// How often a run is extended because streams were deleted after it read them from the log and before it copied
/// the archive. Each time it copies only what was written meanwhile.
pub(super) const EXTENSIONS: usize = 8;

/// The options of a run.
#[derive(Debug, Clone)]
pub struct TakeOptions {
    segment_bytes: u64,
    page: PageLimit,
    archive: Option<PathBuf>,
}

impl Default for TakeOptions {
    fn default() -> Self {
        // Small enough to be copied and checked separately, large enough that there are few.
        let segment_bytes = 256 * 1024 * 1024;
        Self { segment_bytes, page: PageLimit::default(), archive: None }
    }
}

impl TakeOptions {
    /// Sets the approximate size of a segment. The default is 256 MiB.
    #[must_use]
    pub fn segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes.max(1);
        self
    }

    /// Sets how much of the log is read at once, and between two progress reports.
    #[must_use]
    pub fn page(mut self, page: PageLimit) -> Self {
        self.page = page;
        self
    }

    /// Sets the directory of the archive, if it differs from that of the store. Segments that are not in
    /// the backup yet are copied, too.
    #[must_use]
    pub fn archive(mut self, directory: impl Into<PathBuf>) -> Self {
        self.archive = Some(absolute(directory));
        self
    }
}

/// Adds a run to the backup in the directory `to`, which is created if it does not exist. The run contains
/// everything that is durable now and not yet in the backup. The store may be written at the same time.
///
/// Snapshots are not included, because they can be rebuilt from events.
///
/// # Errors
/// Returns [`BackupError`] if the run was not completed. Previous runs are unchanged. Files of the unfinished
/// run are removed now or, if the process is killed, by the next run.
pub fn take(
    reader: &dyn Reader,
    to: impl AsRef<Path>,
    options: &TakeOptions,
    progress: OnProgress<'_>,
) -> Result<Run, BackupError> {
    let (place, _lock) = Place::prepare(to.as_ref())?;
    let manifests = place.manifests()?;
    let number = manifests.len() as u32 + 1;
    place.remove_unfinished(number)?;
    let mut unfinished = Unfinished { place: &place, number, is_complete: false };
    // First, so that no note refers to events that are not in the log, which is read after it.
    let file = file_of(number, ".notes.seg");
    let head = SegmentHead::new(Kind::Notes, reader.identity());
    let written = notes::write(reader, &place.path.join(&file), head, Which::Others)?;
    let (finished, notes_count) = written;
    let noted = Item::of(file, head.id, &finished);
    let (from, to) = ends(reader, &place, manifests.last())?;
    let mut manifest = Manifest::begin(number, reader.maintenance().lineage(), from, to);
    (manifest.notes, manifest.notes_count) = (vec![noted], notes_count);
    let taking = Taking { reader, place: &place, before: &manifests, options };
    let mut archived = taking.copy(&mut manifest, from, progress)?;
    for _ in 0..EXTENSIONS {
        let lost = taking.versions(&manifest).take_lost(&mut archived)?;
        if lost.is_empty() {
            break;
        }
        taking.check_removed(&lost)?;
        // So that the backup contains the ends of the streams that were deleted meanwhile.
        let copied = std::mem::replace(&mut manifest.to, reader.maintenance().chain()?);
        archived = taking.copy(&mut manifest, copied, progress)?;
    }
    taking.put_shapes(&mut manifest)?;
    place.store(&manifest)?;
    unfinished.is_complete = true;
    Ok(manifest.run())
}

/// What a run is taken from and added to.
struct Taking<'a> {
    reader: &'a dyn Reader,
    place: &'a Place,
    before: &'a [Manifest],
    options: &'a TakeOptions,
}

impl Taking<'_> {
    /// Copies the log from `from` to the end of the run, and what is new in the archive. Returns which of these
    /// commits are in the archive.
    fn copy(
        &self,
        manifest: &mut Manifest,
        from: ChainEnd,
        progress: OnProgress<'_>,
    ) -> Result<Archived, BackupError> {
        let archived = copy_log(self, manifest, from, progress)?;
        let own = self.reader.maintenance().archive();
        if let Some(archive) = self.options.archive.as_deref().or(own) {
            // After the log, so that everything archived in it is found.
            archived::copy_new(archive, self.place, self.before, manifest)?;
        }
        Ok(archived)
    }

    /// Adds the recorded shapes of event types. They are durable before their first events, so they are read after
    /// the log.
    fn put_shapes(&self, manifest: &mut Manifest) -> Result<(), BackupError> {
        let file = file_of(manifest.number, ".shapes.seg");
        let head = SegmentHead::new(Kind::Notes, self.reader.identity());
        let path = self.place.path.join(&file);
        let (finished, count) = notes::write(self.reader, &path, head, Which::Shapes)?;
        manifest.notes.push(Item::of(file, head.id, &finished));
        manifest.notes_count += count;
        Ok(())
    }

    fn versions<'a>(&'a self, manifest: &'a Manifest) -> Versions<'a> {
        Versions::of(self.place, self.before.iter().chain([manifest]))
    }

    /// Checks that the store has removed commits that are no longer in their segments.
    fn check_removed(&self, lost: &Archived) -> Result<(), BackupError> {
        let limit = PageLimit { commits: 1, bytes: 1 };
        for position in lost.values().flatten() {
            let before = Position::new(position.get() - 1);
            let page = self.reader.maintenance().read_raw(before, limit)?;
            if page.commits.first().and_then(Commit::gone) != Some(Gone::Removed) {
                let what = format!("the archived commit at {position} is not in its segment");
                return Err(BackupError::damaged(&self.place.path, what));
            }
        }
        Ok(())
    }
}

/// Removes the files of a run that is not completed.
struct Unfinished<'a> {
    place: &'a Place,
    number: u32,
    is_complete: bool,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if !self.is_complete {
            // Files that stay are removed by the next run.
            let _ = self.place.remove_unfinished(self.number);
        }
    }
}

/// Returns the end of the last run, and the end of this one.
fn ends(
    reader: &dyn Reader,
    place: &Place,
    last: Option<&Manifest>,
) -> Result<(ChainEnd, ChainEnd), BackupError> {
    let to = reader.maintenance().chain()?;
    let Some(last) = last else { return Ok((ChainEnd::default(), to)) };
    let (path, found) = (place.path.clone(), last.lineage.store());
    if !reader.maintenance().lineage().shares(found, last.to.position)
        && !reader.maintenance().lineage().shares(found, Position::NONE)
    {
        return Err(BackupError::OtherStore { path, found, store: reader.identity() });
    }
    let is_before = last.to.position < to.position || last.to == to;
    if !is_before || !reader.maintenance().lineage().shares(found, last.to.position) {
        return Err(BackupError::OtherHistory { path, backup: last.to, store: to });
    }
    Ok((last.to, to))
}

fn copy_log(
    Taking { reader, place, options, .. }: &Taking<'_>,
    manifest: &mut Manifest,
    from: ChainEnd,
    progress: OnProgress<'_>,
) -> Result<Archived, BackupError> {
    let (mut end, to) = (from, manifest.to);
    let (store, archived) = (reader.identity(), Archived::new());
    let mut copying = Copying { place, store, manifest, options, open: None, bytes: 0, archived };
    while end.position < to.position {
        let page = reader.maintenance().read_raw(end.position, options.page)?;
        let before = end.position;
        for commit in page.commits.iter().take_while(|it| it.last_position() <= to.position) {
            end = copying.put(commit, end)?;
        }
        if end.position == before {
            return Err(damaged(before.next(), "events are missing"));
        }
        if progress(&copying.progress(end.position)).is_break() {
            return Err(BackupError::Stopped);
        }
    }
    copying.end_segment(end)?;
    if end == to {
        return Ok(copying.archived);
    }
    if copying.manifest.from.position == Position::NONE {
        return Err(damaged(to.position, "the log does not end at the end of its chain"));
    }
    let (path, backup) = (place.path.clone(), copying.manifest.from);
    Err(BackupError::OtherHistory { path, backup, store: to })
}

fn damaged(position: Position, what: &str) -> BackupError {
    ReadError::from(Damage { stream: None, position, what: what.to_owned() }).into()
}

/// The state of copying the log into segments.
struct Copying<'a> {
    place: &'a Place,
    store: Uuid,
    manifest: &'a mut Manifest,
    options: &'a TakeOptions,
    open: Option<Open>,
    bytes: u64,
    archived: Archived,
}

/// The segment that is being written.
struct Open {
    file: String,
    id: Uuid,
    before: Link,
    writing: Writing,
}

impl Copying<'_> {
    /// Adds the commit after `end`. Returns the new end.
    fn put(&mut self, commit: &Commit, end: ChainEnd) -> Result<ChainEnd, BackupError> {
        if commit.position() != end.position.next() {
            return Err(damaged(end.position.next(), "events are missing"));
        }
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(Open::begin(self.place, self.manifest, self.store, end.link)?),
        };
        open.writing.put_commit(commit)?;
        if let Some(Gone::Archived(segment)) = commit.gone() {
            self.archived.entry(segment).or_default().push(commit.position());
        }
        let is_full = open.writing.bytes() >= self.options.segment_bytes;
        let view = commit.view();
        self.manifest.commits += 1;
        self.manifest.events += view.events;
        self.manifest.until = Some(view.time);
        self.bytes += commit.bytes() as u64;
        let end = end.then(commit);
        if is_full {
            self.end_segment(end)?;
        }
        Ok(end)
    }

    fn end_segment(&mut self, end: ChainEnd) -> Result<(), BackupError> {
        if let Some(Open { file, id, before, writing }) = self.open.take() {
            let finished = writing.finish(Some(Links { before, after: end.link }))?;
            self.manifest.segments.push(Item::of(file, id, &finished));
        }
        Ok(())
    }

    fn progress(&self, position: Position) -> Progress {
        let (end, commits) = (self.manifest.to.position, self.manifest.commits);
        Progress { position, end, commits, bytes: self.bytes }
    }
}

impl Open {
    fn begin(
        place: &Place,
        manifest: &Manifest,
        store: Uuid,
        before: Link,
    ) -> Result<Self, BackupError> {
        let number = manifest.segments.len() + 1;
        let file = file_of(manifest.number, &format!(".{number:06}.seg"));
        let head = SegmentHead::new(Kind::Backup, store);
        let writing = Writing::create(place.path.join(&file), head)?;
        Ok(Self { file, id: head.id, before, writing })
    }
}

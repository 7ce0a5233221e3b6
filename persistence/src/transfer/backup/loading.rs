//! Loads a backup into an open store.

use std::collections::BTreeSet;
use std::path::Path;

use actuarius_domain::{Position, StreamId};
use uuid::Uuid;

use super::super::batches::Batches;
use super::manifest::{Item, Manifest};
use super::notes::Which;
use super::place::Place;
use super::survey::{REPORT_EVERY, Survey, survey};
use super::unended::Collecting;
use super::versions::Archived;
use super::{BackupError, Unended, Until, notes};
use crate::archive::segment::{Segment, SegmentError};
use crate::record::chain::ChainEnd;
use crate::record::stub_frame;
use crate::{Commit, Gone, Lineage, OnProgress, Progress, ReadError, Store};

/// The result of loading a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loaded {
    /// The end of the loaded log.
    pub end: ChainEnd,
    /// The number of the run that contains the end.
    pub run: u32,
    /// The number of commits.
    pub commits: u64,
    /// The number of notes, and the position of the run that contains them. `None` if the first run
    /// ends after the requested point.
    pub notes: Option<(u64, Position)>,
    /// The lineage of the store that was backed up.
    pub lineage: Lineage,
    /// The archived segments with events of its commits.
    pub archived: BTreeSet<Uuid>,
    /// The number of commits whose events the store had deleted by the end, and which were loaded without
    /// them.
    pub deleted: u64,
    /// The aggregates whose events were deleted, and whose end is after the requested point. Delete them, so that their
    /// ids can be used again.
    pub unended: Unended,
}

/// Loads a backup into an open, empty store, for inspection or for a test. The store keeps its identity;
/// use [`restore`](super::restore) to create a store that continues the history.
///
/// # Errors
/// Returns [`BackupError`] if it was not loaded completely. The store may then contain a part of it: drop
/// it.
pub fn load(
    from: impl AsRef<Path>,
    to: &mut Store,
    until: Until,
    progress: OnProgress<'_>,
) -> Result<Loaded, BackupError> {
    let path = from.as_ref();
    if to.reader.head() != Position::NONE {
        return Err(BackupError::NotEmpty { path: path.to_owned() });
    }
    let place = Place::open(path)?;
    let (loaded, _) = load_from(&place, &place.manifests()?, to, until, progress)?;
    Ok(loaded)
}

/// Returns also the commits that belong into the archive of the store.
pub(super) fn load_from(
    place: &Place,
    manifests: &[Manifest],
    to: &mut Store,
    until: Until,
    progress: OnProgress<'_>,
) -> Result<(Loaded, Archived), BackupError> {
    let last = manifests.last().map(|manifest| manifest.to.position).unwrap_or_default();
    if let Until::Position(wanted) = until
        && wanted > last
    {
        return Err(BackupError::Ahead { wanted, end: last });
    }
    let survey = survey(place, manifests, until, &mut || {
        let is_stopped = progress(&Progress { end: last, ..Progress::default() }).is_break();
        if is_stopped { Err(BackupError::Stopped) } else { Ok(()) }
    })?;
    let progress = &mut |so_far: &Progress| progress(&Progress { end: survey.end, ..*so_far });
    let mut loading = Loading {
        place,
        survey: &survey,
        read: ChainEnd::default(),
        end: ChainEnd::default(),
        is_over: false,
        so_far: Progress::default(),
        deleted: 0,
        unended: Collecting::default(),
        batches: Batches::new(to),
    };
    let (mut run, mut lineage) = (0, Lineage::of(Uuid::nil()));
    for manifest in manifests {
        if !loading.is_over {
            loading.run(manifest, progress)?;
            (run, lineage) = (manifest.number, manifest.lineage.clone());
        }
    }
    let Loading { end, so_far, deleted, unended, mut batches, .. } = loading;
    batches.flush()?;
    check(to, end)?;
    let notes = load_notes(place, manifests, end.position, to)?;
    to.writer.settle()?;
    let archived = survey.archived.keys().copied().collect();
    let (commits, unended) = (so_far.commits, unended.finish());
    let loaded = Loaded { end, run, commits, notes, lineage, archived, deleted, unended };
    Ok((loaded, survey.archived))
}

fn check(to: &Store, wanted: ChainEnd) -> Result<(), BackupError> {
    let found = to.reader.maintenance().chain()?;
    if found == wanted { Ok(()) } else { Err(BackupError::Differs { wanted, found }) }
}

/// Loads the newest notes that refer to nothing after `end`, and the recorded shapes of all events up to there.
fn load_notes(
    place: &Place,
    manifests: &[Manifest],
    end: Position,
    to: &mut Store,
) -> Result<Option<(u64, Position)>, BackupError> {
    let newest = manifests.iter().rposition(|manifest| manifest.to.position <= end);
    let loaded = match newest.and_then(|newest| manifests.get(newest)) {
        Some(run) => Some((load_from_run(place, run, to, Which::All)?, run.to.position)),
        None => None,
    };
    // Shapes refer to no position, so those of the run that contains the end are newer, and not too new.
    if let Some(run) = manifests.get(newest.map_or(0, |newest| newest + 1)) {
        load_from_run(place, run, to, Which::Shapes)?;
    }
    Ok(loaded)
}

fn load_from_run(
    place: &Place,
    run: &Manifest,
    to: &mut Store,
    which: Which,
) -> Result<u64, BackupError> {
    let mut count = 0;
    for item in &run.notes {
        count += notes::load(&place.checked(item)?, to, which)?;
    }
    Ok(count)
}

/// The state of loading a log.
struct Loading<'a> {
    place: &'a Place,
    survey: &'a Survey,
    /// The end of the commits read.
    read: ChainEnd,
    /// The end of the commits loaded.
    end: ChainEnd,
    /// Whether the requested point is reached.
    is_over: bool,
    so_far: Progress,
    deleted: u64,
    unended: Collecting,
    batches: Batches<'a>,
}

impl Loading<'_> {
    fn run(&mut self, manifest: &Manifest, progress: OnProgress<'_>) -> Result<(), BackupError> {
        for item in &manifest.segments {
            if !self.is_over {
                self.segment(item, progress)?;
            }
        }
        if !self.is_over && self.read != manifest.to {
            let path = self.place.path.join(super::place::file_of(manifest.number, ".manifest"));
            return Err(BackupError::damaged(&path, "its segments do not end at its end"));
        }
        Ok(())
    }

    /// Reads the segment to its end, even if no more is loaded, because its last link proves its content.
    fn segment(&mut self, item: &Item, progress: OnProgress<'_>) -> Result<(), BackupError> {
        let path = self.place.checked(item)?;
        let segment = Segment::open(&path)?;
        for (number, commit) in segment.commits_from(Position::NONE).enumerate() {
            self.take(&commit?)?;
            let is_time = number % REPORT_EVERY == 0;
            if is_time && progress(&self.so_far).is_break() {
                return Err(BackupError::Stopped);
            }
        }
        let after = segment.summary().links.map(|links| links.after);
        if after != Some(self.read.link) {
            let what = "it does not continue the previous segment".to_owned();
            return Err(SegmentError::Another { path, what }.into());
        }
        Ok(())
    }

    fn take(&mut self, commit: &Commit) -> Result<(), BackupError> {
        if commit.position() != self.read.position.next() {
            let what = format!("events after position {} are missing", self.read.position);
            return Err(BackupError::damaged(&self.place.path, what));
        }
        self.read = self.read.then(commit);
        self.is_over |= commit.last_position() > self.survey.end;
        if self.is_over {
            return Ok(());
        }
        let view = commit.view();
        let stream = StreamId::new(view.category, view.id);
        let stream =
            stream.map_err(|error| BackupError::damaged(&self.place.path, error.to_string()))?;
        let is_removed = self.survey.is_removed(commit, &stream);
        let has_events = !is_removed && commit.gone() != Some(Gone::Removed);
        if !has_events && !self.survey.is_deleted(commit, &stream) {
            self.unended.add(&stream);
        }
        if is_removed {
            let stub = Commit::from_frame(&stub_frame(commit, Gone::Removed), commit.position());
            self.batches.put(stream, &stub.map_err(ReadError::from)?)?;
            self.deleted += 1;
        } else {
            self.batches.put(stream, commit)?;
        }
        self.end = self.read;
        self.so_far.position = self.end.position;
        self.so_far.commits += 1;
        self.so_far.bytes += commit.bytes() as u64;
        Ok(())
    }
}

//! A first look at a backup before it is loaded: where the requested point is, and which commits are restored
//! without their events, because their stream was deleted.

use std::collections::HashMap;

use actuarius_domain::{Position, StreamId, Version};
use uuid::Uuid;

use super::manifest::Manifest;
use super::place::Place;
use super::versions::{Archived, Versions};
use super::{BackupError, Until};
use crate::archive::segment::Segment;
use crate::record::{Commit, Gone};
use crate::store::{TimePolicy, TimeSearch};

/// The number of commits between two progress reports.
pub(super) const REPORT_EVERY: usize = 1_000;

/// What is known about the log of a backup up to the requested point.
pub(super) struct Survey {
    /// The last position that is loaded.
    pub(super) end: Position,
    /// Of each deleted stream, the version of its last end.
    ends: HashMap<StreamId, Version>,
    /// The commits to be restored into the archive.
    pub(super) archived: Archived,
    /// Archived commits that no version of their segment contains: they were deleted.
    lost: Archived,
}

/// Reads the log of the backup. `watch` is called now and then, and may stop it.
pub(super) fn survey(
    place: &Place,
    manifests: &[Manifest],
    until: Until,
    watch: &mut dyn FnMut() -> Result<(), BackupError>,
) -> Result<Survey, BackupError> {
    let log = Log { place, manifests };
    let last = manifests.last().map(|manifest| manifest.to.position).unwrap_or_default();
    let (end, mut search, policy) = match until {
        Until::End => (last, None, None),
        Until::Position(position) => (position, None, None),
        Until::Time(time) => (last, Some(TimeSearch::at(time)), None),
        Until::TimeWith(time, policy) => (last, Some(TimeSearch::at(time)), Some(policy)),
    };
    let (mut deletions, mut has_archived) = (Vec::new(), false);
    log.each(end, watch, |commit| {
        search.iter_mut().for_each(|search| search.take(commit));
        has_archived |= matches!(commit.gone(), Some(Gone::Archived(_)));
        if is_end(commit) {
            deletions.push((commit.stream(), commit.last_version(), commit.position()));
        }
    })?;
    let end = search.map_or(Ok(end), |search| found(search, policy))?;
    deletions.retain(|(_, _, position)| *position <= end);
    let ends = deletions.into_iter().map(|(stream, version, _)| (stream, version)).collect();
    let mut survey = Survey { end, ends, archived: Archived::new(), lost: Archived::new() };
    if has_archived {
        survey.find_archived(&log, watch)?;
    }
    Ok(survey)
}

fn found(search: TimeSearch, policy: Option<TimePolicy>) -> Result<Position, BackupError> {
    match policy {
        Some(policy) => Ok(search.end_with(policy)),
        None => search.end().map_err(|ambiguous| Box::new(ambiguous).into()),
    }
}

/// Returns whether the commit ends its stream.
fn is_end(commit: &Commit) -> bool {
    commit.version() == commit.last_version()
        && commit.view().events().any(|event| event.deletion().is_some())
}

impl Survey {
    fn find_archived(
        &mut self,
        log: &Log<'_>,
        watch: &mut dyn FnMut() -> Result<(), BackupError>,
    ) -> Result<(), BackupError> {
        let mut archived = Archived::new();
        log.each(self.end, watch, |commit| {
            if let Some(Gone::Archived(segment)) = commit.gone()
                && !self.is_deleted(commit, &commit.stream())
            {
                archived.entry(segment).or_default().push(commit.position());
            }
        })?;
        let versions = Versions::of(log.place, log.manifests.iter());
        self.lost = versions.take_lost(&mut archived)?;
        self.archived = archived;
        Ok(())
    }

    /// Returns whether the commit is restored without its events. They are no longer valid: a later event
    /// ended the stream, or the store had removed them before the run that would contain them.
    pub(super) fn is_removed(&self, commit: &Commit, stream: &StreamId) -> bool {
        let is_lost = |segment: Uuid| {
            let lost = self.lost.get(&segment);
            lost.is_some_and(|lost| lost.binary_search(&commit.position()).is_ok())
        };
        match commit.gone() {
            Some(Gone::Removed) => false,
            Some(Gone::Archived(segment)) => self.is_deleted(commit, stream) || is_lost(segment),
            None => self.is_deleted(commit, stream),
        }
    }

    /// Returns whether a later commit ends the stream.
    pub(super) fn is_deleted(&self, commit: &Commit, stream: &StreamId) -> bool {
        self.ends.get(stream).is_some_and(|end| commit.last_version() < *end)
    }
}

/// The log of a backup.
struct Log<'a> {
    place: &'a Place,
    manifests: &'a [Manifest],
}

impl Log<'_> {
    /// Calls `each` with the commits that end at or before `end`.
    fn each(
        &self,
        end: Position,
        watch: &mut dyn FnMut() -> Result<(), BackupError>,
        mut each: impl FnMut(&Commit),
    ) -> Result<(), BackupError> {
        for item in self.manifests.iter().flat_map(|manifest| &manifest.segments) {
            let segment = Segment::open(self.place.checked(item)?)?;
            if segment.summary().first > end {
                break;
            }
            for (number, commit) in segment.commits_from(Position::NONE).enumerate() {
                let commit = commit?;
                if commit.last_position() > end {
                    return Ok(());
                }
                each(&commit);
                if number % REPORT_EVERY == 0 {
                    watch()?;
                }
            }
        }
        Ok(())
    }
}

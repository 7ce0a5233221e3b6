//! Verifies all files of a backup.

use std::path::Path;

use super::super::progress::{OnProgress, Progress};
use super::manifest::Manifest;
use super::place::{Place, file_of};
use super::{BackupError, Run, notes};
use crate::archive::segment::{Kind, Segment, SegmentError};

/// Reads a whole backup, and checks the hashes of its files and the chain of its commits. Returns its runs.
///
/// To prove that the backup was not replaced, compare the end of the last run with one that was saved
/// outside of it.
///
/// # Errors
/// Returns [`BackupError`] for the first damaged file.
pub fn verify(path: impl AsRef<Path>, progress: OnProgress<'_>) -> Result<Vec<Run>, BackupError> {
    let place = Place::open(path.as_ref())?;
    let manifests = place.manifests()?;
    let end = manifests.last().map(|last| last.to.position).unwrap_or_default();
    let mut so_far = Progress { end, ..Progress::default() };
    for manifest in &manifests {
        verify_run(&place, manifest, &mut so_far, progress)?;
    }
    Ok(manifests.iter().map(Manifest::run).collect())
}

fn verify_run(
    place: &Place,
    manifest: &Manifest,
    so_far: &mut Progress,
    progress: OnProgress<'_>,
) -> Result<(), BackupError> {
    let mut end = manifest.from;
    for item in &manifest.segments {
        let segment = Segment::open(place.checked(item)?)?;
        segment.verify()?;
        let (head, summary) = (segment.head(), segment.summary());
        let continues = summary.first == end.position.next()
            && summary.last.get() + 1 - summary.first.get() == summary.events
            && summary.links.is_some_and(|links| links.before == end.link);
        if head.id != item.id || head.kind != Kind::Backup || !continues {
            let (path, what) =
                (segment.path().to_owned(), "it does not continue the previous segment".to_owned());
            return Err(SegmentError::Another { path, what }.into());
        }
        end.link = summary.links.map_or(end.link, |links| links.after);
        end.position = summary.last;
        so_far.position = end.position;
        so_far.commits += summary.commits;
        so_far.bytes += item.bytes;
        if progress(so_far).is_break() {
            return Err(BackupError::Stopped);
        }
    }
    for item in &manifest.notes {
        notes::read(&place.checked(item)?, |_, _| Ok(()))?;
    }
    for item in &manifest.archived {
        Segment::open(place.checked(item)?)?.verify()?;
    }
    if end != manifest.to {
        let path = place.path.join(file_of(manifest.number, ".manifest"));
        return Err(BackupError::damaged(&path, "its segments do not end at its end"));
    }
    Ok(())
}

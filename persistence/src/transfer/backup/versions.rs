//! The versions of archived segments in a backup: which commits they contain, and how they are restored.
//!
//! A deletion takes the commits of its stream out of a segment, and the next run copies what is left. So a
//! backup may have several versions of a segment, and each has all commits of the later ones.

use std::collections::BTreeMap;
use std::path::Path;

use actuarius_domain::Position;
use uuid::Uuid;

use super::BackupError;
use super::error::OnBackup;
use super::manifest::{Item, Manifest};
use super::place::{Place, copied};
use crate::archive::segment::{Segment, Writing};
use crate::{crash_points, files};

/// Positions of archived commits by segment, ascending: eight bytes for each.
pub(super) type Archived = BTreeMap<Uuid, Vec<Position>>;

/// The versions of all segments.
pub(super) struct Versions<'a> {
    place: &'a Place,
    /// Of each segment, those with fewer commits first.
    items: BTreeMap<Uuid, Vec<&'a Item>>,
}

impl<'a> Versions<'a> {
    pub(super) fn of(
        place: &'a Place,
        manifests: impl DoubleEndedIterator<Item = &'a Manifest>,
    ) -> Self {
        let mut items = BTreeMap::<_, Vec<_>>::new();
        for item in manifests.rev().flat_map(|it| it.archived.iter().rev()) {
            items.entry(item.id).or_default().push(item);
        }
        Self { place, items }
    }

    pub(super) fn has(&self, segment: Uuid) -> bool {
        self.items.contains_key(&segment)
    }

    /// Removes from `wanted` the commits that no version of their segment contains, and returns them: their
    /// streams were deleted. Segments that are not in the backup are left as they are, because their files
    /// may be in another place.
    pub(super) fn take_lost(&self, wanted: &mut Archived) -> Result<Archived, BackupError> {
        let mut lost = Archived::new();
        for (id, positions) in wanted.iter_mut().filter(|(id, _)| self.has(**id)) {
            let missing = self.in_none(&self.items[id], positions.clone())?;
            if !missing.is_empty() {
                positions.retain(|position| missing.binary_search(position).is_err());
                lost.insert(*id, missing);
            }
        }
        wanted.retain(|_, positions| !positions.is_empty());
        Ok(lost)
    }

    /// Returns those of the positions whose commits none of the versions contains.
    fn in_none(
        &self,
        versions: &[&Item],
        mut positions: Vec<Position>,
    ) -> Result<Vec<Position>, BackupError> {
        let mut damaged = None;
        for item in versions {
            if positions.is_empty() {
                return Ok(positions);
            }
            match self.lacks(item, positions.clone()) {
                Ok(lacking) => positions = lacking,
                // Another version may be enough.
                Err(error) => damaged = Some(error),
            }
        }
        match damaged {
            Some(error) if !positions.is_empty() => Err(error),
            _ => Ok(positions),
        }
    }

    /// Writes a segment with exactly the commits at `positions` into the archive of a restored store. Other
    /// commits of its versions were deleted, or are in the log.
    pub(super) fn restore(
        &self,
        id: Uuid,
        positions: &[Position],
        archive: &Path,
    ) -> Result<(), BackupError> {
        crash_points::here().on(archive)?;
        files::create_directory(archive)?;
        let to = archive.join(format!("{id}.seg"));
        let mut damaged = None;
        for item in &self.items[&id] {
            match self.lacks(item, positions.to_vec()) {
                Ok(lacking) if lacking.is_empty() => {
                    return write(&self.open(item)?, positions, &to);
                }
                Ok(_) => {}
                Err(error) => damaged = Some(error),
            }
        }
        let what = || format!("no version of segment {id} contains all of its commits");
        Err(damaged.unwrap_or_else(|| BackupError::damaged(&self.place.path, what())))
    }

    /// Returns those of the positions whose commits the version does not contain.
    fn lacks(&self, item: &Item, positions: Vec<Position>) -> Result<Vec<Position>, BackupError> {
        let segment = self.open(item)?;
        let mut contained = segment.commits_from(Position::NONE);
        let mut next = contained.next().transpose()?;
        let mut lacking = Vec::new();
        // Both are ascending.
        for position in positions {
            while next.as_ref().is_some_and(|commit| commit.position() < position) {
                next = contained.next().transpose()?;
            }
            if next.as_ref().is_none_or(|commit| commit.position() != position) {
                lacking.push(position);
            }
        }
        Ok(lacking)
    }

    fn open(&self, item: &Item) -> Result<Segment, BackupError> {
        Ok(Segment::open(self.place.checked(item)?)?)
    }
}

/// Writes the commits at `positions` of a segment into a segment of the same id.
fn write(from: &Segment, positions: &[Position], to: &Path) -> Result<(), BackupError> {
    if from.summary().commits == positions.len() as u64 {
        copied(from.path(), to)?;
        return Ok(());
    }
    let mut writing = Writing::create(to, from.head())?;
    for commit in from.commits_from(Position::NONE) {
        let commit = commit?;
        if positions.binary_search(&commit.position()).is_ok() {
            writing.put_commit(&commit)?;
        }
    }
    writing.finish(None)?;
    Ok(Segment::open(to)?.verify()?)
}

//! `SavedViews`: the stored views of one projection. `Origin`: what one of them was made from.

use std::sync::Arc;

use actuarius_domain::Position;
use actuarius_persistence::Lineage;
use actuarius_persistence::personal::Sealer;
use actuarius_persistence::views::{Place, ViewError};
use uuid::Uuid;

use super::erasure_taint::ErasureTaint;
use super::types::{Types, take};

/// The place of one projection's views, and what a view of it must have been made from.
pub(crate) struct SavedViews {
    pub(crate) name: String,
    pub(crate) place: Place,
    /// The version of the projection's code.
    pub(crate) version: u32,
    /// The fingerprint of the whole view, or of a row.
    pub(crate) shape: u64,
    /// The store whose log is followed, and those that it was restored from.
    pub(crate) lineage: Lineage,
    /// The aggregate types that are followed.
    pub(crate) types: Types,
}

/// What a stored view was made from. It is stored together with the view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) version: u32,
    pub(crate) shape: u64,
    pub(crate) store: Uuid,
    pub(crate) position: Position,
    pub(crate) taint: ErasureTaint,
    pub(crate) types: Types,
}

impl Origin {
    /// Appends `version u32 | shape u64 | store 16 | position u64 | taint | types`, integers
    /// little-endian.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&self.shape.to_le_bytes());
        out.extend_from_slice(self.store.as_bytes());
        out.extend_from_slice(&self.position.get().to_le_bytes());
        self.taint.write(out);
        self.types.write(out);
    }

    /// Reads what was written from the front of `bytes`; `None` if it is something else.
    pub(crate) fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self {
            version: u32::from_le_bytes(take(bytes)?),
            shape: u64::from_le_bytes(take(bytes)?),
            store: Uuid::from_bytes(take(bytes)?),
            position: Position::new(u64::from_le_bytes(take(bytes)?)),
            taint: ErasureTaint::read(bytes)?,
            types: Types::read(bytes)?,
        })
    }
}

impl SavedViews {
    /// Returns the origin of a view of this projection at `position`.
    pub(crate) fn origin(&self, position: Position, taint: ErasureTaint) -> Origin {
        let Self { version, shape, lineage, types, .. } = self;
        let (store, types) = (lineage.store(), types.clone());
        Origin { version: *version, shape: *shape, store, position, taint, types }
    }

    /// Returns whether a view was made from this log.
    pub(crate) fn shares_log(&self, origin: &Origin) -> bool {
        self.lineage.shares(origin.store, origin.position)
    }

    pub(crate) fn sealer(&self) -> Option<&Arc<dyn Sealer>> {
        self.place.sealer()
    }

    /// Returns whether a view may hold clear text of a subject that is forgotten by now.
    pub(crate) fn must_erase(&self, taint: ErasureTaint) -> bool {
        taint.must_erase(self.sealer().map_or(0, |keys| keys.forgotten()))
    }

    /// Returns the greatest number of a generation, 0 if there is none.
    pub(crate) fn last(&self) -> Result<u64, ViewError> {
        let stored = self.place.generations()?.into_iter().max();
        // The current generation may have no files. If it is unknown which one is current, none can be
        // mistaken for it.
        Ok(stored.max(self.place.current().unwrap_or(None)).unwrap_or(0))
    }

    /// Returns whether no other generation has files.
    pub(crate) fn has_only(&self, generation: u64) -> bool {
        self.place.generations().is_ok_and(|all| all.iter().all(|other| *other == generation))
    }

    /// Removes generations, and returns why some could not be removed.
    pub(crate) fn remove_where(&self, which: impl Fn(u64) -> bool) -> Vec<ViewError> {
        let all = self.place.generations().unwrap_or_default().into_iter();
        let removed = all.filter(|it| which(*it)).map(|it| self.place.remove(it));
        removed.filter_map(Result::err).collect()
    }
}

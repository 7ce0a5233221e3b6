//! Creating a store, so that a power cut at any moment leaves either no store or an empty one.
//!
//! sled never syncs the file with its settings, and a store with a torn settings file does not open. So
//! a new store is built in another directory, synced whole, and only then renamed into place.

use std::fs;
use std::path::Path;

use actuarius_domain::Position;
use actuarius_persistence::files::{self, OnFile};
use actuarius_persistence::{Lineage, OpenError};
use uuid::Uuid;

use crate::files::Files;
use crate::format::{self, Format};
use crate::index::manifest::Manifest;
use crate::options::SledOptions;
use crate::{engine, high_water_mark, keys};

/// Creates an empty store with a new identity in `directory`.
pub(super) fn create(directory: &Path, options: &SledOptions) -> Result<(), OpenError> {
    let new = Files::creating(directory);
    let (store, buckets) = (Uuid::new_v4(), options.index_buckets);
    create_aside(&new, &Format { store, buckets, ancestors: Vec::new() }, options)?;
    let store = Files::store(directory);
    fs::rename(&new.root, &store.root).on(&store.root)?;
    files::sync(directory)
}

/// Creates an empty, durable store of this format at `new`. Removes an unfinished one there first.
pub(super) fn create_aside(
    new: &Files,
    format: &Format,
    options: &SledOptions,
) -> Result<(), OpenError> {
    if new.root.exists() {
        fs::remove_dir_all(&new.root).on(&new.root)?;
    }
    fs::create_dir(&new.root).on(&new.root)?;
    fs::write(new.format(), format.to_text()).on(&new.format())?;
    high_water_mark::create(&new.high_water_mark(), format.store).on(&new.high_water_mark())?;
    // The manifest exists from the start, so that a missing one is detected.
    engine::create_engine(
        &new.log(),
        options,
        (keys::MANIFEST, Manifest::default().to_value(keys::MANIFEST)),
    )?;
    files::sync_tree(&new.root)
}

/// Records in the closed store in `directory` that it shares the history of another store up to
/// `position`.
#[cfg_attr(not(feature = "archive"), allow(dead_code))]
pub(crate) fn adopt_history(
    directory: &Path,
    from: &Lineage,
    position: Position,
) -> Result<(), OpenError> {
    let store = Files::store(directory);
    let mut format = format::read(&store)?;
    format.ancestors = from.restored_as(format.store, position).ancestors().to_vec();
    files::replace(&store.format(), &[format.to_text().as_bytes()])
}

//! Compaction: frees the disk space of removed events by copying the store and replacing it.
//!
//! sled keeps the bytes of removed values until it reuses their space, and never shortens its file. The
//! copy is the same store: identity, positions, versions, chain, notes, snapshots. Its index is made from the
//! log, and snapshots in damaged pages are left out. So compaction repairs a store whose events and notes can be
//! read.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actuarius_domain::Position;
use actuarius_persistence::archive::Mounted;
use actuarius_persistence::files::lock::StoreLock;
use actuarius_persistence::files::{self, OnFile};
use actuarius_persistence::{
    Batches, OpenError, PageLimit, Reader, Store, StoreFailure, Writer, crash_points,
};

use sled::IVec;

use crate::engine::{Engine, Group, accounting};
use crate::error::engine_io;
use crate::files::Files;
use crate::log::reader::SledReader;
use crate::log::recover;
use crate::options::SledOptions;
use crate::swap::{self, Places};
use crate::{create, format, keys, open, snapshots};

/// The result of a compaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compacted {
    /// The size of the store's files before.
    pub bytes_before: u64,
    /// The size of the store's files after.
    pub bytes_after: u64,
}

/// Copies the closed store in `directory` and replaces it by the copy, so that removed events take no
/// disk space any more.
///
/// The index is made again, and snapshots that cannot be read are left out. So this also repairs a store in
/// which pages of the index or of snapshots are damaged.
///
/// `progress` receives the last position that was copied and the last position of the log. Until the old
/// store is removed, both need disk space.
///
/// # Errors
/// Returns an [`OpenError`]; the store is unchanged.
pub fn compact(
    directory: impl AsRef<Path>,
    progress: impl FnMut(Position, Position),
) -> Result<Compacted, OpenError> {
    compact_with(&files::absolute(directory.as_ref()), &SledOptions::default(), progress)
}

fn compact_with(
    directory: &Path,
    options: &SledOptions,
    mut progress: impl FnMut(Position, Position),
) -> Result<Compacted, OpenError> {
    // Held until the copy is in place, because a write to the old store until then would be lost.
    let _lock = StoreLock::wait(directory, "store.lock", options.lock_wait)?;
    swap::recover(directory)?;
    let places = Places::of(directory);
    let bytes_before = bytes(&places.store)?;
    crash_points::here().on(directory)?;
    make_copy(&places, options, &mut progress)?;
    crash_points::here().on(directory)?;
    files::sync_tree(&places.creating)?;
    crash_points::here().on(directory)?;
    fs::rename(&places.creating, &places.compacted).on(&places.compacted)?;
    files::sync(directory)?;
    crash_points::here().on(directory)?;
    fs::rename(&places.store, &places.old).on(&places.old)?;
    files::sync(directory)?;
    crash_points::here().on(directory)?;
    swap::recover(directory)?;
    Ok(Compacted { bytes_before, bytes_after: bytes(&places.store)? })
}

fn bytes(path: &Path) -> Result<u64, OpenError> {
    files::bytes_below(path).on(path)
}

/// Copies everything the store contains, and checks that both end at the same chain.
fn make_copy(
    places: &Places,
    options: &SledOptions,
    progress: &mut dyn FnMut(Position, Position),
) -> Result<(), OpenError> {
    let (old_files, new_files) = (Files::at(&places.store), Files::at(&places.creating));
    let format = format::read(&old_files)?;
    create::create_aside(&new_files, &format, options)?;
    let archive = || Mounted::at(PathBuf::new());
    let open = |files, manifest| open::open_parts(files, archive(), None, options, manifest);
    let (old, mut old_writer) = open(old_files, |old, _| Ok(recover::manifest_or_none(old)))?;
    let (new, writer) = open(new_files, recover::manifest)?;
    let mut filled =
        Store { reader: Arc::new(SledReader::new(new.clone())), writer: Box::new(writer) };
    let io = |error: String| OpenError::Io {
        path: places.creating.clone(),
        source: std::io::Error::other(error),
    };
    // So that no parts are copied that are to be removed.
    if let Err(error) = old_writer.settle() {
        tracing::warn!(target: "actuarius::store", %error, "parts are copied that are left over");
    }
    copy_log(&SledReader::new(old.clone()), &mut filled, progress).map_err(io)?;
    let notes = copy_values(old.engine.keys_and_values(keys::NOTES), &new.engine);
    notes.map_err(|error| io(error.to_string()))?;
    copy_snapshots(&old.engine, &new.engine).map_err(|error| io(error.to_string()))?;
    filled.writer.settle().map_err(|error| io(error.to_string()))?;
    let (end, wanted) = (new.chain(), old.chain());
    if end == wanted {
        return Ok(());
    }
    let what = format!("the copy ends at {end}, the store at {wanted}");
    Err(OpenError::Damaged { path: places.store.clone(), what })
}

fn copy_log(
    old: &dyn Reader,
    new: &mut Store,
    progress: &mut dyn FnMut(Position, Position),
) -> Result<(), String> {
    let (mut batches, mut at, head) = (Batches::new(new), Position::NONE, old.head());
    while at < head {
        let page = old
            .maintenance()
            .read_raw(at, PageLimit::default())
            .map_err(|error| error.to_string())?;
        for commit in &page.commits {
            let stored = batches.put(commit.stream(), commit);
            stored.map_err(|failure| failure.to_string())?;
            at = commit.last_position();
        }
        progress(at, head);
    }
    batches.flush().map_err(|failure| failure.to_string())
}

/// Copies all snapshots that are not in damaged pages. Those that are lost are recovered from events.
fn copy_snapshots(old: &Engine, new: &Engine) -> Result<(), StoreFailure> {
    let mut damage = None;
    let values = old.keys_and_values(keys::SNAPSHOTS);
    copy_values(values.filter(|found| is_copied(found, &mut damage)), new)?;
    let Some(error) = damage.take() else { return Ok(()) };
    tracing::warn!(
        target: "actuarius::store",
        %error,
        "snapshots are not copied, because their pages are damaged"
    );
    // Those after the last damaged page.
    let values = old.backwards(keys::SNAPSHOTS);
    copy_values(values.filter(|found| is_copied(found, &mut damage)), new)
}

fn is_copied(found: &sled::Result<(IVec, IVec)>, damage: &mut Option<sled::Error>) -> bool {
    match found {
        Ok((_, value)) => &value[..] != snapshots::BLANK,
        Err(error) => {
            *damage = Some(error.clone());
            false
        }
    }
}

/// Copies values. The keys are the same in both, because the identity is the same.
fn copy_values(
    values: impl Iterator<Item = sled::Result<(IVec, IVec)>>,
    new: &Engine,
) -> Result<(), StoreFailure> {
    let failed = |error| StoreFailure::new("reading a value to copy", engine_io(error));
    let mut group = Group::default();
    for stored in values {
        let (key, value) = stored.map_err(failed)?;
        if !group.has_room(accounting::in_order(key.len(), value.len())) {
            new.sync(std::mem::take(&mut group))?;
        }
        group.put_in_order(&key, value.to_vec());
    }
    if group.is_empty() { Ok(()) } else { new.sync(group) }
}

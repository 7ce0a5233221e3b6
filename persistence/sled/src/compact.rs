//! Giving back the room of what was removed: the store is written anew, beside itself, and takes the
//! place of the old one.
//!
//! sled keeps the bytes of removed values until it happens to need their room, and never makes its file
//! shorter. What is copied is the same store: identity, positions, versions, chain, notes, snapshots.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actuarius_domain::Position;
use actuarius_persistence::Batches;
use actuarius_persistence::archive::Mounted;
use actuarius_persistence::files::lock::{self, StoreLock};
use actuarius_persistence::files::{self, OnFile};
use actuarius_persistence::{OpenError, PageLimit, Reader, Store, StoreFailure};

use crate::engine::{Engine, Group, KEY_OVERHEAD};
use crate::error::engine_io;
use crate::files::Files;
use crate::log::reader::SledReader;
use crate::options::SledOptions;
use crate::swap::{Places, settle};
use crate::{create, format, keys, notes, open};

/// What compacting came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compacted {
    /// Bytes of the store's files before.
    pub bytes_before: u64,
    /// Bytes of the store's files now.
    pub bytes_after: u64,
}

/// Writes the closed store in `directory` anew, so that what was removed takes no room any more.
/// `watch` is told how many events of how many have been copied. It needs room for both at once.
///
/// # Errors
/// [`OpenError`]; the store is as it was.
pub fn compact(
    directory: impl AsRef<Path>,
    watch: impl FnMut(Position, Position),
) -> Result<Compacted, OpenError> {
    compact_with(directory.as_ref(), &SledOptions::default(), watch)
}

fn compact_with(
    directory: &Path,
    options: &SledOptions,
    mut watch: impl FnMut(Position, Position),
) -> Result<Compacted, OpenError> {
    // Held until the new store is in its place: what somebody wrote meanwhile would be lost.
    let _lock = lock::retry(options.lock_wait, || StoreLock::take(directory, "store.lock"))?;
    settle(directory)?;
    let places = Places::of(directory);
    let bytes_before = bytes(&places.store)?;
    make_copy(&places, options, &mut watch)?;
    files::sync_tree(&places.creating)?;
    fs::rename(&places.creating, &places.compacted).on(&places.compacted)?;
    files::sync(directory)?;
    fs::rename(&places.store, &places.old).on(&places.old)?;
    files::sync(directory)?;
    settle(directory)?;
    Ok(Compacted { bytes_before, bytes_after: bytes(&places.store)? })
}

fn bytes(path: &Path) -> Result<u64, OpenError> {
    files::bytes_below(path).on(path)
}

/// Copies all that the store has into the new one, and looks that it is all.
fn make_copy(
    places: &Places,
    options: &SledOptions,
    watch: &mut dyn FnMut(Position, Position),
) -> Result<(), OpenError> {
    let (of_old, of_new) = (Files::at(&places.store), Files::at(&places.creating));
    let format = format::read(&of_old)?;
    create::create_aside(&of_new, &format, options)?;
    let archive = || Mounted::at(PathBuf::new());
    let (old, _writer) = open::open_parts(of_old, archive(), None, options)?;
    let (new, writer) = open::open_parts(of_new, archive(), None, options)?;
    let mut filled =
        Store { reader: Arc::new(SledReader::new(new.clone())), writer: Box::new(writer) };
    let io = |error: String| OpenError::Io {
        path: places.creating.clone(),
        source: std::io::Error::other(error),
    };
    copy_log(&SledReader::new(old.clone()), &mut filled, watch).map_err(io)?;
    for prefix in [keys::snapshot_prefix(), keys::note_prefix()] {
        copy_values(&old.engine, &new.engine, &prefix).map_err(|error| io(error.to_string()))?;
    }
    filled.writer.settle().map_err(|error| io(error.to_string()))?;
    let (end, wanted) = (new.chain(), old.chain());
    if end == wanted {
        return Ok(());
    }
    let what = format!("the copy ends with {end}, the store with {wanted}");
    Err(OpenError::Damaged { path: places.store.clone(), what })
}

fn copy_log(
    old: &dyn Reader,
    new: &mut Store,
    watch: &mut dyn FnMut(Position, Position),
) -> Result<(), String> {
    let (mut filling, mut at, head) = (Batches::new(new), Position::NONE, old.head());
    while at < head {
        let page = old
            .maintenance()
            .read_raw(at, PageLimit::default())
            .map_err(|error| error.to_string())?;
        for commit in &page.commits {
            let stored = filling.put(commit.stream(), commit);
            stored.map_err(|failure| failure.to_string())?;
            at = commit.last_position();
        }
        watch(at, head);
    }
    filling.flush().map_err(|failure| failure.to_string())
}

/// Snapshots and notes are found by the same keys in both, which have the same identity.
fn copy_values(old: &Engine, new: &Engine, prefix: &[u8]) -> Result<(), StoreFailure> {
    let failed = |error| StoreFailure::new("reading what is copied", engine_io(error));
    let mut group = Group::default();
    for stored in old.keys_and_values(prefix) {
        let (key, value) = stored.map_err(failed)?;
        let bytes = key.len() + value.len() + notes::SCATTER_BYTES + KEY_OVERHEAD;
        if !group.has_room(bytes) {
            new.sync(std::mem::take(&mut group))?;
        }
        group.put(&key, value.to_vec());
        group.charge(notes::SCATTER_BYTES);
    }
    if group.is_empty() { Ok(()) } else { new.sync(group) }
}

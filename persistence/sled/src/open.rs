//! Opening a store: preparing its files for sled, and checking its log before it is used.

use std::path::Path;
use std::sync::Arc;

use actuarius_persistence::archive::Mounted;
use actuarius_persistence::files::lock::{self, StoreLock};
use actuarius_persistence::files::{self, OnFile, RESTORING};
use actuarius_persistence::{OpenError, Store};

use crate::engine::{Engine, erased};
use crate::files::Files;
use crate::format::Format;
use crate::high_water_mark::HighWaterMark;
use crate::index::manifest::Manifest;
use crate::log::reader::SledReader;
use crate::log::recover;
use crate::log::shared::Shared;
use crate::log::writer::SledWriter;
use crate::options::SledOptions;
use crate::release::Release;
use crate::{create, engine, format, kept, swap};

/// Opens the store in `directory`, or creates one there.
pub(super) fn open(directory: &Path, options: &SledOptions) -> Result<Store, OpenError> {
    files::create_directory(directory)?;
    let lock = StoreLock::wait(directory, "store.lock", options.lock_wait)?;
    swap::recover(directory)?;
    let store = Files::store(directory);
    if !store.root.exists() {
        if directory.join(RESTORING).exists() {
            // An empty store would look as if it had never contained anything.
            let what = "the restore did not finish; restore it again".to_owned();
            return Err(OpenError::UnknownFormat { path: store.root, what });
        }
        create::create(directory, options)?;
    }
    let archive = options.archive.clone().unwrap_or_else(|| directory.join("archive"));
    let archive = Mounted::at(archive);
    archive.remove_unfinished().on(archive.directory())?;
    let opened = open_parts(store, archive, Some(lock), options, recover::manifest);
    let (shared, writer) = opened.map_err(with_way_out)?;
    Ok(Store { writer: Box::new(writer), reader: Arc::new(SledReader::new(shared)) })
}

/// Adds what can be done about a damaged store.
fn with_way_out(error: OpenError) -> OpenError {
    match error {
        OpenError::Damaged { path, what } => {
            let way_out = "restore a backup; what is left can be read in a copy, with \
                           `sled::open_for_forensics` or `actuarius --forensics`";
            OpenError::Damaged { path, what: format!("{what}; {way_out}") }
        }
        error => error,
    }
}

/// Opens the store in `store`. Without a lock, the caller must keep other users out. `manifest` reads the list
/// of the runs of its index.
pub(super) fn open_parts(
    store: Files,
    archive: Mounted,
    lock: Option<StoreLock>,
    options: &SledOptions,
    manifest: fn(&Engine, &Files) -> Result<Manifest, OpenError>,
) -> Result<(Arc<Shared>, SledWriter), OpenError> {
    let format = format::read(&store)?;
    let (high_water_mark, acknowledged) =
        HighWaterMark::open(&store.high_water_mark(), format.store).on(&store.high_water_mark())?;
    keep_while_looking(&store, options, || look(&store, &format, acknowledged, options, manifest))?;
    let (release, engine) = engine::open_engine(&store.log(), options)?;
    let manifest = manifest(&engine, &store)?;
    let recovered = recover::recover(&engine, &store, &format, (acknowledged, manifest))?;
    format::write(&store, &format)?;
    let places = (store, archive);
    let shared =
        Shared::new(engine, (release, lock), places, format, recovered.index, recovered.end);
    let shared = Arc::new(shared);
    let writer = SledWriter::new(shared.clone(), high_water_mark, recovered.manifest, options);
    let writer = writer.map_err(|failure| recover::io_error(&shared.files, &failure))?;
    Ok((shared, writer))
}

/// Opens the store with `look` first if sled would erase something. If it is refused then, the files become what they
/// were before.
fn keep_while_looking(
    store: &Files,
    options: &SledOptions,
    look: impl FnOnce() -> Result<(), OpenError>,
) -> Result<(), OpenError> {
    lock::retry(options.lock_wait, || kept::write_back(store))?;
    let erased = erased::find(&store.log()).on(&store.log())?;
    if erased.is_empty() {
        return Ok(());
    }
    kept::keep(store, &erased)?;
    match look() {
        Ok(()) => kept::discard(store),
        Err(refused) => match kept::write_back(store) {
            // sled has not ended yet, and could write over it. The next start writes it back.
            Ok(()) | Err(OpenError::Locked { .. }) => Err(refused),
            Err(error) => Err(error),
        },
    }
}

/// Checks what sled finds in the store.
fn look(
    store: &Files,
    format: &Format,
    acknowledged: Option<u64>,
    options: &SledOptions,
    manifest: fn(&Engine, &Files) -> Result<Manifest, OpenError>,
) -> Result<(), OpenError> {
    // Declared first: sled may use its file for a moment even if it does not open.
    let _released = Release(store.log().join("db"));
    let (_release, engine) = engine::open_engine_to_look(&store.log(), options)?;
    let manifest = manifest(&engine, store)?;
    recover::check(&engine, store, format, (acknowledged, manifest)).map(drop)
}

//! Opening a store: what has to be done to its files before sled may see them, and what has to be
//! true of its log before anyone may use it.

use std::fs::{self, File};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Arc;

use sled::Db;

use super::engine::Engine;
use super::format::{self, Format};
use super::high_water_mark::Mark;
use super::log::reader::SledReader;
use super::log::recover;
use super::log::recover::failed;
use super::log::shared::Shared;
use super::log::writer::SledWriter;
use super::{SledOptions, create, error, swap};
use crate::files::Files;
use crate::release::Release;
use actuarius_persistence::archive::Mounted;
use actuarius_persistence::backup::RESTORING;
use actuarius_persistence::files::lock::{self, StoreLock};
use actuarius_persistence::files::marker::Unreadable;
use actuarius_persistence::files::{self, OnFile};
use actuarius_persistence::{OpenError, Store};

/// How often sled's own thread writes, cleans segments and syncs, in milliseconds.
///
/// Cleaning happens nowhere else, so it cannot be turned off. It moves pages for up to half of this
/// time before it syncs, and finds as much to move as was written since it last ran; both must stay
/// far from the megabyte between two syncs at which sled loses data. Its failure to sync is only
/// logged by sled, but the next commit syncs the same file and fails too.
const CLEAN_EVERY_MS: u64 = 20;

/// The size of sled's segments, eight times its default.
///
/// What lies between two real syncs must not reach into a third segment: when a power cut keeps a
/// later one and loses one in the middle, sled takes all of them for torn and wipes even the first,
/// with the pages it held before. A group of 256 KB in large values makes sled write 1.3 MB, since
/// leaves are split and rewritten on the way, and cleaning comes on top.
const SEGMENT_BYTES: usize = 4 * 1024 * 1024;

const _: () = assert!(
    // What a full group makes sled write, five times its bytes, and as much again for cleaning.
    SEGMENT_BYTES >= 10 * super::engine::SYNC_BYTES_MAX
);

pub(super) fn open(directory: &Path, options: &SledOptions) -> Result<Store, OpenError> {
    files::create_directory(directory)?;
    let lock = lock::retry(options.lock_wait, || StoreLock::take(directory, "store.lock"))?;
    swap::settle(directory)?;
    let store = Files::store(directory);
    if !store.root.exists() {
        if directory.join(RESTORING).exists() {
            // An empty store would look as if nothing had ever been in it.
            let what = "it was not restored to its end; restore it again".to_owned();
            return Err(OpenError::UnknownFormat { path: store.root, what });
        }
        create::create(directory, options)?;
    }
    let archive = options.archive.clone().unwrap_or_else(|| directory.join("archive"));
    let (shared, writer) = open_parts(store, Mounted::at(archive), Some(lock), options)?;
    Ok(Store { writer: Box::new(writer), reader: Arc::new(SledReader::new(shared)) })
}

/// The store in `store`. Without a lock, whoever opens it keeps others out.
pub(super) fn open_parts(
    store: Files,
    archive: Mounted,
    lock: Option<StoreLock>,
    options: &SledOptions,
) -> Result<(Arc<Shared>, SledWriter), OpenError> {
    let format = read_format(&store)?;
    let (mark, acknowledged) = Mark::open(&store.mark(), format.store).on(&store.mark())?;
    let (release, engine) = open_engine(&store.log(), options)?;
    let recovered = recover::recover(&engine, &store, &format, acknowledged)?;
    write_format(&store, &format)?;
    let places = (store, archive);
    let shared =
        Shared::new(engine, (release, lock), places, format, recovered.index, recovered.end);
    let shared = Arc::new(shared);
    let writer = SledWriter::new(shared.clone(), mark, recovered.meta, options);
    let writer = writer.map_err(|failure| failed(&shared.files, &failure))?;
    Ok((shared, writer))
}

pub(super) fn read_format(store: &Files) -> Result<Format, OpenError> {
    let path = store.root.clone();
    let text = match fs::read(store.format()) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(OpenError::UnknownFormat { path, what: "FORMAT is missing".to_owned() });
        }
        text => text.on(&store.format())?,
    };
    Format::parse(&text).map_err(|unreadable| match unreadable {
        Unreadable::Newer(found) => {
            OpenError::NewerFormat { path, found, supported: format::NUMBER }
        }
        Unreadable::Unknown(what) => OpenError::UnknownFormat { path, what: what.to_owned() },
    })
}

/// What is written from here on is of this release's format, so an older release must not open it.
fn write_format(store: &Files, format: &Format) -> Result<(), OpenError> {
    let (path, text) = (store.format(), format.to_text());
    if fs::read(&path).on(&path)? == text.as_bytes() {
        return Ok(());
    }
    files::replace(&path, &[text.as_bytes()])
}

/// The engine, and what waits until it has let go of its files: in this order, so that the engine is
/// dropped first when anything fails later on.
pub(super) fn open_engine(
    log: &Path,
    options: &SledOptions,
) -> Result<(Release, Engine), OpenError> {
    remove_unfinished_snapshots(log)?;
    let db_path = log.join("db");
    let mut file_options = File::options();
    let file = file_options.read(true).write(true).open(&db_path).on(&db_path)?;
    // What a killed process wrote may be in the system's cache only, and sled is about to store a
    // snapshot that refers to it.
    file.sync_all().on(&db_path)?;
    sync_blobs(log)?;
    let db = lock::retry(options.lock_wait, || open_sled(log, options, Some(CLEAN_EVERY_MS)))?;
    let release = Release(db_path);
    let engine = Engine::new(db, file, log).on(log)?;
    Ok((release, engine))
}

/// A snapshot sled was writing when it was killed makes every later open fail. A finished one is
/// never removed: without it, sled may take damage for an empty store.
fn remove_unfinished_snapshots(log: &Path) -> Result<(), OpenError> {
    for entry in fs::read_dir(log).on(log)? {
        let path = entry.on(log)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(&path).on(&path)?;
        }
    }
    files::sync(log)
}

/// There should be none. If there are, commits stopped when they appeared; what is in them is
/// checked like everything else, and must not get lost any more.
fn sync_blobs(log: &Path) -> Result<(), OpenError> {
    let blobs = log.join("blobs");
    if blobs.exists() { files::sync_tree(&blobs) } else { Ok(()) }
}

/// sled panics on some kinds of damage; that is an error here. Without `clean_every_ms` it has no
/// thread of its own, whose failures would go unheard.
pub(super) fn open_sled(
    log: &Path,
    options: &SledOptions,
    clean_every_ms: Option<u64>,
) -> Result<Db, OpenError> {
    let config = sled::Config::new()
        .path(log)
        .cache_capacity(options.cache_bytes)
        .segment_size(SEGMENT_BYTES)
        .flush_every_ms(clean_every_ms);
    let path = log.to_owned();
    match panic::catch_unwind(AssertUnwindSafe(|| config.open())) {
        Ok(Ok(db)) => Ok(db),
        Ok(Err(sled::Error::Io(error))) if error.to_string().contains("could not acquire lock") => {
            Err(OpenError::Locked { path })
        }
        Ok(Err(sled::Error::Io(source))) => Err(OpenError::Io { path, source }),
        Ok(Err(error)) => Err(OpenError::Damaged { path, what: error.to_string() }),
        Err(panic) => Err(OpenError::Damaged { path, what: error::panic_text(&*panic) }),
    }
}

//! Reading a store that has lost acknowledged events, without changing it.

use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use actuarius_domain::Position;
use actuarius_persistence::archive::Mounted;
use actuarius_persistence::files::lock::{self, StoreLock};
use actuarius_persistence::files::{self, OnFile};
use actuarius_persistence::{OpenError, Reader};

use crate::engine::Engine;
use crate::files::Files;
use crate::high_water_mark::HighWaterMark;
use crate::log::reader::SledReader;
use crate::log::salvage;
use crate::log::shared::Shared;
use crate::options::SledOptions;
use crate::release::Release;
use crate::{engine, format, kept};

/// What is left of a store that has lost events.
#[non_exhaustive]
pub struct Forensics {
    /// Reads what is left. Nothing can be written.
    pub reader: Arc<dyn Reader>,
    /// The position of the last event that is left.
    pub found: Position,
    /// The last position that was acknowledged, or `None` if the high-water mark cannot be read.
    pub acknowledged: Option<Position>,
}

impl Forensics {
    /// Returns how many acknowledged events are missing at the end, if that is known.
    #[must_use]
    pub fn missing(&self) -> Option<u64> {
        Some(self.acknowledged?.get().saturating_sub(self.found.get()))
    }
}

/// Opens what is left of the store in `directory` for reading, although acknowledged events are missing.
///
/// [`open`](crate::open) refuses such a store with [`OpenError::Shorter`]. This copies its files to `copy`,
/// an empty or missing directory with as much free space, and opens the copy, because sled changes the files
/// that it opens. The store stays as it is. Export what is left, or compare it with a backup.
///
/// # Errors
/// Returns an [`OpenError`] if `copy` is not empty, or if what is left is damaged, too.
pub fn open_for_forensics(
    directory: impl AsRef<Path>,
    copy: impl AsRef<Path>,
) -> Result<Forensics, OpenError> {
    let (directory, copy) = (directory.as_ref(), copy.as_ref());
    let options = SledOptions::default();
    make_copy(directory, copy, &options)?;
    let lock = StoreLock::take(copy, "store.lock")?;
    let store = Files::store(copy);
    let format = format::read(&store)?;
    let mark = store.high_water_mark();
    let report = |error: &io::Error| {
        tracing::warn!(target: "actuarius::store", %error, "the high-water mark cannot be read");
    };
    let opened = HighWaterMark::open(&mark, format.store).inspect_err(report);
    let acknowledged = opened.ok().and_then(|(_, acknowledged)| acknowledged);
    if let Err(error) = kept::write_back(&store) {
        tracing::warn!(target: "actuarius::store", %error, "what sled has erased earlier is not read");
    }
    let (release, engine) = open_copy(&store.log(), &options)?;
    let recovered = salvage::recover_anyway(&engine, &format, acknowledged);
    let found = recovered.end.position;
    let places = (store, Mounted::at(directory.join("archive")));
    let locks = (release, Some(lock));
    let shared = Shared::new(engine, locks, places, format, recovered.index, recovered.end);
    let reader = Arc::new(SledReader::new(Arc::new(shared)));
    Ok(Forensics { reader, found, acknowledged: acknowledged.map(Position::new) })
}

/// Opens sled in the copy. If its snapshot does not fit what is left, it reads all of its file instead.
fn open_copy(log: &Path, options: &SledOptions) -> Result<(Release, Engine), OpenError> {
    let refused = match engine::open_engine(log, options) {
        Err(OpenError::Damaged { what, .. }) => what,
        opened => return opened,
    };
    tracing::warn!(target: "actuarius::store", %refused, "sled reads its file without its list of pages");
    kept::remove_snapshots(log)?;
    engine::open_engine(log, options).map_err(|error| match error {
        OpenError::Damaged { path, what } => {
            let way_out =
                "sled cannot read its file with its list of pages or without it; restore a backup";
            OpenError::Damaged { path, what: format!("{what}; {way_out}") }
        }
        error => error,
    })
}

/// Copies the files of the store while nobody else uses it.
fn make_copy(directory: &Path, copy: &Path, options: &SledOptions) -> Result<(), OpenError> {
    files::create_directory(copy)?;
    if fs::read_dir(copy).on(copy)?.next().is_some() {
        let what = "it is not empty, and is not overwritten by a copy".to_owned();
        return Err(OpenError::UnknownFormat { path: copy.to_owned(), what });
    }
    let _lock = lock::retry(options.lock_wait, || StoreLock::take(directory, "store.lock"))?;
    copy_tree(&Files::store(directory).root, &Files::store(copy).root)
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), OpenError> {
    fs::create_dir(to).on(to)?;
    for entry in fs::read_dir(from).on(from)? {
        let from = entry.on(from)?.path();
        let to = to.join(from.file_name().unwrap_or_default());
        if from.is_dir() {
            copy_tree(&from, &to)?;
        } else {
            fs::copy(&from, &to).map(drop).on(&from)?;
        }
    }
    Ok(())
}

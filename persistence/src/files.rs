//! Durable files: the file system calls that stores use. Each error names the file it is about.

pub mod lock;
pub mod marker;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::OpenError;

/// The subdirectory in which a store is built while it is restored.
pub const RESTORING: &str = "store.restoring";

/// Adds the path of the file to an I/O error.
pub trait OnFile<T> {
    /// Adds the path to the error.
    ///
    /// # Errors
    /// Returns [`OpenError::Io`] with `path`.
    fn on(self, path: &Path) -> Result<T, OpenError>;
}

impl<T> OnFile<T> for io::Result<T> {
    fn on(self, path: &Path) -> Result<T, OpenError> {
        self.map_err(|source| OpenError::Io { path: path.to_owned(), source })
    }
}

/// Returns the path from the root of the file system, so that it means the same file after the process has
/// changed its directory. Links are not resolved.
///
/// Every place that keeps a path makes it absolute first. A path that cannot be, because it is empty or the
/// current directory was removed, is returned as it is, and its use fails.
#[must_use]
pub fn absolute(path: impl Into<PathBuf>) -> PathBuf {
    let path = path.into();
    std::path::absolute(&path).unwrap_or(path)
}

/// Makes the content and size of a file, or the entries of a directory, durable.
///
/// # Errors
/// Returns [`OpenError::Io`] if the file cannot be opened or synced.
pub fn sync(path: &Path) -> Result<(), OpenError> {
    File::open(path).and_then(|file| file.sync_all()).on(path)
}

/// Syncs a directory and everything in it.
///
/// # Errors
/// Returns [`OpenError::Io`] for the first file that cannot be read or synced.
pub fn sync_tree(path: &Path) -> Result<(), OpenError> {
    if fs::metadata(path).on(path)?.is_dir() {
        for entry in fs::read_dir(path).on(path)? {
            sync_tree(&entry.on(path)?.path())?;
        }
    }
    sync(path)
}

/// Creates a directory and its missing parents durably.
///
/// # Errors
/// Returns [`OpenError::Io`] if a directory cannot be created or synced.
pub fn create_directory(path: &Path) -> Result<(), OpenError> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_directory(parent)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error).on(path),
        _ => sync(parent),
    }
}

/// Replaces the content of a file atomically: after a power cut it has the old or the new content.
///
/// # Errors
/// Returns [`OpenError::Io`] if the new content cannot be written. The file is unchanged, unless
/// only the last sync of the directory failed.
pub fn replace(path: &Path, content: &[&[u8]]) -> Result<(), OpenError> {
    let mut temporary = path.to_owned().into_os_string();
    temporary.push(".writing");
    let temporary = PathBuf::from(temporary);
    let mut file = File::create(&temporary).on(&temporary)?;
    content.iter().try_for_each(|piece| file.write_all(piece)).on(&temporary)?;
    file.sync_all().on(&temporary)?;
    fs::rename(&temporary, path).on(path)?;
    path.parent().map_or(Ok(()), sync)
}

/// Returns the size of all files below `path`, in bytes.
///
/// # Errors
/// Returns the error of the operating system.
pub fn bytes_below(path: &Path) -> io::Result<u64> {
    let metadata = match fs::metadata(path) {
        // The store engine may remove files while it runs.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        metadata => metadata?,
    };
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    fs::read_dir(path)?.map(|entry| bytes_below(&entry?.path())).sum()
}

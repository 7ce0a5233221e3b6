//! Durable files: the file system calls that stores use, each of which names the file it failed on.

pub mod lock;
pub mod marker;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::OpenError;

/// Names the file an error is about.
pub trait OnFile<T> {
    /// Adds the path to the error.
    ///
    /// # Errors
    /// [`OpenError::Io`] with `path`.
    fn on(self, path: &Path) -> Result<T, OpenError>;
}

impl<T> OnFile<T> for io::Result<T> {
    /// Adds the path to the error.
    ///
    /// # Errors
    /// [`OpenError::Io`] with `path`.
    fn on(self, path: &Path) -> Result<T, OpenError> {
        self.map_err(|source| OpenError::Io { path: path.to_owned(), source })
    }
}

/// Makes a file's content and size, or a directory's entries, survive a power cut.
pub fn sync(path: &Path) -> Result<(), OpenError> {
    File::open(path).and_then(|file| file.sync_all()).on(path)
}

/// Syncs a directory and all that is in it.
pub fn sync_tree(path: &Path) -> Result<(), OpenError> {
    if fs::metadata(path).on(path)?.is_dir() {
        for entry in fs::read_dir(path).on(path)? {
            sync_tree(&entry.on(path)?.path())?;
        }
    }
    sync(path)
}

/// Creates a directory and the missing ones above it, so that they survive a power cut.
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

/// Has a file say `content` instead of what it said: after a power cut it says one or the other.
pub fn replace(path: &Path, content: &[&[u8]]) -> Result<(), OpenError> {
    let mut aside = path.to_owned().into_os_string();
    aside.push(".writing");
    let aside = PathBuf::from(aside);
    let mut file = File::create(&aside).on(&aside)?;
    content.iter().try_for_each(|piece| file.write_all(piece)).on(&aside)?;
    file.sync_all().on(&aside)?;
    fs::rename(&aside, path).on(path)?;
    path.parent().map_or(Ok(()), sync)
}

/// The bytes of all files below `path`.
pub fn bytes_below(path: &Path) -> io::Result<u64> {
    let metadata = match fs::metadata(path) {
        // sled removes files of its own while it runs.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        metadata => metadata?,
    };
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    fs::read_dir(path)?.map(|entry| bytes_below(&entry?.path())).sum()
}

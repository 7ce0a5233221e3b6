//! The directory of a backup: the names of its files, and every change of it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::BackupError;
use super::error::OnBackup;
use super::manifest::{FORMAT, Item, Manifest};
use crate::crash_points;
use crate::error::OpenError;
use crate::files;
use crate::files::lock::StoreLock;
use crate::files::marker::Unreadable;
use crate::record::chain::Link;

const MANIFEST: &str = ".manifest";

/// The directory of a backup.
pub(super) struct Place {
    pub(super) path: PathBuf,
}

impl Place {
    /// Opens an existing backup for reading.
    pub(super) fn open(path: &Path) -> Result<Self, BackupError> {
        let place = Self { path: files::absolute(path) };
        if place.numbers()?.is_empty() {
            return Err(BackupError::NotABackup { path: place.path });
        }
        Ok(place)
    }

    /// Creates or opens a backup for adding a run, and locks it against other runs.
    pub(super) fn prepare(path: &Path) -> Result<(Self, StoreLock), BackupError> {
        let path = files::absolute(path);
        crash_points::here().on(&path)?;
        files::create_directory(&path)?;
        let lock = locked(&path, "backup.lock")?;
        Ok((Self { path }, lock))
    }

    /// Returns the manifests of all runs, oldest first. None may be missing.
    pub(super) fn manifests(&self) -> Result<Vec<Manifest>, BackupError> {
        let numbers = self.numbers()?;
        let mut manifests = Vec::<Manifest>::new();
        for (number, wanted) in numbers.into_iter().zip(1..) {
            let manifest = self.manifest(wanted)?;
            let path = self.path.join(file_of(number, MANIFEST));
            let before = manifests.last().map(|before| before.to).unwrap_or_default();
            if manifest.number != number || manifest.from != before {
                let what = "it does not continue the previous run";
                return Err(BackupError::damaged(&path, what));
            }
            manifests.push(manifest);
        }
        Ok(manifests)
    }

    /// Returns the numbers of all manifests in order.
    fn numbers(&self) -> Result<Vec<u32>, BackupError> {
        let names = match names(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => vec![],
            names => names.on(&self.path)?,
        };
        let number =
            |name: &String| name.strip_prefix("run-")?.strip_suffix(MANIFEST)?.parse::<u32>().ok();
        let mut numbers: Vec<_> = names.iter().filter_map(number).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn manifest(&self, number: u32) -> Result<Manifest, BackupError> {
        let path = self.path.join(file_of(number, MANIFEST));
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(BackupError::damaged(&path, "it is missing"));
            }
            text => text.on(&path)?,
        };
        let manifest = Manifest::parse(&text).map_err(|unreadable| match unreadable {
            Unreadable::Newer(found) => {
                BackupError::NewerFormat { path: path.clone(), found, supported: FORMAT }
            }
            Unreadable::Unknown(_) => BackupError::damaged(&path, "its content is wrong"),
        });
        manifest.map(|manifest| self.without_overwritten(manifest))
    }

    /// Drops the items whose files were overwritten. Releases up to 0.1 gave two versions of an archived segment
    /// the same name when a purge was under way; either of them is enough.
    fn without_overwritten(&self, mut manifest: Manifest) -> Manifest {
        if manifest.has_clash() {
            let is_there = |item: &Item| {
                fs::metadata(self.path.join(&item.file)).is_ok_and(|it| it.len() == item.bytes)
            };
            let all = manifest.archived.clone();
            let others = |item: &Item| all.iter().any(|it| it.file == item.file && it != item);
            manifest.archived.retain(|item| !others(item) || is_there(item));
        }
        manifest
    }

    /// Stores the manifest, which makes the run part of the backup.
    pub(super) fn store(&self, manifest: &Manifest) -> Result<(), BackupError> {
        let path = self.path.join(file_of(manifest.number, MANIFEST));
        if manifest.has_clash() {
            return Err(BackupError::damaged(&path, "two of its files have the same name"));
        }
        let temporary = path.with_extension("manifest.writing");
        crash_points::here().on(&temporary)?;
        let mut file = File::create(&temporary).on(&temporary)?;
        crash_points::here().on(&temporary)?;
        file.write_all(manifest.to_text().as_bytes()).on(&temporary)?;
        file.sync_all().on(&temporary)?;
        crash_points::here().on(&temporary)?;
        fs::rename(&temporary, &path).on(&path)?;
        crash_points::here().on(&self.path)?;
        Ok(files::sync(&self.path)?)
    }

    /// Removes the files of an unfinished run.
    pub(super) fn remove_unfinished(&self, number: u32) -> Result<(), BackupError> {
        let (prefix, archive) = (format!("run-{number:06}."), self.path.join("archive"));
        remove(&self.path, |name| name.starts_with(&prefix))?;
        if archive.is_dir() { remove(&archive, |name| name.starts_with(&prefix)) } else { Ok(()) }
    }

    /// Returns the path of an item, after checking the size and the hash of its file.
    pub(super) fn checked(&self, item: &Item) -> Result<PathBuf, BackupError> {
        let path = self.path.join(&item.file);
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(BackupError::damaged(&path, "it is missing"));
            }
            file => file.on(&path)?,
        };
        let (bytes, hash) = hashed(&mut file, &mut io::sink()).on(&path)?;
        if (bytes, hash) != (item.bytes, item.hash) {
            return Err(BackupError::damaged(&path, "its size or hash is wrong"));
        }
        Ok(path)
    }
}

/// Returns the name of a file of the run `number`.
pub(super) fn file_of(number: u32, rest: &str) -> String {
    format!("run-{number:06}{rest}")
}

pub(super) fn locked(path: &Path, file: &str) -> Result<StoreLock, BackupError> {
    StoreLock::take(path, file).map_err(|error| match error {
        OpenError::Locked { path } => BackupError::InUse { path },
        other => other.into(),
    })
}

pub(super) fn names(path: &Path) -> io::Result<Vec<String>> {
    let names = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into()));
    names.collect()
}

fn remove(path: &Path, which: impl Fn(&str) -> bool) -> Result<(), BackupError> {
    for name in names(path).on(path)?.iter().filter(|name| which(name)) {
        let path = path.join(name);
        crash_points::here().on(&path)?;
        fs::remove_file(&path).on(&path)?;
    }
    Ok(())
}

/// Copies a file atomically, through a temporary file. Returns its size and its hash.
pub(super) fn copied(from: &Path, to: &Path) -> Result<(u64, Link), BackupError> {
    let mut temporary = to.to_owned().into_os_string();
    temporary.push(".writing");
    let temporary = PathBuf::from(temporary);
    let mut source = File::open(from).on(from)?;
    crash_points::here().on(&temporary)?;
    let mut file = File::create(&temporary).on(&temporary)?;
    crash_points::here().on(&temporary)?;
    let copied = hashed(&mut source, &mut file).on(&temporary)?;
    file.sync_all().on(&temporary)?;
    crash_points::here().on(&temporary)?;
    fs::rename(&temporary, to).on(to)?;
    crash_points::here().on(to)?;
    to.parent()
        .map_or(Ok(()), files::sync)
        .map_err(|error: OpenError| error.into())
        .map(|()| copied)
}

/// Copies all bytes. Returns their number and their hash.
fn hashed(from: &mut impl Read, to: &mut impl Write) -> io::Result<(u64, Link)> {
    let (mut hasher, mut length, mut bytes) = (blake3::Hasher::new(), 0, vec![0; 128 * 1024]);
    loop {
        let read = from.read(&mut bytes)?;
        if read == 0 {
            return Ok((length, Link(*hasher.finalize().as_bytes())));
        }
        hasher.update(&bytes[..read]);
        to.write_all(&bytes[..read])?;
        length += read as u64;
    }
}

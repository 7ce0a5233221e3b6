//! The directory a backup is in: what is called how, and every change of it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::BackupError;
use super::error::OnBackup;
use super::manifest::{FORMAT, Item, Manifest};
use crate::crash_points;
use crate::files;
use crate::files::lock::StoreLock;
use crate::files::marker::Unreadable;
use crate::record::chain::Link;
use crate::{OpenError, OpenError::Locked};

const MANIFEST: &str = ".manifest";

/// The directory of a backup.
pub(super) struct Place {
    pub(super) path: PathBuf,
}

impl Place {
    /// A backup that is there, to be read.
    pub(super) fn open(path: &Path) -> Result<Self, BackupError> {
        let place = Self { path: path.to_owned() };
        if place.numbers()?.is_empty() {
            return Err(BackupError::NotABackup { path: place.path });
        }
        Ok(place)
    }

    /// One that may not be there yet, to be added to; nobody else adds to it meanwhile.
    pub(super) fn prepare(path: &Path) -> Result<(Self, StoreLock), BackupError> {
        crash_points::here().on(path)?;
        files::create_directory(path)?;
        let lock = locked(path, "backup.lock")?;
        Ok((Self { path: path.to_owned() }, lock))
    }

    /// The manifests of all runs, oldest first; none may be missing.
    pub(super) fn manifests(&self) -> Result<Vec<Manifest>, BackupError> {
        let numbers = self.numbers()?;
        let mut manifests = Vec::<Manifest>::new();
        for (number, wanted) in numbers.into_iter().zip(1..) {
            let manifest = self.manifest(wanted)?;
            let path = self.path.join(file_of(number, MANIFEST));
            let before = manifests.last().map(|before| before.to).unwrap_or_default();
            if manifest.number != number || manifest.from != before {
                let what = "it does not go on where the one before ends";
                return Err(BackupError::damaged(&path, what));
            }
            manifests.push(manifest);
        }
        Ok(manifests)
    }

    /// The numbers of all manifests there are, in order.
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
        Manifest::parse(&text).map_err(|unreadable| match unreadable {
            Unreadable::Newer(found) => {
                BackupError::NewerFormat { path: path.clone(), found, supported: FORMAT }
            }
            Unreadable::Unknown(_) => BackupError::damaged(&path, "it is not what was written"),
        })
    }

    /// The run counts from here on.
    pub(super) fn store(&self, manifest: &Manifest) -> Result<(), BackupError> {
        let path = self.path.join(file_of(manifest.number, MANIFEST));
        let aside = path.with_extension("manifest.writing");
        crash_points::here().on(&aside)?;
        let mut file = File::create(&aside).on(&aside)?;
        crash_points::here().on(&aside)?;
        file.write_all(manifest.to_text().as_bytes()).on(&aside)?;
        file.sync_all().on(&aside)?;
        crash_points::here().on(&aside)?;
        fs::rename(&aside, &path).on(&path)?;
        crash_points::here().on(&self.path)?;
        Ok(files::sync(&self.path)?)
    }

    /// Removes what a run that was not finished has left.
    pub(super) fn remove_unfinished(&self, number: u32) -> Result<(), BackupError> {
        let (mine, archive) = (format!("run-{number:06}."), self.path.join("archive"));
        remove(&self.path, |name| name.starts_with(&mine))?;
        if archive.is_dir() { remove(&archive, |name| name.starts_with(&mine)) } else { Ok(()) }
    }

    /// Where an item is, once it is certain that its file is the one that was written.
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
            return Err(BackupError::damaged(&path, "it is not what was written"));
        }
        Ok(path)
    }
}

/// What a file of the run `number` is called.
pub(super) fn file_of(number: u32, rest: &str) -> String {
    format!("run-{number:06}{rest}")
}

pub(super) fn locked(path: &Path, file: &str) -> Result<StoreLock, BackupError> {
    StoreLock::take(path, file).map_err(|error| match error {
        Locked { path } => BackupError::InUse { path },
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

/// Copies a file to where none is: aside, and then at once. Returns its length and its hash.
pub(super) fn copied(from: &Path, to: &Path) -> Result<(u64, Link), BackupError> {
    let mut aside = to.to_owned().into_os_string();
    aside.push(".writing");
    let aside = PathBuf::from(aside);
    let mut source = File::open(from).on(from)?;
    crash_points::here().on(&aside)?;
    let mut file = File::create(&aside).on(&aside)?;
    crash_points::here().on(&aside)?;
    let copied = hashed(&mut source, &mut file).on(&aside)?;
    file.sync_all().on(&aside)?;
    crash_points::here().on(&aside)?;
    fs::rename(&aside, to).on(to)?;
    crash_points::here().on(to)?;
    to.parent()
        .map_or(Ok(()), files::sync)
        .map_err(|error: OpenError| error.into())
        .map(|()| copied)
}

/// Reads to the end, writing what is read, and tells its length and its hash.
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

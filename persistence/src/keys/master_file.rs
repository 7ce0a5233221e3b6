//! Master keys in a text file, for deployments without a key service.
//!
//! ```text
//! actuarius master keys
//! format 1
//! key 2026-11 5f0c…
//! current 2026-11
//! checksum 14f32779
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use zeroize::Zeroizing;

use super::master::{MasterKey, MasterKeyRing, MasterKeys};
use super::{KeyError, MasterKeyError, MasterKeyId};
use crate::files;
use crate::files::marker::{self, Unreadable};

const MAGIC: &str = "actuarius master keys";
const FORMAT: u32 = 1;

/// Master keys in a text file that only its owner can read. **Keep it apart from the store, and from
/// the backups of both the store and its keys**: anyone with all of them can read everything that is not
/// forgotten, and without the master keys no personal data can be read.
///
/// ```
/// # mod actuarius { pub mod erasure { pub use actuarius_persistence::keys; } }
/// use actuarius::erasure::keys::{FileMasterKeys, Keys};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let (secrets, data) = (directory.path().join("master.keys"), directory.path().join("data"));
/// let master = FileMasterKeys::open_or_generate(&secrets, "2026-11")?;
/// let keys = Keys::open(data.join("keys"), master)?;
/// # Ok(())
/// # }
/// ```
pub struct FileMasterKeys {
    path: PathBuf,
    ring: RwLock<MasterKeyRing>,
}

impl FileMasterKeys {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// Returns [`MasterKeyError::Unavailable`] if the file does not exist or is not a file of master
    /// keys.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, MasterKeyError> {
        let path = files::absolute(path);
        let text =
            fs::read(&path).map(Zeroizing::new).map_err(|error| unavailable(&path, error))?;
        let ring = parse(&text).map_err(|what| unavailable(&path, what))?;
        if is_open_to_others(&path) {
            tracing::warn!(
                target: "actuarius::keys", path = %path.display(),
                "users other than the owner can read the file of master keys"
            );
        }
        Ok(Self { path, ring: RwLock::new(ring) })
    }

    /// Creates a file at `path` with one random key called `name`, which is current.
    ///
    /// # Errors
    /// Returns [`KeyError`] if the file already exists or cannot be written.
    pub fn generate(path: impl Into<PathBuf>, name: &str) -> Result<Self, KeyError> {
        let path = files::absolute(path);
        if path.exists() {
            return Err(unavailable(&path, "the file already exists").into());
        }
        let ring = MasterKeyRing::generate(name)?;
        replace(&path, &to_text(&ring)).map_err(|error| unavailable(&path, error))?;
        Ok(Self { path, ring: RwLock::new(ring) })
    }

    /// Reads the file at `path`, or creates it.
    ///
    /// # Errors
    /// Returns the same errors as [`open`](Self::open) and [`generate`](Self::generate).
    pub fn open_or_generate(path: impl Into<PathBuf>, name: &str) -> Result<Self, KeyError> {
        let path = files::absolute(path);
        if path.exists() { Ok(Self::open(path)?) } else { Self::generate(path, name) }
    }

    /// Adds a random key called `name`, which becomes current. After that,
    /// [`Keys::rotate`](super::Keys::rotate) makes the other keys unnecessary.
    ///
    /// # Errors
    /// Returns [`KeyError`] if there is a key of this name, or the file cannot be written. Nothing was
    /// changed.
    pub fn add(&self, name: &str) -> Result<MasterKeyId, KeyError> {
        let id = MasterKeyId::new(name)?;
        let key = MasterKey::random()?;
        self.change(|ring| {
            if ring.ids().any(|other| other == id) {
                return Err(unavailable(&self.path, "there is a key of this name already"));
            }
            ring.add(id, key);
            Ok(())
        })?;
        Ok(id)
    }

    /// Removes a key that is not current. Call it after [`Keys::rotate`](super::Keys::rotate) has
    /// succeeded, and destroy every other copy of the key.
    ///
    /// # Errors
    /// Returns [`MasterKeyError`] if the key does not exist or is current, or if the file cannot be
    /// written. Nothing was changed.
    pub fn remove(&self, id: &MasterKeyId) -> Result<(), MasterKeyError> {
        self.change(|ring| match ring.remove(id) {
            true => Ok(()),
            false => Err(unavailable(&self.path, "the key is current, or does not exist")),
        })
    }

    /// Returns the names of all keys in order.
    #[must_use]
    pub fn ids(&self) -> Vec<MasterKeyId> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).ids().collect()
    }

    fn change(
        &self,
        change: impl FnOnce(&mut MasterKeyRing) -> Result<(), MasterKeyError>,
    ) -> Result<(), MasterKeyError> {
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = ring.clone();
        change(&mut changed)?;
        replace(&self.path, &to_text(&changed)).map_err(|error| unavailable(&self.path, error))?;
        *ring = changed;
        Ok(())
    }
}

impl MasterKeys for FileMasterKeys {
    fn current(&self) -> Result<MasterKeyId, MasterKeyError> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).current()
    }

    fn key(&self, id: &MasterKeyId) -> Result<MasterKey, MasterKeyError> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).key(id)
    }
}

fn unavailable(path: &Path, why: impl std::fmt::Display) -> MasterKeyError {
    MasterKeyError::Unavailable { why: format!("{}: {why}", path.display()) }
}

fn to_text(ring: &MasterKeyRing) -> Zeroizing<String> {
    let mut text = Zeroizing::new(format!("{MAGIC}\nformat {FORMAT}\n"));
    for (id, key) in ring.entries() {
        text.push_str(&format!("key {id} "));
        key.bytes().iter().for_each(|byte| text.push_str(&format!("{byte:02x}")));
        text.push('\n');
    }
    if let Ok(current) = ring.current() {
        text.push_str(&format!("current {current}\n"));
    }
    Zeroizing::new(marker::sealed(&text))
}

fn parse(text: &[u8]) -> Result<MasterKeyRing, String> {
    let text =
        marker::unsealed(MAGIC, FORMAT..=FORMAT, text).map_err(|unreadable| match unreadable {
            Unreadable::Newer(format) => {
                format!("it has format {format}, this release reads {FORMAT}")
            }
            Unreadable::Unknown(_) => "it does not contain master keys, or is damaged".to_owned(),
        })?;
    let (mut ring, mut current) = (None::<MasterKeyRing>, None);
    for line in text.lines().skip(2) {
        let mut words = line.split(' ');
        match (words.next(), words.next(), words.next()) {
            (Some("key"), Some(name), Some(hex)) => {
                let id = MasterKeyId::new(name).map_err(|error| error.to_string())?;
                let key = key_of(hex).ok_or("a key does not have 64 hexadecimal digits")?;
                match &mut ring {
                    Some(ring) => ring.add(id, key),
                    None => ring = Some(MasterKeyRing::new(id, key)),
                }
            }
            (Some("current"), Some(name), None) => current = MasterKeyId::new(name).ok(),
            _ => {}
        }
    }
    let mut ring = ring.ok_or("it contains no key")?;
    let known = current.is_some_and(|id| ring.make_current(id));
    if known { Ok(ring) } else { Err("it does not name the current key".to_owned()) }
}

fn key_of(hex: &str) -> Option<MasterKey> {
    let digits = hex.as_bytes();
    let mut bytes = Zeroizing::new([0; 32]);
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(MasterKey::from_bytes(*bytes))
}

/// Like [`files::replace`], but only the owner can read the file at any moment.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut temporary = path.to_owned().into_os_string();
    temporary.push(".writing");
    let temporary = PathBuf::from(temporary);
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file: File = owned().create_new(true).write(true).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    files::sync(parent.unwrap_or(Path::new("."))).map_err(io::Error::other)
}

#[cfg(unix)]
fn owned() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

#[cfg(not(unix))]
fn owned() -> OpenOptions {
    OpenOptions::new()
}

#[cfg(unix)]
fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutations::{Mutations, reseal_marker};

    #[test]
    fn keys_round_trip_and_the_newest_is_current() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("master.keys");
        let first = FileMasterKeys::generate(&path, "one").unwrap();
        assert!(FileMasterKeys::generate(&path, "one").is_err(), "there is one already");
        let two = first.add("two").unwrap();
        assert!(first.add("two").is_err());
        let again = FileMasterKeys::open(&path).unwrap();
        assert_eq!(again.current(), Ok(two));
        for id in again.ids() {
            assert_eq!(again.key(&id).unwrap().bytes(), first.key(&id).unwrap().bytes());
        }
        let one = MasterKeyId::new("one").unwrap();
        assert!(again.remove(&two).is_err(), "it is current");
        again.remove(&one).unwrap();
        assert_eq!(FileMasterKeys::open(&path).unwrap().ids(), [two]);
        assert_eq!(again.key(&one).unwrap_err(), MasterKeyError::Unknown { id: one });
        assert!(!is_open_to_others(&path));
    }

    #[test]
    fn every_flipped_bit_of_the_file_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("master.keys");
        FileMasterKeys::generate(&path, "one").unwrap();
        let whole = fs::read(&path).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, flipped).unwrap();
            assert!(FileMasterKeys::open(&path).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn no_mutated_file_of_master_keys_panics_or_allocates_without_a_bound() {
        let id = MasterKeyId::new("2026-11").unwrap();
        let ring = MasterKeyRing::new(id, MasterKey::from_bytes([7; 32]));
        let decoder = Mutations::of("master keys", [to_text(&ring).as_bytes().to_vec()]);
        decoder
            .resealed(reseal_marker)
            .run(|work| allocation_counter::measure(work).bytes_max, |bytes| drop(parse(bytes)));
    }
}

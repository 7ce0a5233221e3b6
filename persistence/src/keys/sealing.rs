//! Seals values of one subject, and bytes that contain clear text of several subjects.

use std::sync::atomic::Ordering;

use zeroize::Zeroizing;

use super::key_file::{Keys, check_subject};
use super::store::{KeyState, missing};
use super::{KeyError, cipher};
use crate::personal::sealer::{Opened, Sealer};
use crate::personal::{Fingerprint, PersonalError, Subjects, scope};

/// `layout u8 = 1 | mark of the key 4 | nonce 12 | ciphertext | tag 16`
const VALUE: u8 = 1;

/// `magic 4 | subjects u16 | fingerprints 16 each | nonce 12 | ciphertext | tag 16`
const SEALED_FOR: &[u8; 4] = b"\xe5ac1";

impl Sealer for Keys {
    fn seal(&self, subject: &str, clear: &[u8]) -> Result<Vec<u8>, PersonalError> {
        check_subject(subject)?;
        let fingerprint = self.fingerprint(subject);
        let key = match self.store.find_or_create(fingerprint, &*self.master)? {
            KeyState::Live(key) => key,
            KeyState::Unknown => return Err(missing(subject)),
            KeyState::Forgotten => {
                return Err(PersonalError::Forgotten { subject: subject.to_owned() });
            }
        };
        let sealed = cipher::seal(&key.bytes, &bound_to(subject), clear)?;
        scope::record_subject(fingerprint);
        Ok([&[VALUE], &key.mark[..], &sealed].concat())
    }

    fn unseal(
        &self,
        subject: &str,
        sealed: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, PersonalError> {
        let fingerprint = self.fingerprint(subject);
        let key = match self.store.find(fingerprint, &*self.master)? {
            KeyState::Live(key) => key,
            KeyState::Forgotten => return Ok(None),
            KeyState::Unknown => return Err(missing(subject)),
        };
        let altered = || PersonalError::Altered { subject: subject.to_owned() };
        let Some((&[VALUE, ref mark @ ..], sealed)) = sealed.split_first_chunk::<5>() else {
            return Err(altered());
        };
        if *mark != key.mark {
            return Err(PersonalError::OtherKey { subject: subject.to_owned() });
        }
        let clear = cipher::open(&key.bytes, &bound_to(subject), sealed).ok_or_else(altered)?;
        scope::record_subject(fingerprint);
        Ok(Some(clear))
    }

    fn seal_for(&self, subjects: &Subjects, clear: &[u8]) -> Result<Option<Vec<u8>>, KeyError> {
        let mut sealed = SEALED_FOR.to_vec();
        // At most `SUBJECTS_MAX` are known.
        sealed.extend_from_slice(&(subjects.iter().len() as u16).to_le_bytes());
        subjects.iter().for_each(|subject| sealed.extend_from_slice(&subject.0));
        let Some(key) = self.join(subjects.iter())? else { return Ok(None) };
        let body = cipher::seal(&key, &sealed, clear)?;
        sealed.extend_from_slice(&body);
        Ok(Some(sealed))
    }

    fn open_for(&self, sealed: &[u8]) -> Result<Opened, KeyError> {
        let Some(rest) = sealed.strip_prefix(SEALED_FOR) else { return Ok(Opened::Unsealed) };
        let names = rest.split_first_chunk().and_then(|(count, rest)| {
            rest.split_at_checked(usize::from(u16::from_le_bytes(*count)) * 16)
        });
        let Some((names, body)) = names else { return Ok(Opened::Altered) };
        let subjects = names.as_chunks::<16>().0.iter().copied().map(Fingerprint);
        let Some(key) = self.join(subjects.clone())? else {
            self.erased_snapshots.fetch_add(1, Ordering::Relaxed);
            return Ok(Opened::Erased);
        };
        let head = &sealed[..sealed.len() - body.len()];
        Ok(match cipher::open(&key, head, body) {
            Some(clear) => Opened::Clear(clear, subjects.collect()),
            None => Opened::Altered,
        })
    }

    fn forgotten(&self) -> u64 {
        Keys::forgotten(self)
    }

    fn flush(&self) -> Result<(), KeyError> {
        Keys::flush(self)
    }

    fn settle(&self) -> Result<(), KeyError> {
        Keys::settle(self)
    }

    fn close(&self) -> Result<(), KeyError> {
        Keys::close(self)
    }
}

impl Keys {
    /// Derives a key from those of all these subjects. Returns `None` if one of them has no key.
    fn join(
        &self,
        subjects: impl Iterator<Item = Fingerprint>,
    ) -> Result<Option<Zeroizing<[u8; 32]>>, KeyError> {
        let mut hasher = blake3::Hasher::new_derive_key("actuarius 2026 key of several subjects");
        for subject in subjects {
            match self.store.find(subject, &*self.master)? {
                KeyState::Live(key) => drop(hasher.update(&*key.bytes)),
                // An unknown subject belongs to another key file, or its key never became durable.
                KeyState::Forgotten | KeyState::Unknown => return Ok(None),
            }
        }
        Ok(Some(Zeroizing::new(*hasher.finalize().as_bytes())))
    }
}

/// The data a sealed value is bound to, so that it is not valid for another subject.
fn bound_to(subject: &str) -> Vec<u8> {
    [b"actuarius personal 1", subject.as_bytes()].concat()
}

//! Tests of the key file: permanent forgetting, power cuts, damage, rotation, and missing keys.

mod cuts;
mod damage;
mod syncing;
mod values;
mod verify;

use std::sync::Arc;

use super::medium::Medium;
use super::open::{NotOpen, open};
use super::*;
use crate::error::OpenError;
use crate::personal::{Opened, PersonalError, Sealer, Subjects, showing};
use crate::store::with_sealer;

pub(super) fn ring(name: &str) -> MasterKeyRing {
    MasterKeyRing::generate(name).unwrap()
}

/// Returns the content of an empty file.
pub(super) fn empty() -> Vec<u8> {
    pages::fresh().unwrap()
}

pub(super) fn opened(medium: impl Medium + 'static, ring: &MasterKeyRing) -> Arc<Keys> {
    try_open(medium, ring).unwrap_or_else(|_| panic!("it opens"))
}

pub(super) fn try_open(
    medium: impl Medium + 'static,
    ring: &MasterKeyRing,
) -> Result<Arc<Keys>, NotOpen> {
    open(Box::new(medium), Arc::new(ring.clone()), None).map(Arc::new)
}

/// Returns a sealed value of each subject.
pub(super) fn sealed(keys: &Keys, subjects: &[&str]) -> Vec<Vec<u8>> {
    subjects.iter().map(|subject| keys.seal(subject, subject.as_bytes()).unwrap()).collect()
}

pub(super) fn read(
    keys: &Keys,
    subject: &str,
    sealed: &[u8],
) -> Result<Option<String>, PersonalError> {
    let clear = keys.unseal(subject, sealed)?;
    Ok(clear.map(|clear| String::from_utf8(clear.to_vec()).unwrap()))
}

//! Wraps the keys of subjects with a master key, and unwraps them.

use zeroize::Zeroizing;

use super::master::MasterKeys;
use super::record::SlotState;
use super::{KeyError, MasterKeyError, MasterKeyId, cipher};
use crate::personal::Fingerprint;

/// The data a wrapped key is bound to: its subject and its master key.
fn bound_to(subject: Fingerprint, master: &MasterKeyId) -> Vec<u8> {
    [b"actuarius key 1", &subject.0[..], master.padded()].concat()
}

/// Wraps a key with the current master key.
pub(super) fn wrap(
    subject: Fingerprint,
    key: &[u8; 32],
    master: &dyn MasterKeys,
) -> Result<SlotState, KeyError> {
    let id = master.current()?;
    let sealed = cipher::seal(master.key(&id)?.bytes(), &bound_to(subject, &id), key)?;
    // The length follows from the length of the key.
    let wrapped = sealed.try_into().map_err(|_| KeyError::Failed { what: "sealing".to_owned() })?;
    Ok(SlotState::Live { master: id, wrapped })
}

/// Returns a wrapped key.
pub(super) fn unwrap(
    subject: Fingerprint,
    id: &MasterKeyId,
    wrapped: &[u8],
    master: &dyn MasterKeys,
) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let clear = cipher::open(master.key(id)?.bytes(), &bound_to(subject, id), wrapped);
    // The checksum of the slot was right, so the master key is wrong.
    let clear = clear.ok_or(MasterKeyError::Wrong { id: *id })?;
    let key: &[u8; 32] = clear[..].try_into().map_err(|_| MasterKeyError::Wrong { id: *id })?;
    Ok(Zeroizing::new(*key))
}

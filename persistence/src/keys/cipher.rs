//! AES-256-GCM-SIV with a random nonce of 96 bits before the ciphertext, and a tag of 128 bits after it.
//! A repeated nonce would reveal only whether two values are equal.

use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Key, Nonce};
use zeroize::Zeroizing;

use super::KeyError;
pub(super) use crate::personal::random::fill_random;

pub(super) const NONCE: usize = 12;
pub(super) const TAG: usize = 16;

/// Returns `nonce | ciphertext | tag`.
pub(super) fn seal(key: &[u8; 32], bound_to: &[u8], clear: &[u8]) -> Result<Vec<u8>, KeyError> {
    let mut nonce = [0; NONCE];
    fill_random(&mut nonce)?;
    let cipher = Aes256GcmSiv::new(&Key::<Aes256GcmSiv>::from(*key));
    let payload = Payload { msg: clear, aad: bound_to };
    let sealed = cipher.encrypt(&Nonce::from(nonce), payload);
    // The cipher refuses only values larger than 64 GiB.
    let sealed =
        sealed.map_err(|_| KeyError::Failed { what: "too large to be sealed".to_owned() })?;
    Ok([&nonce[..], &sealed].concat())
}

/// Returns the clear text, or `None` if the key is wrong or anything was altered.
pub(super) fn open(key: &[u8; 32], bound_to: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
    let cipher = Aes256GcmSiv::new(&Key::<Aes256GcmSiv>::from(*key));
    let payload = Payload { msg: sealed, aad: bound_to };
    cipher.decrypt(&Nonce::from(*nonce), payload).ok().map(Zeroizing::new)
}

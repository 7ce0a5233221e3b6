//! Secondary keys of rows, and their entries in a table.

use actuarius_persistence::views::KEY_BYTES_MAX;

use super::key::{KeyBytes, ROW_KEY_BYTES_MAX};

/// How many bytes of a secondary key, with its name before it, are kept in its entries. So texts of any length fit into
/// a key of the table, beside the key of the row.
pub(super) const KEPT_BYTES: usize = 512;

const _: () = assert!(KEPT_BYTES + ROW_KEY_BYTES_MAX <= KEY_BYTES_MAX);

/// Returns the bytes of a secondary key that are kept in its entries. Rows that agree in these are found together,
/// and then compared by their whole keys.
pub(super) fn kept(secondary: &[u8]) -> &[u8] {
    &secondary[..secondary.len().min(KEPT_BYTES)]
}

/// The further keys of one row, to be named in [`View::secondary`](crate::projection::View::secondary).
#[derive(Default)]
pub struct SecondaryKeys {
    /// Each is the name, then the bytes of the key.
    keys: Vec<Vec<u8>>,
}

impl SecondaryKeys {
    /// Lets the row be found by `key` under `name`. A row may have several keys of one name, and is then found by
    /// each of them. Keys of one name have one type.
    ///
    /// They may be of any length. The first 512 bytes determine the order; the name takes its length and two of
    /// these. Rows that agree in these come in the order of their own keys. Lookups compare the whole key.
    pub fn add(&mut self, name: &str, key: &(impl KeyBytes + ?Sized)) {
        let mut bytes = Vec::new();
        name.write(&mut bytes);
        key.write(&mut bytes);
        self.keys.push(bytes);
    }

    /// Returns the kept bytes of each key, without repetition.
    pub(super) fn into_kept(mut self) -> Vec<Vec<u8>> {
        self.keys.iter_mut().for_each(|key| key.truncate(KEPT_BYTES));
        self.keys.sort_unstable();
        self.keys.dedup();
        self.keys
    }

    /// Returns the whole keys with these kept bytes.
    pub(super) fn kept_as(&self, kept_bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
        self.keys.iter().map(Vec::as_slice).filter(move |key| kept(key) == kept_bytes)
    }
}

/// Returns the entry of a row under one of its secondary keys: the kept bytes of the name and the secondary key, then
/// the key of the row. Also returns where the key of the row starts, which is unknown without the types.
pub(super) fn entry(kept: &[u8], key: &[u8]) -> (Vec<u8>, [u8; 2]) {
    const _: () = assert!(KEPT_BYTES <= u16::MAX as usize);
    let begins = kept.len() as u16;
    ([kept, key].concat(), begins.to_le_bytes())
}

/// Splits an entry into the kept bytes of the secondary key with its name, and the key of the row.
pub(super) fn parts<'a>(entry: &'a [u8], begins: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let begins = u16::from_le_bytes(begins.try_into().ok()?);
    entry.split_at_checked(begins.into())
}

use actuarius_persistence::views::KEY_BYTES_MAX;

use super::key::{KeyBytes, ROW_KEY_BYTES_MAX};

/// How many bytes of a secondary key, with its name before it, stand in its entries. So whatever
/// people write fits into a key of the table, beside the row's own.
pub(super) const KEPT_BYTES: usize = 512;

const _: () = assert!(KEPT_BYTES + ROW_KEY_BYTES_MAX <= KEY_BYTES_MAX);

/// What stands of a secondary key in its entries. Rows whose keys are alike in this are found
/// together, and told apart by the keys that they have.
pub(super) fn kept(secondary: &[u8]) -> &[u8] {
    &secondary[..secondary.len().min(KEPT_BYTES)]
}

/// The further keys of one row, to be named in [`View::secondary`](crate::projection::View::secondary).
#[derive(Default)]
pub struct SecondaryKeys {
    /// Each is its name, then its bytes.
    keys: Vec<Vec<u8>>,
}

impl SecondaryKeys {
    /// Lets the row be found by `key` under `name`. A row may have several keys of one name, and is
    /// then found by each of them. Keys of one name have one type.
    ///
    /// They may be of any length. The first 512 bytes, of which the name takes two more than it has,
    /// decide about the order; rows that are alike in these come in the order of their own keys. What
    /// is looked for is compared to the end.
    pub fn add(&mut self, name: &str, key: &(impl KeyBytes + ?Sized)) {
        let mut bytes = Vec::new();
        name.write(&mut bytes);
        key.write(&mut bytes);
        self.keys.push(bytes);
    }

    /// What stands in entries, each once.
    pub(super) fn into_kept(mut self) -> Vec<Vec<u8>> {
        self.keys.iter_mut().for_each(|key| key.truncate(KEPT_BYTES));
        self.keys.sort_unstable();
        self.keys.dedup();
        self.keys
    }

    /// Those of which this stands in an entry, to their ends.
    pub(super) fn kept_as(&self, kept_bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
        self.keys.iter().map(Vec::as_slice).filter(move |key| kept(key) == kept_bytes)
    }
}

/// Where a row stands under one of its secondary keys: what is kept of the name and the secondary
/// key, then the row's key. Says where the row's key begins, which cannot be told without knowing the
/// types.
pub(super) fn entry(kept: &[u8], key: &[u8]) -> (Vec<u8>, [u8; 2]) {
    const _: () = assert!(KEPT_BYTES <= u16::MAX as usize);
    let begins = kept.len() as u16;
    ([kept, key].concat(), begins.to_le_bytes())
}

/// Takes an entry apart into what is kept of the secondary key with its name, and the row's key.
pub(super) fn parts<'a>(entry: &'a [u8], begins: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let begins = u16::from_le_bytes(begins.try_into().ok()?);
    entry.split_at_checked(begins.into())
}

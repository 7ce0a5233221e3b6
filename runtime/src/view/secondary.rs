use super::key::KeyBytes;

/// The further keys of one row, to be named in [`View::secondary`](crate::View::secondary).
#[derive(Default)]
pub struct SecondaryKeys {
    /// Each is its name, then its bytes.
    keys: Vec<Vec<u8>>,
}

impl SecondaryKeys {
    /// Lets the row be found by `key` under `name`. A row may have several keys of one name, and is
    /// then found by each of them. Keys of one name have one type.
    pub fn add(&mut self, name: &str, key: &(impl KeyBytes + ?Sized)) {
        let mut bytes = Vec::new();
        name.write(&mut bytes);
        key.write(&mut bytes);
        self.keys.push(bytes);
    }

    pub(super) fn into_sorted(mut self) -> Vec<Vec<u8>> {
        self.keys.sort_unstable();
        self.keys.dedup();
        self.keys
    }

    pub(super) fn has(&self, key: &[u8]) -> bool {
        self.keys.iter().any(|other| other == key)
    }
}

/// Where a row stands under one of its secondary keys: the name, the secondary key, the row's key.
/// Says where the row's key begins, which cannot be told without knowing the types.
pub(super) fn entry(secondary: &[u8], key: &[u8]) -> (Vec<u8>, [u8; 2]) {
    // Longer ones are refused by the table, which accepts 1,024 bytes.
    let begins = u16::try_from(secondary.len()).unwrap_or(u16::MAX);
    ([secondary, key].concat(), begins.to_le_bytes())
}

/// Takes an entry apart into the secondary key with its name, and the row's key.
pub(super) fn parts<'a>(entry: &'a [u8], begins: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let begins = u16::from_le_bytes(begins.try_into().ok()?);
    entry.split_at_checked(begins.into())
}

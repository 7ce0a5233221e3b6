//! Links: hashes of single commits, and of all commits up to one.

use std::fmt;

/// A hash: of one commit, or of all commits up to one.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Link(pub [u8; 32]);

impl Link {
    /// The link before the first commit.
    pub const NONE: Self = Self([0; 32]);

    /// Returns the hash of stored bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// Returns the link of the next commit, whose hash is `commit`.
    #[must_use]
    pub fn then(&self, commit: &Self) -> Self {
        let mut both = [0; 64];
        both[..32].copy_from_slice(&self.0);
        both[32..].copy_from_slice(&commit.0);
        Self::of(&both)
    }
}

impl fmt::Display for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

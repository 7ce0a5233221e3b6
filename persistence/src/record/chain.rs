//! What makes a changed history evident: every commit is chained to all before it.
//!
//! The *link* of a commit is BLAKE3 over the link before it and the BLAKE3 hash of its own stored
//! bytes. Whoever noted a link once can tell later that nothing up to there was altered, removed or
//! put into another order. The chain is made of the commits alone: not of the store's identity, nor
//! of how commits are packed, so a true copy of a log has the same links.

use std::fmt;
use std::str::FromStr;

use actuarius_domain::Position;
use thiserror::Error;

use crate::Commit;

/// A hash: of one commit, or of all commits up to one.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Link(pub [u8; 32]);

impl Link {
    /// What the first commit is chained to.
    pub const NONE: Self = Self([0; 32]);

    /// The hash of stored bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The link of the commit whose hash is `commit`, behind this one.
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

/// A place in the log, and the link of all commits up to there.
///
/// It is written as `position:link`, which is what to keep somewhere else when a history is to be
/// proved later on.
///
/// ```
/// use super::chain::ChainEnd;
///
/// let end = ChainEnd::default();
/// assert_eq!(end.to_string().parse(), Ok(end));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainEnd {
    /// The last position that is linked.
    pub position: Position,
    /// The link of the commit it ends.
    pub link: Link,
}

impl Default for ChainEnd {
    /// The beginning of every log.
    fn default() -> Self {
        Self { position: Position::NONE, link: Link::NONE }
    }
}

impl ChainEnd {
    /// One commit further.
    #[must_use]
    pub fn then(&self, commit: &Commit) -> Self {
        Self { position: commit.last_position(), link: self.link.then(&commit.hash()) }
    }
}

impl fmt::Display for ChainEnd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.position, self.link)
    }
}

/// A text that is no `position:link`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not the end of a chain: it is written as position, colon, 64 hexadecimal digits")]
pub struct InvalidChainEnd;

impl FromStr for ChainEnd {
    type Err = InvalidChainEnd;

    fn from_str(text: &str) -> Result<Self, InvalidChainEnd> {
        let (position, link) = text.trim().split_once(':').ok_or(InvalidChainEnd)?;
        let position = position.parse().map_err(|_| InvalidChainEnd)?;
        let link = blake3::Hash::from_hex(link).map_err(|_| InvalidChainEnd)?;
        Ok(Self { position: Position::new(position), link: Link(*link.as_bytes()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_comes_back_from_its_text() {
        let end = ChainEnd { position: Position::new(77), link: Link::of(b"x") };
        assert_eq!(end.to_string().parse(), Ok(end));
        for wrong in ["", "77", "77:", "x:00", "77:zz", &format!("77:{}0", end.link)] {
            assert_eq!(wrong.parse::<ChainEnd>(), Err(InvalidChainEnd), "{wrong}");
        }
    }

    #[test]
    fn a_link_depends_on_the_order() {
        let (one, two) = (Link::of(b"1"), Link::of(b"2"));
        let forth = Link::NONE.then(&one).then(&two);
        assert_ne!(forth, Link::NONE.then(&two).then(&one));
        assert_ne!(forth, Link::NONE.then(&one));
    }
}

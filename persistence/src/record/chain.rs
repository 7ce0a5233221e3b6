//! The hash chain over all commits, which makes a changed history evident.
//!
//! The *link* of a commit is BLAKE3 over the previous link and the BLAKE3 hash of its own stored
//! bytes. A link that was written down once proves later that nothing up to it was altered, removed or
//! reordered. The chain covers the commits alone: not the identity of the store, nor how commits are
//! packed, so an exact copy of a log has the same links.

use std::fmt;
use std::str::FromStr;

use actuarius_domain::Position;
use thiserror::Error;

use super::commit::Commit;

pub use super::link::Link;

/// A position in the log, and the link of all commits up to it.
///
/// Its text form is `position:link`. Keep it outside of the store to prove the history later.
///
/// ```
/// # mod actuarius { pub mod store { pub use actuarius_persistence::*; } }
/// use actuarius::store::chain::ChainEnd;
///
/// let end = ChainEnd::default();
/// assert_eq!(end.to_string().parse(), Ok(end));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainEnd {
    /// The last position that the link covers.
    pub position: Position,
    /// The link of the commit that ends at this position.
    pub link: Link,
}

impl Default for ChainEnd {
    /// Returns the chain end of an empty log.
    fn default() -> Self {
        Self { position: Position::NONE, link: Link::NONE }
    }
}

impl ChainEnd {
    /// Returns the chain end after the next commit.
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

/// A text that is not of the form `position:link`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not the end of a chain: expected a position, a colon, and 64 hexadecimal digits")]
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
    fn a_chain_end_round_trips_as_text() {
        let end = ChainEnd { position: Position::new(77), link: Link::of(b"x") };
        assert_eq!(end.to_string().parse(), Ok(end));
        for wrong in ["", "77", "77:", "x:00", "77:zz", &format!("77:{}0", end.link)] {
            assert_eq!(wrong.parse::<ChainEnd>(), Err(InvalidChainEnd), "{wrong}");
        }
    }

    #[test]
    fn a_link_depends_on_the_order() {
        let (one, two) = (Link::of(b"1"), Link::of(b"2"));
        let forward = Link::NONE.then(&one).then(&two);
        assert_ne!(forward, Link::NONE.then(&two).then(&one));
        assert_ne!(forward, Link::NONE.then(&one));
    }
}

//! The lineage of a store: which stores it shares its history with.

use actuarius_domain::Position;
use uuid::Uuid;

/// A store whose history another store shares up to a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ancestor {
    /// The identity of the store.
    pub store: Uuid,
    /// The last position that both have.
    pub position: Position,
}

/// The stores whose history a store shares: itself, and up to some positions the stores it was
/// restored from.
///
/// Code that saves a position of a store also saves the identity of the store. A position saved for an
/// ancestor is valid for the descendant if both have that position.
///
/// ```
/// # mod actuarius { pub use actuarius_domain::*; pub mod store { pub use actuarius_persistence::*; } }
/// use actuarius::Position;
/// use actuarius::store::Lineage;
/// use uuid::Uuid;
///
/// let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let lineage = Lineage::of(first).restored_as(second, Position::new(300));
///
/// assert!(lineage.shares(second, Position::new(999)));
/// assert!(lineage.shares(first, Position::new(300)));
/// assert!(!lineage.shares(first, Position::new(301)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    store: Uuid,
    ancestors: Vec<Ancestor>,
}

impl Lineage {
    /// Creates the lineage of a store that started empty.
    #[must_use]
    pub fn of(store: Uuid) -> Self {
        Self { store, ancestors: Vec::new() }
    }

    /// Adds ancestors.
    #[must_use]
    pub fn with(mut self, ancestors: impl IntoIterator<Item = Ancestor>) -> Self {
        self.ancestors.extend(ancestors);
        self
    }

    /// Returns the lineage of the store `store`, which shares the history of this one up to `position`.
    #[must_use]
    pub fn restored_as(&self, store: Uuid, position: Position) -> Self {
        let parent = Ancestor { store: self.store, position };
        let shared = |it: &Ancestor| Ancestor { position: it.position.min(position), ..*it };
        let before = self.ancestors.iter().map(shared);
        Self { store, ancestors: std::iter::once(parent).chain(before).collect() }
    }

    /// Returns the identity of the store.
    #[must_use]
    pub fn store(&self) -> Uuid {
        self.store
    }

    /// Returns the stores whose history it shares, the nearest first.
    #[must_use]
    pub fn ancestors(&self) -> &[Ancestor] {
        &self.ancestors
    }

    /// Returns whether the store shares the history of the store `identity` up to `position`.
    #[must_use]
    pub fn shares(&self, identity: Uuid, position: Position) -> bool {
        let has = |it: &Ancestor| it.store == identity && position <= it.position;
        identity == self.store || self.ancestors.iter().any(has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grandchild_shares_only_what_its_parent_had_when_it_was_made() {
        let [first, second, third] = [1, 2, 3].map(Uuid::from_u128);
        let lineage = Lineage::of(first)
            .restored_as(second, Position::new(300))
            .restored_as(third, Position::new(200));
        for (store, position, shared) in
            [(first, 200, true), (first, 201, false), (second, 200, true), (second, 201, false)]
        {
            assert_eq!(
                lineage.shares(store, Position::new(position)),
                shared,
                "{store} {position}"
            );
        }
        assert!(lineage.shares(third, Position::new(u64::MAX)));
        assert!(!lineage.shares(Uuid::nil(), Position::NONE));
        assert_eq!((lineage.store(), lineage.ancestors().len()), (third, 2));
    }
}

use actuarius_domain::Position;
use uuid::Uuid;

/// A store whose history another one shares, up to a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ancestor {
    /// The store.
    pub store: Uuid,
    /// The last position that both have.
    pub position: Position,
}

/// Whose history a store has: its own, and up to some positions that of those it was restored from.
///
/// Whoever notes a position of a store notes the store's identity, too. A note of an ancestor's is
/// true of its descendant if its position is one that both have.
///
/// ```
/// use actuarius_domain::Position;
/// use actuarius_persistence::Lineage;
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
    /// That of a store which began empty.
    #[must_use]
    pub fn of(store: Uuid) -> Self {
        Self { store, ancestors: Vec::new() }
    }

    /// The same, with ancestors.
    #[must_use]
    pub fn with(mut self, ancestors: impl IntoIterator<Item = Ancestor>) -> Self {
        self.ancestors.extend(ancestors);
        self
    }

    /// That of the store `store`, which has the history of this one up to `position`.
    #[must_use]
    pub fn restored_as(&self, store: Uuid, position: Position) -> Self {
        let parent = Ancestor { store: self.store, position };
        let shared = |it: &Ancestor| Ancestor { position: it.position.min(position), ..*it };
        let before = self.ancestors.iter().map(shared);
        Self { store, ancestors: std::iter::once(parent).chain(before).collect() }
    }

    /// The store whose lineage it is.
    #[must_use]
    pub fn store(&self) -> Uuid {
        self.store
    }

    /// Whose history it shares, the nearest first.
    #[must_use]
    pub fn ancestors(&self) -> &[Ancestor] {
        &self.ancestors
    }

    /// Whether what was true at `position` of the store `identity` is true here.
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

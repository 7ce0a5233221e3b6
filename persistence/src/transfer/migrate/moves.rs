//! Where the events of a store are after a migration.

use actuarius_domain::Position;

/// Where the events of a store are after a migration; from [`rehearse`](super::rehearse).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moves {
    /// The runs of commits that have another number of events afterwards, in the order of the log.
    changed: Vec<Changed>,
    /// The end of the new log.
    end: u64,
}

/// A run of commits with another number of events afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Changed {
    /// The position before it, and its last one.
    before: u64,
    last: u64,
    /// The position of its last event afterwards, or of the last event before it if it has none.
    becomes: u64,
}

impl Moves {
    /// Adds the next commit of the old log: its first position, and how many events it has before and afterwards.
    pub(super) fn push(&mut self, first: Position, events: u64, afterwards: u64) {
        let before = first.get().saturating_sub(1);
        self.end += afterwards;
        if events == afterwards {
            return;
        }
        let changed = Changed { before, last: before + events, becomes: self.end };
        match self.changed.last_mut() {
            // Both have become nothing.
            Some(run) if run.last == before && run.becomes == self.end => run.last = changed.last,
            _ => self.changed.push(changed),
        }
    }

    /// Whether all events stay at their positions.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty()
    }

    /// Returns the position up to which the new log has what the old one has up to `position`. A commit with another
    /// number of events counts as a whole.
    #[must_use]
    pub fn moved(&self, position: Position) -> Position {
        let old = position.get();
        let after = self.changed.partition_point(|changed| changed.before < old);
        let Some(changed) = after.checked_sub(1).and_then(|it| self.changed.get(it)) else {
            return position;
        };
        Position::new(changed.becomes + old.saturating_sub(changed.last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_follow_commits_that_were_dropped_and_split() {
        let mut moves = Moves::default();
        assert!(moves.is_empty());
        let mut first = 1;
        // Kept, dropped twice, kept, one of two dropped, one split, kept.
        for (events, afterwards) in [(2, 2), (1, 0), (3, 0), (1, 1), (2, 1), (1, 3), (2, 2)] {
            moves.push(Position::new(first), events, afterwards);
            first += events;
        }
        assert_eq!(moves.changed.len(), 3);
        let moved: Vec<u64> = (0..=12).map(|old| moves.moved(Position::new(old)).get()).collect();
        assert_eq!(moved, [0, 1, 2, 2, 2, 2, 2, 3, 4, 4, 7, 8, 9]);
    }
}

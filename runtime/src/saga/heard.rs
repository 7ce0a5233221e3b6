//! `HeardEvents`: which events without effect the instances have received lately, of which nothing is stored.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use actuarius_domain::Position;

/// The last event without effect of each instance, as long as the checkpoint of the saga has not passed it.
///
/// After a crash such an event is received again, and has no effect again, because the state is the same. It would not
/// be, if a reply or a deadline had changed the state in the meantime. So the step of such an input first stores that
/// the event was received. There are never more entries than live instances.
#[derive(Default)]
pub(super) struct HeardEvents {
    /// The entries before and after the last checkpoint that passed all that were there then.
    all: Mutex<[Entries; 2]>,
    /// Whether there are any, so that an input takes no lock if not.
    has_any: AtomicBool,
}

#[derive(Default)]
struct Entries {
    by_id: HashMap<Box<str>, Position, foldhash::fast::RandomState>,
    last: Position,
}

impl HeardEvents {
    /// Records that an event had no effect on an instance.
    pub(super) fn record(&self, id: &str, position: Position) {
        let mut all = self.all();
        let [_, new] = &mut *all;
        new.last = new.last.max(position);
        match new.by_id.get_mut(id) {
            Some(known) => *known = position,
            None => drop(new.by_id.insert(id.into(), position)),
        }
        self.has_any.store(true, Ordering::Release);
    }

    /// Returns the last event without effect of an instance, or [`Position::NONE`].
    pub(super) fn of(&self, id: &str) -> Position {
        if !self.has_any.load(Ordering::Acquire) {
            return Position::NONE;
        }
        let all = self.all();
        let found = all.iter().filter_map(|entries| entries.by_id.get(id));
        found.max().copied().unwrap_or(Position::NONE)
    }

    /// Forgets events up to a durable checkpoint: they are not received again.
    pub(super) fn checkpointed(&self, position: Position) {
        if !self.has_any.load(Ordering::Acquire) {
            return;
        }
        let mut all = self.all();
        let [old, new] = &mut *all;
        if old.last <= position {
            *old = std::mem::take(new);
        }
        if old.last <= position {
            *old = Entries::default();
        }
        let has_any = all.iter().any(|entries| !entries.by_id.is_empty());
        self.has_any.store(has_any, Ordering::Release);
    }

    fn all(&self) -> MutexGuard<'_, [Entries; 2]> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_without_effect_is_known_until_a_checkpoint_has_passed_it() {
        let (heard, at) = (HeardEvents::default(), Position::new);
        assert_eq!(heard.of("a"), Position::NONE);
        heard.record("a", at(5));
        heard.record("b", at(9));
        heard.checkpointed(at(7));
        assert_eq!((heard.of("a"), heard.of("b")), (at(5), at(9)));
        heard.record("a", at(12));
        assert_eq!((heard.of("a"), heard.of("b")), (at(12), at(9)));
        heard.checkpointed(at(9));
        assert_eq!((heard.of("a"), heard.of("b")), (at(12), Position::NONE));
        heard.checkpointed(at(12));
        assert_eq!(heard.of("a"), Position::NONE);
        assert!(!heard.has_any.load(Ordering::Relaxed));
    }
}

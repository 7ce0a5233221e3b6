//! The gate between the readers of notes and the writer.

use std::io;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Blocks readers of notes until it is known whether the notes are durable.
///
/// Readers of sled see the changes of a batch one by one, and before they are synced. The writer closes
/// the gate before it applies a group that changes notes, and opens it when the whole batch is visible.
/// Commits without notes do not use the gate.
#[derive(Default)]
pub(crate) struct Gate(RwLock<State>);

#[derive(Default, PartialEq)]
enum State {
    #[default]
    Known,
    /// Notes are being written. A writer that fails leaves this state permanently.
    Unknown,
}

impl Gate {
    /// Waits until no reader is left, and closes the gate.
    pub(crate) fn close(&self) -> Closed<'_> {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *state = State::Unknown;
        Closed(state)
    }

    /// Waits until the gate is open. The caller holds the pass while it reads notes.
    pub(super) fn pass(&self) -> io::Result<Pass<'_>> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match *state {
            State::Known => Ok(Pass { _state: state }),
            State::Unknown => Err(io::Error::other("writing notes failed; open the store again")),
        }
    }
}

/// Lets a reader read notes, and keeps the writer waiting.
pub(super) struct Pass<'a> {
    _state: RwLockReadGuard<'a, State>,
}

/// A closed gate. If it is dropped without being opened, notes stay unreadable.
pub(crate) struct Closed<'a>(RwLockWriteGuard<'a, State>);

impl Closed<'_> {
    /// Opens the gate, because the notes are durable.
    pub(crate) fn open(mut self) {
        *self.0 = State::Known;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_that_failed_leaves_the_notes_unreadable() {
        let gate = Gate::default();
        assert!(gate.pass().is_ok());
        gate.close().open();
        assert!(gate.pass().is_ok());
        drop(gate.close());
        assert!(gate.pass().is_err());
    }
}

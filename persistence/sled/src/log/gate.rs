//! The gate between the readers of notes and the writer.

use std::io;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Lets nobody read notes while it is not known whether they are durable.
///
/// sled shows a batch while it is being applied, change by change, and before it is synced. The
/// writer closes the gate before it applies a group that changes notes, and opens it when all of
/// the batch is visible. Commits without notes do not come here.
#[derive(Default)]
pub(crate) struct Gate(RwLock<State>);

#[derive(Default, PartialEq)]
enum State {
    #[default]
    Known,
    /// Notes were being written. A writer that fails leaves it so, for ever.
    Unknown,
}

impl Gate {
    /// Waits until nobody reads notes any more.
    pub(crate) fn close(&self) -> Closed<'_> {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *state = State::Unknown;
        Closed(state)
    }

    /// To be held as long as notes are read.
    pub(super) fn pass(&self) -> io::Result<Pass<'_>> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match *state {
            State::Known => Ok(Pass { _state: state }),
            State::Unknown => Err(io::Error::other("writing notes failed; open the store again")),
        }
    }
}

/// Keeps the gate open.
pub(super) struct Pass<'a> {
    _state: RwLockReadGuard<'a, State>,
}

/// A closed gate. Dropped unopened, it leaves the notes unknown.
pub(crate) struct Closed<'a>(RwLockWriteGuard<'a, State>);

impl Closed<'_> {
    /// The notes are durable: lets everyone read them.
    pub(crate) fn open(mut self) {
        *self.0 = State::Known;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_that_failed_leaves_the_notes_unknown() {
        let gate = Gate::default();
        assert!(gate.pass().is_ok());
        gate.close().open();
        assert!(gate.pass().is_ok());
        drop(gate.close());
        assert!(gate.pass().is_err());
    }
}

//! The handle that scripts the failures of a store, and holds its commits.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use actuarius_domain::{StreamId, Version};
use bytes::Bytes;

use super::script::{Counts, Failure, Script};
use crate::test_rng::TestRng;

/// Scripts the failures of a store. Clones script the same store.
///
/// Commits and reads are counted from the call: 1 is the next one.
#[derive(Clone, Default)]
pub struct Faults(Arc<Shared>);

#[derive(Default)]
struct Shared {
    script: Mutex<Script>,
    /// Notified when a commit is held, and when commits are released.
    gate: Condvar,
}

impl Faults {
    /// Fails the `nth` next commit. Every later commit fails, too, as the invariants of a writer
    /// require.
    pub fn fail_commit(&self, nth: u64, failure: Failure) {
        let mut script = self.script();
        let number = script.counts.commits + nth;
        script.failures.insert(number, failure);
    }

    /// Fails each commit with the probability `rate` (0.0 to 1.0), at random by `seed`.
    pub fn fail_commits_at_random(&self, seed: u64, rate: f64) {
        self.script().random_commits = Some((TestRng::new(seed), rate));
    }

    /// Fails [`Writer::close`](crate::Writer::close), as if its last sync failed. The wrapped store is
    /// closed and contains everything.
    pub fn fail_close(&self) {
        self.script().close_fails = true;
    }

    /// Refuses the next append to `stream` as a conflict, as if another writer had added one event.
    /// The rest of its batch is stored.
    pub fn reject_append(&self, stream: &StreamId) {
        self.script().rejections.push(stream.clone());
    }

    /// Holds every commit before it writes anything, until the [`Hold`] is released or dropped.
    #[must_use = "dropping the hold releases the commits"]
    pub fn hold(&self) -> Hold {
        self.script().holds += 1;
        Hold(self.clone())
    }

    /// Fails the `nth` next read once, with [`ReadError::Io`](crate::ReadError::Io).
    pub fn fail_read(&self, nth: u64) {
        let mut script = self.script();
        let number = script.counts.reads + nth;
        script.failing_reads.insert(number);
    }

    /// Fails each read with the probability `rate` (0.0 to 1.0), at random by `seed`, with
    /// [`ReadError::Io`](crate::ReadError::Io).
    pub fn fail_reads_at_random(&self, seed: u64, rate: f64) {
        self.script().random_reads = Some((TestRng::new(seed), rate));
    }

    /// Fails every read of `stream` with [`ReadError::Io`](crate::ReadError::Io). Reads of the whole
    /// log are not affected.
    pub fn fail_reads_of(&self, stream: &StreamId) {
        self.script().unreadable.insert(stream.clone());
    }

    /// Reports the events of `stream` as [damaged](crate::Damage), in reads of the stream and of the
    /// log. Its snapshots and its version stay readable.
    pub fn damage_events(&self, stream: &StreamId) {
        self.script().damaged.insert(stream.clone());
    }

    /// Reports the snapshot of `stream` at `version` as [damaged](crate::ReadError::DamagedSnapshot).
    /// Older ones stay readable.
    pub fn damage_snapshot(&self, stream: &StreamId, version: Version) {
        self.script().damaged_snapshots.insert((stream.clone(), version));
    }

    /// Reports the note `key` as [damaged](crate::ReadError::DamagedNote), in single reads and in lists.
    /// Other notes stay readable.
    pub fn damage_note(&self, key: impl AsRef<[u8]>) {
        self.script().damaged_notes.insert(Bytes::copy_from_slice(key.as_ref()));
    }

    /// Removes every fault that has not happened yet, and all faults of reads. Commits stay held, and a
    /// failed writer stays failed.
    pub fn clear(&self) {
        let mut script = self.script();
        *script = Script {
            counts: script.counts,
            holds: script.holds,
            held: script.held,
            ..Script::default()
        };
    }

    /// Returns the number of calls of the store so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.script().counts
    }

    pub(super) fn script(&self) -> MutexGuard<'_, Script> {
        // Every change of a script is a single step, so it is valid even after a panic.
        self.0.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while commits are held.
    pub(super) fn wait_while_held(&self) {
        let mut script = self.script();
        while script.holds > 0 {
            script.held = true;
            self.0.gate.notify_all();
            script = self.0.gate.wait(script).unwrap_or_else(PoisonError::into_inner);
        }
        script.held = false;
    }
}

/// Holds every commit of a store until it is released or dropped, so that a failing test does not hang.
pub struct Hold(Faults);

impl Hold {
    /// Returns whether a commit is being held now.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        self.0.script().held
    }

    /// Blocks this thread until a commit is held.
    pub fn wait_until_held(&self) {
        let mut script = self.0.script();
        while !script.held {
            script = self.0.0.gate.wait(script).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Releases the commits.
    pub fn release(self) {
        drop(self);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.script().holds -= 1;
        self.0.0.gate.notify_all();
    }
}

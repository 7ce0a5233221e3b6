//! Any store, failing on demand: for tests of what happens around a failure.
//!
//! [`over`] wraps a store and returns it with a handle that scripts what goes wrong. What a restart
//! would find is in the store underneath: open that again.
//!
//! ```
//! use std::sync::Arc;
//!
//! use actuarius_persistence::fault::{self, Failure};
//! use actuarius_persistence::{Batch, memory};
//!
//! let disk = Arc::default();
//! let (mut store, faults) = fault::over(memory::reopen(&disk));
//! faults.fail_commit(2, Failure::Unacknowledged);
//!
//! assert!(store.writer.commit(&Batch::default()).is_ok());
//! assert!(store.writer.commit(&Batch::default()).is_err());
//! assert!(store.writer.commit(&Batch::default()).is_err(), "a failed writer stays failed");
//! let after_restart = memory::reopen(&disk);
//! # drop(after_restart);
//! ```
//!
//! A failed store keeps the promises of [`Writer`](crate::Writer): nothing of the failed batch is
//! visible through it, even where the store underneath has it.

mod reader;
mod script;
mod writer;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use actuarius_domain::{StreamId, Version};
use bytes::Bytes;

use crate::Store;
use crate::test_rng::TestRng;
use reader::{FaultReader, Veil};
use script::Script;
use writer::FaultWriter;

/// The same store, failing as the [`Faults`] say. Without any it behaves as before.
#[must_use]
pub fn over(store: Store) -> (Store, Faults) {
    let faults = Faults(Arc::default());
    let veil = Arc::new(Veil::default());
    let reader = FaultReader::new(store.reader.clone(), veil.clone(), faults.clone());
    let writer = FaultWriter::new(store, veil, faults.clone());
    (Store { writer: Box::new(writer), reader: Arc::new(reader) }, faults)
}

/// How much of a failing batch reaches the store underneath.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// Nothing: the write failed.
    Unwritten,
    /// The first half of the batch's commits and sets of notes, rounded down and each whole: the
    /// power went while writing.
    HalfWritten,
    /// All of it: the sync failed, or the power went before the acknowledgement.
    Unacknowledged,
}

/// Scripts what goes wrong in a store. Clones script the same store.
///
/// Commits and reads are counted from the call on: the first is the next one.
#[derive(Clone)]
pub struct Faults(Arc<Shared>);

#[derive(Default)]
struct Shared {
    script: Mutex<Script>,
    /// A commit came to a gate, or a gate was opened.
    gate: Condvar,
}

/// What has been asked of a store so far, failures included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Calls of [`Writer::commit`](crate::Writer::commit).
    pub commits: u64,
    /// Appends in them.
    pub appends: u64,
    /// Snapshots in them.
    pub snapshots: u64,
    /// Sets of notes in them.
    pub notes: u64,
    /// Calls of the [`Reader`](crate::Reader) that can fail, except for
    /// [`info`](crate::Reader::info).
    pub reads: u64,
}

impl Faults {
    /// Fails the `nth` commit from now on; 1 is the next. Every later commit fails, too, because
    /// that is what a writer promises.
    pub fn fail_commit(&self, nth: u64, failure: Failure) {
        let mut script = self.script();
        let number = script.counts.commits + nth;
        script.failures.insert(number, failure);
    }

    /// Fails each commit with the probability `rate` (0.0 to 1.0), in a way drawn from `seed`.
    pub fn fail_commits_at_random(&self, seed: u64, rate: f64) {
        self.script().random_commits = Some((TestRng::new(seed), rate));
    }

    /// Refuses the next append to `stream` as a conflict, as if someone else had added one event.
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

    /// Fails the `nth` read from now on, once, with [`ReadError::Io`](crate::ReadError::Io).
    pub fn fail_read(&self, nth: u64) {
        let mut script = self.script();
        let number = script.counts.reads + nth;
        script.failing_reads.insert(number);
    }

    /// Fails each read with the probability `rate` (0.0 to 1.0), drawn from `seed`, with
    /// [`ReadError::Io`](crate::ReadError::Io).
    pub fn fail_reads_at_random(&self, seed: u64, rate: f64) {
        self.script().random_reads = Some((TestRng::new(seed), rate));
    }

    /// Fails every read of `stream` with [`ReadError::Io`](crate::ReadError::Io). The log, read as
    /// a whole, is not concerned.
    pub fn fail_reads_of(&self, stream: &StreamId) {
        self.script().unreadable.insert(stream.clone());
    }

    /// Makes the events of `stream` unreadable as [damaged](crate::Damage), by stream and in the
    /// log alike. Its snapshots and its version are whole.
    pub fn damage_events(&self, stream: &StreamId) {
        self.script().damaged.insert(stream.clone());
    }

    /// Makes the snapshot of `stream` at `version` unreadable as
    /// [damaged](crate::ReadError::DamagedSnapshot). Older ones are whole.
    pub fn damage_snapshot(&self, stream: &StreamId, version: Version) {
        self.script().damaged_snapshots.insert((stream.clone(), version));
    }

    /// Makes the note `key` unreadable as [damaged](crate::ReadError::DamagedNote), alone and in
    /// lists alike. The others are whole.
    pub fn damage_note(&self, key: impl AsRef<[u8]>) {
        self.script().damaged_notes.insert(Bytes::copy_from_slice(key.as_ref()));
    }

    /// Takes back every fault that has not happened yet, and all that concern reads. Commits stay
    /// held, and a failed writer stays failed.
    pub fn clear(&self) {
        let mut script = self.script();
        *script = Script {
            counts: script.counts,
            holds: script.holds,
            held: script.held,
            ..Script::default()
        };
    }

    /// What has been asked of the store so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.script().counts
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        // Every change of a script is a single step, so it is right after a panic as well.
        self.0.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits as long as someone holds the commits.
    fn pass_the_gate(&self) {
        let mut script = self.script();
        while script.holds > 0 {
            script.held = true;
            self.0.gate.notify_all();
            script = self.0.gate.wait(script).unwrap_or_else(PoisonError::into_inner);
        }
        script.held = false;
    }
}

/// Holds every commit of a store until released. Dropping it releases, too, so that a failing test
/// does not hang.
pub struct Hold(Faults);

impl Hold {
    /// Whether a commit waits at the gate now.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        self.0.script().held
    }

    /// Waits, blocking this thread, until a commit waits at the gate.
    pub fn wait_until_held(&self) {
        let mut script = self.0.script();
        while !script.held {
            script = self.0.0.gate.wait(script).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets the commits go on.
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

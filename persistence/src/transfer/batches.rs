//! Batches of unchanged commits for a store, in their order.

use std::io;

use actuarius_domain::{StreamId, Version};

use crate::error::StoreFailure;
use crate::record::note::Notes;
use crate::record::{Append, Commit};
use crate::store::{Batch, Store};

/// Collects commits into batches of the size that the store prefers. For engines.
pub struct Batches<'a> {
    store: &'a mut Store,
    batch: Batch,
    bytes: usize,
}

impl<'a> Batches<'a> {
    /// Creates an empty batch for a store.
    pub fn new(store: &'a mut Store) -> Self {
        Self { store, batch: Batch::default(), bytes: 0 }
    }

    /// Adds the next commit of `stream`, and stores the batch if it is full.
    ///
    /// # Errors
    /// Returns [`StoreFailure`] if a write failed, or the commit does not continue the stream.
    pub fn put(&mut self, stream: StreamId, commit: &Commit) -> Result<(), StoreFailure> {
        self.add(stream, commit)?;
        if self.is_full() { self.flush() } else { Ok(()) }
    }

    /// Adds the next commit of `stream`.
    ///
    /// # Errors
    /// Returns [`StoreFailure`] if the commit cannot be added to an append.
    pub fn add(&mut self, stream: StreamId, commit: &Commit) -> Result<(), StoreFailure> {
        let before = Version::new(commit.view().version.get() - 1);
        let continues = |last: &&mut Append| {
            *last.stream() == stream && last.expected().plus(last.events()) == before
        };
        let pushed = match self.batch.appends.last_mut().filter(continues) {
            Some(last) => last.push_commit(commit),
            None => {
                let mut append = Append::new(stream, before);
                let pushed = append.push_commit(commit);
                self.batch.appends.push(append);
                pushed
            }
        };
        pushed.map_err(|error| failed("adding a commit", error))?;
        self.bytes += commit.bytes();
        Ok(())
    }

    /// Returns whether the batch has the size that the store prefers.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes >= self.store.writer.batch_bytes()
    }

    /// Stores the batch.
    ///
    /// # Errors
    /// Returns [`StoreFailure`] if a write failed, or a commit does not continue its stream.
    pub fn flush(&mut self) -> Result<(), StoreFailure> {
        self.flush_with(None)
    }

    /// Stores the batch, and then `notes`.
    ///
    /// # Errors
    /// Returns [`StoreFailure`] if a write failed, or a commit does not continue its stream.
    pub fn flush_with(&mut self, notes: Option<Notes>) -> Result<(), StoreFailure> {
        let batch = std::mem::take(&mut self.batch);
        self.bytes = 0;
        if !batch.appends.is_empty() {
            for outcome in self.store.writer.commit(&batch)? {
                // The caller checked the versions, so this is another writer, or a defect.
                outcome.map_err(|conflict| failed("adding a commit", conflict))?;
            }
        }
        match notes {
            // Not in the same batch, whose notes may be durable before its events.
            Some(notes) => self.store_notes(vec![notes]),
            None => Ok(()),
        }
    }

    /// Stores sets of notes, before the batch.
    ///
    /// # Errors
    /// Returns [`StoreFailure`] if a write failed.
    pub(super) fn store_notes(&mut self, sets: Vec<Notes>) -> Result<(), StoreFailure> {
        let (mut batch, mut bytes) = (Batch::default(), 0);
        for notes in sets {
            bytes += notes.bytes();
            batch.notes.push(notes);
            if bytes >= self.store.writer.batch_bytes() {
                self.store.writer.commit(&std::mem::take(&mut batch))?;
                bytes = 0;
            }
        }
        if !batch.notes.is_empty() {
            self.store.writer.commit(&batch)?;
        }
        Ok(())
    }

    /// Returns the store.
    #[must_use]
    pub fn store(&self) -> &Store {
        self.store
    }
}

fn failed(
    what: &'static str,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreFailure {
    StoreFailure::new(what, io::Error::other(error))
}

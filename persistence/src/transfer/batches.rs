//! Commits on their way into a store, as they are, in the order they come.

use std::io;

use actuarius_domain::{StreamId, Version};

use crate::{Append, Batch, Commit, Notes, Store, StoreFailure};

/// Gathers commits into batches as large as the store likes them.
pub struct Batches<'a> {
    store: &'a mut Store,
    batch: Batch,
    bytes: usize,
}

impl<'a> Batches<'a> {
    pub fn new(store: &'a mut Store) -> Self {
        Self { store, batch: Batch::default(), bytes: 0 }
    }

    /// Adds a commit of `stream`, behind what the stream has, and stores what was put when it is enough.
    pub fn put(&mut self, stream: StreamId, commit: &Commit) -> Result<(), StoreFailure> {
        self.add(stream, commit)?;
        if self.is_full() { self.flush() } else { Ok(()) }
    }

    /// Adds a commit of `stream`, behind what the stream has.
    pub fn add(&mut self, stream: StreamId, commit: &Commit) -> Result<(), StoreFailure> {
        let before = Version::new(commit.view().version.get() - 1);
        let goes_on = |last: &&mut Append| {
            *last.stream() == stream && last.expected().plus(last.events()) == before
        };
        let pushed = match self.batch.appends.last_mut().filter(goes_on) {
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

    /// Whether what was put is as much as the store likes at once.
    pub fn is_full(&self) -> bool {
        self.bytes >= self.store.writer.batch_bytes()
    }

    /// Stores what was put.
    pub fn flush(&mut self) -> Result<(), StoreFailure> {
        self.flush_with(None)
    }

    /// Stores what was put, and `notes` with it.
    pub fn flush_with(&mut self, notes: Option<Notes>) -> Result<(), StoreFailure> {
        let mut batch = std::mem::take(&mut self.batch);
        batch.notes.extend(notes);
        self.bytes = 0;
        for outcome in self.store.writer.commit(&batch)? {
            // Who fills a store looked first; so this is another writer, or a defect.
            outcome.map_err(|conflict| failed("adding a commit", conflict))?;
        }
        Ok(())
    }

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

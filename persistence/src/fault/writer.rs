//! The writer of a failing store: scripted commit failures and conflicts.

use std::io;
use std::sync::Arc;

use super::faults::Faults;
use super::reader::HiddenBatch;
use super::script::Failure;
use crate::error::{Conflict, StoreFailure};
use crate::store::{AppendOutcome, Batch, Reader, Store, Writer};

pub(super) struct FaultWriter {
    writer: Box<dyn Writer>,
    /// The reader of the wrapped store.
    reader: Arc<dyn Reader>,
    hidden: Arc<HiddenBatch>,
    faults: Faults,
    failed: Option<StoreFailure>,
}

impl FaultWriter {
    pub(super) fn new(store: Store, hidden: Arc<HiddenBatch>, faults: Faults) -> Self {
        Self { writer: store.writer, reader: store.reader, hidden, faults, failed: None }
    }
}

impl Writer for FaultWriter {
    fn commit(&mut self, batch: &Batch) -> Result<Vec<AppendOutcome>, StoreFailure> {
        self.faults.script().count_commit(batch);
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        self.faults.wait_while_held();
        let committed = self.commit_as_scripted(batch);
        self.failed = committed.as_ref().err().cloned();
        committed
    }

    fn advance(&mut self) -> Result<bool, StoreFailure> {
        self.failed.clone().map_or_else(|| self.writer.advance(), Err)
    }

    fn waiting_bytes(&self) -> usize {
        self.writer.waiting_bytes()
    }

    fn settle(&mut self) -> Result<(), StoreFailure> {
        self.failed.clone().map_or_else(|| self.writer.settle(), Err)
    }

    fn close(self: Box<Self>) -> Result<(), StoreFailure> {
        let fails = self.faults.script().close_fails;
        let closed = self.writer.close();
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        if fails {
            let source = io::Error::other("the last sync failed");
            return Err(StoreFailure::new("a scripted failure", source));
        }
        closed
    }

    fn batch_bytes(&self) -> usize {
        self.writer.batch_bytes()
    }
}

impl FaultWriter {
    fn commit_as_scripted(&mut self, batch: &Batch) -> Result<Vec<AppendOutcome>, StoreFailure> {
        let failure = self.faults.script().failure();
        let rejections = self.rejections(batch);
        if failure.is_none() && rejections.iter().all(Option::is_none) {
            return self.writer.commit(batch);
        }
        let accepted = without(batch, &rejections);
        match failure {
            Some(failure) => Err(self.fail(&accepted, failure)),
            None => Ok(merge(rejections, self.writer.commit(&accepted)?)),
        }
    }

    fn rejections(&self, batch: &Batch) -> Vec<Option<Conflict>> {
        let mut script = self.faults.script();
        batch.appends.iter().map(|append| script.rejection(append)).collect()
    }

    fn fail(&mut self, batch: &Batch, failure: Failure) -> StoreFailure {
        let scripted = StoreFailure::new("a scripted failure", io::Error::other(failure.text()));
        let written = match failure {
            Failure::Unwritten => return scripted,
            Failure::HalfWritten => &first_half(batch),
            Failure::Unacknowledged => batch,
        };
        // Hidden before anything is written, so that no reader ever sees it.
        self.hidden.hide(&*self.reader, written);
        self.writer.commit(written).err().unwrap_or(scripted)
    }
}

impl Failure {
    fn text(self) -> &'static str {
        match self {
            Self::Unwritten => "nothing was written",
            Self::HalfWritten => "half of the batch was written",
            Self::Unacknowledged => "the batch was written, but not acknowledged",
        }
    }
}

fn without(batch: &Batch, rejections: &[Option<Conflict>]) -> Batch {
    let appends = batch.appends.iter().zip(rejections);
    let accepted = appends.filter(|(_, rejection)| rejection.is_none());
    let appends = accepted.map(|(append, _)| append.clone()).collect();
    Batch { appends, ..batch.clone() }
}

/// Combines the outcomes of the accepted appends with the rejected ones, in the order of the batch.
fn merge(rejections: Vec<Option<Conflict>>, outcomes: Vec<AppendOutcome>) -> Vec<AppendOutcome> {
    let mut outcomes = outcomes.into_iter();
    let place = |rejection: Option<Conflict>| match rejection {
        Some(conflict) => Some(Err(conflict.into())),
        None => outcomes.next(),
    };
    rejections.into_iter().filter_map(place).collect()
}

/// Returns the first half of the sets of notes and commits. Notes precede the commits.
fn first_half(batch: &Batch) -> Batch {
    let commits: usize = batch.appends.iter().map(|append| append.frames().count()).sum();
    let half = (commits + batch.notes.len()) / 2;
    let notes = batch.notes[..half.min(batch.notes.len())].to_vec();
    let (mut left, mut appends) = (half - notes.len(), Vec::new());
    for append in &batch.appends {
        let front = append.front(left);
        left -= front.frames().count();
        if !front.is_empty() {
            appends.push(front);
        }
    }
    Batch { appends, notes, ..Batch::default() }
}

//! The baseline: a minimal durable append-only log.
//!
//! One thread takes all waiting records, writes them to the end of a growing file with one `write`, syncs once with
//! `fdatasync`, and notifies each waiter. There are no actors, no state, no index and no check of versions; the records
//! are as large as the runtime's. Any durable event store with one small event per command does at least this.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::clients::{Answer, Target};
use crate::workload::Name;

/// The maximum number of bytes of a group.
const GROUP_BYTES: usize = 1024 * 1024;

/// The size of a record's header without its id: length and checksum (8), time (8), the ids of command and event type
/// (16 + 8), version (8). The runtime's records have as much.
const HEADER: usize = 48;

/// An open log. It is cheap to clone, and closes with its last clone.
#[derive(Clone)]
pub struct PlainLog {
    shared: Arc<Shared>,
}

struct Shared {
    work: Option<Sender<Work>>,
    syncs: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

struct Work {
    record: Vec<u8>,
    done: oneshot::Sender<bool>,
}

impl PlainLog {
    /// Creates a log in the file `path`.
    ///
    /// # Errors
    /// The error of the operating system for the new file or thread.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = File::create_new(path)?;
        let syncs = Arc::new(AtomicU64::new(0));
        let (work, inbox) = mpsc::channel();
        let counted = syncs.clone();
        let thread = std::thread::Builder::new()
            .name("plain-log".to_owned())
            .spawn(move || run(file, &inbox, &counted))?;
        Ok(Self { shared: Arc::new(Shared { work: Some(work), syncs, thread: Some(thread) }) })
    }

    /// Appends a record. Returns true once it is durable.
    pub async fn append(&self, record: Vec<u8>) -> bool {
        let (done, answer) = oneshot::channel();
        let sent = self.shared.work.as_ref().map(|work| work.send(Work { record, done }));
        matches!(sent, Some(Ok(()))) && answer.await.unwrap_or(false)
    }
}

impl Target for PlainLog {
    async fn send(&self, aggregate: usize, payload: String) -> Answer {
        match self.append(record(aggregate, &payload)).await {
            true => Answer::Done,
            false => Answer::Failed("the plain log could not write".to_owned()),
        }
    }

    fn syncs(&self) -> u64 {
        self.shared.syncs.load(Ordering::Relaxed)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        drop(self.work.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A payload with the header that every event store needs: id, version, time and a checksum.
#[must_use]
pub fn record(aggregate: usize, payload: &str) -> Vec<u8> {
    let name = Name::of(aggregate);
    let body = HEADER - 8 + name.as_str().len() + payload.len();
    let mut record = Vec::with_capacity(8 + body);
    record.extend_from_slice(&(body as u32).to_le_bytes());
    record.extend_from_slice(&[0; 4]);
    record.resize(HEADER, 0);
    record.extend_from_slice(name.as_str().as_bytes());
    record.extend_from_slice(payload.as_bytes());
    let checksum = crc32c::crc32c(&record[8..]);
    record[4..8].copy_from_slice(&checksum.to_le_bytes());
    record
}

fn run(mut file: File, inbox: &Receiver<Work>, syncs: &AtomicU64) {
    let (mut group, mut waiting) = (Vec::with_capacity(GROUP_BYTES), Vec::new());
    while let Ok(first) = inbox.recv() {
        let mut next = Some(first);
        while let Some(work) = next {
            group.extend_from_slice(&work.record);
            waiting.push(work.done);
            next = if group.len() < GROUP_BYTES { inbox.try_recv().ok() } else { None };
        }
        let written = file.write_all(&group).and_then(|()| file.sync_data());
        syncs.fetch_add(1, Ordering::Relaxed);
        for done in waiting.drain(..) {
            // The waiter may have been dropped.
            let _ = done.send(written.is_ok());
        }
        if written.is_err() {
            return;
        }
        group.clear();
    }
}

#[cfg(test)]
mod tests {
    use actuarius::store::{Append, Codec, NewCommit};
    use actuarius::{CommandId, Id, Metadata, Timestamp, Version};

    use super::*;
    use crate::workload::{Journal, JournalEvent};

    #[tokio::test]
    async fn acknowledged_records_are_in_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let log = PlainLog::create(&path).unwrap();
        assert!(log.append(b"one".to_vec()).await);
        assert!(log.append(b"two".to_vec()).await);
        assert_eq!((std::fs::read(&path).unwrap().as_slice(), log.syncs()), (&b"onetwo"[..], 2));
    }

    #[test]
    fn its_records_are_as_large_as_the_runtimes() {
        let note = "x".repeat(100);
        let theirs = record(5, &note).len();
        let id = Id::<Journal>::new(Name::of(5).as_str()).unwrap();
        let mut append = Append::new(id.stream(), Version::NONE);
        let commit = NewCommit {
            time: Timestamp::from_micros(1),
            command_id: CommandId::from("a"),
            named_by_caller: false,
            metadata: &Metadata::default(),
        };
        append.push(commit, Codec::Bincode, &[JournalEvent::Recorded { note }], |_| 1).unwrap();
        assert!(theirs.abs_diff(append.bytes()) <= 16, "{theirs} and {}", append.bytes());
    }
}

//! The high-water mark: the last acknowledged position, in a file outside sled.
//!
//! One flipped bit can make sled silently drop everything after it. The high-water mark detects this: a
//! log that ends before it has lost acknowledged events.
//!
//! Two slots of a page each have a sequence number and a checksum. One of them is always durable. The other one is
//! written, and a power cut can tear only that one. The order is:
//!
//! 1. The log of a group is synced.
//! 2. The mark is written, so that it is exact if the process is killed.
//! 3. The group is acknowledged.
//! 4. A thread syncs the mark, at most every 10 ms, or when no group follows for a moment.
//! 5. The first mark after that sync is written to the other slot, once the sync has ended.
//!
//! So the mark is never ahead of a durable log, and after a power cut it misses the groups of the last 10 ms, and one
//! more, at most. A
//! sync of the mark for each group would compete with the sync of the next group for the disk, and one before the
//! acknowledgement would double the latency of a single client.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use actuarius_persistence::StoreFailure;
use actuarius_persistence::verify::{Location, Verified};
use actuarius_persistence::wire::Cursor;
use uuid::Uuid;

const MAGIC: &[u8; 8] = b"actmark1";
const SLOT_BYTES: usize = 4096;
const SEALED: usize = 8 + 16 + 8 + 8;

/// The time between two syncs of the mark while groups follow each other: how much of the log a power cut can take from
/// the mark, which then no longer protects it from damage. A sync for each group costs a single client a third more.
const SYNC_EVERY: Duration = Duration::from_millis(10);

/// The content of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    sequence: u64,
    acknowledged: u64,
}

/// Creates the file of a new store's mark. Both slots are written, so that later writes change no
/// metadata of the file.
pub(super) fn create(path: &Path, store: Uuid) -> io::Result<()> {
    let mut bytes = vec![0; 2 * SLOT_BYTES];
    bytes[..SEALED + 4].copy_from_slice(&seal(store, Slot { sequence: 0, acknowledged: 0 }));
    fs::write(path, bytes)
}

/// Reports slots that are not readable. The newer slot counts; the other is the fallback if it is torn.
pub(super) fn verify(path: &Path, store: Uuid, verified: &mut Verified) -> io::Result<()> {
    let bytes = fs::read(path)?;
    for (number, slot) in bytes.chunks(SLOT_BYTES).take(2).enumerate() {
        // The second slot is empty until its first write.
        let unwritten = number == 1 && slot.iter().all(|&byte| byte == 0);
        if unseal(store, slot).is_none() && !unwritten {
            let what = format!("slot {number} of the high-water mark is not readable");
            verified.find(Location::File(path.to_owned()), what);
        }
    }
    Ok(())
}

/// The high-water mark of an open store.
pub(super) struct HighWaterMark {
    syncer: Arc<Syncer>,
    thread: Option<JoinHandle<()>>,
    store: Uuid,
    last: Slot,
    /// Whether the last slot was written and its sync has not begun.
    unsynced: bool,
    /// When the last sync began.
    synced: Instant,
}

impl HighWaterMark {
    /// Opens the mark, and returns it with the last acknowledged position: `None` if both slots are
    /// unreadable.
    pub(super) fn open(path: &Path, store: Uuid) -> io::Result<(Self, Option<u64>)> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        // After a kill the last slot may be in the cache of the operating system only.
        file.sync_data()?;
        let bytes = fs::read(path)?;
        let slots = bytes.chunks(SLOT_BYTES).filter_map(|slot| unseal(store, slot));
        let newest = slots.max_by_key(|slot| slot.sequence);
        let last = newest.unwrap_or(Slot { sequence: 0, acknowledged: 0 });
        Ok((Self::after(last, file, store)?, newest.map(|slot| slot.acknowledged)))
    }

    /// Continues after a slot that is durable.
    fn after(last: Slot, file: File, store: Uuid) -> io::Result<Self> {
        let syncer = Arc::new(Syncer { file, state: Mutex::default(), changed: Condvar::new() });
        let thread = thread::Builder::new().name("actuarius-mark".to_owned()).spawn({
            let syncer = syncer.clone();
            move || syncer.run()
        })?;
        let (thread, unsynced, synced) = (Some(thread), false, Instant::now());
        Ok(Self { syncer, thread, store, last, unsynced, synced })
    }

    /// Raises the mark. The log up to `acknowledged` must be durable.
    pub(super) fn raise(&mut self, acknowledged: u64) -> Result<(), StoreFailure> {
        self.syncer.wait()?;
        if acknowledged == self.last.acknowledged {
            return Ok(());
        }
        // A slot that is not durable is written again, and the durable one is kept.
        let step = if self.unsynced { 2 } else { 1 };
        let slot = Slot { sequence: self.last.sequence + step, acknowledged };
        let offset = (slot.sequence % 2) * SLOT_BYTES as u64;
        write_at(&self.syncer.file, &seal(self.store, slot), offset)
            .map_err(|error| StoreFailure::new("writing the high-water mark", error))?;
        self.last = slot;
        self.unsynced = true;
        Ok(())
    }

    /// Begins to sync the mark if it is time, without waiting for the end.
    pub(super) fn begin_sync_if_due(&mut self) {
        if self.synced.elapsed() >= SYNC_EVERY {
            self.begin_sync();
        }
    }

    fn begin_sync(&mut self) {
        if std::mem::take(&mut self.unsynced) {
            self.synced = Instant::now();
            self.syncer.begin();
        }
    }

    /// Waits until the mark is durable.
    pub(super) fn sync(&mut self) -> Result<(), StoreFailure> {
        self.begin_sync();
        self.syncer.wait()
    }
}

impl Drop for HighWaterMark {
    fn drop(&mut self) {
        // A failure is not reported: the store is being closed, and the log is durable without the mark.
        let _ = self.sync();
        self.syncer.stop();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread needs no report: the sync that it interrupted counts as failed.
            let _ = thread.join();
        }
    }
}

/// Syncs the mark's file while the writer continues.
struct Syncer {
    file: File,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    syncing: bool,
    stopped: bool,
    failure: Option<StoreFailure>,
}

impl Syncer {
    fn run(&self) {
        while self.next() {
            let synced = self.file.sync_data();
            let mut state = self.lock();
            state.syncing = false;
            state.failure = synced.err().map(|error| StoreFailure::new("syncing the mark", error));
            self.changed.notify_all();
        }
    }

    /// Waits for a sync to do. Returns false if the thread must end.
    fn next(&self) -> bool {
        let idle = |state: &mut State| !state.syncing && !state.stopped;
        let state = self.changed.wait_while(self.lock(), idle);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        state.syncing && state.failure.is_none()
    }

    fn begin(&self) {
        self.lock().syncing = true;
        self.changed.notify_all();
    }

    fn wait(&self) -> Result<(), StoreFailure> {
        let state = self.changed.wait_while(self.lock(), |state| state.syncing);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        state.failure.clone().map_or(Ok(()), Err)
    }

    fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn seal(store: Uuid, slot: Slot) -> [u8; SEALED + 4] {
    let mut bytes = [0; SEALED + 4];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..24].copy_from_slice(store.as_bytes());
    bytes[24..32].copy_from_slice(&slot.sequence.to_le_bytes());
    bytes[32..40].copy_from_slice(&slot.acknowledged.to_le_bytes());
    let checksum = crc32c::crc32c(&bytes[..SEALED]);
    bytes[SEALED..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn unseal(store: Uuid, bytes: &[u8]) -> Option<Slot> {
    let sealed = bytes.get(..SEALED)?;
    let mut rest = Cursor(&bytes[24..]);
    let slot = Slot {
        sequence: u64::from_le_bytes(rest.array().ok()?),
        acknowledged: u64::from_le_bytes(rest.array().ok()?),
    };
    let checksum = rest.u32().ok()?;
    let own = sealed.starts_with(MAGIC) && sealed[8..24] == *store.as_bytes();
    (own && checksum == crc32c::crc32c(sealed)).then_some(slot)
}

#[cfg(unix)]
pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(not(unix))]
pub(super) fn write_at(mut file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    use std::io::{Seek, SeekFrom, Write};
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actuarius_persistence::mutations::Mutations;

    fn created() -> (tempfile::TempDir, std::path::PathBuf, Uuid) {
        let directory = tempfile::tempdir().expect("a directory");
        let (path, store) = (directory.path().join("mark"), Uuid::from_u128(7));
        create(&path, store).expect("created");
        (directory, path, store)
    }

    fn acknowledged(path: &Path, store: Uuid) -> Option<u64> {
        HighWaterMark::open(path, store).expect("readable").1
    }

    #[test]
    fn the_mark_is_read_as_it_was_written() {
        let (_directory, path, store) = created();
        assert_eq!(acknowledged(&path, store), Some(0));
        let (mut mark, _) = HighWaterMark::open(&path, store).expect("readable");
        for position in [3, 4, 900] {
            mark.raise(position).expect("written");
        }
        mark.sync().expect("synced");
        drop(mark);
        assert_eq!(acknowledged(&path, store), Some(900));
        assert_eq!(acknowledged(&path, Uuid::from_u128(8)), None, "another store's mark");
        assert_eq!(fs::metadata(&path).expect("exists").len(), 8192);
    }

    #[test]
    fn a_torn_slot_leaves_the_previous_mark() {
        let (_directory, path, store) = created();
        let (mut mark, _) = HighWaterMark::open(&path, store).expect("readable");
        mark.raise(2).expect("written");
        mark.raise(3).expect("written again");
        mark.sync().expect("synced");
        mark.raise(4).expect("written to the other slot");
        mark.raise(5).expect("written again");
        drop(mark);
        assert_eq!(acknowledged(&path, store), Some(5));
        for bit in 0..(SEALED + 4) * 8 {
            let whole = fs::read(&path).expect("readable");
            let mut torn = whole.clone();
            torn[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, torn).expect("written");
            assert_eq!(acknowledged(&path, store), Some(3), "bit {bit}");
            fs::write(&path, whole).expect("written");
        }
        fs::write(&path, [0; 8192]).expect("written");
        assert_eq!(acknowledged(&path, store), None);
    }

    /// After one slot was torn, the other one is all that is left: overwriting it would leave nothing if the power
    /// failed again.
    #[test]
    fn the_only_readable_slot_is_never_overwritten() {
        for torn in [0, SLOT_BYTES] {
            let (_directory, path, store) = created();
            let (mut mark, _) = HighWaterMark::open(&path, store).expect("readable");
            for position in [1, 2] {
                mark.raise(position).expect("written");
                mark.sync().expect("synced");
            }
            drop(mark);
            let mut bytes = fs::read(&path).expect("readable");
            bytes[torn + SEALED] ^= 1;
            fs::write(&path, &bytes).expect("written");
            let (mut mark, left) = HighWaterMark::open(&path, store).expect("readable");
            assert!(left.is_some());
            for position in [3, 4, 5] {
                mark.raise(position).expect("written");
            }
            let (now, kept) = (fs::read(&path).expect("readable"), SLOT_BYTES - torn);
            let slot = |of: &[u8]| of[kept..kept + SLOT_BYTES].to_vec();
            assert_eq!(slot(&now), slot(&bytes), "not before the torn one is durable again");
            drop(mark);
            assert_eq!(acknowledged(&path, store), Some(5));
        }
    }

    /// The device accepts every write and refuses every sync. The failure must be known before the next
    /// mark is written, so before anything more is acknowledged, and no caller may wait forever.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_failed_sync_fails_all_later_marks() {
        let device = OpenOptions::new().write(true).open("/dev/null").expect("a device");
        let nothing = Slot { sequence: 0, acknowledged: 0 };
        let mut mark = HighWaterMark::after(nothing, device, Uuid::nil()).expect("a thread");
        mark.raise(1).expect("written, and not synced yet");
        mark.begin_sync();
        assert!(mark.raise(2).is_err());
        assert!(mark.sync().is_err());
        assert!(mark.raise(3).is_err());
    }

    #[test]
    fn no_mutated_mark_panics() {
        let store = Uuid::from_u128(7);
        let sample = seal(store, Slot { sequence: 3, acknowledged: 17 }).to_vec();
        let reseal = |bytes: &mut Vec<u8>| {
            if let Some((sealed, checksum)) = bytes.split_at_mut_checked(SEALED)
                && checksum.len() >= 4
            {
                checksum[..4].copy_from_slice(&crc32c::crc32c(sealed).to_le_bytes());
            }
        };
        Mutations::of("a mark", [sample]).resealed(reseal).run(
            |work| allocation_counter::measure(work).bytes_max,
            |bytes| {
                let _ = unseal(store, bytes).is_some();
            },
        );
    }
}

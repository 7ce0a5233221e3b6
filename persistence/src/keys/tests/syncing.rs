//! Keys are read and created while the file is synced.

use std::io;
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::super::header::offset;
use super::super::medium::ReadAt;
use super::*;

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

/// Whether a sync is held up, and whether one waits.
#[derive(Default)]
struct Gate {
    state: Mutex<(bool, bool)>,
    changed: Condvar,
}

impl Gate {
    fn set(&self, is_closed: bool) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0 = is_closed;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.0 {
            state.1 = true;
            self.changed.notify_all();
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.1 = false;
    }

    fn until_one_waits(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !state.1 {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[derive(Clone)]
struct SlowDisk(Arc<Mutex<Vec<u8>>>, Arc<Gate>);

impl SlowDisk {
    fn new(gate: &Arc<Gate>) -> Self {
        Self(Arc::new(Mutex::new(empty())), gate.clone())
    }

    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReadAt for SlowDisk {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.bytes().read(offset, into)
    }
}

impl Medium for SlowDisk {
    fn length(&self) -> io::Result<u64> {
        self.bytes().length()
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.bytes().read(offset, into)
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.bytes().write(offset, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.1.pass();
        Ok(())
    }

    fn reader(&self) -> Option<Box<dyn ReadAt>> {
        Some(Box::new(self.clone()))
    }
}

/// Each group of commands with a new subject syncs the key file. Every task that read a personal value waited for
/// the disk, and so did the threads of the tokio runtime.
#[test]
fn a_sync_of_the_key_file_holds_up_no_value() {
    let gate = Arc::<Gate>::default();
    let keys = opened(SlowDisk::new(&gate), &ring("one"));
    let values = sealed(&keys, &["ada", "bob"]);
    keys.flush().expect("it is synced");
    sealed(&keys, &["eve"]);
    gate.set(true);
    thread::scope(|scope| {
        let flushing = scope.spawn(|| keys.flush());
        gate.until_one_waits();
        let (done, is_done) = channel();
        let (keys, values) = (&keys, &values);
        scope.spawn(move || {
            let ada = read(keys, "ada", &values[0]);
            sealed(keys, &["ada", "new"]);
            let _ = done.send((ada, keys.is_forgotten("bob"), keys.figures().live));
        });
        let read = is_done.recv_timeout(LONG);
        gate.set(false);
        assert_eq!(read, Ok((Ok(Some("ada".to_owned())), false, 4)));
        flushing.join().expect("no panic").expect("it is synced");
    });
    keys.flush().expect("the new subject is durable");
}

/// A key that is being destroyed is not used from the first moment on, even while the disk is slow.
#[test]
fn a_key_that_is_being_destroyed_is_not_used() {
    let gate = Arc::<Gate>::default();
    let keys = opened(SlowDisk::new(&gate), &ring("one"));
    let values = sealed(&keys, &["ada"]);
    gate.set(true);
    thread::scope(|scope| {
        let forgetting = scope.spawn(|| keys.forget("ada"));
        gate.until_one_waits();
        let (done, is_done) = channel();
        let (keys, values) = (&keys, &values);
        scope.spawn(move || {
            let _ = done.send((read(keys, "ada", &values[0]), keys.seal("ada", b"more").is_err()));
        });
        let read = is_done.recv_timeout(LONG);
        gate.set(false);
        assert_eq!(read, Ok((Ok(None), true)));
        assert!(forgetting.join().expect("no panic").expect("it is destroyed").had_key);
    });
}

/// A key that had left memory was read under the lock of the file, and so each value of its subject waited for the disk.
/// One of its copies may be in the middle of a write.
#[test]
fn a_key_that_is_not_in_memory_is_read_while_the_file_is_synced() {
    for torn in [None, Some(0), Some(1)] {
        let gate = Arc::<Gate>::default();
        let (disk, ring) = (SlowDisk::new(&gate), ring("one"));
        let keys = opened(disk.clone(), &ring);
        let values = sealed(&keys, &["ada"]);
        keys.close().expect("it is synced");
        let keys = opened(disk.clone(), &ring);
        sealed(&keys, &["eve"]);
        gate.set(true);
        thread::scope(|scope| {
            let flushing = scope.spawn(|| keys.flush());
            gate.until_one_waits();
            if let Some(side) = torn {
                disk.bytes()[offset(side, 0) as usize + 60] ^= 1;
            }
            let (done, is_done) = channel();
            let (keys, values) = (&keys, &values);
            scope.spawn(move || done.send(read(keys, "ada", &values[0])));
            let found = is_done.recv_timeout(LONG);
            gate.set(false);
            assert_eq!(found, Ok(Ok(Some("ada".to_owned()))), "{torn:?}");
            flushing.join().expect("no panic").expect("it is synced");
        });
    }
}

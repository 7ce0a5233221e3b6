//! The keys of all subjects: their slots, the cache, and how keys are created, destroyed and rewrapped.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use zeroize::Zeroizing;

use super::cache::{Cache, DataKey};
use super::master::MasterKeys;
use super::pages::{Census, Pages};
use super::record::{Record, SlotCopy, SlotState};
use super::slot_reader::SlotReader;
use super::wrapping::{unwrap, wrap};
use super::{KeyError, MasterKeyId, cipher};
use crate::personal::{Fingerprint, PersonalError};

/// The result of forgetting a subject. It is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Forgotten {
    /// Whether there was a key. If not, nothing was ever sealed for the subject, or it was already
    /// forgotten.
    pub had_key: bool,
    /// The number of forgotten subjects, including this one.
    pub number: u64,
}

/// The slot of a subject. With the map, each subject takes about 30 to 60 bytes of memory.
#[derive(Clone, Copy)]
struct Slot {
    number: u32,
    is_forgotten: bool,
}

/// What is in memory of all keys. It is never locked while a disk is written or synced.
pub(super) struct Memory {
    slots: HashMap<Fingerprint, Slot>,
    cache: Cache,
    /// Keys that the file does not have yet, by their slots.
    pending: BTreeMap<u32, Record>,
    pub(super) census: Census,
    /// The number of forgotten subjects. It only grows.
    pub(super) forgotten: u64,
    /// The first slot that was never used.
    next: u32,
    is_closed: bool,
}

/// The key of a subject, or why there is none.
pub(super) enum KeyState {
    Live(Arc<DataKey>),
    Forgotten,
    Unknown,
}

impl Memory {
    fn new(census: Census, found: Vec<(Fingerprint, u32, bool)>) -> Self {
        let slots = found
            .into_iter()
            .map(|(subject, number, is_forgotten)| (subject, Slot { number, is_forgotten }));
        let slots: HashMap<_, _> = slots.collect();
        let forgotten = slots.values().filter(|slot| slot.is_forgotten).count() as u64;
        let (cache, pending, next) = (Cache::default(), BTreeMap::new(), census.used);
        Self { slots, cache, pending, census, forgotten, next, is_closed: false }
    }

    pub(super) fn subjects(&self) -> u64 {
        self.slots.len() as u64
    }

    fn check_open(&self) -> Result<(), KeyError> {
        if self.is_closed { Err(KeyError::Closed) } else { Ok(()) }
    }

    /// Refuses unknown subjects while there are damaged slots, which may belong to any subject.
    fn check_undamaged(&self) -> Result<(), KeyError> {
        match self.census.damaged {
            0 => Ok(()),
            slots => Err(KeyError::Damaged { slots }),
        }
    }

    /// Returns the key of a subject, or the slot that has it.
    fn look_up(&self, subject: Fingerprint) -> Result<Result<KeyState, u32>, KeyError> {
        self.check_open()?;
        if let Some(key) = self.cache.get(subject) {
            return Ok(Ok(KeyState::Live(key)));
        }
        match self.slots.get(&subject) {
            Some(Slot { is_forgotten: true, .. }) => Ok(Ok(KeyState::Forgotten)),
            Some(slot) => Ok(Err(slot.number)),
            None => self.check_undamaged().map(|()| Ok(KeyState::Unknown)),
        }
    }

    /// Creates a key, which is durable after the next flush.
    fn create(
        &mut self,
        subject: Fingerprint,
        master: &dyn MasterKeys,
    ) -> Result<Arc<DataKey>, KeyError> {
        let mut key = Zeroizing::new([0; 32]);
        cipher::fill_random(&mut *key)?;
        let state = wrap(subject, &key, master)?;
        let number = self.take_slot()?;
        self.pending.insert(number, Record { sequence: 1, subject, state });
        self.slots.insert(subject, Slot { number, is_forgotten: false });
        let key = Arc::new(DataKey::new(key));
        self.cache.put(subject, key.clone());
        Ok(key)
    }

    fn take_slot(&mut self) -> Result<u32, KeyError> {
        let number = self.next;
        let full = || KeyError::Failed { what: "there are four billion subjects".to_owned() };
        self.next = number.checked_add(1).ok_or_else(full)?;
        Ok(number)
    }
}

/// The keys in memory and their file. Who needs both locks the file first.
pub(super) struct KeyStore {
    memory: RwLock<Memory>,
    file: Mutex<Pages>,
    /// Reads the file without its lock, which is held while the disk is synced.
    slots: Option<SlotReader>,
}

impl KeyStore {
    pub(super) fn new(pages: Pages, census: Census, found: Vec<(Fingerprint, u32, bool)>) -> Self {
        let (memory, slots) = (RwLock::new(Memory::new(census, found)), pages.slot_reader());
        Self { memory, file: Mutex::new(pages), slots }
    }

    // A panic under a lock can only come from the allocator, or from the user's provider of master keys, which is
    // called before anything is changed.

    pub(super) fn memory(&self) -> RwLockReadGuard<'_, Memory> {
        self.memory.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn memory_mut(&self) -> RwLockWriteGuard<'_, Memory> {
        self.memory.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self) -> MutexGuard<'_, Pages> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the file, and gives it the keys that it does not have yet.
    fn updated_file(&self) -> MutexGuard<'_, Pages> {
        let mut file = self.file();
        if !self.memory().pending.is_empty() {
            for (number, record) in std::mem::take(&mut self.memory_mut().pending) {
                file.put(number, record);
            }
        }
        file
    }

    /// Returns the key of a subject. A key that is not in memory is read from the file, 128 bytes.
    pub(super) fn find(
        &self,
        subject: Fingerprint,
        master: &dyn MasterKeys,
    ) -> Result<KeyState, KeyError> {
        let (number, pending) = {
            let memory = self.memory();
            match memory.look_up(subject)? {
                Ok(found) => return Ok(found),
                Err(number) => (number, memory.pending.get(&number).copied()),
            }
        };
        let Some(clear) = self.unwrapped(subject, number, pending, master)? else {
            return Ok(KeyState::Forgotten);
        };
        let key = Arc::new(DataKey::new(clear));
        let mut memory = self.memory_mut();
        // It may have been forgotten since.
        if let Ok(found) = memory.look_up(subject)? {
            return Ok(found);
        }
        memory.cache.put(subject, key.clone());
        Ok(KeyState::Live(key))
    }

    /// Returns the key of a slot, or `None` if it is destroyed. Waits for the lock of the file, and so for the disk, only
    /// if neither copy can be used: both may be in the middle of a write.
    fn unwrapped(
        &self,
        subject: Fingerprint,
        number: u32,
        pending: Option<Record>,
        master: &dyn MasterKeys,
    ) -> Result<Option<Zeroizing<[u8; 32]>>, KeyError> {
        if let Some(pending) = pending {
            return clear(&pending, master);
        }
        let unlocked = self.slots.as_ref().and_then(|slots| slots.live(number, subject));
        match unlocked.and_then(|record| clear(&record, master).ok().flatten()) {
            Some(key) => Ok(Some(key)),
            None => clear(&record(&self.file(), number)?, master),
        }
    }

    /// Returns the key of a subject, which is created if there is none.
    pub(super) fn find_or_create(
        &self,
        subject: Fingerprint,
        master: &dyn MasterKeys,
    ) -> Result<KeyState, KeyError> {
        match self.find(subject, master)? {
            KeyState::Unknown => {}
            found => return Ok(found),
        }
        let mut memory = self.memory_mut();
        match memory.look_up(subject)? {
            Ok(KeyState::Unknown) => memory.create(subject, master).map(KeyState::Live),
            // Another thread was faster.
            Ok(found) => Ok(found),
            Err(_) => {
                drop(memory);
                self.find(subject, master)
            }
        }
    }

    /// Makes new keys durable.
    pub(super) fn flush(&self) -> Result<(), KeyError> {
        let mut file = self.updated_file();
        if !file.is_dirty() {
            return Ok(());
        }
        file.flush().map_err(|what| KeyError::Failed { what })
    }

    pub(super) fn settle(&self) -> Result<(), KeyError> {
        settle(&mut self.updated_file())
    }

    /// Overwrites both copies of the key, syncs each, and records that the subject was forgotten.
    pub(super) fn forget(&self, subject: Fingerprint) -> Result<Forgotten, KeyError> {
        let mut file = self.updated_file();
        let mut memory = self.memory_mut();
        memory.check_open()?;
        let before = memory.slots.get(&subject).copied();
        let had_key = before.is_some_and(|slot| !slot.is_forgotten);
        if before.is_some_and(|slot| slot.is_forgotten) {
            let number = memory.forgotten;
            drop(memory);
            // This call may repeat one that failed halfway.
            settle(&mut file)?;
            return Ok(Forgotten { had_key, number });
        }
        let (number, sequence) = match before {
            Some(slot) => {
                let pending = memory.pending.remove(&slot.number);
                let before = pending.map_or_else(|| record(&file, slot.number), Ok)?;
                (slot.number, before.sequence + 1)
            }
            None => {
                memory.check_undamaged()?;
                (memory.take_slot()?, 1)
            }
        };
        // First in memory, so that the key is not used while it is being destroyed.
        memory.cache.remove(subject);
        memory.slots.insert(subject, Slot { number, is_forgotten: true });
        memory.forgotten += 1;
        let forgotten = Forgotten { had_key, number: memory.forgotten };
        drop(memory);
        file.put(number, Record { sequence, subject, state: SlotState::Forgotten });
        settle(&mut file)?;
        Ok(forgotten)
    }

    pub(super) fn close(&self) -> Result<(), KeyError> {
        let mut file = self.updated_file();
        let settled = if self.memory().is_closed { Ok(()) } else { settle(&mut file) };
        let mut memory = self.memory_mut();
        memory.is_closed = true;
        memory.cache = Cache::default();
        settled
    }

    /// Rewraps the keys in `slots` slots starting at `from`. Adds the slots with two damaged copies to `left`.
    /// Returns the number of rewrapped keys and the next slot, or `None` after the last.
    pub(super) fn rewrap(
        &self,
        from: u32,
        slots: u32,
        master: &dyn MasterKeys,
        left: &mut Vec<u32>,
    ) -> Result<(u64, Option<u32>), KeyError> {
        let mut file = self.updated_file();
        let next = {
            let memory = self.memory();
            memory.check_open()?;
            memory.next
        };
        let current = master.current()?;
        let until = from.saturating_add(slots).min(next);
        let mut rewrapped = Vec::new();
        for number in from..until {
            let Some(Record { sequence, subject, state }) = read(file.read(number))? else {
                if read(file.copies(number))?.contains(&SlotCopy::Bad) {
                    left.push(number);
                }
                continue;
            };
            if let SlotState::Live { master: id, wrapped } = state
                && id != current
            {
                let key = unwrap(subject, &id, &wrapped, master)?;
                let state = wrap(subject, &key, master)?;
                rewrapped.push((number, Record { sequence: sequence + 1, subject, state }));
            }
        }
        // Written at the end, so that a missing master key leaves all of these slots unchanged.
        let count = rewrapped.len() as u64;
        rewrapped.into_iter().for_each(|(number, record)| file.put(number, record));
        settle(&mut file)?;
        Ok((count, (until < next).then_some(until)))
    }

    /// Passes both copies of `slots` slots starting at `from` to `inspect`, after pending changes were written.
    /// Returns the next slot, or `None` after the last.
    pub(super) fn inspect(
        &self,
        from: u32,
        slots: u32,
        mut inspect: impl FnMut(u32, [SlotCopy; 2]),
    ) -> Result<Option<u32>, KeyError> {
        let mut file = self.updated_file();
        // So that both copies are current.
        settle(&mut file)?;
        let next = self.memory().next;
        let until = from.saturating_add(slots).min(next);
        for slot in from..until {
            inspect(slot, read(file.copies(slot))?);
        }
        Ok((until < next).then_some(until))
    }

    /// Unwraps one key for each master key named in the file, to check that all master keys are
    /// available and right.
    pub(super) fn try_masters(
        &self,
        one_of_each: &HashMap<MasterKeyId, (Fingerprint, u32)>,
        master: &dyn MasterKeys,
    ) -> Result<(), KeyError> {
        master.key(&master.current()?)?;
        for (_, number) in one_of_each.values() {
            clear(&record(&self.file(), *number)?, master)?;
        }
        Ok(())
    }
}

fn settle(file: &mut Pages) -> Result<(), KeyError> {
    file.settle().map_err(|what| KeyError::Failed { what })
}

fn read<T>(read: std::io::Result<T>) -> Result<T, KeyError> {
    read.map_err(|error| KeyError::Unreadable { what: error.to_string() })
}

/// Unwraps the key of a record. Returns `None` if it is destroyed.
fn clear(
    record: &Record,
    master: &dyn MasterKeys,
) -> Result<Option<Zeroizing<[u8; 32]>>, KeyError> {
    match &record.state {
        SlotState::Live { master: id, wrapped } => {
            unwrap(record.subject, id, wrapped, master).map(Some)
        }
        SlotState::Forgotten => Ok(None),
    }
}

/// Reads the record of a slot that was valid when the file was opened.
fn record(file: &Pages, number: u32) -> Result<Record, KeyError> {
    read(file.read(number))?.ok_or(KeyError::Damaged { slots: 1 })
}

/// The error of reading a value of a subject without a key.
pub(super) fn missing(subject: &str) -> PersonalError {
    PersonalError::Missing { subject: subject.to_owned() }
}

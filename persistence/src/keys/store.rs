//! The keys of all subjects: their slots, the cache, and how keys are created, destroyed and rewrapped.

use std::collections::HashMap;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::cache::{Cache, DataKey};
use super::master::MasterKeys;
use super::pages::{Census, Pages};
use super::record::{Record, SlotCopy, SlotState, WRAPPED};
use super::{KeyError, MasterKeyError, MasterKeyId, cipher};
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

/// The state behind the lock. Looking up a key that is not in memory reads 128 bytes from the file.
pub(super) struct Inner {
    pages: Pages,
    slots: HashMap<Fingerprint, Slot>,
    cache: Cache,
    census: Census,
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

impl Inner {
    pub(super) fn new(pages: Pages, census: Census, found: Vec<(Fingerprint, u32, bool)>) -> Self {
        let slots = found
            .into_iter()
            .map(|(subject, number, is_forgotten)| (subject, Slot { number, is_forgotten }));
        let slots: HashMap<_, _> = slots.collect();
        let forgotten = slots.values().filter(|slot| slot.is_forgotten).count() as u64;
        let next = census.used;
        Self { pages, slots, cache: Cache::default(), census, forgotten, next, is_closed: false }
    }

    pub(super) fn pages(&mut self) -> &mut Pages {
        &mut self.pages
    }

    pub(super) fn census(&self) -> Census {
        self.census
    }

    pub(super) fn subjects(&self) -> u64 {
        self.slots.len() as u64
    }

    pub(super) fn find(
        &mut self,
        subject: Fingerprint,
        master: &dyn MasterKeys,
    ) -> Result<KeyState, KeyError> {
        self.check_open()?;
        if let Some(key) = self.cache.get(subject) {
            return Ok(KeyState::Live(key));
        }
        match self.slots.get(&subject).copied() {
            Some(Slot { is_forgotten: true, .. }) => Ok(KeyState::Forgotten),
            Some(Slot { number, .. }) => {
                let (_, id, wrapped) = self.live(number)?;
                let key = unwrap(subject, &id, &wrapped, master)?;
                let key = Arc::new(DataKey::new(key));
                self.cache.put(subject, key.clone());
                Ok(KeyState::Live(key))
            }
            None => self.check_undamaged().map(|()| KeyState::Unknown),
        }
    }

    /// Refuses unknown subjects while there are damaged slots, which may belong to any subject.
    fn check_undamaged(&self) -> Result<(), KeyError> {
        match self.census.damaged {
            0 => Ok(()),
            slots => Err(KeyError::Damaged { slots }),
        }
    }

    fn record(&self, number: u32) -> Result<Record, KeyError> {
        let record = self.pages.read(number);
        let record = record.map_err(|error| KeyError::Unreadable { what: error.to_string() })?;
        // It was valid when the file was opened.
        record.ok_or(KeyError::Damaged { slots: self.census.damaged + 1 })
    }

    fn live(&self, number: u32) -> Result<(u64, MasterKeyId, [u8; WRAPPED]), KeyError> {
        let record = self.record(number)?;
        match record.state {
            SlotState::Live { master, wrapped } => Ok((record.sequence, master, wrapped)),
            SlotState::Forgotten => Err(KeyError::Damaged { slots: self.census.damaged + 1 }),
        }
    }

    /// Creates a key, which is durable after the next flush.
    pub(super) fn create(
        &mut self,
        subject: Fingerprint,
        master: &dyn MasterKeys,
    ) -> Result<Arc<DataKey>, KeyError> {
        let mut key = Zeroizing::new([0; 32]);
        cipher::fill_random(&mut *key)?;
        let state = wrap(subject, &key, master)?;
        let number = self.take_slot()?;
        self.pages.put(number, Record { sequence: 1, subject, state });
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

    /// Overwrites both copies of the key, syncs each, and records that the subject was forgotten.
    pub(super) fn forget(&mut self, subject: Fingerprint) -> Result<Forgotten, KeyError> {
        self.check_open()?;
        let before = self.slots.get(&subject).copied();
        let had_key = before.is_some_and(|slot| !slot.is_forgotten);
        if before.is_some_and(|slot| slot.is_forgotten) {
            // This call may repeat one that failed halfway.
            self.settle()?;
            return Ok(Forgotten { had_key, number: self.forgotten });
        }
        let (number, sequence) = match before {
            Some(slot) => (slot.number, self.record(slot.number)?.sequence + 1),
            None => {
                self.check_undamaged()?;
                (self.take_slot()?, 1)
            }
        };
        // First in memory, so that the key is not used while it is being destroyed.
        self.cache.remove(subject);
        self.slots.insert(subject, Slot { number, is_forgotten: true });
        self.forgotten += 1;
        self.pages.put(number, Record { sequence, subject, state: SlotState::Forgotten });
        self.settle()?;
        Ok(Forgotten { had_key, number: self.forgotten })
    }

    pub(super) fn close(&mut self) -> Result<(), KeyError> {
        let settled = if self.is_closed { Ok(()) } else { self.settle() };
        self.is_closed = true;
        self.cache = Cache::default();
        settled
    }

    fn check_open(&self) -> Result<(), KeyError> {
        if self.is_closed { Err(KeyError::Closed) } else { Ok(()) }
    }

    pub(super) fn settle(&mut self) -> Result<(), KeyError> {
        self.pages.settle().map_err(|what| KeyError::Failed { what })
    }

    /// Rewraps the keys in `slots` slots starting at `from`. Returns the number of rewrapped keys and
    /// the next slot, or `None` after the last.
    pub(super) fn rewrap(
        &mut self,
        from: u32,
        slots: u32,
        master: &dyn MasterKeys,
    ) -> Result<(u64, Option<u32>), KeyError> {
        self.check_open()?;
        let current = master.current()?;
        let until = from.saturating_add(slots).min(self.next);
        let mut rewrapped = Vec::new();
        for number in from..until {
            let record = self.pages.read(number);
            let record =
                record.map_err(|error| KeyError::Unreadable { what: error.to_string() })?;
            let Some(Record { sequence, subject, state: SlotState::Live { master: id, wrapped } }) =
                record
            else {
                continue;
            };
            if id != current {
                let key = unwrap(subject, &id, &wrapped, master)?;
                let state = wrap(subject, &key, master)?;
                rewrapped.push((number, Record { sequence: sequence + 1, subject, state }));
            }
        }
        // Written at the end, so that a missing master key leaves all of these slots unchanged.
        let count = rewrapped.len() as u64;
        rewrapped.into_iter().for_each(|(number, record)| self.pages.put(number, record));
        self.settle()?;
        Ok((count, (until < self.next).then_some(until)))
    }

    /// Returns the number after the last slot that was ever used.
    pub(super) fn used(&self) -> u32 {
        self.next
    }

    /// Reads both copies of a slot from the file. Pending changes must be settled before.
    pub(super) fn copies(&self, number: u32) -> Result<[SlotCopy; 2], KeyError> {
        let copies = self.pages.copies(number);
        copies.map_err(|error| KeyError::Unreadable { what: error.to_string() })
    }

    /// Unwraps one key for each master key named in the file, to check that all master keys are
    /// available and right.
    pub(super) fn try_masters(
        &self,
        one_of_each: &HashMap<MasterKeyId, (Fingerprint, u32)>,
        master: &dyn MasterKeys,
    ) -> Result<(), KeyError> {
        master.key(&master.current()?)?;
        for (subject, number) in one_of_each.values() {
            let (_, id, wrapped) = self.live(*number)?;
            unwrap(*subject, &id, &wrapped, master)?;
        }
        Ok(())
    }
}

/// The data a wrapped key is bound to: its subject and its master key.
fn bound_to(subject: Fingerprint, master: &MasterKeyId) -> Vec<u8> {
    [b"actuarius key 1", &subject.0[..], master.padded()].concat()
}

fn wrap(
    subject: Fingerprint,
    key: &[u8; 32],
    master: &dyn MasterKeys,
) -> Result<SlotState, KeyError> {
    let id = master.current()?;
    let sealed = cipher::seal(master.key(&id)?.bytes(), &bound_to(subject, &id), key)?;
    // The length follows from the length of the key.
    let wrapped = sealed.try_into().map_err(|_| KeyError::Failed { what: "sealing".to_owned() })?;
    Ok(SlotState::Live { master: id, wrapped })
}

pub(super) fn unwrap(
    subject: Fingerprint,
    id: &MasterKeyId,
    wrapped: &[u8],
    master: &dyn MasterKeys,
) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let clear = cipher::open(master.key(id)?.bytes(), &bound_to(subject, id), wrapped);
    // The checksum of the slot was right, so the master key is wrong.
    let clear = clear.ok_or(MasterKeyError::Wrong { id: *id })?;
    let key: &[u8; 32] = clear[..].try_into().map_err(|_| MasterKeyError::Wrong { id: *id })?;
    Ok(Zeroizing::new(*key))
}

/// The error of reading a value of a subject without a key.
pub(super) fn missing(subject: &str) -> PersonalError {
    PersonalError::Missing { subject: subject.to_owned() }
}

//! The keys of all subjects: which slot is whose, what is in memory, and how keys come and go.

use std::collections::HashMap;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::MasterKeyId;
use super::cache::{Cache, DataKey};
use super::master::MasterKeys;
use super::pages::{Census, Pages};
use super::record::{Copied, Kept, Record, WRAPPED};
use super::{Forgotten, KeyError, MasterKeyError, cipher};
use crate::personal::{Fingerprint, PersonalError};

/// Where a subject's slot is. Some 30 to 60 bytes for each subject, with what the map takes.
#[derive(Clone, Copy)]
struct Slot {
    number: u32,
    is_forgotten: bool,
}

/// Everything behind one lock: looking up a key that is not in memory takes a read of 128 bytes.
pub(super) struct Inner {
    pages: Pages,
    slots: HashMap<Fingerprint, Slot>,
    cache: Cache,
    census: Census,
    /// How many subjects are forgotten. It only grows.
    pub(super) forgotten: u64,
    /// The next slot that was never used.
    next: u32,
    is_closed: bool,
}

/// What is to be had of a subject's key.
pub(super) enum Looked {
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

    pub(super) fn look_up(
        &mut self,
        subject: Fingerprint,
        master: &dyn MasterKeys,
    ) -> Result<Looked, KeyError> {
        self.must_be_open()?;
        if let Some(key) = self.cache.get(subject) {
            return Ok(Looked::Live(key));
        }
        match self.slots.get(&subject).copied() {
            Some(Slot { is_forgotten: true, .. }) => Ok(Looked::Forgotten),
            Some(Slot { number, .. }) => {
                let (_, id, wrapped) = self.live(number)?;
                let key = unwrap(subject, &id, &wrapped, master)?;
                let key = Arc::new(DataKey::new(key));
                self.cache.put(subject, key.clone());
                Ok(Looked::Live(key))
            }
            None => self.must_be_whole().map(|()| Looked::Unknown),
        }
    }

    /// A damaged slot may be anybody's.
    fn must_be_whole(&self) -> Result<(), KeyError> {
        match self.census.damaged {
            0 => Ok(()),
            slots => Err(KeyError::Damaged { slots }),
        }
    }

    fn record(&self, number: u32) -> Result<Record, KeyError> {
        let record = self.pages.read(number);
        let record = record.map_err(|error| KeyError::Unreadable { what: error.to_string() })?;
        // It was good when the file was opened.
        record.ok_or(KeyError::Damaged { slots: self.census.damaged + 1 })
    }

    fn live(&self, number: u32) -> Result<(u64, MasterKeyId, [u8; WRAPPED]), KeyError> {
        let record = self.record(number)?;
        match record.kept {
            Kept::Live { master, wrapped } => Ok((record.sequence, master, wrapped)),
            Kept::Forgotten => Err(KeyError::Damaged { slots: self.census.damaged + 1 }),
        }
    }

    /// A new key, in memory until the next flush.
    pub(super) fn create(
        &mut self,
        subject: Fingerprint,
        master: &dyn MasterKeys,
    ) -> Result<Arc<DataKey>, KeyError> {
        let mut key = Zeroizing::new([0; 32]);
        cipher::fill_random(&mut *key)?;
        let kept = wrap(subject, &key, master)?;
        let number = self.take_slot()?;
        self.pages.put(number, Record { sequence: 1, subject, kept });
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

    /// Overwrites the subject's key in both copies, syncs each, and keeps in mind that it was
    /// forgotten.
    pub(super) fn forget(&mut self, subject: Fingerprint) -> Result<Forgotten, KeyError> {
        self.must_be_open()?;
        let before = self.slots.get(&subject).copied();
        let had_key = before.is_some_and(|slot| !slot.is_forgotten);
        if before.is_some_and(|slot| slot.is_forgotten) {
            // It may be a repetition of one that failed half way.
            self.settle()?;
            return Ok(Forgotten { had_key, number: self.forgotten });
        }
        let (number, sequence) = match before {
            Some(slot) => (slot.number, self.record(slot.number)?.sequence + 1),
            None => {
                self.must_be_whole()?;
                (self.take_slot()?, 1)
            }
        };
        // First here, so that nobody uses the key while it goes.
        self.cache.remove(subject);
        self.slots.insert(subject, Slot { number, is_forgotten: true });
        self.forgotten += 1;
        self.pages.put(number, Record { sequence, subject, kept: Kept::Forgotten });
        self.settle()?;
        Ok(Forgotten { had_key, number: self.forgotten })
    }

    pub(super) fn close(&mut self) -> Result<(), KeyError> {
        let settled = if self.is_closed { Ok(()) } else { self.settle() };
        self.is_closed = true;
        self.cache = Cache::default();
        settled
    }

    fn must_be_open(&self) -> Result<(), KeyError> {
        if self.is_closed { Err(KeyError::Closed) } else { Ok(()) }
    }

    pub(super) fn settle(&mut self) -> Result<(), KeyError> {
        self.pages.settle().map_err(|what| KeyError::Failed { what })
    }

    /// Wraps the keys in the slots from `from` on anew, as many as are done in one go, and tells how
    /// many those were and where to go on.
    pub(super) fn rewrap(
        &mut self,
        from: u32,
        slots: u32,
        master: &dyn MasterKeys,
    ) -> Result<(u64, Option<u32>), KeyError> {
        self.must_be_open()?;
        let current = master.current()?;
        let until = from.saturating_add(slots).min(self.next);
        let mut rewrapped = Vec::new();
        for number in from..until {
            let record = self.pages.read(number);
            let record =
                record.map_err(|error| KeyError::Unreadable { what: error.to_string() })?;
            let Some(Record { sequence, subject, kept: Kept::Live { master: id, wrapped } }) =
                record
            else {
                continue;
            };
            if id != current {
                let key = unwrap(subject, &id, &wrapped, master)?;
                let kept = wrap(subject, &key, master)?;
                rewrapped.push((number, Record { sequence: sequence + 1, subject, kept }));
            }
        }
        // Only now, so that a master key that is missing half way leaves all of these as they were.
        let count = rewrapped.len() as u64;
        rewrapped.into_iter().for_each(|(number, record)| self.pages.put(number, record));
        self.settle()?;
        Ok((count, (until < self.next).then_some(until)))
    }

    /// One behind the last slot that was ever used.
    pub(super) fn used(&self) -> u32 {
        self.next
    }

    /// Both copies of a slot as they are in the file. What waits to be written has to be settled before.
    pub(super) fn copies(&self, number: u32) -> Result<[Copied; 2], KeyError> {
        let copies = self.pages.copies(number);
        copies.map_err(|error| KeyError::Unreadable { what: error.to_string() })
    }

    /// Tries one key of each master key that is named in the file: whether all of them are there, and
    /// are the right ones.
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

/// What a wrapped key is bound to: whose it is, and what it is wrapped with.
fn bound_to(subject: Fingerprint, master: &MasterKeyId) -> Vec<u8> {
    [b"actuarius key 1", &subject.0[..], master.padded()].concat()
}

fn wrap(subject: Fingerprint, key: &[u8; 32], master: &dyn MasterKeys) -> Result<Kept, KeyError> {
    let id = master.current()?;
    let sealed = cipher::seal(master.key(&id)?.bytes(), &bound_to(subject, &id), key)?;
    // Its length follows from that of the key.
    let wrapped = sealed.try_into().map_err(|_| KeyError::Failed { what: "sealing".to_owned() })?;
    Ok(Kept::Live { master: id, wrapped })
}

pub(super) fn unwrap(
    subject: Fingerprint,
    id: &MasterKeyId,
    wrapped: &[u8],
    master: &dyn MasterKeys,
) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let clear = cipher::open(master.key(id)?.bytes(), &bound_to(subject, id), wrapped);
    // The checksum of its slot was right, so it is the master key that is not.
    let clear = clear.ok_or(MasterKeyError::Wrong { id: *id })?;
    let key: &[u8; 32] = clear[..].try_into().map_err(|_| MasterKeyError::Wrong { id: *id })?;
    Ok(Zeroizing::new(*key))
}

/// What a failed look-up means for a value of this subject that is read.
pub(super) fn missing(subject: &str) -> PersonalError {
    PersonalError::Missing { subject: subject.to_owned() }
}

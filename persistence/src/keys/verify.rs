//! Verifies that every key of a key file is intact and can be unwrapped.

use std::collections::BTreeMap;

use super::key_file::{Keys, SLOTS_AT_ONCE};
use super::master::MasterKeys;
use super::record::{Record, SlotCopy, SlotState};
use super::wrapping::unwrap;
use super::{KeyError, MasterKeyId};

/// The most findings that are listed. Further ones are only counted.
const FINDINGS_MAX: usize = 1_000;

/// The result of verifying a key file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedKeys {
    /// The number of intact keys, by the master key they are wrapped with.
    pub masters: BTreeMap<MasterKeyId, u64>,
    /// Subjects that were forgotten.
    pub forgotten: u64,
    /// The first thousand findings, each with its slot.
    pub findings: Vec<String>,
    /// The number of further findings.
    pub more_findings: u64,
}

impl VerifiedKeys {
    /// Returns the number of intact keys.
    #[must_use]
    pub fn live(&self) -> u64 {
        self.masters.values().sum()
    }

    /// Returns whether nothing is wrong.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.findings.is_empty()
    }

    fn find(&mut self, slot: u32, what: &str) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(format!("slot {slot}: {what}"));
        } else {
            self.more_findings += 1;
        }
    }

    fn inspect(&mut self, slot: u32, copies: [SlotCopy; 2], master: &dyn MasterKeys) {
        let record = match copies {
            // A power cut interrupted its first write.
            [SlotCopy::Free, SlotCopy::Free] => return,
            [SlotCopy::Good(first), SlotCopy::Good(second)] if first == second => first,
            [SlotCopy::Good(_), SlotCopy::Good(_)] => return self.find(slot, "its copies differ"),
            [SlotCopy::Good(_), _] | [_, SlotCopy::Good(_)] => {
                return self.find(slot, "one copy is damaged; opening the file repairs it");
            }
            _ => return self.find(slot, "both copies are damaged: restore the key file"),
        };
        self.open(slot, record, master);
    }

    fn open(&mut self, slot: u32, record: Record, master: &dyn MasterKeys) {
        match record.state {
            SlotState::Forgotten => self.forgotten += 1,
            SlotState::Live { master: id, wrapped } => {
                match unwrap(record.subject, &id, &wrapped, master) {
                    Ok(_key) => *self.masters.entry(id).or_default() += 1,
                    Err(error) => self.find(slot, &format!("its key does not open: {error}")),
                }
            }
        }
    }
}

impl Keys {
    /// Checks both copies of every key, unwraps each, and counts them by their master keys. Pending keys
    /// are written first; nothing else is changed. (Damage of one copy was already repaired when the file
    /// was opened.) Other calls wait for milliseconds only.
    ///
    /// # Errors
    /// Returns [`KeyError::Unreadable`] if the file cannot be read, and [`KeyError::Failed`] if the
    /// pending keys could not be written.
    pub fn verify(&self) -> Result<VerifiedKeys, KeyError> {
        let (mut verified, mut next) = (VerifiedKeys::default(), Some(0));
        while let Some(from) = next {
            let inspect = |slot, copies| verified.inspect(slot, copies, &*self.master);
            next = self.store.inspect(from, SLOTS_AT_ONCE, inspect)?;
        }
        Ok(verified)
    }
}

//! Whether every key of a file is what was written, and opens.

use std::collections::BTreeMap;

use super::MasterKeyId;
use super::master::MasterKeys;
use super::record::{Copied, Kept, Record};
use super::store::{Inner, unwrap};
use super::{KeyError, Keys, SLOTS_AT_ONCE};

/// How many findings are listed; more are only counted.
const FINDINGS_MAX: usize = 1_000;

/// What was found in a key file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedKeys {
    /// Keys that open, by the master key they are wrapped with.
    pub masters: BTreeMap<MasterKeyId, u64>,
    /// Subjects that were forgotten.
    pub forgotten: u64,
    /// What is wrong, slot by slot: the first thousand.
    pub findings: Vec<String>,
    /// How many more there are.
    pub more_findings: u64,
}

impl VerifiedKeys {
    /// How many keys there are that open.
    #[must_use]
    pub fn live(&self) -> u64 {
        self.masters.values().sum()
    }

    /// Whether nothing is wrong.
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

    fn look_at(&mut self, slot: u32, copies: [Copied; 2], master: &dyn MasterKeys) {
        let record = match copies {
            // A power cut left it, before anything used it.
            [Copied::Free, Copied::Free] => return,
            [Copied::Good(first), Copied::Good(second)] if first == second => first,
            [Copied::Good(_), Copied::Good(_)] => return self.find(slot, "its copies differ"),
            [Copied::Good(_), _] | [_, Copied::Good(_)] => {
                return self.find(slot, "one copy is damaged; opening the file mends it");
            }
            _ => return self.find(slot, "both copies are damaged: restore the key file"),
        };
        self.open(slot, record, master);
    }

    fn open(&mut self, slot: u32, record: Record, master: &dyn MasterKeys) {
        match record.kept {
            Kept::Forgotten => self.forgotten += 1,
            Kept::Live { master: id, wrapped } => {
                match unwrap(record.subject, &id, &wrapped, master) {
                    Ok(_key) => *self.masters.entry(id).or_default() += 1,
                    Err(error) => self.find(slot, &format!("its key does not open: {error}")),
                }
            }
        }
    }
}

impl Keys {
    /// Checks both copies of every key, opens each, and counts them by their master keys. Nothing is
    /// changed. (What a power cut or damage had left in one copy was mended when the file was opened.)
    /// What comes meanwhile is not held up for long.
    ///
    /// # Errors
    /// [`KeyError::Unreadable`]; or [`KeyError::Failed`] when the keys that were made last could not be
    /// written, which comes first.
    pub fn verify(&self) -> Result<VerifiedKeys, KeyError> {
        let (mut verified, mut next) = (VerifiedKeys::default(), Some(0));
        while let Some(from) = next {
            next = self.verify_some(from, &mut self.lock(), &mut verified)?;
        }
        Ok(verified)
    }

    /// Checks the slots from `from` on, and tells where to go on.
    fn verify_some(
        &self,
        from: u32,
        inner: &mut Inner,
        verified: &mut VerifiedKeys,
    ) -> Result<Option<u32>, KeyError> {
        // So that both copies are there.
        inner.settle()?;
        let until = from.saturating_add(SLOTS_AT_ONCE).min(inner.used());
        for slot in from..until {
            verified.look_at(slot, inner.copies(slot)?, &*self.master);
        }
        Ok((until < inner.used()).then_some(until))
    }
}

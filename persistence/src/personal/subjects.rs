//! The data subjects whose clear text a state or a view contains.

use std::collections::BTreeSet;

use super::fingerprint::Fingerprint;

/// The most subjects that one state or view can be sealed for: sealed bytes name each subject in 16
/// bytes, and opening them needs the key of each.
pub const SUBJECTS_MAX: usize = 1_024;

/// The subjects whose clear text the state of an aggregate, or a view, contains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subjects {
    known: BTreeSet<Fingerprint>,
    /// There are more than [`SUBJECTS_MAX`], so they are not all known.
    too_many: bool,
}

impl Subjects {
    /// Returns whether there is no clear text of any subject.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty() && !self.too_many
    }

    /// Returns whether there are more than [`SUBJECTS_MAX`].
    #[must_use]
    pub fn are_too_many(&self) -> bool {
        self.too_many
    }

    /// Returns whether there may be clear text of this subject.
    #[must_use]
    pub fn may_have(&self, subject: Fingerprint) -> bool {
        self.too_many || self.known.contains(&subject)
    }

    /// Returns the known subjects in order. They are not complete if there are too many.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Fingerprint> {
        self.known.iter().copied()
    }

    pub(crate) fn add(&mut self, subject: Fingerprint) {
        if self.known.len() < SUBJECTS_MAX || self.known.contains(&subject) {
            self.known.insert(subject);
        } else {
            self.too_many = true;
        }
    }

    /// Adds other subjects.
    pub fn add_all(&mut self, others: &Self) {
        others.iter().for_each(|subject| self.add(subject));
        self.too_many |= others.too_many;
    }
}

impl FromIterator<Fingerprint> for Subjects {
    fn from_iter<I: IntoIterator<Item = Fingerprint>>(subjects: I) -> Self {
        let mut all = Self::default();
        subjects.into_iter().for_each(|subject| all.add(subject));
        all
    }
}

//! The data subjects whose clear text went into a state or a view.

use std::collections::BTreeSet;

use super::fingerprint::Fingerprint;

/// The most subjects whose clear text one thing may hold and still be sealed for all of them: what is
/// sealed names each in 16 bytes, and opening it needs each one's key.
pub const SUBJECTS_MAX: usize = 1_024;

/// Whose clear text has gone into something: an aggregate's state, a view.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subjects {
    known: BTreeSet<Fingerprint>,
    /// More than [`SUBJECTS_MAX`]: it is not known any more whose.
    too_many: bool,
}

impl Subjects {
    /// Whether nobody's clear text went in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty() && !self.too_many
    }

    /// Whether there are more than [`SUBJECTS_MAX`].
    #[must_use]
    pub fn are_too_many(&self) -> bool {
        self.too_many
    }

    /// Whether this subject's clear text may have gone in.
    #[must_use]
    pub fn may_have(&self, subject: Fingerprint) -> bool {
        self.too_many || self.known.contains(&subject)
    }

    /// Each of them, in order; not all when there are too many.
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

    /// Adds those of another thing that has gone in.
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

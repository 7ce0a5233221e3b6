//! What personal values have to know while the value around them is checked.
//!
//! Sealing draws a random nonce, so a personal value has other bytes each time. What is compared is its clear text.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use super::scope;

thread_local! {
    static IN_CLEAR: Cell<bool> = const { Cell::new(false) };
    static SEEN: RefCell<Option<Seen>> = const { RefCell::new(None) };
}

/// What happened to personal values during a check.
#[derive(Default)]
struct Seen {
    /// The subjects whose values were written as erased.
    erased: BTreeSet<Box<str>>,
    /// A subject whose value was sealed and could not be opened again.
    forgotten: Option<Box<str>>,
}

fn with<R>(change: impl FnOnce(&mut Option<Seen>) -> R) -> R {
    // Borrowed for one assignment at a time, never while other code runs.
    SEEN.with_borrow_mut(change)
}

/// Clear texts are walked through, until it is dropped.
pub(crate) struct InClear(bool);

/// Begins a walk. What personal values serialize is then not stored.
#[inline]
pub(crate) fn in_clear() -> InClear {
    InClear(IN_CLEAR.replace(true))
}

impl Drop for InClear {
    #[inline]
    fn drop(&mut self) {
        IN_CLEAR.set(self.0);
    }
}

/// The encoding, decoding and comparing of one value. Without keys in scope it does nothing.
pub(crate) struct Check(Option<Option<Seen>>);

impl Check {
    #[inline]
    pub(crate) fn begin() -> Self {
        let is_needed = cfg!(feature = "erasure") && scope::has_mode();
        Self(is_needed.then(|| with(|seen| seen.replace(Seen::default()))))
    }

    /// Returns whether values were written as erased.
    #[inline]
    pub(crate) fn has_erased(&self) -> bool {
        self.0.is_some() && with(|seen| seen.as_ref().is_some_and(|seen| !seen.erased.is_empty()))
    }

    /// Returns the subject that was forgotten since its value was sealed.
    pub(crate) fn forgotten(&self) -> Option<String> {
        self.0.as_ref()?;
        with(|seen| seen.as_ref()?.forgotten.as_deref().map(str::to_owned))
    }
}

impl Drop for Check {
    #[inline]
    fn drop(&mut self) {
        if let Some(before) = self.0.take() {
            drop(with(|seen| std::mem::replace(seen, before)));
        }
    }
}

/// The part of this module for personal values.
#[cfg(feature = "erasure")]
mod values {
    use super::{IN_CLEAR, with};

    /// Returns whether clear texts are walked through.
    pub(in crate::personal) fn is_in_clear() -> bool {
        IN_CLEAR.get()
    }

    /// Returns whether this subject's values were written as erased.
    pub(in crate::personal) fn was_erased(subject: &str) -> bool {
        with(|seen| seen.as_ref().is_some_and(|seen| seen.erased.contains(subject)))
    }

    pub(in crate::personal) fn note_erased(subject: &str) {
        with(|seen| seen.as_mut().map(|seen| seen.erased.insert(subject.into())));
    }

    pub(in crate::personal) fn note_forgotten(subject: &str) {
        with(|seen| seen.as_mut().map(|seen| seen.forgotten = Some(subject.into())));
    }
}

#[cfg(feature = "erasure")]
pub(super) use values::{is_in_clear, note_erased, note_forgotten, was_erased};

//! Lets a value be serialized a second time with the same sealed bytes.
//!
//! Sealing draws a random nonce, so a personal value has other bytes each time. To compare a value with
//! what was decoded from its bytes, the sealed bytes of the first time are kept, and are written
//! again if the clear text is the same.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::error::PersonalError;
use super::scope;

/// A fingerprint of a subject and a clear text.
type Mark = Vec<u8>;

#[derive(Default)]
struct Replay {
    step: Step,
    kept: Vec<Kept>,
    next: usize,
    /// The subjects whose values were written as erased.
    erased: BTreeSet<Box<str>>,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum Step {
    #[default]
    Off,
    /// The sealed bytes are kept.
    Recording,
    /// The kept bytes are written again.
    Replaying,
    /// The clear text is summed.
    Summing,
}

struct Kept {
    mark: Option<Mark>,
    sealed: Vec<u8>,
}

thread_local! {
    static REPLAY: RefCell<Replay> = RefCell::default();
}

fn with<R>(change: impl FnOnce(&mut Replay) -> R) -> R {
    // Borrowed for one assignment at a time, never while other code runs.
    REPLAY.with_borrow_mut(change)
}

/// The encoding, decoding and comparing of one value. Without keys in scope it does nothing.
pub(crate) struct Session(Option<Replay>);

impl Session {
    /// Begins to keep what is sealed.
    #[inline]
    pub(crate) fn begin() -> Self {
        if !cfg!(feature = "erasure") || !scope::has_mode() {
            return Self(None);
        }
        let recording = Replay { step: Step::Recording, ..Replay::default() };
        Self(Some(with(|replay| std::mem::replace(replay, recording))))
    }

    /// Keeps nothing more.
    #[inline]
    pub(crate) fn pause(&self) {
        self.step(Step::Off);
    }

    /// Begins to write what was kept.
    #[inline]
    pub(crate) fn replay(&self) {
        self.step(Step::Replaying);
    }

    /// Begins to sum clear texts.
    pub(crate) fn sum(&self) {
        self.step(Step::Summing);
    }

    #[inline]
    fn step(&self, step: Step) {
        if self.0.is_some() {
            with(|replay| replay.step = step);
        }
    }
}

impl Drop for Session {
    #[inline]
    fn drop(&mut self) {
        if let Some(before) = self.0.take() {
            let ended = with(|replay| std::mem::replace(replay, before));
            drop(ended);
        }
    }
}

/// Returns whether clear texts are summed.
pub(super) fn is_summing() -> bool {
    with(|replay| replay.step == Step::Summing)
}

/// Returns whether the first serialization wrote this subject's values as erased.
pub(super) fn was_erased(subject: &str) -> bool {
    with(|replay| replay.erased.contains(subject))
}

/// Returns the bytes that `seal` returns, or those that were kept for the same clear text, whose
/// fingerprint is `mark`.
pub(super) fn sealed(
    subject: &str,
    mark: impl FnOnce() -> Result<Mark, PersonalError>,
    seal: impl FnOnce() -> Result<Vec<u8>, PersonalError>,
) -> Result<Vec<u8>, PersonalError> {
    match with(|replay| replay.step) {
        Step::Replaying => kept(subject, Some(mark()?)),
        Step::Recording => {
            let (mark, sealed) = (mark()?, seal()?);
            with(|replay| {
                if sealed.is_empty() {
                    replay.erased.insert(subject.into());
                }
                replay.kept.push(Kept { mark: Some(mark), sealed: sealed.clone() });
            });
            Ok(sealed)
        }
        Step::Off | Step::Summing => seal(),
    }
}

/// Returns the bytes of a value that is erased or was never set: none.
pub(super) fn unset(subject: &str) -> Result<Vec<u8>, PersonalError> {
    match with(|replay| replay.step) {
        Step::Replaying => kept(subject, None),
        Step::Recording => {
            with(|replay| replay.kept.push(Kept { mark: None, sealed: Vec::new() }));
            Ok(Vec::new())
        }
        Step::Off | Step::Summing => Ok(Vec::new()),
    }
}

fn kept(subject: &str, mark: Option<Mark>) -> Result<Vec<u8>, PersonalError> {
    let subject = || subject.to_owned();
    let kept = with(|replay| {
        replay.next += 1;
        replay.kept.get_mut(replay.next - 1).map(|kept| (kept.mark.take(), kept.sealed.clone()))
    });
    match (kept, mark) {
        (Some((Some(first), sealed)), Some(again)) if first == again => Ok(sealed),
        // Not set either time, or written as erased.
        (Some((_, sealed)), None) if sealed.is_empty() => Ok(sealed),
        (Some(_), None) => Err(PersonalError::Forgotten { subject: subject() }),
        _ => Err(PersonalError::Content {
            subject: subject(),
            what: "the value is not what was sealed".to_owned(),
        }),
    }
}

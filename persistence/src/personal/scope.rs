//! Which keys are at hand on this thread, and whose clear text has passed through it.
//!
//! serde hands no context to the types it serializes, so the keys stand in a thread-local while
//! something is encoded or decoded. Both are synchronous, so what is set here never leaves the thread,
//! and is put back however the work ends.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

use super::error::PersonalError;
use super::fingerprint::Fingerprint;
use super::random::fill_random;
use super::sealer::Sealer;
use super::subjects::Subjects;

/// What personal values are written and read with.
#[derive(Clone)]
pub(crate) enum Hand {
    Sealer(Arc<dyn Sealer>),
    /// Nothing is sealed: for tests without a runtime.
    Clear,
    /// Nothing is sealed, and nothing is read: for people.
    Shown,
    /// A value shows only whether it is the same as another.
    Masked,
}

#[derive(Default)]
struct Scope {
    hand: Option<Hand>,
    /// What is written is derived from what is stored: the values of who was forgotten meanwhile are
    /// erased in it. Otherwise they are refused.
    derives: bool,
    subjects: Option<Subjects>,
    /// Why a personal value failed last: serde keeps only its text.
    failure: Option<PersonalError>,
}

thread_local! {
    static SCOPE: RefCell<Scope> = RefCell::default();
}

fn with<R>(change: impl FnOnce(&mut Scope) -> R) -> R {
    // Borrowed for one assignment at a time, never while foreign code runs.
    SCOPE.with_borrow_mut(change)
}

/// Does the work with these keys at hand; without any, with those that are already. A value about
/// someone who was forgotten cannot be written.
pub fn within<R>(sealer: Option<&Arc<dyn Sealer>>, work: impl FnOnce() -> R) -> R {
    match sealer {
        Some(sealer) => enter(Hand::Sealer(sealer.clone()), false, work),
        None => work(),
    }
}

/// The same, for what is derived from what is stored: a value about someone who was forgotten is
/// written as erased.
pub fn deriving<R>(sealer: Option<&Arc<dyn Sealer>>, work: impl FnOnce() -> R) -> R {
    match sealer {
        Some(sealer) => enter(Hand::Sealer(sealer.clone()), true, work),
        None => work(),
    }
}

/// Does the work without keys: personal values are written in clear text, and read from it. **For tests
/// of aggregates, views and codecs without a runtime**; what is written so is read nowhere else.
pub fn in_clear<R>(work: impl FnOnce() -> R) -> R {
    enter(Hand::Clear, false, work)
}

/// Does the work so that personal values in it are serialized for people, with their values in clear text:
/// `{"subject": …, "value": …}`, or `{"subject": …, "erased": true}`. **For showing them to who may see
/// them**; nothing reads them back, and what is written so is not forgotten with the subject.
///
/// ```
/// use actuarius_persistence::{Personal, personal};
///
/// let name = Personal::new("customer-7f3a", "Ada");
/// let shown = personal::showing(|| serde_json::to_string(&name))?;
/// assert_eq!(shown, r#"{"subject":"customer-7f3a","value":"Ada"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn showing<R>(work: impl FnOnce() -> R) -> R {
    enter(Hand::Shown, false, work)
}

/// Does the work without keys: personal values are written as masks. Two masks of one process are the same
/// exactly if the values are, and they say nothing else. For comparing and showing what holds them;
/// nobody can read them again. Within [`showing`] they are shown all the same.
pub fn masked<R>(work: impl FnOnce() -> R) -> R {
    let hand = match with(|scope| scope.hand.clone()) {
        Some(Hand::Shown) => Hand::Shown,
        _ => Hand::Masked,
    };
    enter(hand, false, work)
}

/// The mask of an encoded value.
pub(crate) fn mask(subject: &str, clear: &[u8]) -> Result<Vec<u8>, PersonalError> {
    // Drawn once, so that values cannot be guessed from masks, and masks of two threads can be compared.
    static SALT: OnceLock<[u8; 32]> = OnceLock::new();
    let salt = match SALT.get() {
        Some(salt) => salt,
        None => {
            let mut drawn = [0; 32];
            fill_random(&mut drawn)?;
            SALT.get_or_init(|| drawn)
        }
    };
    let mut hasher = blake3::Hasher::new_keyed(salt);
    hasher.update(&(subject.len() as u64).to_le_bytes()).update(subject.as_bytes()).update(clear);
    Ok(hasher.finalize().as_bytes()[..16].to_vec())
}

fn enter<R>(hand: Hand, derives: bool, work: impl FnOnce() -> R) -> R {
    struct Back(Option<Hand>, bool);
    impl Drop for Back {
        fn drop(&mut self) {
            let before = self.0.take();
            // Dropped behind the borrow: closing keys is work of its own.
            drop(with(|scope| {
                scope.derives = self.1;
                std::mem::replace(&mut scope.hand, before)
            }));
        }
    }
    let _back = with(|scope| {
        let derived = std::mem::replace(&mut scope.derives, derives);
        Back(scope.hand.replace(hand), derived)
    });
    work()
}

/// Does the work, and adds to `subjects` those whose clear text was written or read by it. Without a
/// sealer there are none.
pub fn collecting<R>(
    sealer: Option<&Arc<dyn Sealer>>,
    subjects: &mut Subjects,
    work: impl FnOnce() -> R,
) -> R {
    if sealer.is_none() {
        return work();
    }
    struct Back<'a>(Option<Subjects>, &'a mut Subjects);
    impl Drop for Back<'_> {
        fn drop(&mut self) {
            let before = self.0.take();
            if let Some(seen) = with(|scope| std::mem::replace(&mut scope.subjects, before)) {
                self.1.add_all(&seen);
                // Whoever collects around this collects them, too.
                with(|scope| scope.subjects.as_mut().map(|outer| outer.add_all(&seen)));
            }
        }
    }
    let _back = Back(with(|scope| scope.subjects.replace(Subjects::default())), subjects);
    work()
}

pub(crate) fn at_hand() -> Result<Hand, PersonalError> {
    with(|scope| scope.hand.clone()).ok_or(PersonalError::NoKeys)
}

pub(crate) fn derives() -> bool {
    with(|scope| scope.derives)
}

pub(crate) fn shows() -> bool {
    with(|scope| matches!(scope.hand, Some(Hand::Shown)))
}

pub(crate) fn passed(subject: Fingerprint) {
    with(|scope| scope.subjects.as_mut().map(|subjects| subjects.add(subject)));
}

/// Remembers why a value failed, and returns what it says.
pub(crate) fn failed(failure: PersonalError) -> String {
    let text = failure.to_string();
    with(|scope| scope.failure = Some(failure));
    text
}

/// The failure that `text` comes from, if it is one of a personal value.
pub(crate) fn failure(text: &str) -> Option<PersonalError> {
    let failure = with(|scope| scope.failure.take())?;
    let own = failure.to_string();
    // bincode shows its errors with quotes escaped.
    let is_it = text.contains(&own) || text.contains(&own.escape_debug().to_string());
    is_it.then_some(failure)
}

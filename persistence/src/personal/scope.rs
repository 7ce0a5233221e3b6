//! The keys that are in scope on this thread, and the subjects whose clear text it has processed.
//!
//! serde passes no context to the types it serializes, so the keys are in a thread-local while
//! something is encoded or decoded. Both are synchronous, so the scope never leaves the thread. It is
//! restored even if the work panics.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

use super::error::PersonalError;
use super::fingerprint::Fingerprint;
use super::random::fill_random;
use super::sealer::Sealer;
use super::subjects::Subjects;

/// How personal values are written and read.
#[derive(Clone)]
pub(crate) enum Mode {
    Sealer(Arc<dyn Sealer>),
    /// Values are written in clear text and read from it: for tests without a runtime.
    Clear,
    /// Values are written in clear text for display, and cannot be read.
    Shown,
    /// Values are written as masks, which only show whether two values are equal.
    Masked,
}

#[derive(Default)]
struct Scope {
    mode: Option<Mode>,
    /// Data derived from stored data is written: values of subjects that were forgotten since are
    /// erased in it. Otherwise they are refused.
    derives: bool,
    subjects: Option<Subjects>,
    /// The last error of a personal value. serde keeps only its text.
    failure: Option<PersonalError>,
}

thread_local! {
    static SCOPE: RefCell<Scope> = RefCell::default();
}

fn with<R>(change: impl FnOnce(&mut Scope) -> R) -> R {
    // Borrowed for one assignment at a time, never while other code runs.
    SCOPE.with_borrow_mut(change)
}

/// Runs the work with these keys in scope. With `None`, the current scope stays. Within it, writing a
/// value of a forgotten subject is an error.
pub fn within<R>(sealer: Option<&Arc<dyn Sealer>>, work: impl FnOnce() -> R) -> R {
    match sealer {
        Some(sealer) => enter(Mode::Sealer(sealer.clone()), false, work),
        None => work(),
    }
}

/// Like [`within`], for data derived from stored data: a value of a forgotten subject is written as
/// erased.
pub fn deriving<R>(sealer: Option<&Arc<dyn Sealer>>, work: impl FnOnce() -> R) -> R {
    match sealer {
        Some(sealer) => enter(Mode::Sealer(sealer.clone()), true, work),
        None => work(),
    }
}

/// Runs the work without keys: personal values are written in clear text, and read from it. **For tests
/// of aggregates, views and codecs without a runtime.** Data written this way can be read only within
/// this function.
pub fn in_clear<R>(work: impl FnOnce() -> R) -> R {
    enter(Mode::Clear, false, work)
}

/// Runs the work so that personal values are serialized for display, in clear text:
/// `{"subject": …, "value": …}`, or `{"subject": …, "erased": true}`. **Use it to show values to users
/// that may see them.** The output cannot be read back, and is not erased when the subject is forgotten.
///
/// ```
/// # mod actuarius { pub use actuarius_persistence::Personal; pub mod store { pub use actuarius_persistence::*; } }
/// use actuarius::Personal;
/// use actuarius::store::personal;
///
/// let name = Personal::new("customer-7f3a", "Ada");
/// let shown = personal::showing(|| serde_json::to_string(&name))?;
/// assert_eq!(shown, r#"{"subject":"customer-7f3a","value":"Ada"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn showing<R>(work: impl FnOnce() -> R) -> R {
    enter(Mode::Shown, false, work)
}

/// Runs the work without keys: personal values are written as masks. Two masks of one process are equal
/// exactly if their values are, and reveal nothing else. Use it to compare and show data that contains
/// personal values; masks cannot be read back. Within [`showing`], values are shown instead.
pub fn masked<R>(work: impl FnOnce() -> R) -> R {
    let mode = match with(|scope| scope.mode.clone()) {
        Some(Mode::Shown) => Mode::Shown,
        _ => Mode::Masked,
    };
    enter(mode, false, work)
}

/// Returns the mask of an encoded value.
pub(crate) fn mask(subject: &str, clear: &[u8]) -> Result<Vec<u8>, PersonalError> {
    // One random salt per process: values cannot be guessed from masks, and masks of two threads compare.
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

fn enter<R>(mode: Mode, derives: bool, work: impl FnOnce() -> R) -> R {
    struct Restore(Option<Mode>, bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            let before = self.0.take();
            // Dropped after the borrow, because dropping a sealer may close its keys.
            drop(with(|scope| {
                scope.derives = self.1;
                std::mem::replace(&mut scope.mode, before)
            }));
        }
    }
    let _restore = with(|scope| {
        let derived = std::mem::replace(&mut scope.derives, derives);
        Restore(scope.mode.replace(mode), derived)
    });
    work()
}

/// Runs the work, and adds the subjects whose clear text it wrote or read to `subjects`. Without a
/// sealer there are none.
pub fn collecting<R>(
    sealer: Option<&Arc<dyn Sealer>>,
    subjects: &mut Subjects,
    work: impl FnOnce() -> R,
) -> R {
    if sealer.is_none() {
        return work();
    }
    struct Restore<'a>(Option<Subjects>, &'a mut Subjects);
    impl Drop for Restore<'_> {
        fn drop(&mut self) {
            let before = self.0.take();
            if let Some(seen) = with(|scope| std::mem::replace(&mut scope.subjects, before)) {
                self.1.add_all(&seen);
                // An outer collection includes them, too.
                with(|scope| scope.subjects.as_mut().map(|outer| outer.add_all(&seen)));
            }
        }
    }
    let _restore = Restore(with(|scope| scope.subjects.replace(Subjects::default())), subjects);
    work()
}

/// Runs work whose result has no clear text, although it reads some: no collection outside includes its subjects.
pub fn uncollected<R>(work: impl FnOnce() -> R) -> R {
    struct Restore(Option<Subjects>);
    impl Drop for Restore {
        fn drop(&mut self) {
            let before = self.0.take();
            with(|scope| scope.subjects = before);
        }
    }
    let _restore = Restore(with(|scope| scope.subjects.take()));
    work()
}

pub(crate) fn mode() -> Result<Mode, PersonalError> {
    with(|scope| scope.mode.clone()).ok_or(PersonalError::NoKeys)
}

/// Returns whether personal values can be written at all.
#[inline]
pub(crate) fn has_mode() -> bool {
    with(|scope| scope.mode.is_some())
}

pub(crate) fn derives() -> bool {
    with(|scope| scope.derives)
}

pub(crate) fn shows() -> bool {
    with(|scope| matches!(scope.mode, Some(Mode::Shown)))
}

pub(crate) fn record_subject(subject: Fingerprint) {
    with(|scope| scope.subjects.as_mut().map(|subjects| subjects.add(subject)));
}

/// Remembers the error of a value, and returns its text.
pub(crate) fn remember_failure(failure: PersonalError) -> String {
    let text = failure.to_string();
    with(|scope| scope.failure = Some(failure));
    text
}

/// Returns the remembered error if `text` contains its text.
pub(crate) fn take_failure(text: &str) -> Option<PersonalError> {
    let failure = with(|scope| scope.failure.take())?;
    let own = failure.to_string();
    // bincode escapes the quotes in its errors.
    let matches = text.contains(&own) || text.contains(&own.escape_debug().to_string());
    matches.then_some(failure)
}

//! Catches panics of the user's code.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the user's code and returns the message if it panics.
///
/// The caller must discard the state that the code may have left half changed.
pub(crate) fn guarded<T>(code: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|panic| {
        let message = message(&*panic);
        discard(panic);
        message
    })
}

/// Drops a value of the user's, whose `drop` may panic.
pub(crate) fn discard<T>(value: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // Dropping this may panic again, and so on.
        std::mem::forget(panic);
    }
}

/// How many characters of a panic's message are kept. The message is copied into statuses, errors and
/// logs, and may contain whatever data the code worked on.
const CHARS_MAX: usize = 1_000;

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("no message");
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::panic::resume_unwind;

    use super::*;

    #[test]
    fn a_panic_is_reported_by_its_message_and_a_long_one_is_cut() {
        let caught = |panic: Box<dyn Any + Send>| guarded(|| resume_unwind(panic)).unwrap_err();
        assert_eq!(caught(Box::new("short")), "short");
        assert_eq!(caught(Box::new("ü".repeat(CHARS_MAX))), "ü".repeat(CHARS_MAX));
        let long = caught(Box::new("ü".repeat(CHARS_MAX * 1_000)));
        assert_eq!(long, format!("{} …", "ü".repeat(CHARS_MAX)));
        assert_eq!(caught(Box::new(7)), "no message");
    }

    /// A panic whose message panicked when it was dropped once ended the thread that had caught it.
    #[test]
    fn a_message_that_panics_when_it_is_dropped_is_caught_too() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                resume_unwind(Box::new(()));
            }
        }
        assert_eq!(guarded(|| resume_unwind(Box::new(Bomb))), Err::<(), _>("no message".into()));
    }
}

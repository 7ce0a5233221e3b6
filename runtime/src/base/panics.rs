use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the user's code and turns a panic into its message.
///
/// The state the code may have left half changed is the caller's to throw away.
pub(crate) fn guarded<T>(code: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|panic| message(&*panic))
}

/// How many characters of a panic's message are passed on: it stands in statuses, errors and logs, and
/// may hold whatever the code was at work on.
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
    fn a_panic_is_told_by_its_message_and_a_long_one_is_cut() {
        let said = |panic: Box<dyn Any + Send>| guarded(|| resume_unwind(panic)).unwrap_err();
        assert_eq!(said(Box::new("short")), "short");
        assert_eq!(said(Box::new("ü".repeat(CHARS_MAX))), "ü".repeat(CHARS_MAX));
        let long = said(Box::new("ü".repeat(CHARS_MAX * 1_000)));
        assert_eq!(long, format!("{} …", "ü".repeat(CHARS_MAX)));
        assert_eq!(said(Box::new(7)), "no message");
    }
}

//! Catches panics of the user's code, also those of destructors.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

use tracing::Span;
use tracing::span::EnteredSpan;

/// Runs the user's code and returns the message if it panics.
///
/// The caller must discard the state that the code may have left half changed.
pub(crate) fn guarded<T>(code: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|panic| {
        let text = message(&*panic);
        // The payload is a value of the user's, too.
        discard(panic);
        text
    })
}

/// Like [`guarded`], for a future.
pub(crate) async fn caught<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let mut future = Box::pin(future);
    poll_fn(|context| match guarded(|| future.as_mut().poll(context)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

/// Drops a value of the user's. A panic of its destructor ends here.
pub(crate) fn discard<T>(value: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // A payload whose destructor panics as well is not dropped at all.
        std::mem::forget(panic);
    }
}

/// A value of the user's that the runtime may drop anywhere. A panic of its destructor ends here, so it
/// reaches neither the task that happens to drop it nor the values next to it.
pub(crate) struct Contained<T>(Option<T>);

impl<T> Contained<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }

    pub(crate) fn take(mut self) -> T {
        self.0.take().expect("only `take` and `drop` empty it, and both consume it")
    }
}

impl<T> Drop for Contained<T> {
    fn drop(&mut self) {
        if let Some(value) = self.0.take() {
            discard(value);
        }
    }
}

impl<T> Deref for Contained<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("only `take` and `drop` empty it, and both consume it")
    }
}

impl<T> DerefMut for Contained<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("only `take` and `drop` empty it, and both consume it")
    }
}

/// A span that is entered until this is dropped. A tracing layer that panics costs the span, and not the work
/// within it.
pub(crate) struct Entered(Option<EnteredSpan>);

impl Entered {
    pub(crate) fn into(span: impl FnOnce() -> Span) -> Self {
        Self(guarded(|| span().entered()).ok())
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(entered) = self.0.take() {
            discard(entered);
        }
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

    /// Panics when it is dropped.
    struct Explosive;

    impl Drop for Explosive {
        fn drop(&mut self) {
            resume_unwind(Box::new("dropped"));
        }
    }

    #[test]
    fn a_panic_is_reported_by_its_message_and_a_long_one_is_cut() {
        let caught = |panic: Box<dyn Any + Send>| guarded(|| resume_unwind(panic)).unwrap_err();
        assert_eq!(caught(Box::new("short")), "short");
        assert_eq!(caught(Box::new("ü".repeat(CHARS_MAX))), "ü".repeat(CHARS_MAX));
        let long = caught(Box::new("ü".repeat(CHARS_MAX * 1_000)));
        assert_eq!(long, format!("{} …", "ü".repeat(CHARS_MAX)));
        assert_eq!(caught(Box::new(7)), "no message");
    }

    /// A payload is dropped where the panic is caught, so its own destructor must not panic further.
    #[test]
    fn a_panic_with_an_explosive_payload_ends_where_it_is_caught() {
        let caught = guarded(|| resume_unwind(Box::new(Explosive)));
        assert_eq!(caught, Err("no message".to_owned()));
    }

    #[test]
    fn a_panic_of_a_destructor_ends_at_the_value_also_while_another_panic_unwinds() {
        drop(Contained::new(Explosive));
        let unwinding = guarded(|| {
            let _held = Contained::new(Explosive);
            resume_unwind(Box::new("first"));
        });
        assert_eq!(unwinding, Err("first".to_owned()));
    }
}

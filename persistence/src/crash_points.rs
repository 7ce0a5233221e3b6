//! Crash points: moments before file operations at which tests simulate that the process is killed.

use std::io;

/// Called before every operation that changes files. In a test it fails at the chosen operation and at
/// every later one, as if the process was killed and cleaned nothing up.
///
/// # Errors
/// Returns an error if the simulated process is killed.
#[cfg(not(any(test, feature = "testing")))]
pub fn here() -> io::Result<()> {
    Ok(())
}

#[cfg(any(test, feature = "testing"))]
/// Called before every operation that changes files. In a test it fails at the chosen operation and at
/// every later one, as if the process was killed and cleaned nothing up, or something else happens at the
/// chosen operation.
///
/// # Errors
/// Returns an error if the simulated process is killed.
pub fn here() -> io::Result<()> {
    let next = match LEFT.replace(Left::All) {
        Left::Some(0, None) => Left::Dead,
        Left::Some(0, Some(meanwhile)) => {
            meanwhile();
            Left::All
        }
        Left::Some(more, meanwhile) => Left::Some(more - 1, meanwhile),
        other => other,
    };
    let is_dead = matches!(next, Left::Dead);
    LEFT.set(next);
    if is_dead { Err(io::Error::other("killed")) } else { Ok(()) }
}

/// The number of operations before the process is killed, or before something else happens.
#[cfg(any(test, feature = "testing"))]
enum Left {
    All,
    Some(u64, Option<Box<dyn FnOnce()>>),
    Dead,
}

#[cfg(any(test, feature = "testing"))]
thread_local! {
    static LEFT: std::cell::Cell<Left> = const { std::cell::Cell::new(Left::All) };
}

/// Runs `work`, which is killed before the operation `number`. Returns its result, and whether it was killed.
#[cfg(any(test, feature = "testing"))]
pub fn killed_at<T>(number: u64, work: impl FnOnce() -> T) -> (T, bool) {
    LEFT.set(Left::Some(number, None));
    let done = work();
    (done, matches!(LEFT.replace(Left::All), Left::Dead))
}

/// Runs `work`, and `meanwhile` before the operation `number` of it. Returns its result, and whether `meanwhile`
/// was run.
#[cfg(any(test, feature = "testing"))]
pub fn meanwhile_at<T>(
    number: u64,
    meanwhile: impl FnOnce() + 'static,
    work: impl FnOnce() -> T,
) -> (T, bool) {
    LEFT.set(Left::Some(number, Some(Box::new(meanwhile))));
    let done = work();
    (done, !matches!(LEFT.replace(Left::All), Left::Some(..)))
}

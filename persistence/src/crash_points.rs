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
/// every later one, as if the process was killed and cleaned nothing up.
///
/// # Errors
/// Returns an error if the simulated process is killed.
pub fn here() -> io::Result<()> {
    let left = LEFT.get();
    LEFT.set(match left {
        Left::Some(0) => Left::Dead,
        Left::Some(more) => Left::Some(more - 1),
        other => other,
    });
    if LEFT.get() == Left::Dead { Err(io::Error::other("killed")) } else { Ok(()) }
}

/// The number of operations before the process is killed.
#[cfg(any(test, feature = "testing"))]
#[derive(Clone, Copy, PartialEq)]
enum Left {
    All,
    Some(u64),
    Dead,
}

#[cfg(any(test, feature = "testing"))]
thread_local! {
    static LEFT: std::cell::Cell<Left> = const { std::cell::Cell::new(Left::All) };
}

/// Runs `work`, which is killed before the operation `number`. Returns its result, and whether it was killed.
#[cfg(any(test, feature = "testing"))]
pub fn killed_at<T>(number: u64, work: impl FnOnce() -> T) -> (T, bool) {
    LEFT.set(Left::Some(number));
    let done = work();
    (done, LEFT.replace(Left::All) == Left::Dead)
}

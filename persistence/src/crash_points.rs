//! The moments between two file operations, at which a process may be killed. For tests only.

use std::io;

/// Stands before every operation that changes files. In a test it fails when the time has come, and
/// from then on always: the process is dead, and tidies nothing up.
#[cfg(not(any(test, feature = "testing")))]
pub fn here() -> io::Result<()> {
    Ok(())
}

#[cfg(any(test, feature = "testing"))]
pub fn here() -> io::Result<()> {
    let left = LEFT.get();
    LEFT.set(match left {
        Left::Some(0) => Left::Dead,
        Left::Some(more) => Left::Some(more - 1),
        other => other,
    });
    if LEFT.get() == Left::Dead { Err(io::Error::other("killed")) } else { Ok(()) }
}

/// How many operations are left to the process.
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

/// Runs `work`, which is killed in front of the operation numbered `number`; and whether it was.
#[cfg(any(test, feature = "testing"))]
pub fn killed_at<T>(number: u64, work: impl FnOnce() -> T) -> (T, bool) {
    LEFT.set(Left::Some(number));
    let done = work();
    (done, LEFT.replace(Left::All) == Left::Dead)
}

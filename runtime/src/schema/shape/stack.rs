//! How much stack the walks through a type use, and the bound on that.
//!
//! Most recursion of a type passes through a node, where its depth is counted. A value of any kind is different:
//! `serde` reads it at once, and then tries the variants of an untagged enum on its own copy. If one of these
//! contains the enum itself, and takes nothing from the value, that never ends, and a stack that overflows ends the
//! process. All that is seen of it are the errors of the variants that do not fit.

use std::cell::Cell;

/// The most stack that a walk through a type may use: half of what a thread has by default, like decoding a value.
const STACK_BYTES_MAX: usize = 1024 * 1024;

thread_local! {
    /// Where the stack was when the walk began, or 0 outside of a walk.
    static BASE: Cell<usize> = const { Cell::new(0) };
    static OVERFLOWED: Cell<bool> = const { Cell::new(false) };
}

/// Does a walk. Returns what it returns, and whether [`check`] ended it.
pub(super) fn bounded<R>(walk: impl FnOnce() -> R) -> (R, bool) {
    // A walk may be within another one, if the user's code asks for a shape.
    let _walk = Walk(BASE.replace(address()), OVERFLOWED.take());
    let result = walk();
    (result, OVERFLOWED.get())
}

/// What was before a walk.
struct Walk(usize, bool);

impl Drop for Walk {
    fn drop(&mut self) {
        BASE.set(self.0);
        OVERFLOWED.set(self.1);
    }
}

/// Returns whether the walk uses more stack than it may.
pub(super) fn is_used_up() -> bool {
    let base = BASE.get();
    base != 0 && base.abs_diff(address()) > STACK_BYTES_MAX
}

/// Ends the walk if it uses more stack than it may. An error cannot do that: `serde` tries the next variant after
/// each error.
///
/// # Panics
/// That is how it ends the walk. The panic is caught where the walk began, and is not reported.
pub(super) fn check() {
    if is_used_up() && !OVERFLOWED.replace(true) {
        std::panic::resume_unwind(Box::new("a type contains itself endlessly"));
    }
}

/// Returns where the stack of this thread is now.
fn address() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(&here).addr()
}

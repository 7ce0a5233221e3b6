//! How deep the value that this thread encodes or decodes is nested, and the bounds on that.
//!
//! Encoding, decoding and dropping a value recurse into it. Without a bound, a deep value overflows the
//! stack, which ends the process: at the first command, or at each start that replays it.

use std::cell::Cell;
use std::fmt;

/// The most levels of sequences, maps, structs, tuples and enum variants in a stored value, and,
/// counted separately, of options and newtypes.
///
/// It is what `serde_json` reads.
pub(super) const LEVELS_MAX: u32 = 127;

/// The most levels of a value that is read, counted likewise. Earlier releases had no bound when they
/// wrote bincode and MessagePack.
const LEVELS_READ: u32 = 1_023;

/// The most stack that encoding or decoding one value may use: half of what a thread has by default.
/// It bounds values whose levels are unusually large.
const STACK_BYTES_MAX: usize = 1024 * 1024;

/// The levels of options and newtypes are counted in the upper half of the counter.
const WRAPPER: u32 = 1 << 16;

/// Returns the bits of the counter that are set only beyond a bound.
const fn beyond(bound: u32) -> u32 {
    assert!((bound + 1).is_power_of_two());
    !(bound | (bound * WRAPPER))
}

struct Nesting {
    levels: Cell<u32>,
    /// The bits of `levels` that are set only beyond the bound.
    beyond: Cell<u32>,
    /// Where the stack was when the outermost value began, or 0 outside of a value.
    base: Cell<usize>,
    exceeded: Cell<bool>,
}

thread_local! {
    static NESTING: Nesting = const {
        Nesting {
            levels: Cell::new(0),
            beyond: Cell::new(0),
            base: Cell::new(0),
            exceeded: Cell::new(false),
        }
    };
}

/// One level of nesting, until it is dropped.
pub(in crate::record) struct Level(u32);

/// A value is nested too deeply.
pub(in crate::record) struct TooDeep;

impl fmt::Display for TooDeep {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the value is nested too deeply")
    }
}

impl Level {
    /// Enters a sequence, a map, a struct, a tuple or a variant.
    #[inline]
    pub(in crate::record) fn container() -> Result<Self, TooDeep> {
        Self::enter(1)
    }

    /// Enters a variant that is written as two containers.
    #[inline]
    pub(super) fn two_containers() -> Result<Self, TooDeep> {
        Self::enter(2)
    }

    /// Enters an option or a newtype, which may take no bytes of its own.
    #[inline]
    pub(in crate::record) fn wrapper() -> Result<Self, TooDeep> {
        Self::enter(WRAPPER)
    }

    #[inline]
    fn enter(step: u32) -> Result<Self, TooDeep> {
        NESTING.with(|nesting| {
            let levels = nesting.levels.get() + step;
            let stack = nesting.base.get().abs_diff(stack_address());
            if levels & nesting.beyond.get() != 0 || stack > STACK_BYTES_MAX {
                nesting.exceeded.set(true);
                return Err(TooDeep);
            }
            nesting.levels.set(levels);
            Ok(Self(step))
        })
    }
}

impl Drop for Level {
    #[inline]
    fn drop(&mut self) {
        NESTING.with(|nesting| nesting.levels.set(nesting.levels.get() - self.0));
    }
}

/// Writes one value. A value within a value, as in a `Personal`, continues its levels.
#[inline]
pub(super) fn writing<R>(work: impl FnOnce() -> R) -> R {
    measured(const { beyond(LEVELS_MAX) }, work)
}

/// Reads one value, likewise.
#[inline]
pub(super) fn reading<R>(work: impl FnOnce() -> R) -> R {
    measured(const { beyond(LEVELS_READ) }, work)
}

#[inline]
fn measured<R>(beyond: u32, work: impl FnOnce() -> R) -> R {
    struct Outermost;
    impl Drop for Outermost {
        fn drop(&mut self) {
            NESTING.with(|nesting| nesting.base.set(0));
        }
    }
    let _outermost = NESTING.with(|nesting| {
        (nesting.base.get() == 0).then(|| {
            nesting.base.set(stack_address());
            nesting.levels.set(0);
            nesting.beyond.set(beyond);
            nesting.exceeded.set(false);
            Outermost
        })
    });
    work()
}

/// Returns whether a bound was exceeded since the last call.
pub(super) fn take_exceeded() -> bool {
    NESTING.with(|nesting| nesting.exceeded.take())
}

/// Returns where the stack of this thread is now.
#[inline]
fn stack_address() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(&here).addr()
}

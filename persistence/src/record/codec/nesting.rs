//! How deep the value that this thread walks through or decodes is nested, and the bounds on that.
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

/// The most stack that walking through or decoding one value may use: half of what a thread has by default.
/// It bounds values whose levels are unusually large. Encoding takes the same and what the codec adds: at most 254
/// small frames.
const STACK_BYTES_MAX: usize = 1024 * 1024;

/// The same for a value that is checked before it is written. Later programs may need more for it: their type may have
/// more fields, and their compiler or profile larger frames.
const STACK_BYTES_CHECKED: usize = STACK_BYTES_MAX / 2;

/// The most elements of sequences and entries of maps that are read without bytes of their own, such as units. Bytes of
/// another shape may state any number, and bincode would read that many.
const ELEMENTS_MAX: usize = 1_048_576;

/// The elements that one byte may belong to: those of tuples and structs are counted, too, and may be nested.
const ELEMENTS_PER_BYTE: usize = 64;

/// A level of sequences, maps, structs, tuples and variants.
pub(super) const CONTAINER: u32 = 1;

/// A level of options and newtypes, which may take no bytes of their own: they are counted in the upper half.
pub(super) const WRAPPER: u32 = 1 << 16;

/// Returns the bits of the counter that are set only beyond a bound.
const fn beyond(bound: u32) -> u32 {
    assert!((bound + 1).is_power_of_two());
    !(bound | (bound * WRAPPER))
}

/// The levels of the value that this thread walks through or reads.
pub(super) struct Nesting {
    levels: Cell<u32>,
    /// The bits of `levels` that are set only beyond the bound.
    beyond: Cell<u32>,
    /// Where the stack was when the outermost value began, or 0 outside of a value.
    base: Cell<usize>,
    /// How much stack it may use.
    stack: Cell<usize>,
    exceeded: Cell<bool>,
    /// How many more elements and entries may be read.
    elements: Cell<usize>,
}

thread_local! {
    static NESTING: Nesting = const {
        Nesting {
            levels: Cell::new(0),
            beyond: Cell::new(0),
            base: Cell::new(0),
            stack: Cell::new(STACK_BYTES_MAX),
            exceeded: Cell::new(false),
            elements: Cell::new(0),
        }
    };
}

impl Nesting {
    #[inline]
    pub(super) fn enter(&self, step: u32) -> Result<(), TooDeep> {
        let levels = self.levels.get() + step;
        let stack = self.base.get().abs_diff(stack_address());
        if levels & self.beyond.get() != 0 || stack > self.stack.get() {
            self.exceeded.set(true);
            return Err(TooDeep);
        }
        self.levels.set(levels);
        Ok(())
    }

    #[inline]
    pub(super) fn leave(&self, step: u32) {
        self.levels.set(self.levels.get() - step);
    }
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
        Self::enter(CONTAINER)
    }

    /// Enters an option or a newtype, which may take no bytes of its own.
    #[inline]
    pub(in crate::record) fn wrapper() -> Result<Self, TooDeep> {
        Self::enter(WRAPPER)
    }

    #[inline]
    fn enter(step: u32) -> Result<Self, TooDeep> {
        NESTING.with(|nesting| nesting.enter(step)).map(|()| Self(step))
    }
}

impl Drop for Level {
    #[inline]
    fn drop(&mut self) {
        NESTING.with(|nesting| nesting.leave(self.0));
    }
}

/// A value has more elements than its bytes can have.
pub(super) struct TooManyElements;

impl fmt::Display for TooManyElements {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the value has more elements than its bytes can have")
    }
}

/// Counts the elements that a part of a value states to have.
#[inline]
pub(super) fn read_elements(count: Option<usize>) -> Result<(), TooManyElements> {
    NESTING.with(|nesting| {
        let left = nesting.elements.get().checked_sub(count.unwrap_or_default());
        nesting.elements.set(left.ok_or(TooManyElements)?);
        Ok(())
    })
}

/// Walks through one value. A value within a value, as in a `Personal`, continues its levels.
#[inline]
pub(super) fn walking<R>(work: impl FnOnce(&Nesting) -> R) -> R {
    let _begin = Begin::new(const { beyond(LEVELS_MAX) }, 0);
    NESTING.with(work)
}

/// Reads one value, likewise.
#[inline]
pub(super) fn reading<R>(work: impl FnOnce() -> R) -> R {
    let _begin = Begin::new(const { beyond(LEVELS_READ) }, 0);
    work()
}

/// Reads one value from so many bytes.
#[inline]
pub(super) fn reading_bytes<R>(bytes: usize, work: impl FnOnce() -> R) -> R {
    let elements = bytes.saturating_mul(ELEMENTS_PER_BYTE);
    let _begin = Begin::new(const { beyond(LEVELS_READ) }, elements);
    work()
}

/// Values use less stack until this is dropped, because they are checked before they are written.
pub(super) struct Checking(usize);

impl Checking {
    #[inline]
    pub(super) fn begin() -> Self {
        Self(NESTING.with(|nesting| nesting.stack.replace(STACK_BYTES_CHECKED)))
    }
}

impl Drop for Checking {
    #[inline]
    fn drop(&mut self) {
        NESTING.with(|nesting| nesting.stack.set(self.0));
    }
}

/// What was before a value. A walk that ends early leaves no levels behind.
struct Begin {
    base: usize,
    levels: u32,
}

impl Begin {
    #[inline]
    fn new(beyond: u32, elements: usize) -> Self {
        NESTING.with(|nesting| {
            let (base, levels) = (nesting.base.get(), nesting.levels.get());
            if base == 0 {
                nesting.base.set(stack_address());
                nesting.beyond.set(beyond);
                nesting.exceeded.set(false);
                nesting.elements.set(ELEMENTS_MAX);
            }
            nesting.elements.set(nesting.elements.get().saturating_add(elements));
            Self { base, levels }
        })
    }
}

impl Drop for Begin {
    #[inline]
    fn drop(&mut self) {
        NESTING.with(|nesting| {
            nesting.base.set(self.base);
            nesting.levels.set(self.levels);
        });
    }
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

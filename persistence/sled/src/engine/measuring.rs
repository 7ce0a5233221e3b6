//! What the process writes between two syncs, for the tests that compare it with the account.

use std::cell::{Cell, RefCell};
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// What was measured since the measurement began.
#[derive(Default)]
pub(crate) struct Measured {
    /// The counter of the process at the last sync.
    at_last_sync: u64,
    /// The most bytes between two syncs.
    pub(crate) most: u64,
    pub(crate) written: u64,
    pub(crate) accounted: u64,
}

static IS_MEASURING: AtomicBool = AtomicBool::new(false);
static IS_WITHOUT_THREAD: AtomicBool = AtomicBool::new(false);
static MEASURED: Mutex<Option<Measured>> = Mutex::new(None);

/// Opens sled without its own thread from now on. That one syncs what it writes by itself, which is not counted as a
/// sync. On a busy machine it writes and syncs many times between two syncs of ours.
pub(crate) fn without_thread() {
    IS_WITHOUT_THREAD.store(true, Ordering::Release);
}

pub(super) fn is_without_thread() -> bool {
    IS_WITHOUT_THREAD.load(Ordering::Acquire)
}

/// Counts what a group is accounted for.
pub(super) fn accounted(bytes: usize) {
    count(|measured| measured.accounted += bytes as u64);
}

/// Leaves out what is written to another file than sled's.
pub(crate) fn written_elsewhere(bytes: usize) {
    count(|measured| measured.at_last_sync += bytes as u64);
}

type EachSync = Box<dyn FnMut()>;

thread_local! {
    static EACH_SYNC: RefCell<Option<EachSync>> = const { RefCell::new(None) };
}

/// Calls `each` after each sync of this thread, while `work` runs.
pub(crate) fn after_each_sync(each: impl FnMut() + 'static, work: impl FnOnce()) {
    EACH_SYNC.set(Some(Box::new(each)));
    work();
    EACH_SYNC.set(None);
}

/// How many more changes are made, and how many were not made.
type Cut = (usize, usize);

thread_local! {
    static CUT: Cell<Option<Cut>> = const { Cell::new(None) };
}

/// Makes only the first `changes` of the groups that this thread stores change by change, while `work` runs. Returns
/// how many were not made.
pub(crate) fn cut_after(changes: usize, work: impl FnOnce()) -> usize {
    CUT.set(Some((changes, 0)));
    work();
    CUT.take().map_or(0, |(_, unmade)| unmade)
}

/// Counts a change. Returns whether it is not to be made.
pub(super) fn is_cut() -> bool {
    let Some((left, unmade)) = CUT.get() else { return false };
    let is_cut = left == 0;
    CUT.set(Some((left.saturating_sub(1), unmade + usize::from(is_cut))));
    is_cut
}

/// Counts what was written since the last sync.
pub(super) fn synced() {
    EACH_SYNC.with_borrow_mut(|each| each.as_mut().map_or((), |each| each()));
    count(|measured| {
        let written = written_by_process() - measured.at_last_sync;
        measured.at_last_sync += written;
        measured.written += written;
        measured.most = measured.most.max(written);
    });
}

fn count(add: impl FnOnce(&mut Measured)) {
    if IS_MEASURING.load(Ordering::Acquire) {
        let mut measured = MEASURED.lock().expect("no count panics");
        add(measured.get_or_insert_with(|| Measured {
            at_last_sync: written_by_process(),
            ..Measured::default()
        }));
    }
}

fn written_by_process() -> u64 {
    let counters = fs::read_to_string("/proc/self/io").expect("Linux counts what a process writes");
    let bytes = counters.lines().find_map(|line| line.strip_prefix("wchar: "));
    bytes.expect("it counts bytes").parse().expect("a number")
}

/// Measures while `change` runs.
pub(crate) fn during(change: impl FnOnce()) -> Measured {
    *MEASURED.lock().expect("no count panics") = None;
    IS_MEASURING.store(true, Ordering::Release);
    change();
    IS_MEASURING.store(false, Ordering::Release);
    MEASURED.lock().expect("no count panics").take().unwrap_or_default()
}

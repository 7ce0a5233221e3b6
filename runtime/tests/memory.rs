//! Memory stays flat: under overload, and while an aggregate with a long history is loaded. What the process
//! allocates is counted, so no other test may run in this binary at the same time.

use std::sync::{Mutex, PoisonError};

use actuarius::store::{fault, memory};
use actuarius::{Aggregate, Context, Hosting, Runtime};
use peak_alloc::PeakAlloc;
use serde::{Deserialize, Serialize};

#[path = "common/mod.rs"]
mod common;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const MIB: usize = 1024 * 1024;

fn block_on(work: impl Future<Output = ()>) {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap().block_on(work);
}

/// The store stands still, and a hundred times as many commands as fit arrive. Each one beyond the limit is answered
/// and leaves nothing behind: without a limit, these 100,000 commands would hold 100 MiB.
#[test]
fn memory_stays_flat_under_a_hundred_times_as_many_commands_as_fit() {
    block_on(async {
        const LIMIT: usize = 1_000;
        let (store, faults) = fault::over(memory::open());
        let runtime = Runtime::builder().pending_limit(LIMIT).on_store(store).await.unwrap();
        let ledgers = runtime.host::<common::Ledger>();
        let command = || common::Command::AddAll(vec![1; 128]);
        let hold = faults.hold();
        let fit: Vec<_> =
            (0..LIMIT).map(|id| common::send(ledgers.execute(id.to_string(), command()))).collect();
        assert!(ledgers.execute("one more", command()).await.is_err());
        ALLOCATED.reset_peak_usage();
        let before = ALLOCATED.current_usage();
        for id in 0..100 * LIMIT {
            assert!(ledgers.execute(id.to_string(), command()).await.is_err());
        }
        let more = ALLOCATED.peak_usage().saturating_sub(before);
        hold.release();
        for answer in fit {
            answer.await.unwrap();
        }
        // The thousand that fit continue in the background until they wait for the store.
        assert!(more < 16 * MIB, "{more} bytes more at the peak");
    });
}

#[derive(Default, Serialize, Deserialize)]
struct Tally {
    events: u64,
}

#[derive(Serialize, Deserialize)]
enum Counted {
    Counted(String),
}

impl Aggregate for Tally {
    const TYPE: &'static str = "tally";
    type Command = u64;
    type Event = Counted;
    type Error = std::convert::Infallible;

    fn decide(&self, events: u64, _: &Context) -> Result<Vec<Counted>, Self::Error> {
        Ok((0..events).map(|_| Counted::Counted("x".repeat(100))).collect())
    }

    fn apply(&mut self, _: &Counted) {
        self.events += 1;
    }
}

/// A history of a million events, or of a hundred thousand in a debug build, is read page by page: while it is loaded
/// the process never holds more than a few pages of it.
#[test]
fn an_aggregate_with_a_long_history_is_loaded_in_bounded_memory() {
    block_on(async {
        const COMMANDS: u64 = if cfg!(debug_assertions) { 100 } else { 1_000 };
        let contents = Default::default();
        let hosting = || Hosting::default().snapshot_every(u64::MAX);
        let (runtime, _) = common::open_on(&contents).await;
        let tallies = runtime.host_with::<Tally>(hosting());
        for _ in 0..COMMANDS {
            tallies.execute("one", 1_000).await.unwrap();
        }
        drop(tallies);
        // No snapshot, as after a crash.
        drop(runtime);
        let (runtime, _) = common::open_on(&contents).await;
        let tallies = runtime.host_with::<Tally>(hosting());
        tallies.query("another", |_| ()).await.unwrap();
        ALLOCATED.reset_peak_usage();
        let before = ALLOCATED.current_usage();
        let events = tallies.query("one", |it| it.events).await.unwrap();
        let more = ALLOCATED.peak_usage().saturating_sub(before);
        assert_eq!(events, COMMANDS * 1_000);
        assert!(more < 4 * MIB, "{more} bytes more at the peak");
    });
}

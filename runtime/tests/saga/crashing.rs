//! A crash at each stage of a transfer, each time it is reached, and at each commit. After the next
//! start the transfer ends, and each command is executed once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actuarius::clock::ManualClock;
use actuarius::health::Status;
use actuarius::operations::Reuse;
use actuarius::saga::{InstanceStatus, Sagas, Stage};
use actuarius::store::fault::{self, Failure, Faults};
use actuarius::store::memory::{self, Contents};
use actuarius::{Hosting, Id, Runtime};
use tokio::sync::Notify;

use crate::bank::{
    Account, AccountCommand, AccountEvent, Order, OrderEvent, PATIENCE, Transfer, account, placed,
};
use crate::common::eventually;
use crate::till::{LONG, at_once, compensated, events};

/// How a transfer of 200 cents from alice, who has 500, to bob ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Completes,
    /// Bob's account is frozen.
    IsRefused,
    /// The payee stays unknown.
    TakesTooLong,
}

const WAYS: [Way; 3] = [Way::Completes, Way::IsRefused, Way::TakesTooLong];
const FAILURES: [Failure; 3] = [Failure::Unwritten, Failure::HalfWritten, Failure::Unacknowledged];

impl Way {
    fn order(self) -> OrderEvent {
        match self {
            Self::TakesTooLong => OrderEvent::Reserved { from: account("alice"), cents: 200 },
            _ => placed("alice", "bob", 200),
        }
    }

    fn end(self) -> InstanceStatus {
        match self {
            Self::Completes => InstanceStatus::Completed,
            Self::IsRefused => compensated("the account is frozen"),
            Self::TakesTooLong => compensated("it took too long"),
        }
    }

    /// The events that the streams of alice and bob may have after their first ones.
    fn holds(self, alice: &[AccountEvent], bob: &[AccountEvent]) -> bool {
        use AccountEvent::{Deposited, Withdrawn};
        let there_and_back = alice == [Withdrawn(200), Deposited(200)];
        match self {
            Self::Completes => alice == [Withdrawn(200)] && bob == [Deposited(200)],
            Self::IsRefused => there_and_back && bob.is_empty(),
            // The transfer may be over before anything was sent.
            Self::TakesTooLong => (there_and_back || alice.is_empty()) && bob.is_empty(),
        }
    }
}

/// The cases of a sweep.
#[derive(Debug, Clone, Copy)]
struct Case {
    way: Way,
    failure: Failure,
    /// The number of command ids that an account remembers.
    remembered: usize,
}

fn cases() -> impl Iterator<Item = Case> {
    let all = WAYS.into_iter().flat_map(|way| FAILURES.map(|failure| (way, failure)));
    all.flat_map(|(way, failure)| [256, 0].map(|remembered| Case { way, failure, remembered }))
}

/// Crashes when a stage is reached for the `left`th time.
#[derive(Clone)]
struct Mine {
    at: Stage,
    left: Arc<AtomicUsize>,
    faults: Faults,
    failure: Failure,
    blown: Arc<Notify>,
}

impl Mine {
    fn reached(&self, stage: Stage) {
        if stage == self.at && self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.faults.fail_commit(1, self.failure);
            self.blown.notify_one();
        }
    }
}

struct Life {
    runtime: Runtime,
    faults: Faults,
    clock: Arc<ManualClock>,
    hosting: Hosting,
}

impl Life {
    async fn on(contents: &Arc<Contents>, case: Case) -> Self {
        let (store, faults) = fault::over(memory::reopen(contents));
        let clock = Arc::new(ManualClock::default());
        let runtime = Runtime::builder().clock(clock.clone()).on_store(store).await.unwrap();
        let hosting = Hosting::default().remembered_commands(case.remembered);
        Self { runtime, faults, clock, hosting }
    }

    async fn transfers(&self, mine: Option<Mine>) -> Option<Sagas<Transfer>> {
        let accounts = self.runtime.host_with::<Account>(self.hosting.clone());
        let transfers = self.runtime.saga::<Transfer>().reacts_to::<Order>().sends_to(&accounts);
        let watcher = move |stage, _: &str| mine.iter().for_each(|mine| mine.reached(stage));
        transfers.retry(at_once()).watched_by(watcher).start().await.ok()
    }

    fn mine(&self, at: Stage, nth: usize, failure: Failure) -> Mine {
        let (left, blown) = (Arc::new(AtomicUsize::new(nth)), Arc::default());
        Mine { at, left, faults: self.faults.clone(), failure, blown }
    }

    /// Waits until the transfer has ended. The clock advances for transfers that need it.
    async fn end(&self, way: Way, transfers: &Sagas<Transfer>) -> Option<InstanceStatus> {
        let mut end = std::pin::pin!(transfers.end_of("t-1"));
        loop {
            tokio::select! {
                biased;
                end = &mut end => return end.ok(),
                () = tokio::task::yield_now() => {}
            }
            if way == Way::TakesTooLong {
                self.clock.advance(PATIENCE / 8);
            }
        }
    }
}

/// Writes the accounts that exist before the transfer.
async fn begin(case: Case) -> Arc<Contents> {
    let contents = Arc::default();
    let life = Life::on(&contents, case).await;
    let accounts = life.runtime.host::<Account>();
    accounts.execute("alice", AccountCommand::Deposit(500)).await.unwrap();
    if case.way == Way::IsRefused {
        accounts.execute("bob", AccountCommand::Freeze).await.unwrap();
    }
    life.runtime.host::<Order>().execute("t-1", case.way.order()).await.unwrap();
    assert!(life.runtime.shutdown(LONG).await.is_clean());
    drop((life, accounts));
    until_gone(&contents).await;
    contents
}

/// Runs until a stage is reached for the `nth` time, and returns `false` if it was not reached.
async fn blow(contents: &Arc<Contents>, case: Case, at: Stage, nth: usize) -> bool {
    let life = Life::on(contents, case).await;
    let mine = life.mine(at, nth, case.failure);
    let has_crashed = match life.transfers(Some(mine.clone())).await {
        None => true,
        Some(transfers) => tokio::select! {
            biased;
            () = mine.blown.notified() => true,
            end = life.end(case.way, &transfers) => end.is_none(),
        },
    };
    drop((life, mine));
    until_gone(contents).await;
    has_crashed
}

/// Waits until no task of an earlier runtime can write any more.
async fn until_gone(contents: &Arc<Contents>) {
    eventually(|| Arc::strong_count(contents) == 1).await;
}

/// Runs once more without a failure, and checks the result.
async fn finish(contents: &Arc<Contents>, case: Case, told: &str) {
    let life = Life::on(contents, case).await;
    let transfers = life.transfers(None).await.unwrap();
    assert_eq!(life.end(case.way, &transfers).await.unwrap(), case.way.end(), "{told}");
    let stored = |id: &str, begin: usize| {
        let id: Id<Account> = account(id);
        let mut stored: Vec<AccountEvent> = events(&life.runtime, &id.stream());
        stored.drain(..begin);
        stored
    };
    let (alice, bob) = (stored("alice", 1), stored("bob", (case.way == Way::IsRefused).into()));
    assert!(case.way.holds(&alice, &bob), "{told}: {alice:?}, {bob:?}");
    assert!(life.runtime.shutdown(LONG).await.is_clean());
}

#[tokio::test]
async fn a_crash_at_any_stage_is_survived() {
    let mut crashes = 0;
    for case in cases() {
        for stage in Stage::ALL {
            for nth in 1.. {
                let contents = begin(case).await;
                let has_crashed = blow(&contents, case, stage, nth).await;
                finish(&contents, case, &format!("{case:?}, {stage} {nth}")).await;
                crashes += usize::from(has_crashed);
                if !has_crashed {
                    break;
                }
            }
        }
    }
    assert!(crashes >= 100, "only {crashes} crashes");
}

#[tokio::test]
async fn three_crashes_in_a_row_are_survived() {
    for case in cases().filter(|case| case.remembered == 0) {
        for first in Stage::ALL {
            for second in Stage::ALL {
                let contents = begin(case).await;
                for (stage, nth) in [(first, 2), (second, 1), (second, 1)] {
                    blow(&contents, case, stage, nth).await;
                }
                finish(&contents, case, &format!("{case:?}, {first}, {second}")).await;
            }
        }
    }
}

#[tokio::test]
async fn a_crash_at_any_commit_is_survived() {
    for case in cases() {
        for nth in 1.. {
            let contents = begin(case).await;
            let life = Life::on(&contents, case).await;
            life.faults.fail_commit(nth, case.failure);
            if let Some(transfers) = life.transfers(None).await {
                tokio::select! {
                    biased;
                    () = until_poisoned(&life.runtime) => {}
                    _ = life.end(case.way, &transfers) => {}
                }
            }
            let commits = life.faults.counts().commits;
            drop(life);
            until_gone(&contents).await;
            finish(&contents, case, &format!("{case:?}, commit {nth}")).await;
            if commits < nth {
                break;
            }
        }
    }
}

async fn until_poisoned(runtime: &Runtime) {
    while matches!(runtime.health().status, Status::Running) {
        tokio::task::yield_now().await;
    }
}

/// A command was carried out, the process ended before its saga knew, and the target was deleted so that its id may be
/// used again. The history of the target no longer says whether the command was carried out, so it was sent again, to the
/// next aggregate of that id.
#[tokio::test]
async fn a_command_in_doubt_is_not_sent_again_to_the_next_aggregate_of_a_deleted_id() {
    for remembered in [0, 256] {
        let case = Case { way: Way::Completes, failure: Failure::Unwritten, remembered };
        let contents = begin(case).await;
        assert!(blow(&contents, case, Stage::Dispatched, 2).await);
        let life = Life::on(&contents, case).await;
        let accounts = life.runtime.host_with::<Account>(life.hosting.clone());
        assert_eq!(accounts.query("bob", |bob| bob.cents).await.unwrap(), 200);
        accounts.delete("bob", Reuse::Allowed).await.unwrap();

        let transfers = life.transfers(None).await.unwrap();
        let in_trouble = || transfers.list("", 1, |shown| shown.status.is_in_trouble());
        eventually(|| !in_trouble().is_empty()).await;
        let status = in_trouble()[0].status.to_string();
        assert!(status.contains("whether it was carried out"), "{status}");
        assert!(!accounts.exists("bob").await.unwrap());
        // An operator who knows that it was may skip it.
        transfers.skip("t-1").await.unwrap();
        let is_idle = || transfers.counts().in_trouble + transfers.counts().commands_under_way == 0;
        eventually(is_idle).await;
        assert!(!accounts.exists("bob").await.unwrap());
        assert!(life.runtime.shutdown(LONG).await.is_clean());
    }
}

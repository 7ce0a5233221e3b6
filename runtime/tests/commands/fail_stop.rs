//! After the first failed write or sync, no more commands are acknowledged, every caller learns the
//! outcome of its command, and a restart has every acknowledged event.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actuarius::error::Written;
use actuarius::health::Status;
use actuarius::store::fault::Failure as Failing;
use actuarius::store::memory::{self, Contents};
use actuarius::store::{AppendOutcome, Batch, Store, StoreFailure, Writer};
use actuarius::{Aggregates, ExecuteError, Failure, Hosting, Receipt, Runtime};

use crate::common::{Command, Ledger, Refused, join_all, open_on};

const FAILURES: [Failing; 3] = [Failing::Unwritten, Failing::HalfWritten, Failing::Unacknowledged];
const CLIENTS: i64 = 4;
const COMMANDS: i64 = 6;
const LEDGERS: i64 = 3;

type Answer = Result<Receipt, ExecuteError<Refused>>;

/// Combines client and number into an amount that no other command has, so that entries can be
/// identified.
fn amount(client: i64, number: i64) -> i64 {
    client * 100 + number
}

fn ledger_of(amount: i64) -> String {
    (amount % LEDGERS).to_string()
}

async fn execute(ledgers: &Aggregates<Ledger>, amount: i64) -> Answer {
    let name = format!("command {amount}");
    ledgers.execute(ledger_of(amount), Command::Add(amount)).command_id(name).await
}

/// Sends all commands of all clients, and returns the answers in the order in which each client got
/// them.
async fn drive(ledgers: &Aggregates<Ledger>) -> Vec<Vec<(i64, Answer)>> {
    let client = |client| {
        let ledgers = ledgers.clone();
        async move {
            let mut answers = Vec::new();
            for number in 0..COMMANDS {
                let amount = amount(client, number);
                answers.push((amount, execute(&ledgers, amount).await));
            }
            answers
        }
    };
    join_all((0..CLIENTS).map(client)).await
}

fn host(runtime: &Runtime) -> Aggregates<Ledger> {
    runtime.host_with(Hosting::default().snapshot_every(2).resident_limit(2))
}

fn failure(answer: &Answer) -> &Failure {
    answer.as_ref().expect_err("the store has failed").failure().expect("not a rejection")
}

/// Splits the answers into acknowledged commands and the error of each client's first failed one.
fn judge(answers: &[(i64, Answer)]) -> Vec<i64> {
    let acknowledged = answers.iter().take_while(|(_, answer)| answer.is_ok());
    let acknowledged: Vec<_> = acknowledged.map(|(amount, _)| *amount).collect();
    for (nth, (amount, answer)) in answers[acknowledged.len()..].iter().enumerate() {
        match failure(answer) {
            Failure::Indeterminate(_) => assert_eq!(nth, 0, "{amount} came after the failure"),
            Failure::Poisoned(_) => {}
            other => panic!("{amount}: {other}"),
        }
    }
    acknowledged
}

/// Asserts that readers see all acknowledged events, and nothing else.
async fn assert_state_as_before(ledgers: &Aggregates<Ledger>, acknowledged: &[i64]) {
    for ledger in 0..LEDGERS {
        let mut entries = ledgers.query(ledger.to_string(), |it| it.entries.clone()).await.unwrap();
        entries.sort_unstable();
        let of_ledger = acknowledged.iter().copied();
        let expected: Vec<_> = of_ledger.filter(|amount| amount % LEDGERS == ledger).collect();
        assert_eq!(entries, expected, "ledger {ledger}");
        let version = ledgers.version(ledger.to_string()).await.unwrap();
        assert_eq!(version.get(), expected.len() as u64);
    }
}

/// Sends the same commands again under their ids: a written one is answered with its first receipt,
/// and any other is executed now.
async fn assert_restart_recovers(contents: &Arc<Contents>, before: &[(i64, Answer)]) {
    let (runtime, _) = open_on(contents).await;
    let ledgers = host(&runtime);
    for (amount, first) in before {
        let again = execute(&ledgers, *amount).await.expect("the store works again");
        match first {
            Ok(first) => {
                assert!(again.repeated, "{amount} was acknowledged");
                assert_eq!((again.version, again.position), (first.version, first.position));
            }
            Err(_) => {
                let written = failure(first).written();
                assert!(
                    written == Written::Perhaps || !again.repeated,
                    "{amount} was reported as not written"
                );
            }
        }
    }
    let mut all: Vec<_> = before.iter().map(|(amount, _)| *amount).collect();
    all.sort_unstable();
    assert_state_as_before(&ledgers, &all).await;
    assert_eq!(runtime.head().get(), all.len() as u64);
}

async fn fail_the(nth: u64, failing: Failing) {
    let contents = Arc::default();
    let (runtime, faults) = open_on(&contents).await;
    let ledgers = host(&runtime);
    faults.fail_commit(nth, failing);
    let answers = drive(&ledgers).await;
    let mut acknowledged: Vec<_> = answers.iter().flat_map(|answers| judge(answers)).collect();
    acknowledged.sort_unstable();
    assert!(acknowledged.len() < (CLIENTS * COMMANDS) as usize, "the store failed");
    assert_eq!(runtime.head().get(), acknowledged.len() as u64);
    assert!(matches!(runtime.health().status, Status::Poisoned(_)));
    assert_state_as_before(&ledgers, &acknowledged).await;
    drop((runtime, ledgers));
    let answers: Vec<_> = answers.into_iter().flatten().collect();
    assert_restart_recovers(&contents, &answers).await;
}

/// Each client waits for its answer before it sends the next command, so there are at least as many
/// commits as a client has commands, and every failure of the sweep occurs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failure_at_any_commit_nothing_is_acknowledged_and_a_restart_recovers() {
    for failing in FAILURES {
        for nth in 1..=COMMANDS as u64 {
            fail_the(nth, failing).await;
        }
    }
}

/// The value was computed from a state with events of the same turn that were never stored: the
/// receipt of the repeated command is correct, the value is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_for_a_repeated_command_is_withheld_if_earlier_commands_of_its_turn_are_lost() {
    let (runtime, faults) = open_on(&Default::default()).await;
    let ledgers = runtime.host::<Ledger>();
    ledgers.execute("a", Command::Add(1)).command_id("one").await.unwrap();
    faults.fail_commit(2, Failing::Unwritten);
    let hold = faults.hold();
    let first = crate::common::send(ledgers.execute("a", Command::Add(10)));
    let hold = crate::common::until_held(hold).await;
    let failing = crate::common::send(ledgers.execute("a", Command::Add(100)));
    let again = ledgers.execute("a", Command::Add(1)).command_id("one");
    let value = crate::common::send(again.returning(|it| it.total));
    let again = crate::common::send(ledgers.execute("a", Command::Add(1)).command_id("one"));
    hold.release();
    first.await.unwrap();
    assert!(failing.await.is_err());
    assert!(value.await.is_err());
    assert!(again.await.unwrap().repeated);
}

/// The writer of a user's own store: after one panic, each of its methods panics, as with a poisoned mutex.
struct BrokenWriter(AtomicBool);

impl BrokenWriter {
    fn check(&self) {
        if self.0.load(Ordering::SeqCst) {
            resume_unwind(Box::new("the writer's mutex is poisoned"));
        }
    }
}

impl Writer for BrokenWriter {
    fn commit(&mut self, _: &Batch) -> Result<Vec<AppendOutcome>, StoreFailure> {
        self.0.store(true, Ordering::SeqCst);
        self.check();
        Ok(vec![])
    }

    fn batch_bytes(&self) -> usize {
        self.check();
        1_000
    }

    fn waiting_bytes(&self) -> usize {
        self.check();
        0
    }
}

/// The committer asked such a writer for its batch size in a loop, and never took work again: callers and the
/// shutdown waited for their deadlines, and one core was busy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_always_panics_is_asked_nothing_more_and_everyone_is_answered() {
    let store = Store { writer: Box::new(BrokenWriter(AtomicBool::new(false))), ..memory::open() };
    let runtime = Runtime::builder().on_store(store).await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let error = ledgers.execute("a", Command::Add(1)).await.unwrap_err();
    assert!(matches!(error.failure(), Some(Failure::Indeterminate(_))), "{error:?}");
    for id in ["a", "b"] {
        let error = ledgers.execute(id, Command::Add(1)).await.unwrap_err();
        assert!(matches!(error.failure(), Some(Failure::Poisoned(_))), "{error:?}");
    }
    let report = runtime.shutdown(Duration::from_secs(60)).await;
    assert!(report.store_failed && !report.still_closing, "{report:?}");
}

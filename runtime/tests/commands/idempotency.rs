//! A repeated command id gets the first receipt, through passivation, restart and crash, and
//! nothing is written twice.

use std::sync::Arc;
use std::time::Duration;

use actuarius::{Aggregates, Expected, Hosting, Receipt, Runtime, Version};

use crate::common::{Command, Ledger, eventually, join_all, open_on, send};

async fn add(ledgers: &Aggregates<Ledger>, amount: i64, name: &str) -> Receipt {
    ledgers.execute("a", Command::Add(amount)).command_id(name).await.unwrap()
}

fn repeated(first: Receipt) -> Receipt {
    let mut first = first;
    first.repeated = true;
    first
}

async fn entries(ledgers: &Aggregates<Ledger>) -> Vec<i64> {
    ledgers.query("a", |it| it.entries.clone()).await.unwrap()
}

async fn leave_memory(ledgers: &Aggregates<Ledger>) {
    ledgers.passivate("a").unwrap();
    eventually(|| ledgers.resident() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repetition_in_the_same_batch_gets_the_first_receipt() {
    let (runtime, faults) = open_on(&Arc::default()).await;
    let ledgers = runtime.host::<Ledger>();
    let hold = faults.hold();
    let before = send(ledgers.execute("a", Command::Add(1)));
    let hold = crate::common::until_held(hold).await;
    // These commands wait for the commit in flight, and are then decided in one turn.
    let sent: Vec<_> = ["x", "y", "x", "y", "x"]
        .map(|name| send(ledgers.execute("a", Command::AddAll(vec![2, 3])).command_id(name)))
        .into();
    hold.release();
    before.await.unwrap();
    let mut receipts = Vec::new();
    for answer in sent {
        receipts.push(answer.await.unwrap());
    }
    assert_eq!((receipts[0].version, receipts[1].version), (Version::new(3), Version::new(5)));
    assert_eq!(receipts[2], repeated(receipts[0]));
    assert_eq!(receipts[3], repeated(receipts[1]));
    assert_eq!(receipts[4], repeated(receipts[0]));
    assert_eq!(faults.counts().commits, 2);
    assert_eq!(entries(&ledgers).await, [1, 2, 3, 2, 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repetition_while_the_first_is_in_flight_gets_its_receipt() {
    let (runtime, faults) = open_on(&Arc::default()).await;
    let ledgers = runtime.host::<Ledger>();
    let hold = faults.hold();
    let first = send(ledgers.execute("a", Command::Add(1)).command_id("x"));
    let hold = crate::common::until_held(hold).await;
    let again = send(ledgers.execute("a", Command::Add(1)).command_id("x"));
    hold.release();
    let first = first.await.unwrap();
    assert_eq!(again.await.unwrap(), repeated(first));
    assert_eq!(entries(&ledgers).await, [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_concurrent_repetitions_one_is_executed() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let retry = |_| {
        let ledgers = ledgers.clone();
        async move { add(&ledgers, 1, "x").await }
    };
    let receipts = join_all((0..50).map(retry)).await;
    assert_eq!(receipts.iter().filter(|receipt| !receipt.repeated).count(), 1);
    assert!(receipts.iter().all(|receipt| receipt.position == receipts[0].position));
    assert_eq!(entries(&ledgers).await, [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_id_is_remembered_after_passivation_with_and_without_snapshots() {
    for hosting in [Hosting::default(), Hosting::default().without_snapshots()] {
        let runtime = Runtime::in_memory().await.unwrap();
        let ledgers = runtime.host_with::<Ledger>(hosting);
        let first = add(&ledgers, 1, "x").await;
        add(&ledgers, 2, "y").await;
        leave_memory(&ledgers).await;
        assert_eq!(add(&ledgers, 1, "x").await, repeated(first));
        assert_eq!(entries(&ledgers).await, [1, 2]);
    }
}

/// Half of the remembered ids come from the snapshot, the other half from the events after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_id_is_remembered_after_a_restart_from_a_snapshot_and_events() {
    let contents = Arc::default();
    let (runtime, _) = open_on(&contents).await;
    let hosting = Hosting::default().snapshot_every(2).snapshot_on_passivation(false);
    let ledgers = runtime.host_with::<Ledger>(hosting.clone());
    let mut firsts = Vec::new();
    for number in 1..=3 {
        firsts.push((number, add(&ledgers, number, &format!("command {number}")).await));
    }
    assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());
    let (runtime, _) = open_on(&contents).await;
    let stream = actuarius::StreamId::new("ledger", "a").unwrap();
    let snapshot = runtime.reader().unwrap().snapshot(&stream, None).unwrap().unwrap();
    assert_eq!(snapshot.version, Version::new(2));
    let ledgers = runtime.host_with::<Ledger>(hosting);
    for (number, first) in firsts {
        let again = add(&ledgers, number, &format!("command {number}")).await;
        assert_eq!(again, repeated(first));
    }
    assert_eq!(entries(&ledgers).await, [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_id_is_remembered_after_a_crash() {
    let contents = Arc::default();
    let (runtime, _) = open_on(&contents).await;
    let first = add(&runtime.host(), 1, "x").await;
    drop(runtime);
    let (runtime, _) = open_on(&contents).await;
    assert_eq!(add(&runtime.host(), 1, "x").await, repeated(first));
}

/// The bound is [`Hosting::remembered_commands`]: after that many other commands, an id is new
/// again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_id_is_forgotten_after_as_many_commands_as_are_remembered() {
    let contents = Arc::default();
    for restart in [false, true] {
        let hosting = Hosting::default().remembered_commands(3).snapshot_every(2);
        let (mut runtime, _) = open_on(&contents).await;
        let mut ledgers = runtime.host_with::<Ledger>(hosting.clone());
        let names = ["one", "two", "three", "four"].map(|name| format!("{name} {restart}"));
        let mut firsts = Vec::new();
        for name in &names {
            firsts.push(add(&ledgers, 1, name).await);
        }
        if restart {
            assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());
            (runtime, _) = open_on(&contents).await;
            ledgers = runtime.host_with::<Ledger>(hosting);
        }
        assert_eq!(add(&ledgers, 1, &names[1]).await, repeated(firsts[1]));
        assert_eq!(add(&ledgers, 1, &names[3]).await, repeated(firsts[3]));
        assert!(!add(&ledgers, 1, &names[0]).await.repeated, "it was forgotten");
        drop(runtime);
    }
}

/// Commands with an id from the runtime cannot be repeated, so they take no space.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_without_an_id_take_no_space_in_the_window() {
    let contents = Arc::default();
    let hosting = Hosting::default().remembered_commands(1).without_snapshots();
    let (runtime, _) = open_on(&contents).await;
    let ledgers = runtime.host_with::<Ledger>(hosting.clone());
    let first = add(&ledgers, 1, "x").await;
    for amount in 2..10 {
        ledgers.execute("a", Command::Add(amount)).await.unwrap();
    }
    assert_eq!(add(&ledgers, 1, "x").await, repeated(first));
    let (runtime, _) = open_on(&contents).await;
    assert_eq!(add(&runtime.host_with(hosting), 1, "x").await, repeated(first));
}

#[tokio::test]
async fn different_aggregates_may_share_an_id() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    for id in ["a", "b"] {
        let receipt = ledgers.execute(id, Command::Add(1)).command_id("x").await.unwrap();
        assert!(!receipt.repeated, "{id} sees it for the first time");
    }
}

#[tokio::test]
async fn a_repetition_is_recognized_even_if_it_expects_an_older_version() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let send = || ledgers.execute("a", Command::Add(1)).command_id("x").expect(Expected::NEW);
    let first = send().await.unwrap();
    assert_eq!(send().await.unwrap(), repeated(first));
}

#[tokio::test]
async fn a_repetition_returns_a_value_from_the_present_state() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    add(&ledgers, 1, "x").await;
    add(&ledgers, 2, "y").await;
    let again = ledgers.execute("a", Command::Add(1)).command_id("x");
    assert_eq!(again.returning(|it| it.total).await.unwrap(), 3);
}

#[tokio::test]
async fn a_command_without_stored_events_is_decided_again() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    ledgers.execute("a", Command::Refuse).command_id("x").await.unwrap_err();
    ledgers.execute("a", Command::Nothing).command_id("x").await.unwrap();
    assert!(!add(&ledgers, 1, "x").await.repeated, "a rejected command is decided again");
    assert!(add(&ledgers, 1, "x").await.repeated);
}

/// A withdrawal with the id of an earlier deposit was answered with the balance, as if it had been carried out:
/// only a receipt says that the id came again, and a returned value came without one.
#[tokio::test]
async fn a_returned_value_comes_with_the_receipt_that_says_whether_the_command_is_repeated() {
    let (runtime, _) = open_on(&Arc::default()).await;
    let ledgers = runtime.host::<Ledger>();
    let send = |amount| {
        let execute = ledgers.execute("a", Command::Add(amount)).command_id("k");
        execute.returning_with_receipt(|ledger| ledger.total)
    };
    let (first, total) = send(5_000).await.unwrap();
    assert_eq!((first.repeated, first.events, total), (false, 1, 5_000));
    add(&ledgers, 7, "later").await;
    // Another command with the same id is not decided, and the value is today's.
    let (second, total) = send(-900).await.unwrap();
    assert_eq!((second, total), (repeated(first), 5_007));
    // The options may come after the choice of the answer, and a rejection has no receipt.
    let refused = ledgers.execute("a", Command::Refuse).returning_with_receipt(|_| ());
    assert!(refused.command_id("r").await.is_err());
    assert_eq!(entries(&ledgers).await, [5_000, 7]);
}

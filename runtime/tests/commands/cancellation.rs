//! A caller that drops its future or times out leaves everything consistent, and can safely send
//! the command again under the same id.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actuarius::error::Written;
use actuarius::request::Executing;
use actuarius::store::fault::{Failure as Failing, Faults, Hold};
use actuarius::{Aggregates, Failure, Hosting, Runtime, Version};

use crate::common::{Command, Ledger, Sent, eventually, is_waiting, join_all, open_on, send};

/// Short enough for a test. No answer can come earlier, because the store is held.
const PATIENCE: Duration = Duration::from_millis(1);

async fn stand_still(
    faults: &Faults,
    ledgers: &Aggregates<Ledger>,
) -> (Hold, Sent<Executing<Ledger>>) {
    let hold = faults.hold();
    let first = send(ledgers.execute("a", Command::Add(1)).command_id("first"));
    let hold = crate::common::until_held(hold).await;
    (hold, first)
}

async fn entries(ledgers: &Aggregates<Ledger>) -> Vec<i64> {
    ledgers.query("a", |it| it.entries.clone()).await.unwrap()
}

#[tokio::test]
async fn a_command_that_is_never_polled_is_never_sent() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    drop(ledgers.execute("a", Command::Add(1)));
    drop(std::future::IntoFuture::into_future(ledgers.execute("a", Command::Add(1))));
    assert_eq!(entries(&ledgers).await, [0; 0]);
    assert_eq!(runtime.health().pending, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_dropped_while_its_commit_is_in_flight_is_stored() {
    let (runtime, faults) = open_on(&Arc::default()).await;
    let ledgers = runtime.host::<Ledger>();
    let (hold, first) = stand_still(&faults, &ledgers).await;
    drop(first);
    hold.release();
    let again = ledgers.execute("a", Command::Add(1)).command_id("first").await.unwrap();
    assert!(again.repeated);
    assert_eq!(entries(&ledgers).await, [1]);
    assert_eq!(runtime.health().pending, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_dropped_while_it_waits_in_the_inbox_is_not_executed() {
    let (runtime, faults) = open_on(&Arc::default()).await;
    let ledgers = runtime.host::<Ledger>();
    let (hold, first) = stand_still(&faults, &ledgers).await;
    let dropped = send(ledgers.execute("a", Command::Add(2)).command_id("second"));
    let kept = send(ledgers.execute("a", Command::Add(3)).command_id("third"));
    drop(dropped);
    hold.release();
    first.await.unwrap();
    assert_eq!(kept.await.unwrap().version, Version::new(2));
    let again = ledgers.execute("a", Command::Add(2)).command_id("second").await.unwrap();
    assert!(!again.repeated);
    assert_eq!(entries(&ledgers).await, [1, 3, 2]);
    assert_eq!(runtime.health().pending, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timeout_leaves_the_outcome_open_and_the_retry_reports_it() {
    let (runtime, faults) = open_on(&Arc::default()).await;
    let ledgers = runtime.host::<Ledger>();
    let (hold, mut first) = stand_still(&faults, &ledgers).await;
    let impatient = ledgers.execute("a", Command::Add(2)).command_id("second").timeout(PATIENCE);
    let error = impatient.await.unwrap_err();
    assert!(matches!(error.failure(), Some(Failure::Indeterminate(_))));
    assert!(error.is_retryable() && error.failure().unwrap().written() == Written::Perhaps);
    let looking = ledgers.query("a", |it| it.total).timeout(PATIENCE).await;
    assert!(matches!(looking, Err(Failure::Indeterminate(_))));
    assert!(is_waiting(&mut first), "others still wait");
    hold.release();
    first.await.unwrap();
    ledgers.execute("a", Command::Add(2)).command_id("second").await.unwrap();
    assert_eq!(entries(&ledgers).await, [1, 2]);
}

/// The caller times out, the store fails later, and the retry after a restart still reports the
/// outcome.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_after_timeout_failure_and_restart_writes_nothing_twice() {
    for failing in [Failing::Unwritten, Failing::Unacknowledged] {
        let contents = Arc::default();
        let (runtime, faults) = open_on(&contents).await;
        let ledgers = runtime.host::<Ledger>();
        faults.fail_commit(1, failing);
        let hold = faults.hold();
        let order = || ledgers.execute("a", Command::Add(1)).command_id("x");
        let waiting = send(order().timeout(PATIENCE));
        // A command that times out before it is decided is never written. This one is already in a
        // commit.
        let hold = crate::common::until_held(hold).await;
        let error = waiting.await.unwrap_err();
        assert_eq!(error.failure().unwrap().written(), Written::Perhaps);
        hold.release();
        eventually(|| runtime.health().pending == 0).await;
        let (runtime, _) = open_on(&contents).await;
        let ledgers = runtime.host::<Ledger>();
        let again = ledgers.execute("a", Command::Add(1)).command_id("x").await.unwrap();
        assert_eq!(again.repeated, failing == Failing::Unacknowledged);
        assert_eq!(entries(&ledgers).await, [1]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_callers_prevent_neither_activation_nor_passivation() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    for _ in 0..100 {
        drop(send(ledgers.query("a", |it| it.total)));
        drop(send(ledgers.execute("a", Command::Add(1))));
        ledgers.passivate("a").unwrap();
    }
    let version = ledgers.execute("a", Command::Add(1)).await.unwrap().version;
    assert_eq!(entries(&ledgers).await.len() as u64, version.get());
    ledgers.passivate("a").unwrap();
    eventually(|| ledgers.resident() == 0 && runtime.health().pending == 0).await;
}

/// Polls the future `polls` times, then drops it.
async fn poll_times<F: Future + Unpin>(mut future: F, times: u32) -> Option<F::Output> {
    for _ in 0..times {
        let mut poll = None;
        let once = std::future::poll_fn(|context| {
            poll = Some(Pin::new(&mut future).poll(context));
            std::task::Poll::Ready(())
        });
        once.await;
        if let Some(std::task::Poll::Ready(output)) = poll {
            return Some(output);
        }
        tokio::task::yield_now().await;
    }
    None
}

/// Callers give up at any point of a command's way and retry, while their aggregates are
/// passivated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_command_happens_once_however_often_its_caller_gives_up_and_retries() {
    const CLIENTS: i64 = 16;
    const COMMANDS: i64 = 30;
    let runtime = Runtime::in_memory().await.unwrap();
    let hosting = Hosting::default().resident_limit(2).snapshot_every(3);
    let ledgers = runtime.host_with::<Ledger>(hosting);
    let client = |client: i64| {
        let ledgers = ledgers.clone();
        async move {
            for number in 0..COMMANDS {
                let amount = client * 1_000 + number;
                let id = (amount % 5).to_string();
                let order = || {
                    let named = format!("command {amount}");
                    let execute = ledgers.execute(&id, Command::Add(amount)).command_id(named);
                    std::future::IntoFuture::into_future(execute)
                };
                for patience in 0..(client + number) as u32 % 7 {
                    poll_times(order(), patience).await;
                }
                order().await.unwrap();
            }
        }
    };
    join_all((0..CLIENTS).map(client)).await;
    let mut seen = Vec::new();
    for id in 0..5 {
        seen.extend(ledgers.query(id.to_string(), |it| it.entries.clone()).await.unwrap());
    }
    seen.sort_unstable();
    let all = (0..CLIENTS).flat_map(|client| (0..COMMANDS).map(move |it| client * 1_000 + it));
    assert!(seen.into_iter().eq(all), "each command once");
    eventually(|| runtime.health().pending == 0).await;
}

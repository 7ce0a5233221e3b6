//! Commands of one aggregate are decided in the order of arrival, and no answer shows events that
//! are not durable.

use std::collections::HashMap;

use actuarius::store::{fault, memory};
use actuarius::{ExecuteError, Position, Runtime, Version};

use crate::common::{Command, Ledger, Refused, join_all};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_and_positions_have_no_gaps_under_concurrency() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let clients = (0..64).map(|client| {
        let ledgers = ledgers.clone();
        async move {
            let mut receipts = Vec::new();
            for turn in 0..50 {
                let id = format!("{}", (client + turn) % 7);
                receipts.push((id.clone(), ledgers.execute(&id, Command::Add(1)).await.unwrap()));
            }
            receipts
        }
    });
    let receipts: Vec<_> = join_all(clients).await.into_iter().flatten().collect();
    let mut positions: Vec<_> = receipts.iter().map(|(_, it)| it.position.get()).collect();
    positions.sort_unstable();
    assert!(positions.into_iter().eq(1..=64 * 50));
    let mut versions: HashMap<_, Vec<_>> = HashMap::new();
    for (id, receipt) in receipts {
        versions.entry(id).or_default().push(receipt.version.get());
    }
    for (_, mut versions) in versions {
        versions.sort_unstable();
        let count = versions.len() as u64;
        assert!(versions.into_iter().eq(1..=count));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_are_decided_in_the_order_in_which_they_are_sent() {
    let runtime = Runtime::in_memory().await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let mut sent = Vec::new();
    for amount in 0..500 {
        sent.push(crate::common::send(ledgers.execute("a", Command::Add(amount))));
    }
    for (index, answer) in sent.into_iter().enumerate() {
        assert_eq!(answer.await.unwrap().version, Version::new(index as u64 + 1));
    }
    let entries = ledgers.query("a", |it| it.entries.clone()).await.unwrap();
    assert!(entries.into_iter().eq(0..500));
}

/// While a commit is held back, every answer that depends on it must be held back, too: receipts,
/// returned values, queries and rejections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_answered_before_the_events_it_depends_on_are_durable() {
    let (store, faults) = fault::over(memory::open());
    let runtime = Runtime::builder().on_store(store).await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    // The aggregate is loaded before the store is held, so that all four meet in one inbox.
    ledgers.query("a", |_| ()).await.unwrap();
    let hold = faults.hold();
    let mut receipt = crate::common::send(ledgers.execute("a", Command::Add(1)));
    let mut value =
        crate::common::send(ledgers.execute("a", Command::Add(1)).returning(|it| it.total));
    let mut query = crate::common::send(ledgers.query("a", |it| it.total));
    let mut rejection = crate::common::send(ledgers.execute("a", Command::Refuse));
    let hold = crate::common::until_held(hold).await;
    assert!(crate::common::is_waiting(&mut receipt) && crate::common::is_waiting(&mut value));
    assert!(crate::common::is_waiting(&mut query) && crate::common::is_waiting(&mut rejection));
    assert_eq!(runtime.head(), Position::NONE);
    hold.release();
    assert_eq!(receipt.await.unwrap().position, Position::new(1));
    assert_eq!(value.await.unwrap(), 2);
    assert_eq!(query.await.unwrap(), 2);
    assert!(matches!(rejection.await, Err(ExecuteError::Rejected(Refused))));
}

#[tokio::test]
async fn a_rejection_or_a_panic_in_a_batch_leaves_its_neighbours_untouched() {
    let (store, faults) = fault::over(memory::open());
    let runtime = Runtime::builder().on_store(store).await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let hold = faults.hold();
    let first = crate::common::send(ledgers.execute("a", Command::Add(1)));
    let hold = crate::common::until_held(hold).await;
    // All of these wait for the held commit, and so are decided in one turn.
    let batch = [
        Command::Add(10),
        Command::Refuse,
        Command::PanicInDecide,
        Command::AddAll(vec![20, 30]),
        Command::Nothing,
    ]
    .map(|command| crate::common::send(ledgers.execute("a", command)));
    hold.release();
    first.await.unwrap();
    let [ten, refused, panicked, fifty, nothing] = batch;
    assert_eq!(ten.await.unwrap().version, Version::new(2));
    assert!(refused.await.unwrap_err().rejection().is_some());
    assert!(panicked.await.unwrap_err().failure().is_some());
    assert_eq!(fifty.await.unwrap().position, Position::new(4));
    let nothing = nothing.await.unwrap();
    assert_eq!((nothing.version, nothing.position), (Version::new(4), Position::new(4)));
    assert_eq!(ledgers.query("a", |it| it.entries.clone()).await.unwrap(), [1, 10, 20, 30]);
    assert_eq!(faults.counts().commits, 2, "five commands, one commit");
}

//! Every queue has a bound. A command beyond it is answered with `Overloaded` immediately, and
//! nothing is written.

use actuarius::error::{Limit, Written};
use actuarius::store::{fault, memory};
use actuarius::{Failure, Hosting, Runtime};

use crate::common::{Command, Ledger};

/// Sends ten times as many commands as fit while the store is held. Those beyond the limit are
/// answered before the store continues, the others after it, and exactly these are stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_beyond_the_limit_of_the_runtime_are_refused_immediately() {
    const LIMIT: usize = 100;
    let (store, faults) = fault::over(memory::open());
    let runtime = Runtime::builder().pending_limit(LIMIT).on_store(store).await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    let hold = faults.hold();
    let mut waiting = Vec::new();
    let mut overloaded = 0;
    for number in 0..10 * LIMIT {
        let mut sent =
            crate::common::send(ledgers.execute(format!("{}", number % 7), Command::Add(1)));
        if crate::common::is_waiting(&mut sent) {
            waiting.push(sent);
            continue;
        }
        let error = sent.await.unwrap_err();
        let failure = error.failure().unwrap();
        assert!(matches!(failure, Failure::Overloaded(Limit::Pending(LIMIT))));
        assert!(failure.is_retryable() && failure.written() == Written::No);
        overloaded += 1;
    }
    assert_eq!((waiting.len(), overloaded), (LIMIT, 9 * LIMIT));
    assert_eq!(runtime.health().pending, LIMIT);
    hold.release();
    for answer in waiting {
        answer.await.unwrap();
    }
    assert_eq!(runtime.head().get(), LIMIT as u64);
    assert_eq!(runtime.health().pending, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_inbox_refuses_commands_of_its_aggregate_only() {
    let (store, faults) = fault::over(memory::open());
    let runtime = Runtime::builder().on_store(store).await.unwrap();
    let ledgers = runtime.host_with::<Ledger>(Hosting::default().inbox_limit(5));
    ledgers.query("hot", |_| ()).await.unwrap();
    let hold = faults.hold();
    let first = crate::common::send(ledgers.execute("hot", Command::Add(1)));
    let hold = crate::common::until_held(hold).await;
    let fit: Vec<_> =
        (0..5).map(|_| crate::common::send(ledgers.execute("hot", Command::Add(1)))).collect();
    let error = ledgers.execute("hot", Command::Add(1)).await.unwrap_err();
    assert!(matches!(error.failure(), Some(Failure::Overloaded(Limit::Inbox(5)))));
    let mut other = crate::common::send(ledgers.execute("cold", Command::Add(1)));
    assert!(crate::common::is_waiting(&mut other), "another aggregate still takes commands");
    hold.release();
    first.await.unwrap();
    other.await.unwrap();
    for answer in fit {
        answer.await.unwrap();
    }
}

//! The futures of the public API can be spawned.

use std::time::Duration;

use actuarius::Runtime;
use actuarius::store::memory;

use crate::common::{Command, Ledger};

fn spawnable<T: Send>(future: T) -> T {
    future
}

/// The future of `open` was once not `Send`, so a service could not open its store in a spawned task.
#[tokio::test]
async fn each_future_of_the_api_can_be_spawned() {
    drop(spawnable(Runtime::open("never polled")));
    drop(spawnable(Runtime::builder().open("never polled")));
    drop(spawnable(Runtime::in_memory()));
    let runtime = spawnable(Runtime::builder().on_store(memory::open())).await.unwrap();
    let ledgers = runtime.host::<Ledger>();
    spawnable(ledgers.execute("a", Command::Add(1)).into_future()).await.unwrap();
    spawnable(ledgers.execute("a", Command::Add(1)).returning(|it| it.total).into_future())
        .await
        .unwrap();
    spawnable(ledgers.query("a", |it| it.total).into_future()).await.unwrap();
    drop(spawnable(ledgers.version("a")));
    drop(spawnable(ledgers.exists("a")));
    assert!(spawnable(runtime.shutdown(Duration::from_secs(60))).await.is_clean());
}

//! `Duration::MAX` as a timeout means "without a limit". It is too long for an `Instant`, and must
//! not panic.

use std::time::Duration;

use actuarius::health::FollowerStatus;
use actuarius::projection::{InMemory, Projection};
use actuarius::subscription::Retry;
use actuarius::{Envelope, Runtime};
use serde::{Deserialize, Serialize};

use crate::common::{Command, Event, Ledger, eventually};

/// The sum of all entries. It cannot take a blob.
#[derive(Default, Serialize, Deserialize)]
struct Total(i64);

impl Projection<Ledger> for Total {
    fn project(&mut self, envelope: &Envelope<Ledger>) {
        match &envelope.event {
            Event::Added(amount) => self.0 += amount,
            // Unwinding without the hook: the panic is expected, its report would only be noise.
            _ => std::panic::resume_unwind(Box::new("a blob is no sum")),
        }
    }
}

async fn total(runtime: &Runtime, retry: Retry) -> InMemory<Total> {
    runtime.projection("total").on::<Ledger>().retry(retry).start().await.unwrap()
}

#[tokio::test]
async fn a_wait_without_a_limit_ends_with_its_result() {
    let runtime = Runtime::in_memory().await.unwrap();
    let view = total(&runtime, Retry::default()).await;
    let deposit = runtime.host::<Ledger>().execute("a", Command::Add(7));
    let receipt = deposit.consistent_with(&view).timeout(Duration::MAX).await.unwrap();
    assert_eq!(view.read(|total| total.0), 7);
    view.wait_for_within(receipt.position, Duration::MAX).await.unwrap();
    runtime.caught_up(Duration::MAX).await.unwrap();
    assert!(runtime.shutdown(Duration::MAX).await.is_clean());
}

#[tokio::test]
async fn a_projection_may_have_an_unlimited_retry_delay() {
    let runtime = Runtime::in_memory().await.unwrap();
    let view = total(&runtime, Retry::default().waits(Duration::MAX, Duration::MAX)).await;
    runtime.host::<Ledger>().execute("a", Command::Blob(1)).await.unwrap();
    let is_retrying = |status| matches!(status, FollowerStatus::Retrying { attempts: 1, .. });
    eventually(|| is_retrying(view.status())).await;
    view.stop().await;
}

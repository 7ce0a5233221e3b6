//! Repeated events after restarts and crashes: which are repeated, and which are not.

use std::sync::Arc;
use std::time::Duration;

use actuarius::store::memory::Contents;
use actuarius::{Position, ShutdownReport};

use super::lives::hold_against;
use super::scene::{Failing, Heard, LONG, Scribe, add, caught_up, log, mailer, stored};
use crate::common::{Command, Ledger, eventually, open_on};

#[tokio::test]
async fn a_restart_after_a_shutdown_repeats_nothing() {
    let contents = Arc::default();
    let scribe = Scribe::default();
    for life in 0..3 {
        let (runtime, _) = open_on(&contents).await;
        let ledgers = runtime.host::<Ledger>();
        let mailer = mailer(&runtime, &scribe).checkpoint_every(LONG).start().await.unwrap();
        add(&ledgers, "a", &[life * 2, life * 2 + 1]).await;
        caught_up(&runtime, &mailer).await;
        assert!(runtime.shutdown(LONG).await.is_clean());
    }
    assert_eq!(scribe.amounts(), [0, 1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_crash_repeats_events_after_the_checkpoint_and_none_before_it() {
    let contents = Arc::default();
    let scribe = Scribe::default();
    scribe.hold(3);
    {
        let (runtime, _) = open_on(&contents).await;
        let ledgers = runtime.host::<Ledger>();
        let builder = mailer(&runtime, &scribe).workers(4).checkpoint_every(Duration::ZERO);
        let _mailer = builder.start().await.unwrap();
        add(&ledgers, "a", &[1, 2]).await;
        add(&ledgers, "slow", &[3]).await;
        add(&ledgers, "b", &[4]).await;
        eventually(|| scribe.amounts() == [1, 2, 4] && stored(&runtime) == 2).await;
        let report = runtime.shutdown(Duration::ZERO).await;
        assert_eq!(still_following(&report), 1);
    }
    let scribe = Scribe::default();
    let (runtime, _) = open_on(&contents).await;
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    caught_up(&runtime, &mailer).await;
    assert_eq!(scribe.amounts(), [3, 4]);
}

fn still_following(report: &ShutdownReport) -> usize {
    report.still_following
}

#[tokio::test]
async fn a_restart_in_the_middle_of_a_command_repeats_only_its_unfinished_events() {
    let contents = Arc::default();
    let scribe = Scribe::default();
    scribe.hold(4);
    {
        let (runtime, _) = open_on(&contents).await;
        let ledgers = runtime.host::<Ledger>();
        let builder = mailer(&runtime, &scribe).checkpoint_every(Duration::ZERO);
        let _mailer = builder.start().await.unwrap();
        add(&ledgers, "a", &[1]).await;
        ledgers.execute("a", Command::AddAll(vec![2, 3, 4, 5])).await.unwrap();
        eventually(|| stored(&runtime) == 3).await;
    }
    let scribe = Scribe::default();
    let (runtime, _) = open_on(&contents).await;
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    caught_up(&runtime, &mailer).await;
    assert_eq!(scribe.amounts(), [4, 5]);
}

/// One run of a runtime: some commands, some failures, and an end at a random moment.
async fn live(contents: &Arc<Contents>, seed: u64, total: &mut i64) -> Vec<Heard> {
    let (runtime, _) = open_on(contents).await;
    let (ledgers, scribe) = (runtime.host::<Ledger>(), Scribe::default());
    let builder = mailer(&runtime, &scribe).workers(3).checkpoint_every(Duration::ZERO);
    let mailer = builder.start().await.unwrap();
    let begun = stored(&runtime);
    for number in 0..20 {
        let key = (seed * 7 + number * number) % 4;
        let amounts = (0..=(seed + number) % 3).map(|_| {
            *total += 1;
            *total
        });
        let amounts: Vec<_> = amounts.collect();
        if number % 6 == seed % 6 {
            // The event fails in this run only, so it is parked and waits for a later one.
            scribe.fail(amounts[0], Failing::Refuses);
        }
        ledgers.execute(&*key.to_string(), Command::AddAll(amounts)).await.unwrap();
    }
    let enough = begun + seed % 25;
    eventually(|| mailer.position().get() >= enough.min(runtime.head().get())).await;
    for first in mailer.parked().await {
        let _ = mailer.retry_parked(&first.key).await;
    }
    let _ = runtime.shutdown(Duration::ZERO).await;
    scribe.heard()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_is_handled_in_the_order_of_its_key_through_failures_and_crashes() {
    let contents = Arc::default();
    let (mut heard, mut total) = (Vec::new(), 0);
    for seed in 0..25 {
        heard.push(live(&contents, seed, &mut total).await);
    }
    let (runtime, _) = open_on(&contents).await;
    let scribe = Scribe::default();
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    caught_up(&runtime, &mailer).await;
    for key in 0..4 {
        let _ = mailer.retry_parked(&format!("ledger/{key}")).await;
    }
    assert!(mailer.parked().await.is_empty());
    heard.push(scribe.heard());

    let all = log(&runtime);
    hold_against(&all, &heard);
    assert_eq!(runtime.head(), Position::new(all.len() as u64));
}

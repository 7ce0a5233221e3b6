//! Keys with more parked events than have notes of their own: the overflow is read from the log
//! again.

use std::sync::Arc;

use actuarius::subscription::{OnPoison, ParkedError, RawEvent, Start};
use actuarius::{Position, Runtime, StreamId};

use super::parking::parked_notes;
use super::scene::{
    Failing, LONG, Scribe, add, caught_up, cut_power, mailer, stored, until_halted, until_parked,
};
use crate::common::{Command, Ledger, eventually, open_on, send};

/// The number of events with a note of their own, plus the first of the overflow, which has the
/// overflow's note.
const LISTED: usize = 1_025;

/// Writes `count` events of the key `ledger/a`, of which the first fails.
async fn park_many(runtime: &Runtime, scribe: &Scribe, events: i64) {
    let ledgers = runtime.host::<Ledger>();
    scribe.fail(0, Failing::Refuses);
    for part in 0..events / 500 {
        let amounts = (part * 500..(part + 1) * 500).collect();
        ledgers.execute("a", Command::AddAll(amounts)).await.unwrap();
        add(&ledgers, "b", &[-part - 1]).await;
    }
}

fn of_a(scribe: &Scribe) -> Vec<i64> {
    scribe.amounts().into_iter().filter(|amount| *amount >= 0).collect()
}

#[tokio::test]
async fn a_hot_key_blocks_only_itself_however_many_of_its_events_are_parked() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    park_many(&runtime, &scribe, 3_000).await;
    caught_up(&runtime, &mailer).await;
    assert_eq!(scribe.amounts(), [-1, -2, -3, -4, -5, -6]);
    let first = &mailer.parked().await[0];
    assert_eq!((first.position.get(), first.behind), (1, 2_999));
    assert_eq!(mailer.parked_of("ledger/a").await.len(), LISTED);
    eventually(|| parked_notes(&runtime) == LISTED).await;

    scribe.mend(0);
    assert_eq!(mailer.retry_parked("ledger/a").await, Ok(3_000));
    assert_eq!(of_a(&scribe), (0..3_000).collect::<Vec<_>>());
    assert_eq!(parked_notes(&runtime), 0);
    add(&runtime.host::<Ledger>(), "a", &[3_000]).await;
    caught_up(&runtime, &mailer).await;
    assert_eq!(of_a(&scribe).last(), Some(&3_000));
}

#[tokio::test]
async fn the_overflow_of_a_hot_key_is_found_again_with_any_ordering_key() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let ledgers = runtime.host::<Ledger>();
    let by_letter = |event: &RawEvent<'_>| event.id()[..1].to_owned();
    let mailer = mailer(&runtime, &scribe).ordered_by(by_letter).start().await.unwrap();
    scribe.fail(0, Failing::Refuses);
    for number in 0..1_500 {
        let id = ["a1", "a2", "b"][number as usize % 3];
        ledgers.execute(id, Command::AddAll(vec![2 * number, 2 * number + 1])).await.unwrap();
    }
    caught_up(&runtime, &mailer).await;
    assert_eq!(scribe.heard().len(), 1_000);
    scribe.mend(0);
    scribe.forget();
    assert_eq!(mailer.retry_parked("a").await, Ok(2_000));
    assert_eq!(scribe.amounts(), (0..3_000).filter(|it| it % 6 < 4).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_overflow_of_a_hot_key_survives_restarts_and_blocks_later_events() {
    let contents = Arc::default();
    let scribe = Scribe::default();
    for life in 0..3 {
        let (runtime, faults) = open_on(&contents).await;
        let mailer = mailer(&runtime, &scribe).start().await.unwrap();
        if life == 0 {
            park_many(&runtime, &scribe, 1_500).await;
        }
        add(&runtime.host::<Ledger>(), "a", &[1_500 + life]).await;
        caught_up(&runtime, &mailer).await;
        // After a restart it is not known how many follow: the list ended as if none did.
        let parked = mailer.parked_of("ledger/a").await;
        assert_eq!((parked.len(), parked.more), (LISTED, true));
        eventually(|| stored(&runtime) == runtime.head().get()).await;
        cut_power(runtime, &faults).await;
    }
    let (runtime, _) = open_on(&contents).await;
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    scribe.mend(0);
    assert_eq!(mailer.retry_parked("ledger/a").await, Ok(1_503));
    assert_eq!(of_a(&scribe), (0..1_503).collect::<Vec<_>>());
}

#[tokio::test]
async fn events_that_arrive_while_the_overflow_is_handled_come_after_it() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let mailer = mailer(&runtime, &scribe).workers(4).start().await.unwrap();
    park_many(&runtime, &scribe, 2_000).await;
    caught_up(&runtime, &mailer).await;
    scribe.mend(0);
    let ledgers = runtime.host::<Ledger>();
    let mut retrying = send(Box::pin(mailer.retry_parked("ledger/a")));
    for (number, held) in [500, 1_024, 1_025, 1_999, 2_001].into_iter().enumerate() {
        scribe.hold(held);
        if number > 0 {
            scribe.let_go([500, 1_024, 1_025, 1_999][number - 1]);
        }
        scribe.until_held(held).await;
        add(&ledgers, "a", &[2_000 + number as i64]).await;
        caught_up(&runtime, &mailer).await;
        assert!(crate::common::is_waiting(&mut retrying));
    }
    scribe.let_go(2_001);
    assert_eq!(retrying.await, Ok(2_005));
    assert_eq!(of_a(&scribe), (0..2_005).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_event_of_the_overflow_may_fail_or_be_skipped_like_any_other() {
    let contents = Arc::default();
    let scribe = Scribe::default();
    {
        let (runtime, faults) = open_on(&contents).await;
        let mailer = mailer(&runtime, &scribe).start().await.unwrap();
        park_many(&runtime, &scribe, 1_500).await;
        caught_up(&runtime, &mailer).await;
        scribe.mend(0);
        scribe.fail(1_200, Failing::Refuses);
        scribe.fail(1_300, Failing::Refuses);
        let failed = mailer.retry_parked("ledger/a").await;
        assert!(matches!(failed, Err(ParkedError::StillFails { position, .. })
            if position.get() == 1_203));
        let again = mailer.skip_parked("ledger/a").await;
        assert!(matches!(again, Err(ParkedError::StillFails { .. })), "{again:?}");
        cut_power(runtime, &faults).await;
    }
    scribe.mend(1_200);
    scribe.mend(1_300);
    let (runtime, _) = open_on(&contents).await;
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    let parked = mailer.parked().await;
    assert_eq!((parked[0].position.get(), parked[0].attempts), (1_303, 1));
    assert_eq!(mailer.retry_parked("ledger/a").await, Ok(200));
    let expected: Vec<_> = (0..1_500).filter(|amount| *amount != 1_200).collect();
    assert_eq!(of_a(&scribe), expected);
}

#[tokio::test]
async fn an_overflow_that_cannot_be_read_stays_parked() {
    let (runtime, faults) = open_on(&Arc::default()).await;
    let scribe = Scribe::default();
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    park_many(&runtime, &scribe, 1_500).await;
    caught_up(&runtime, &mailer).await;
    scribe.mend(0);
    scribe.hold(1_023);
    let retrying = send(Box::pin(mailer.retry_parked("ledger/a")));
    scribe.until_held(1_023).await;
    faults.damage_events(&StreamId::new("ledger", "a").unwrap());
    scribe.let_go(1_023);
    let unread = retrying.await;
    assert!(
        matches!(unread, Err(ParkedError::Unread { position, .. })
        if position.get() == 1_027),
        "{unread:?}"
    );
    faults.clear();
    assert_eq!(mailer.retry_parked("ledger/a").await, Ok(476));
    assert_eq!(of_a(&scribe), (0..1_500).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_reset_into_the_overflow_repeats_only_events_after_its_position() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let mailer = mailer(&runtime, &scribe).start().await.unwrap();
    park_many(&runtime, &scribe, 1_500).await;
    caught_up(&runtime, &mailer).await;
    mailer.reset(Start::After(Position::new(1_202))).await.unwrap();
    until_parked(&mailer, "ledger/a", 1_025 + 300).await;
    caught_up(&runtime, &mailer).await;
    scribe.mend(0);
    assert_eq!(mailer.retry_parked("ledger/a").await, Ok(1_500));
    assert_eq!(of_a(&scribe), (0..1_500).collect::<Vec<_>>());
    assert_eq!(scribe.heard().len(), 1_500 + 3 + 1);
}

#[tokio::test]
async fn a_subscription_halts_if_an_overflow_could_not_be_found_again() {
    let (runtime, scribe) = (Runtime::in_memory().await.unwrap(), Scribe::default());
    let ledgers = runtime.host::<Ledger>();
    let no_key =
        |_: &RawEvent<'_>| -> String { std::panic::resume_unwind(Box::new("there is no key")) };
    let builder = mailer(&runtime, &scribe).ordered_by(no_key).on_poison(OnPoison::Park);
    let mailer = builder.start().await.unwrap();
    ledgers.execute("a", Command::AddAll((0..1_100).collect())).await.unwrap();
    let (position, why) = until_halted(&mailer).await;
    assert_eq!((position, mailer.position().get()), (1_025, 1_024));
    assert!(why.contains("a key that cannot be determined"), "{why}");
    mailer.stop().await;
    assert_eq!(stored(&runtime), 1_024);
    let _ = runtime.shutdown(LONG).await;
}

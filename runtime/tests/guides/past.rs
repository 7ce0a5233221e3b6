//! States of the past, histories and differences.

use std::sync::Arc;
use std::time::Duration;

use actuarius::clock::ManualClock;
use actuarius::history::{PositionAtError, TimePolicy};
use actuarius::testing::divergence;
use actuarius::{Aggregate, Context, Hosting, Runtime, Timestamp, Version};
use serde::{Deserialize, Serialize};

use crate::account::AccountCommand::{Deposit, Withdraw};
use crate::account::{Account, AccountCommand, AccountEvent, NotEnough, open};
use crate::balances::Balances;
use crate::holdings::Holdings;

const DAY: Duration = Duration::from_secs(86_400);

fn day(number: u32) -> Timestamp {
    Timestamp::default().plus(DAY * number)
}

#[tokio::test]
async fn an_account_shows_its_past_states() -> Result<(), Box<dyn std::error::Error>> {
    let clock = Arc::new(ManualClock::at(day(1)));
    let runtime = Runtime::builder().clock(clock.clone()).in_memory().await?;
    // region: retention
    let hosting = Hosting::default()
        .snapshot_every(1_000)
        .snapshots_kept(100)
        .snapshots_kept_for(Duration::from_secs(90 * 86_400));
    let accounts = runtime.host_with::<Account>(hosting);
    // endregion: retention
    accounts.execute("alice", open("Alice")).await?;
    accounts.execute("alice", Deposit { cents: 500 }).await?;
    clock.set(day(2));
    let receipt = accounts.execute("alice", Withdraw { cents: 200 }).await?;
    clock.set(day(3));
    accounts.execute("alice", Deposit { cents: 50 }).await?;
    let noon_of_day_two = day(2).plus(DAY / 2);
    // region: as_of
    let opened = accounts.as_of("alice", Version::new(1)).await?; // after its first event
    let then = accounts.as_of("alice", receipt.position).await?; // when the log ended there
    let evening = accounts.as_of("alice", noon_of_day_two).await?; // by the clock
    assert_eq!([opened.state.cents(), then.state.cents(), evening.state.cents()], [0, 300, 300]);
    assert_eq!(evening.version, receipt.version);
    // endregion: as_of
    // region: history
    let mut history = accounts.history("alice").from(Version::new(2));
    while let Some(step) = history.next().await? {
        let (header, balance) = (&step.envelope.header, step.state.cents());
        println!("{} {:?}: {balance}", header.version, step.envelope.event);
    }
    // endregion: history
    // region: diff
    let diff = accounts.diff("alice", day(1), day(3)).await?;
    assert_eq!(diff.events(), 2); // and diff.history() has them
    assert_eq!(diff.changes()?[0].to_string(), "~ /cents: 500 -> 350");
    // endregion: diff
    assert_eq!(diff.changes()?.len(), 1);
    views_of_the_past(&runtime, noon_of_day_two).await
}

async fn views_of_the_past(
    runtime: &Runtime,
    noon: Timestamp,
) -> Result<(), Box<dyn std::error::Error>> {
    // region: views
    let then = runtime.projection::<Holdings>("holdings").on::<Account>().as_of(noon).await?;
    let rows = runtime.keyed::<Balances>("balances").on::<Account>().as_of(noon).await?;
    let richest = rows.by("cents").descending().limit(10).list()?;
    // endregion: views
    assert_eq!((then.view.cents, then.position), (300, rows.position()));
    assert_eq!(richest[0].1.cents, 300);
    let accounts = runtime.host::<Account>();
    // region: position
    let noon = runtime.position_at(noon).await?; // one moment for all of them
    let alice = accounts.as_of("alice", noon).await?;
    let bank = runtime.projection::<Holdings>("holdings").on::<Account>().as_of(noon).await?;
    // endregion: position
    assert_eq!((alice.state.cents(), bank.view.cents), (300, 300));
    Ok(())
}

/// The account of the next release: each withdrawal costs a cent.
#[derive(Debug, Default, Serialize, Deserialize)]
struct NextAccount {
    cents: i64,
}

impl Aggregate for NextAccount {
    const TYPE: &'static str = "account";
    type Command = AccountCommand;
    type Event = AccountEvent;
    type Error = NotEnough;

    fn decide(&self, _: AccountCommand, _: &Context) -> Result<Vec<AccountEvent>, NotEnough> {
        Ok(vec![])
    }

    fn apply(&mut self, event: &AccountEvent) {
        match event {
            AccountEvent::Opened { .. } => {}
            AccountEvent::Deposited { cents } => self.cents += cents,
            AccountEvent::Withdrawn { cents } => self.cents -= cents + 1,
        }
    }
}

#[tokio::test]
async fn changed_code_is_compared_over_real_history() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = Runtime::in_memory().await?;
    let accounts = runtime.host::<Account>();
    for command in [open("Alice"), Deposit { cents: 500 }, Withdraw { cents: 200 }] {
        accounts.execute("alice", command).await?;
    }
    // region: divergence
    let reader = runtime.reader()?; // or that of `store::sled::open`, of a copy
    let found = divergence::<Account, NextAccount>(&*reader).find()?.expect("they differ");
    assert_eq!((found.stream.as_str(), found.version.get()), ("account/alice", 3));
    assert_eq!(found.changes()[0].to_string(), "~ /cents: 300 -> 299");
    // endregion: divergence
    Ok(())
}

/// The clock shows the wrong year for one command.
#[tokio::test]
async fn a_time_is_ambiguous_after_a_wrong_clock() -> Result<(), Box<dyn std::error::Error>> {
    let clock = Arc::new(ManualClock::at(day(1)));
    let runtime = Runtime::builder().clock(clock.clone()).in_memory().await?;
    let accounts = runtime.host::<Account>();
    for (id, number) in [("alice", 1), ("bob", 47_481), ("carol", 2)] {
        clock.set(day(number));
        accounts.execute(id, open(id)).await?;
    }
    let evening = day(2);
    // region: ambiguous
    let position = match runtime.position_at(evening).await {
        Err(PositionAtError::Ambiguous(which)) => {
            println!("{which}"); // the commits that are out of order, with their times
            // Includes the commits of the wrong clock. `BeforeFirstLater` leaves out what follows them.
            runtime.position_at_with(evening, TimePolicy::AfterLastEarlier).await?
        }
        found => found?,
    };
    // endregion: ambiguous
    assert_eq!(position, runtime.head());
    Ok(())
}

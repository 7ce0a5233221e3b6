//! Commands that are sent at a later time.

use std::sync::Arc;
use std::time::Duration;

use actuarius::clock::ManualClock;
use actuarius::saga::InstanceStatus;
use actuarius::{Clock, Id, Runtime, Timestamp};

use crate::account::AccountCommand::Deposit;
use crate::account::{Account, open};

#[tokio::test]
async fn a_scheduled_command_is_sent_when_it_is_due() -> Result<(), Box<dyn std::error::Error>> {
    let clock = Arc::new(ManualClock::at(Timestamp::default()));
    let runtime = Runtime::builder().clock(clock.clone()).in_memory().await?;
    let accounts = runtime.host::<Account>();
    accounts.execute("alice", open("Alice")).await?;
    // region: later
    let schedules = runtime.schedules().sends_to(&accounts).start().await?;

    let alice = Id::<Account>::new("alice")?;
    let tomorrow = clock.now().plus(Duration::from_secs(24 * 60 * 60));
    let name = schedules.schedule(&alice, Deposit { cents: 5 }, tomorrow).await?; // durable now
    let is_new = schedules.schedule_as("bonus-7", &alice, Deposit { cents: 9 }, tomorrow).await?;
    let is_cancelled = schedules.cancel(&name).await?;
    // endregion: later
    assert!(is_new && is_cancelled);
    clock.advance(Duration::from_secs(86_400));
    assert_eq!(schedules.end_of("bonus-7").await?, InstanceStatus::Completed);
    assert_eq!(accounts.query("alice", Account::cents).await?, 9);
    Ok(())
}

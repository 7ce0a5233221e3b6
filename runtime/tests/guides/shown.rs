//! Read your own writes, and pages that follow a view live.

use std::time::Duration;

use actuarius::health::FollowerStatus;
use actuarius::{ExecuteError, Failure, Runtime};
use tokio_stream::StreamExt;

use crate::account::Account;
use crate::account::AccountCommand::Deposit;
use crate::balances::balances;
use crate::holdings::holdings;

#[tokio::test]
async fn a_receipt_waits_until_the_view_shows_the_events() -> Result<(), Box<dyn std::error::Error>>
{
    let runtime = Runtime::in_memory().await?;
    let (accounts, balances) = (runtime.host::<Account>(), balances(&runtime).await?);
    // region: consistent
    let deposit = accounts.execute("alice", Deposit { cents: 100 }).consistent_with(&balances);
    match deposit.timeout(Duration::from_secs(2)).await {
        Ok(_) => println!("{:?} is what the view shows now", balances.get("alice")?),
        Err(ExecuteError::Failed(Failure::NotShown { position, .. })) => {
            println!("durable at {position}; the view shows it a little later");
        }
        Err(error) => return Err(error.into()),
    }
    // endregion: consistent
    assert_eq!(balances.get("alice")?.map(|row| row.cents), Some(600));
    Ok(())
}

#[tokio::test]
async fn a_page_follows_a_view_live() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = Runtime::in_memory().await?;
    let (accounts, holdings) = (runtime.host::<Account>(), holdings(&runtime).await?);
    let shows = |cents: i64| cents < 600;
    accounts.execute("bob", Deposit { cents: 100 }).await?;
    // region: changes
    let mut cents = holdings.changes(|bank| bank.cents);
    while let Some(cents) = cents.next().await {
        if !shows(cents) {
            break;
        }
    }
    // endregion: changes
    Ok(())
}

#[tokio::test]
async fn a_page_follows_rows_live() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = Runtime::in_memory().await?;
    let (accounts, balances) = (runtime.host::<Account>(), balances(&runtime).await?);
    let mut moves = balances.changes();
    let mut alice = balances.changes_of("alice");
    accounts.execute("alice", Deposit { cents: 100 }).await?;
    // region: moves
    match moves.next().await {
        Some(Ok(change)) => println!("{:?} changed up to {}", change.keys, change.position),
        Some(Err(missed)) => println!("{missed}: read the rows again"),
        None => println!("the view is closed"),
    }
    // endregion: moves
    let mut last = 0;
    while let Some(row) = alice.next().await {
        last = row?.map_or(0, |row| row.cents);
        if last == 600 {
            break;
        }
    }
    assert_eq!(last, 600);
    Ok(())
}

#[tokio::test]
async fn health_reports_the_lag_of_each_follower() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = Runtime::in_memory().await?;
    let holdings = holdings(&runtime).await?;
    // region: health
    for follower in runtime.health().followers {
        match follower.status {
            FollowerStatus::Halted { position, why } => {
                println!("{} has halted before event {position}: {why}", follower.name);
            }
            _ => println!("{} is {} events behind", follower.name, follower.lag),
        }
    }
    // endregion: health
    // region: resume
    holdings.pause().await; // takes no more events; the view can still be read
    holdings.resume(); // continues, or tries again the event it had halted at
    holdings.stop().await; // ends; started again under its name, it continues where it was
    // endregion: resume
    Ok(())
}

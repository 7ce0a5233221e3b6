//! First steps with an account: commands, answers, queries and a test of a decision.

use std::time::Duration;

use actuarius::testing::given;
use actuarius::{Codec, ExecuteError, Failure, Hosting, Runtime, Version};

use crate::account::AccountCommand::{Deposit, Withdraw};
use crate::account::AccountEvent::{Deposited, Withdrawn};
use crate::account::{Account, NotEnough, open};

#[tokio::test]
async fn an_account_is_opened_and_asked() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    // region: run
    let runtime = Runtime::open(directory.path()).await?;
    let accounts = runtime.host::<Account>();

    accounts.execute("alice", open("Alice")).await?;
    let receipt = accounts.execute("alice", Deposit { cents: 500 }).await?; // durable now
    assert_eq!(receipt.version, Version::new(2));
    assert_eq!(accounts.query("alice", Account::cents).await?, 500);

    let report = runtime.shutdown(Duration::from_secs(10)).await;
    assert!(report.is_clean());
    // endregion: run
    Ok(())
}

// region: test
#[test]
fn an_account_cannot_be_overdrawn() {
    given::<Account>([Deposited { cents: 100 }])
        .when(Withdraw { cents: 101 })
        .then_rejected(NotEnough);
    given::<Account>([Deposited { cents: 100 }])
        .when(Withdraw { cents: 40 })
        .then([Withdrawn { cents: 40 }]);
}
// endregion: test

#[tokio::test]
async fn commands_are_sent_with_options() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = Runtime::in_memory().await?;
    // region: hosting
    let accounts = runtime.host_with::<Account>(
        Hosting::default()
            .passivate_after(Duration::from_secs(300))
            .resident_limit(50_000)
            .snapshot_every(500)
            .codec(Codec::Json),
    );
    // endregion: hosting
    accounts.execute("alice", open("Alice")).await?;
    // region: command-id
    let deposit = accounts.execute("alice", Deposit { cents: 500 }).command_id("payment-17");
    let first = deposit.timeout(Duration::from_secs(2)).await?;
    let again = accounts.execute("alice", Deposit { cents: 500 }).command_id("payment-17").await?;
    assert_eq!((again.version, again.repeated), (first.version, true)); // it happened once
    // endregion: command-id
    // region: expect
    let stale = accounts.execute("alice", Withdraw { cents: 1 }).expect(Version::new(1)).await;
    assert!(stale.is_err_and(|error| error.failure().is_some_and(Failure::is_conflict)));
    // endregion: expect
    // region: returning
    let withdraw = accounts.execute("alice", Withdraw { cents: 200 });
    let balance = withdraw.returning(Account::cents).await?;
    // endregion: returning
    assert_eq!(balance, 300);
    // region: errors
    match accounts.execute("alice", Withdraw { cents: 1_000 }).await {
        Ok(receipt) => println!("durable at position {}", receipt.position),
        Err(ExecuteError::Rejected(NotEnough)) => println!("the account refuses"),
        Err(ExecuteError::Failed(failure)) if failure.is_retryable() => {
            println!("again: {failure}");
        }
        Err(ExecuteError::Failed(failure)) => return Err(failure.into()),
    }
    // endregion: errors
    Ok(())
}

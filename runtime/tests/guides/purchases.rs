//! A running saga: started, listed, cancelled, retried and skipped.

use std::time::Duration;

use actuarius::saga::{Effects, InstanceStatus, Sagas};
use actuarius::subscription::Retry;
use actuarius::{Aggregates, Codec, Id, Metadata, Runtime};

use crate::account::AccountCommand::{Deposit, Withdraw};
use crate::account::{Account, open};
use crate::order::{Order, OrderCommand, Parcel, Terms};
use crate::purchase::Purchase;

type Error = Box<dyn std::error::Error>;

pub(crate) fn account(name: &str) -> Id<Account> {
    Id::new(name).unwrap()
}

/// Alice buys something of Bob's.
pub(crate) fn terms() -> Terms {
    let parcel = Id::new("parcel-9").unwrap();
    Terms { buyer: account("alice"), seller: account("bob"), cents: 500, parcel }
}

async fn accounts(runtime: &Runtime) -> Result<Aggregates<Account>, Error> {
    let accounts = runtime.host::<Account>();
    for (id, cents) in [("alice", 800), ("bob", 100)] {
        accounts.execute(id, open(id)).await?;
        accounts.execute(id, Deposit { cents }).await?;
    }
    Ok(accounts)
}

async fn purchases(
    runtime: &Runtime,
    accounts: &Aggregates<Account>,
) -> Result<Sagas<Purchase>, Error> {
    let orders = runtime.host::<Order>();
    // region: start
    let purchases = runtime
        .saga::<Purchase>()
        .reacts_to::<Order>()
        .reacts_to::<Parcel>()
        .sends_to(accounts)
        .sends_to(&orders)
        .start()
        .await?;
    // endregion: start
    Ok(purchases)
}

#[tokio::test]
async fn a_purchase_is_begun_by_an_event_and_ends() -> Result<(), Error> {
    let runtime = Runtime::in_memory().await?;
    let accounts = accounts(&runtime).await?;
    let purchases = purchases(&runtime, &accounts).await?;
    let (orders, parcels) = (runtime.host::<Order>(), runtime.host::<Parcel>());
    // region: order
    orders.execute("order-1", OrderCommand::Place(terms())).await?;
    parcels.execute("parcel-9", ()).await?;
    assert_eq!(purchases.end_of("order-1").await?, InstanceStatus::Completed);
    // endregion: order
    assert_eq!(accounts.query("bob", Account::cents).await?, 600);
    assert_eq!(purchases.query("order-1", Purchase::pays).await?, Some(true));
    Ok(())
}

#[tokio::test]
async fn a_purchase_is_begun_by_a_call() -> Result<(), Error> {
    let runtime = Runtime::in_memory().await?;
    let accounts = accounts(&runtime).await?;
    let purchases = purchases(&runtime, &accounts).await?;
    // region: run
    let order = Id::<Order>::new("order-2")?;
    let begin = move |purchase: &mut Purchase| purchase.begin(order, terms());
    let is_first = purchases.begin("order-2", begin).await?; // durable now
    // endregion: run
    assert!(is_first);
    // region: cancel
    let gives_up = purchases.cancel("order-2", "the shop is closing").await?;
    let ended = purchases.end_of("order-2").await?;
    println!("gives up: {gives_up}; in the end it is {ended}");
    // endregion: cancel
    assert!(matches!(ended, InstanceStatus::Compensated { .. }), "{ended}");
    assert_eq!(accounts.query("alice", Account::cents).await?, 800);
    let order = Id::<Order>::new("order-3")?;
    // region: metadata
    let metadata = Metadata::default().on_behalf_of("alice").with("tenant", "acme");
    let for_alice = purchases.with_metadata(metadata);
    for_alice
        .begin("order-3", move |purchase: &mut Purchase| purchase.begin(order, terms()))
        .await?;
    // endregion: metadata
    Ok(())
}

#[tokio::test]
async fn stuck_instances_are_retried_or_skipped() -> Result<(), Error> {
    let runtime = Runtime::in_memory().await?;
    let accounts = accounts(&runtime).await?;
    let purchases = purchases(&runtime, &accounts).await?;
    for (id, cents) in [("order-2", 300), ("order-3", 9_000)] {
        let gift = move |_: &mut Purchase| {
            Effects::none().send_with_undo(
                &account("bob"),
                Deposit { cents: 1 },
                Withdraw { cents },
            )
        };
        assert!(purchases.begin(id, gift).await?);
        while purchases.query(id, Purchase::has_money).await? != Some(true) {
            tokio::task::yield_now().await;
        }
        assert!(purchases.cancel(id, "it was a mistake").await?);
    }
    while purchases.counts().in_trouble < 2 {
        tokio::task::yield_now().await;
    }
    // region: look
    for purchase in purchases.list("", 100, |it| it.status.is_in_trouble()) {
        println!("{}: {}", purchase.id, purchase.status);
        for step in purchases.history(&purchase.id, 0).await? {
            println!("  {}. {}, so it {}", step.number, step.input, step.effects.join(", "));
        }
    }
    // endregion: look
    // region: repair
    accounts.execute("bob", Deposit { cents: 1_000 }).await?; // there was not enough for the undo
    purchases.retry("order-2").await?; // tries the failed step again, then continues
    purchases.skip("order-3").await?; // passes over the failed step, then continues
    // endregion: repair
    // region: settled
    purchases.settled(Duration::from_secs(60)).await?; // every instance has ended
    let counts = purchases.counts();
    println!("{} completed, {} compensated", counts.completed, counts.compensated);
    // endregion: settled
    assert_eq!((counts.live, counts.compensated), (0, 2));
    Ok(())
}

#[tokio::test]
async fn a_saga_is_started_with_options() -> Result<(), Error> {
    let runtime = Runtime::in_memory().await?;
    let (accounts, orders) = (accounts(&runtime).await?, runtime.host::<Order>());
    // region: options
    let purchases = runtime
        .saga::<Purchase>()
        .reacts_to::<Order>()
        .reacts_to::<Parcel>()
        .sends_to(&accounts)
        .sends_to(&orders)
        .from_end()
        .codec(Codec::Json)
        .hosting(|hosting| hosting.resident_limit(10_000))
        .retry(Retry::default().attempts(3))
        .workers(100)
        .start()
        .await?;
    // endregion: options
    orders.execute("order-1", OrderCommand::Place(terms())).await?;
    runtime.host::<Parcel>().execute("parcel-9", ()).await?;
    assert_eq!(purchases.end_of("order-1").await?, InstanceStatus::Completed);
    Ok(())
}

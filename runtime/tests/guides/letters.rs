//! Subscriptions: handlers whose effects may be repeated safely.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actuarius::error::BoxError;
use actuarius::subscription::{Handler, OnPoison, RawEvent, Retry, Start};
use actuarius::testing::{envelopes, twice};
use actuarius::{Envelope, ExecuteError, Position, Runtime, Version};
use rusqlite::Connection;

use crate::account::AccountCommand::Deposit;
use crate::account::{Account, AccountEvent, open};

// region: handler
async fn welcome(event: Envelope<Account>) -> Result<(), BoxError> {
    if let AccountEvent::Opened { owner } = event.event {
        println!("Welcome, {owner}!");
    }
    Ok(())
}
// endregion: handler

#[tokio::test]
async fn a_subscription_is_started() -> Result<(), BoxError> {
    let runtime = Runtime::in_memory().await?;
    let accounts = runtime.host::<Account>();
    // region: start
    let letters = runtime.subscribe("letters").on(welcome).start().await?;

    let receipt = accounts.execute("alice", open("Alice")).await?;
    letters.wait_for_within(receipt.position, Duration::from_secs(5)).await?;
    // endregion: start
    assert_eq!(letters.position(), receipt.position);
    Ok(())
}

// region: outbox
/// Letters to be sent. The event's own id is the key, so a repeated event adds no second letter.
#[derive(Clone)]
struct Outbox(Arc<Mutex<Connection>>);

impl Handler<Account> for Outbox {
    async fn handle(&self, event: Envelope<Account>) -> Result<(), BoxError> {
        if let AccountEvent::Opened { owner } = event.event {
            let connection = self.0.lock().map_err(|_| "the outbox is broken")?;
            let insert = "INSERT OR IGNORE INTO letter (event_id, owner) VALUES (?1, ?2)";
            connection.execute(insert, (event.header.event_id.to_string(), owner))?;
        }
        Ok(())
    }
}
// endregion: outbox

impl Outbox {
    fn open() -> Result<Self, BoxError> {
        let connection = Connection::open_in_memory()?;
        connection.execute_batch("CREATE TABLE letter (event_id TEXT PRIMARY KEY, owner TEXT)")?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    fn count(&self) -> Result<i64, BoxError> {
        let connection = self.0.lock().map_err(|_| "the outbox is broken")?;
        Ok(connection.query_row("SELECT count(*) FROM letter", [], |row| row.get(0))?)
    }
}

#[tokio::test]
async fn a_repeated_event_adds_no_second_letter() -> Result<(), BoxError> {
    // region: twice
    let outbox = Outbox::open()?;
    let handler = twice(outbox.clone());
    for event in envelopes::<Account>("alice", [AccountEvent::Opened { owner: "Alice".into() }]) {
        handler.handle(event).await?;
    }
    assert_eq!(outbox.count()?, 1);
    // endregion: twice
    Ok(())
}

#[tokio::test]
async fn a_command_that_follows_from_an_event_happens_once() -> Result<(), BoxError> {
    let runtime = Runtime::in_memory().await?;
    let accounts = runtime.host::<Account>();
    let of_handler = accounts.clone();
    // region: reaction
    let bonus = move |event: Envelope<Account>| {
        let accounts = of_handler.clone();
        async move {
            let deposit = accounts
                .execute(event.id.as_str(), Deposit { cents: 100 })
                .command_id(event.header.event_id.as_uuid())
                .causation(event.header.event_id);
            match deposit.await {
                // A rejection is an answer: another attempt would not change it.
                Ok(_) | Err(ExecuteError::Rejected(_)) => Ok::<_, BoxError>(()),
                Err(ExecuteError::Failed(why)) => Err(why.into()),
            }
        }
    };
    // endregion: reaction
    let bonus = twice(bonus);
    // region: reaction-start
    let bonuses = runtime.subscribe("bonuses").on_only(["Opened"], bonus).start().await?;
    // endregion: reaction-start
    let receipt = accounts.execute("alice", open("Alice")).await?;
    bonuses.wait_for_within(receipt.position, Duration::from_secs(60)).await?;
    let events = accounts.events("alice", Version::NONE).await?;
    assert_eq!(events.len(), 2, "opened, and one bonus");
    assert_eq!(events[1].header.causation_id, Some(events[0].header.event_id.into()));
    assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());
    Ok(())
}

#[tokio::test]
async fn a_subscription_is_started_with_options() -> Result<(), BoxError> {
    let runtime = Runtime::in_memory().await?;
    // region: options
    let letters = runtime
        .subscribe("letters")
        .on_only(["Opened"], welcome)
        .from_end()
        .workers(8)
        .ordered_by(|event: &RawEvent<'_>| event.metadata().user.unwrap_or_default())
        .retry(Retry::default().attempts(3).waits(Duration::from_secs(1), Duration::from_secs(60)))
        .on_poison(OnPoison::Park)
        .checkpoint_every(Duration::from_secs(1))
        .start()
        .await?;
    // endregion: options
    runtime.host::<Account>().execute("alice", open("Alice")).await?;
    runtime.caught_up(Duration::from_secs(60)).await?;
    // region: control
    letters.pause().await; // running handlers finish; the pause survives a restart
    letters.reset(Start::After(Position::new(1))).await?; // durable when it returns
    letters.resume();
    letters.stop().await; // the checkpoint is durable when it returns
    // endregion: control
    assert_eq!(letters.position(), Position::new(1));
    Ok(())
}

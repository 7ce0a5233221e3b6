//! Parked events: listed, retried and skipped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actuarius::error::BoxError;
use actuarius::subscription::{ParkedError, Retry};
use actuarius::{Envelope, Runtime};
use tokio_stream::StreamExt;

use crate::account::AccountCommand::Deposit;
use crate::account::{Account, open};

#[tokio::test]
async fn parked_events_are_listed_retried_and_skipped() -> Result<(), BoxError> {
    let runtime = Runtime::in_memory().await?;
    let (accounts, works) = (runtime.host::<Account>(), Arc::new(AtomicBool::new(false)));
    let works_again = works.clone();
    let handler = move |_: Envelope<Account>| {
        let works = works.load(Ordering::SeqCst);
        async move { if works { Ok(()) } else { Err("the post is on strike") } }
    };
    let retry = Retry::default().attempts(1);
    let letters = runtime.subscribe("letters").on(handler).retry(retry).start().await?;
    for id in ["alice", "bob", "carol"] {
        accounts.execute(id, open(id)).await?;
        accounts.execute(id, Deposit { cents: 1 }).await?;
    }
    runtime.caught_up(Duration::from_secs(60)).await?;
    // region: look
    for parked in letters.parked().await {
        let (event_type, stream, attempts) = (parked.event_type, parked.stream, parked.attempts);
        println!("{event_type} of {stream} failed {attempts} times: {}", parked.error);
        println!("{} later events of {:?} wait for it", parked.behind, parked.key);
    }
    // endregion: look
    works_again.store(true, Ordering::SeqCst);
    // region: retry
    match letters.retry_parked("account/alice").await {
        Ok(handled) => println!("{handled} events; later ones are handled as they come"),
        Err(ParkedError::StillFails { position, why }) => println!("{position} still fails: {why}"),
        Err(error) => return Err(error.into()),
    }
    letters.skip_parked("account/bob").await?; // drops the first, then retries the others
    // endregion: retry
    // region: retry-all
    let mut retried = letters.retry_all_parked(|first| first.error.starts_with("the post"));
    while let Some(key) = retried.next().await {
        println!("{} of {}: {} {:?}", key.done, key.of, key.key, key.outcome);
    }
    // endregion: retry-all
    assert!(letters.parked().await.is_empty());
    Ok(())
}

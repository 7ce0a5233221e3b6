//! New versions of a view, and rebuilds.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use actuarius::Runtime;
use actuarius::store::memory;
use actuarius::store::views::Views;
use tokio::time::interval;

use crate::account::Account;
use crate::balances::{Balances, balances};

#[tokio::test]
async fn a_new_version_is_built_while_the_old_one_is_read() -> Result<(), Box<dyn std::error::Error>>
{
    // region: restart
    let (contents, views) = (Arc::default(), Views::in_memory());
    let open = || Runtime::builder().views(views.clone()).on_store(memory::reopen(&contents));

    let runtime = open().await?;
    drop(balances(&runtime).await?);
    assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());

    let runtime = open().await?; // the same store, as after a restart
    // endregion: restart
    // region: version
    let balances = runtime.keyed::<Balances>("balances").on::<Account>();
    let balances = balances.version(2).also_reads(1).start().await?;
    // endregion: version
    assert!(balances.get("alice")?.is_some(), "it can be read at once");
    balances.wait_for(runtime.head()).await?;
    Ok(())
}

#[tokio::test]
async fn a_view_is_rebuilt_while_it_is_read() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = Runtime::in_memory().await?;
    let balances = balances(&runtime).await?;
    // region: rebuild
    let rebuild = balances.rebuild();
    let (mut end, mut seconds) = (rebuild.clone().into_future(), interval(Duration::from_secs(1)));
    loop {
        tokio::select! {
            ended = &mut end => break ended?,
            _ = seconds.tick() => println!("{} of {}", rebuild.position(), runtime.head()),
        }
    }
    // endregion: rebuild
    assert_eq!(balances.rows().list()?.len(), 2);
    Ok(())
}

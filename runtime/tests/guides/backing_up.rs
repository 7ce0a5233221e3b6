//! Backups, copies and migrations.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use actuarius::operations::{Reencode, same_states};
use actuarius::store::backup::{self, Until};
use actuarius::store::copy::Selection;
use actuarius::store::migrate::{self, BoxError, Rewrite};
use actuarius::store::{CommitView, EncodedEvent, export, ignore_progress, sled};
use actuarius::{Codec, Position, Runtime, StreamId, testing};

use crate::account::AccountCommand::Deposit;
use crate::account::{Account, open};

/// Alice's account in a store at `data`, closed.
async fn closed(data: &Path) -> Result<(), BoxError> {
    let runtime = Runtime::open(data).await?;
    let accounts = runtime.host::<Account>();
    accounts.execute("alice", open("Alice")).await?;
    accounts.execute("alice", Deposit { cents: 500 }).await?;
    assert!(runtime.shutdown(Duration::from_secs(5)).await.is_clean());
    Ok(())
}

#[tokio::test]
async fn a_backup_is_taken_checked_and_restored() -> Result<(), BoxError> {
    let directory = tempfile::tempdir()?;
    let [data, saved, back] = ["data", "saved", "back"].map(|it| directory.path().join(it));
    closed(&data).await?;
    let runtime = Runtime::open(&data).await?;
    // region: take
    let run = runtime.backup(&saved).await?;
    println!("run {} ends at {}", run.number, run.to); // keep this line in another place
    // endregion: take
    // region: slowly
    let gently = |_: &_| {
        std::thread::sleep(Duration::from_millis(1)); // after each megabyte
        ControlFlow::Continue(())
    };
    runtime.backup(&saved).on_progress(gently).await?;
    // endregion: slowly
    // region: verify
    let runs = backup::verify(&saved, &mut ignore_progress)?;
    // endregion: verify
    assert_eq!(runs[0].to, run.to);
    // region: restore
    sled::restore(&saved, &back, Until::End, &mut ignore_progress)?;
    let restored = Runtime::open(&back).await?;
    // endregion: restore
    let accounts = restored.host::<Account>();
    assert_eq!(accounts.query("alice", Account::cents).await?, 500);
    let earlier = directory.path().join("earlier");
    // region: position
    sled::restore(&saved, &earlier, Position::new(1).into(), &mut ignore_progress)?;
    // endregion: position
    let accounts = Runtime::open(&earlier).await?.host::<Account>();
    assert_eq!(accounts.query("alice", Account::cents).await?, 0);
    Ok(())
}

#[tokio::test]
async fn an_account_is_copied_into_memory() -> Result<(), BoxError> {
    let directory = tempfile::tempdir()?;
    closed(directory.path()).await?;
    let runtime = Runtime::open(directory.path()).await?;
    // region: copy
    let alice = Selection::stream(StreamId::new("account", "alice")?);
    let copy = testing::copy_of(&*runtime.reader()?, &alice);

    let aside = Runtime::builder().on_store(copy).await?;
    aside.host::<Account>().execute("alice", Deposit { cents: 1 }).await?; // touches nothing
    // endregion: copy
    assert_eq!(runtime.head(), Position::new(2));
    Ok(())
}

#[tokio::test]
async fn events_are_rewritten_into_another_store() -> Result<(), BoxError> {
    let directory = tempfile::tempdir()?;
    let [old, new, other] = ["old", "new", "other"].map(|it| directory.path().join(it));
    closed(&old).await?;
    // region: reencode
    let (from, mut to) = (sled::open(&old)?, sled::open(&new)?);
    let mut to_json = Reencode::default().on::<Account>(Codec::Json);
    migrate::run(&*from.reader, &mut to, &mut to_json, &mut ignore_progress)?;
    same_states::<Account>(&*from.reader, &*to.reader)?;
    // endregion: reencode
    let mut to = sled::open(&other)?;
    // region: transform
    let mut change = |commit: &CommitView<'_>, out: &mut Rewrite| -> Result<(), BoxError> {
        if commit.category != "account" {
            out.keep();
            return Ok(());
        }
        // Ids of accounts begin with their country now.
        out.rename(StreamId::new("account", format!("DE/{}", commit.id))?);
        for event in commit.events() {
            let mut event = EncodedEvent::from(&event);
            if event.event_type == "Deposited" {
                event.event_type = "PaidIn".to_owned();
            }
            out.put(event);
        }
        Ok(())
    };
    let migrated = migrate::run(&*from.reader, &mut to, &mut change, &mut ignore_progress)?;
    // endregion: transform
    assert_eq!((migrated.commits_read, migrated.commits_written), (2, 2));
    Ok(())
}

#[tokio::test]
async fn events_become_text_and_come_back() -> Result<(), BoxError> {
    let directory = tempfile::tempdir()?;
    let [data, lines, back] = ["data", "lines", "back"].map(|it| directory.path().join(it));
    closed(&data).await?;
    // region: export
    let store = sled::open(&data)?;
    let file = BufWriter::new(File::create(&lines)?);
    export::write(&*store.reader, file, &Selection::all(), &mut ignore_progress)?;

    let mut back = sled::open(&back)?;
    export::read(BufReader::new(File::open(&lines)?), &mut back, &mut ignore_progress)?;
    // endregion: export
    assert_eq!(back.reader.maintenance().chain()?, store.reader.maintenance().chain()?);
    Ok(())
}

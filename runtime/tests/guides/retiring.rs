//! Retention: archive, deletion, compaction, and proof of the history.

use std::time::Duration;

use actuarius::operations::{ArchivePart, Reuse};
use actuarius::store::chain::ChainEnd;
use actuarius::store::sled;
use actuarius::store::verify::Verify;
use actuarius::{Failure, Hosting, Runtime, Version};

use crate::account::AccountCommand::Deposit;
use crate::account::{Account, open};

async fn closed(runtime: Runtime) {
    assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_events_are_archived_deleted_and_compacted() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let directory = folder.path();
    let runtime = Runtime::open(directory).await?;
    // region: snapshots
    let hosting = Hosting::default()
        .snapshot_every(1_000)
        .snapshots_kept(50)
        .snapshots_kept_for(Duration::from_secs(365 * 24 * 60 * 60));
    let accounts = runtime.host_with::<Account>(hosting);
    // endregion: snapshots
    for id in ["alice", "bob"] {
        accounts.execute(id, open(id)).await?;
        accounts.execute(id, Deposit { cents: 500 }).await?;
    }
    // region: archive
    let moved = accounts.archive("alice", ArchivePart::Whole).await?;
    let more = accounts.archive_where(ArchivePart::BeforeSnapshot, |id| id.as_str() < "m").await?;

    let events = accounts.events("alice", Version::NONE).await?; // read from the archive
    // endregion: archive
    assert_eq!((moved.events, more.events, events.len()), (2, 0, 2));
    // region: delete
    let deleted = accounts.delete("bob", Reuse::Never).await?;

    let refused = accounts.execute("bob", Deposit { cents: 1 }).await;
    assert!(refused.is_err_and(|error| matches!(error.failure(), Some(Failure::Deleted))));
    // endregion: delete
    assert_eq!(deleted.commits, 2);
    drop(accounts);
    closed(runtime).await;
    // region: compact
    let compacted = sled::compact(directory, |copied, of| println!("{copied} of {of} events"))?;
    println!("{} bytes became {}", compacted.bytes_before, compacted.bytes_after);
    // endregion: compact
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_is_proved() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let runtime = Runtime::open(folder.path()).await?;
    let accounts = runtime.host::<Account>();
    accounts.execute("alice", open("Alice")).await?;
    // region: note
    let end: ChainEnd = runtime.reader()?.maintenance().chain()?;
    let noted = end.to_string(); // "1:5d1c…": print it, mail it, have a notary stamp it
    // endregion: note
    accounts.execute("alice", Deposit { cents: 500 }).await?;
    // region: verify
    let mut wanted = Verify::default().expect(noted.parse()?);
    let verified = runtime.reader()?.maintenance().verify(&mut wanted)?;
    for finding in &verified.findings {
        println!("{finding}");
    }
    assert!(verified.is_whole());
    // endregion: verify
    assert_eq!(verified.events, 2);
    Ok(())
}

//! Compares the code in the README, the book's tour and the examples' page with its sources, and runs the regions here.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use actuarius::error::BoxError;
use actuarius::operations::{ArchivePart, Reuse};
use actuarius::projection::Projection;
use actuarius::saga::{Answer, Effects, InstanceStatus, Outcome, Saga, Sends};
use actuarius::{Codec, Envelope, ExecuteError, Hosting, Id, Runtime};
use bank::AccountCommand::{Deposit, Open, Withdraw};
use bank::{Account, AccountEvent, Cents, Statements};
use serde::{Deserialize, Serialize};

/// Which page shows which file, or which region of a file.
const SHOWN: [(&str, &str); 9] = [
    ("README.md", "examples/hello/src/main.rs"),
    ("examples/README.md", "examples/bank/src/small.rs"),
    ("docs/book/src/embedding.md", "examples/bank/tests/readme.rs#embed"),
    ("docs/book/src/tour.md", "examples/bank/tests/readme.rs#view"),
    ("docs/book/src/tour.md", "examples/bank/tests/readme.rs#read"),
    ("docs/book/src/tour.md", "examples/bank/tests/readme.rs#saga"),
    ("docs/book/src/tour.md", "examples/bank/tests/readme.rs#transfer"),
    ("docs/book/src/tour.md", "examples/bank/tests/readme.rs#past"),
    ("docs/book/src/tour.md", "examples/bank/tests/readme.rs#keep"),
];

#[tokio::test]
async fn the_way_to_embed_it_works() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let directory = directory.path();
    // region: embed
    let runtime = Runtime::builder().pending_limit(10_000).open(directory).await?;
    let accounts = runtime.host_with::<Account>(
        Hosting::default()
            .passivate_after(Duration::from_secs(300))
            .resident_limit(50_000)
            .snapshot_every(500)
            .codec(Codec::Json),
    );
    accounts.execute("alice", Open).await?;

    // Sent again under the same id, it happens once.
    let deposit = accounts.execute("alice", Deposit(Cents(500))).command_id("transfer-17/deposit");
    match deposit.timeout(Duration::from_secs(2)).await {
        Ok(receipt) => println!("durable, at version {}", receipt.version),
        Err(ExecuteError::Rejected(refused)) => println!("the account says no: {refused}"),
        Err(ExecuteError::Failed(why)) if why.is_retryable() => println!("again: {why}"),
        Err(ExecuteError::Failed(why)) => return Err(why.into()),
    }

    let report = runtime.shutdown(Duration::from_secs(10)).await;
    println!("answered {}, closed cleanly: {}", report.drained, report.is_clean());
    // endregion: embed
    Ok(())
}

#[tokio::test]
async fn what_was_just_written_can_be_read() -> Result<(), Box<dyn std::error::Error>> {
    // region: view
    #[derive(Default, Serialize, Deserialize)]
    struct Balances(BTreeMap<String, i64>);

    impl Projection<Account> for Balances {
        fn project(&mut self, envelope: &Envelope<Account>) {
            let cents = self.0.entry(envelope.id.to_string()).or_default();
            match envelope.event {
                AccountEvent::Deposited(amount) => *cents += amount.0,
                AccountEvent::Withdrawn(amount) => *cents -= amount.0,
                AccountEvent::Opened | AccountEvent::Closed => {}
            }
        }
    }
    // endregion: view

    let runtime = Runtime::in_memory().await?;
    let accounts = runtime.host::<Account>();
    accounts.execute("alice", Open).await?;
    // region: read
    // In memory, rebuilt from the log whenever need be.
    let balances = runtime.projection::<Balances>("balances").on::<Account>().start().await?;
    accounts.execute("alice", Deposit(Cents(500))).consistent_with(&balances).await?;
    assert_eq!(balances.read(|balances| balances.0["alice"]), 500); // one's own write

    // On disk, row by row: more than fits in memory.
    let statements = runtime.keyed::<Statements>("statements").on::<Account>().start().await?;
    let receipt = accounts.execute("alice", Withdraw(Cents(200))).await?;
    statements.wait_for(receipt.position).await?;
    let newest = statements.rows().within("alice").descending().limit(2).list()?;

    // Effects: each event at least once, those of an account in order, on from where it was.
    let send = |event: Envelope<Account>| async move {
        println!("a letter to {}: {:?}", event.id, event.event);
        Ok::<_, BoxError>(())
    };
    let letters = runtime.subscribe("letters").on_only(["Withdrawn"], send).start().await?;
    // endregion: read
    assert_eq!(newest.len(), 2);
    letters.wait_for_within(receipt.position, Duration::from_secs(60)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_can_be_asked_and_kept_elsewhere() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let runtime = Runtime::open(folder.path().join("data")).await?;
    let accounts = runtime.host::<Account>();
    for id in ["alice", "bob"] {
        accounts.execute(id, Open).await?;
    }
    let receipt = accounts.execute("alice", Deposit(Cents(500))).await?;
    accounts.execute("alice", Withdraw(Cents(200))).await?;
    // region: past
    let past = accounts.as_of("alice", receipt.version).await?; // or a position, or a time
    let now = accounts.as_of("alice", runtime.head()).await?;
    println!("{:?} became {:?}", past.state, now.state);

    let mut history = accounts.history("alice");
    while let Some(step) = history.next().await? {
        println!("{}: {:?}", step.envelope.header.time, step.envelope.event);
        println!("    {:?}", step.state);
    }
    // endregion: past
    let saved = folder.path().join("saved");
    // region: keep
    let run = runtime.backup(&saved).await?; // while commands come in; the next one adds what is new
    println!("keep this in another place, it proves the history: {}", run.to);

    let moved = accounts.archive_where(ArchivePart::BeforeSnapshot, |_| true).await?;
    println!("{} events are in the archive, and read from there as before", moved.events);
    accounts.delete("bob", Reuse::Never).await?;
    // endregion: keep
    assert!(!accounts.exists("bob").await?);
    Ok(())
}

#[tokio::test]
async fn money_is_moved_by_a_saga() -> Result<(), Box<dyn std::error::Error>> {
    // region: saga
    #[derive(Clone, Default, Serialize, Deserialize)]
    struct Transfer {
        to: Option<Id<Account>>,
        amount: Cents,
    }

    impl Saga for Transfer {
        const TYPE: &'static str = "transfer";
        type Deadline = ();
    }

    impl Sends<Account> for Transfer {
        fn answered(&mut self, answer: Answer<Account>) -> Effects<Self> {
            match (answer.outcome, self.to.take()) {
                (Outcome::Rejected(why), _) => Effects::compensate(why.to_string()),
                (Outcome::Accepted { .. }, Some(to)) => {
                    let (deposit, back) = (Deposit(self.amount), Withdraw(self.amount));
                    Effects::none().send_with_undo(&to, deposit, back)
                }
                (Outcome::Accepted { .. }, None) => Effects::complete(),
            }
        }
    }
    // endregion: saga

    let runtime = Runtime::in_memory().await?;
    let accounts = runtime.host::<Account>();
    for id in ["alice", "bob"] {
        accounts.execute(id, Open).await?;
        accounts.execute(id, Deposit(Cents(500))).await?;
    }
    // region: transfer
    let transfers = runtime.saga::<Transfer>().sends_to(&accounts).start().await?;

    let (alice, bob, amount) = (Id::new("alice")?, Id::new("bob")?, Cents(200));
    let begin = move |transfer: &mut Transfer| {
        (transfer.to, transfer.amount) = (Some(bob), amount);
        Effects::none().send_with_undo(&alice, Withdraw(amount), Deposit(amount))
    };
    match transfers.run("transfer-17", begin).await? {
        InstanceStatus::Completed => println!("the money is there"),
        ended => println!("no money has moved: {ended}"),
    }
    // endregion: transfer
    assert_eq!(accounts.query("bob", |account| account.balance).await?, Cents(700));
    assert_eq!(transfers.status("transfer-17").await?, Some(InstanceStatus::Completed));
    Ok(())
}

#[test]
fn pages_show_the_examples_as_they_are() {
    for (page, shown) in SHOWN {
        let block = format!("<!-- {shown} -->\n```rust\n{}```\n", source(shown));
        assert!(read(page).contains(&block), "{page} should show {shown} like this:\n\n{block}");
    }
}

/// Returns a whole file, or the text between the marks of its region, without indentation.
fn source(shown: &str) -> String {
    let (file, region) = shown.split_once('#').unwrap_or((shown, ""));
    let text = read(file);
    if region.is_empty() {
        return text;
    }
    let marks = [format!("    // region: {region}\n"), format!("    // endregion: {region}\n")];
    let inside = text.split_once(&marks[0]).and_then(|(_, rest)| rest.split_once(&marks[1]));
    let (inside, _) = inside.expect("the region is marked");
    inside.lines().map(|line| line.strip_prefix("    ").unwrap_or(line).to_owned() + "\n").collect()
}

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

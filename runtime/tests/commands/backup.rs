//! Backups of a running runtime, and how its followers continue on the restored store.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actuarius::error::{BoxError, StartError};
use actuarius::projection::{InMemory, Projection};
use actuarius::store::backup::{self, BackupError, Until};
use actuarius::store::sled;
use actuarius::store::{PageLimit, Reader, ignore_progress, memory};
use actuarius::subscription::{Handler, Subscription};
use actuarius::{Envelope, Position, Runtime};
use serde::{Deserialize, Serialize};

use crate::common::{Command, Event, Ledger, eventually};

const LONG: Duration = Duration::from_secs(60);

/// The sum of all amounts, and the number of events that this process added to it.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Sum {
    total: i64,
    #[serde(skip)]
    projected: u64,
}

impl Projection<Ledger> for Sum {
    fn project(&mut self, envelope: &Envelope<Ledger>) {
        self.projected += 1;
        if let Event::Added(amount) = envelope.event {
            self.total += amount;
        }
    }
}

/// The positions that the handler received, over all processes.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u64>>>);

impl Handler<Ledger> for Heard {
    async fn handle(&self, envelope: Envelope<Ledger>) -> Result<(), BoxError> {
        self.0.lock().unwrap().push(envelope.header.position.get());
        Ok(())
    }
}

impl Heard {
    async fn follow(&self, runtime: &Runtime) -> Result<Subscription, StartError> {
        runtime.subscribe("heard").on(self.clone()).start().await
    }
}

async fn sum(runtime: &Runtime) -> InMemory<Sum> {
    runtime.projection::<Sum>("sum").on::<Ledger>().start().await.unwrap()
}

/// Folds the state of every ledger at `end` from the log alone.
fn fold(reader: &dyn Reader, end: Position) -> BTreeMap<String, Ledger> {
    let limit = PageLimit { commits: usize::MAX, bytes: usize::MAX };
    let page = reader.read_log(Position::NONE, limit).unwrap();
    let mut ledgers = BTreeMap::<String, Ledger>::new();
    for commit in page.commits.iter().take_while(|it| it.last_position() <= end) {
        let view = commit.view();
        for event in view.events() {
            let ledger = ledgers.entry(view.id.to_owned()).or_default();
            actuarius::Aggregate::apply(ledger, &event.decode::<Event>().unwrap());
        }
    }
    ledgers
}

async fn add(runtime: &Runtime, amounts: std::ops::Range<i64>) {
    let ledgers = runtime.host::<Ledger>();
    for amount in amounts {
        let id = format!("{}", amount % 5);
        ledgers.execute(id.as_str(), Command::Add(amount)).await.unwrap();
    }
}

async fn restored(saved: &Path, to: &Path, until: Until) -> (Runtime, Position) {
    let restored = sled::restore(saved, to, until, &mut ignore_progress).unwrap();
    (Runtime::open(to).await.unwrap(), restored.end.position)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_full_load_can_be_restored_at_any_position() {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name);
    let runtime = Runtime::open(place("data")).await.unwrap();
    let load = {
        let ledgers = runtime.host::<Ledger>();
        let client = move |client: i64| {
            let ledgers = ledgers.clone();
            tokio::spawn(async move {
                let id = format!("{}", client % 20);
                for amount in 0..60 {
                    let command = Command::AddAll(vec![amount, client]);
                    ledgers.execute(id.as_str(), command).await.unwrap();
                }
            })
        };
        (0..64).map(client).collect::<Vec<_>>()
    };
    let mut ends = vec![];
    while ends.len() < 5 || load.iter().any(|client| !client.is_finished()) {
        let head = runtime.head();
        let run = runtime.backup(place("saved")).segment_bytes(10_000).await.unwrap();
        assert!(run.to.position >= head, "every acknowledged event is in the backup");
        ends.push(run.to);
    }
    backup::verify(place("saved"), &mut ignore_progress).unwrap();
    let (reader, last) = (runtime.reader().unwrap(), ends.last().unwrap().position);
    for number in 0..6 {
        let wanted = Position::new(last.get() * (number * 31 % 17) / 16);
        let (again, end) =
            restored(&place("saved"), &place(&format!("{number}")), wanted.into()).await;
        assert!(end <= wanted && wanted.get() - end.get() < 2, "commits are restored whole");
        let ledgers = again.host::<Ledger>();
        for (id, ledger) in fold(&*reader, end) {
            let found = ledgers.query(id.as_str(), Ledger::clone).await.unwrap();
            assert_eq!(found, ledger, "{id} at {end}");
        }
        assert!(again.shutdown(LONG).await.is_clean());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_and_views_continue_on_the_restored_store() {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name);
    let runtime = Runtime::open(place("data")).await.unwrap();
    let heard = Heard::default();
    heard.follow(&runtime).await.unwrap();
    add(&runtime, 0..10).await;
    sum(&runtime).await;
    runtime.caught_up(LONG).await.unwrap();
    assert!(runtime.shutdown(LONG).await.is_clean());
    let runtime = Runtime::open(place("data")).await.unwrap();
    runtime.backup(place("saved")).await.unwrap();
    add(&runtime, 10..20).await;
    runtime.backup(place("saved")).await.unwrap();
    assert!(runtime.shutdown(LONG).await.is_clean());

    sled::restore(place("saved"), place("back"), Until::End, &mut ignore_progress).unwrap();
    // Copies the views of the old store to the new one.
    let views = || Runtime::builder().views(sled::views(place("data").join("views")));
    let again = views().open(place("back")).await.unwrap();
    let subscription = heard.follow(&again).await.unwrap();
    let sum = sum(&again).await;
    again.caught_up(LONG).await.unwrap();
    assert_eq!(*heard.0.lock().unwrap(), (1..=20).collect::<Vec<_>>(), "each event once");
    assert_eq!(sum.read(|sum| (sum.total, sum.projected)), (190, 10), "ten were saved");
    add(&again, 20..21).await;
    again.caught_up(LONG).await.unwrap();
    assert_eq!(subscription.position(), Position::new(21));
    assert!(again.shutdown(LONG).await.is_clean());
    // Now the subscription has a checkpoint of its own.
    let again = views().open(place("back")).await.unwrap();
    assert_eq!(heard.follow(&again).await.unwrap().position(), Position::new(21));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_after_the_restored_position_are_handled_again_and_views_are_rebuilt() {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name);
    let runtime = Runtime::open(place("data")).await.unwrap();
    let heard = Heard::default();
    heard.follow(&runtime).await.unwrap();
    sum(&runtime).await;
    for round in 0..3 {
        add(&runtime, round * 10..round * 10 + 10).await;
        runtime.caught_up(LONG).await.unwrap();
        // The checkpoint is stored a moment later.
        eventually(|| has_checkpoint(&runtime, (round as u64 + 1) * 10)).await;
        runtime.backup(place("saved")).await.unwrap();
    }
    assert!(runtime.shutdown(LONG).await.is_clean());
    let until = Position::new(25).into();
    sled::restore(place("saved"), place("back"), until, &mut ignore_progress).unwrap();
    let views = sled::views(place("data").join("views"));
    let again = Runtime::builder().views(views).open(place("back")).await.unwrap();
    add(&again, 100..101).await;
    let sum = sum(&again).await;
    heard.follow(&again).await.unwrap();
    again.caught_up(LONG).await.unwrap();
    assert_eq!(heard.0.lock().unwrap()[30..], [21, 22, 23, 24, 25, 26], "from position 20 on");
    let events_of_its_own: i64 = (0..25).sum::<i64>() + 100;
    assert_eq!(sum.read(|sum| (sum.total, sum.projected)), (events_of_its_own, 26));
}

fn has_checkpoint(runtime: &Runtime, position: u64) -> bool {
    let note = runtime.reader().unwrap().note(b"subscription/heard").unwrap();
    note.is_some_and(|note| note[17..25] == position.to_le_bytes())
}

/// A store restored to a position before the end of the first run has no checkpoints, so the
/// subscription begins where its options say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_restored_to_before_the_first_run_is_new() {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name);
    let runtime = Runtime::open(place("data")).await.unwrap();
    let heard = Heard::default();
    heard.follow(&runtime).await.unwrap();
    add(&runtime, 0..10).await;
    runtime.caught_up(LONG).await.unwrap();
    runtime.backup(place("saved")).await.unwrap();
    let (again, end) = restored(&place("saved"), &place("back"), Position::new(4).into()).await;
    let subscription = again.subscribe("heard").after(end);
    let subscription = subscription.on(heard.clone()).start().await.unwrap();
    again.caught_up(LONG).await.unwrap();
    assert_eq!(subscription.position(), Position::new(4));
    assert_eq!(heard.0.lock().unwrap().len(), 10, "no event is handled again");
}

/// A backup whose future was dropped in its last page was finished all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_backup_and_one_of_a_closed_runtime_leave_no_files() {
    let directory = tempfile::tempdir().unwrap();
    let saved = directory.path().join("saved");
    let runtime = Runtime::builder().on_store(memory::open()).await.unwrap();
    add(&runtime, 0..10).await;
    let (started, has_started) = std::sync::mpsc::channel();
    let (dropped, is_dropped) = std::sync::mpsc::channel::<()>();
    let taking = runtime.backup(&saved).on_progress(move |_| {
        let _ = started.send(());
        let _ = is_dropped.recv();
        ControlFlow::Continue(())
    });
    let taking = tokio::spawn(taking.into_future());
    crate::common::blocking(move || has_started.recv()).await.unwrap();
    taking.abort();
    let _ = taking.await;
    drop(dropped);
    let stopped = runtime.backup(&saved).on_progress(|_| ControlFlow::Break(())).await;
    assert!(
        matches!(stopped, Err(BackupError::Stopped | BackupError::InUse { .. })),
        "{stopped:?}"
    );
    assert!(runtime.shutdown(LONG).await.is_clean());
    let closed = runtime.backup(&saved).await;
    assert!(matches!(closed, Err(BackupError::Read(_))), "{closed:?}");
}

/// Each call of `backup` took a thread at once, as many as there were calls.
#[tokio::test]
async fn few_backups_run_at_once_and_the_others_wait_for_them_or_for_the_shutdown() {
    const AT_ONCE: usize = 8;
    let directory = tempfile::tempdir().unwrap();
    let runtime = Runtime::open(directory.path().join("store")).await.unwrap();
    runtime.host::<Ledger>().execute("a", Command::Add(1)).await.unwrap();
    let (running, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (gate, opened) = std::sync::mpsc::channel::<()>();
    let opened = Arc::new(Mutex::new(opened));
    let backups: Vec<_> = (0..3 * AT_ONCE)
        .map(|number| {
            let (running, ended, opened) = (running.clone(), ended.clone(), opened.clone());
            let backup = runtime.backup(directory.path().join(format!("backup {number}")));
            let backup = backup.on_progress(move |_| {
                running.fetch_add(1, Ordering::SeqCst);
                // Ends when the gate is dropped.
                let _ = opened.lock().unwrap().recv();
                ended.fetch_add(1, Ordering::SeqCst);
                ControlFlow::Continue(())
            });
            tokio::spawn(backup.into_future())
        })
        .collect();
    eventually(|| running.load(Ordering::SeqCst) == AT_ONCE).await;
    gate.send(()).unwrap();
    eventually(|| running.load(Ordering::SeqCst) > AT_ONCE).await;
    assert!(running.load(Ordering::SeqCst) - ended.load(Ordering::SeqCst) <= AT_ONCE);
    let (_, ()) = tokio::join!(runtime.shutdown(LONG), async { drop(gate) });
    for backup in backups {
        // Finished, or refused by the shutdown: no call waits without end.
        let _ = backup.await.unwrap();
    }
}

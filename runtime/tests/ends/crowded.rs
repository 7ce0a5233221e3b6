//! Callers that take up all of tokio's blocking threads: every call is answered all the same.

use std::future::{Future, IntoFuture};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actuarius::erasure::keys::FileMasterKeys;
use actuarius::error::BoxError;
use actuarius::operations::ArchivePart;
use actuarius::projection::{Database, EventBatch};
use actuarius::saga::{Answer as SagaAnswer, Correlation, Effects, ReactsTo, Saga, Sends};
use actuarius::store::fault;
use actuarius::store::memory;
use actuarius::subscription::Retry;
use actuarius::{Envelope, Id, Position, Runtime, StreamId, Version};
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Handle, Runtime as Tokio};
use tokio::task::spawn_blocking;

use crate::answer::Answer;
use crate::calls::HANGS;
use crate::common::{Bell, Command, Event, Ledger, Sum, eventually};
use crate::matrix::every_call;
use crate::scene::{ByLedger, Scene};

fn with_blocking_threads(threads: usize) -> Tokio {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).max_blocking_threads(threads).enable_all().build().unwrap()
}

/// Runs a caller on the only blocking thread, which waits for its answers.
fn on_the_only_blocking_thread<F: Future<Output = ()>>(
    caller: impl FnOnce() -> F + Send + 'static,
) {
    let tokio = with_blocking_threads(1);
    tokio.block_on(async {
        let handle = Handle::current();
        spawn_blocking(move || handle.block_on(caller())).await.unwrap();
    });
}

/// Fails if the answer does not come.
async fn soon<C: IntoFuture>(what: &str, call: C) -> C::Output {
    let answer = tokio::time::timeout(HANGS, call.into_future()).await;
    answer.unwrap_or_else(|_| panic!("{what} hangs"))
}

/// A service called the runtime from blocking code, as many times at once as tokio has blocking threads. Reads,
/// starts, rebuilds, backups and everything else that needed such a thread waited without end, and the
/// callers with it.
#[test]
fn every_call_from_the_only_blocking_thread_is_fine() {
    on_the_only_blocking_thread(|| async {
        let scene = Scene::open().await;
        every_call(&scene, |_, _| Answer::Fine).await;
    });
}

/// Counts events in a database of its own, and starts a task as its code did on tokio's threads.
#[derive(Default)]
struct Counting {
    position: Position,
    spawns: Arc<AtomicBool>,
}

impl Database for Counting {
    fn position(&mut self) -> Result<Position, BoxError> {
        Ok(self.position)
    }

    fn project(&mut self, batch: &EventBatch<'_>) -> Result<(), BoxError> {
        let spawns = self.spawns.clone();
        Handle::try_current()?.spawn(async move { spawns.store(true, Ordering::SeqCst) });
        self.position = batch.position();
        Ok(())
    }
}

/// The same from `open` to `shutdown`, with views on a disk, a database, a handler that fails once, and a log that
/// is read from its beginning.
#[test]
fn a_life_from_the_only_blocking_thread_is_answered() {
    on_the_only_blocking_thread(|| async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        let master = FileMasterKeys::generate(path.join("master"), "first").unwrap();
        let opening = Runtime::builder().personal_data(master).open(path.join("data"));
        let runtime = soon("open", opening).await.unwrap();
        let ledgers = runtime.host::<Ledger>();
        for amount in 1..=3 {
            soon("execute", ledgers.execute("a", Command::Add(amount))).await.unwrap();
        }
        soon("version", ledgers.version("a")).await.unwrap();
        soon("events", ledgers.events("a", Version::NONE)).await.unwrap();
        follow_the_log(&runtime).await;
        soon("archive", ledgers.archive("a", ArchivePart::Whole)).await.unwrap();
        soon("backup", runtime.backup(path.join("backup"))).await.unwrap();
        let _ = soon("forget", runtime.forget("alice")).await.unwrap();
        assert!(soon("shutdown", runtime.shutdown(HANGS / 2)).await.is_clean());
        drop((ledgers, runtime));
        let again = FileMasterKeys::open(path.join("master")).unwrap();
        let opening = Runtime::builder().personal_data(again).open(path.join("data"));
        drop(soon("open again", opening).await.unwrap());
    });
}

/// Starts everything that follows the log, lets it read the log from its beginning, and stops it.
async fn follow_the_log(runtime: &Runtime) {
    let head = runtime.head();
    let rows = runtime.keyed::<ByLedger>("rows").on::<Ledger>();
    let rows = soon("start of a view", rows.start()).await.unwrap();
    soon("rows", rows.wait_for(head)).await.unwrap();
    assert_eq!(rows.get("a").unwrap(), Some(6));
    soon("rebuild", rows.rebuild()).await.unwrap();
    let database = Counting::default();
    let spawns = database.spawns.clone();
    let starting = runtime.database("database", database).on::<Ledger>().start();
    let database = soon("start of a database", starting).await.unwrap();
    soon("a database", database.wait_for(head)).await.unwrap();
    soon("a task of its own", eventually(|| spawns.load(Ordering::SeqCst))).await;
    let has_failed = Arc::new(AtomicBool::new(false));
    let handler = move |_: Envelope<Ledger>| {
        let fails = !has_failed.swap(true, Ordering::SeqCst);
        async move { if fails { Err(BoxError::from("not now")) } else { Ok(()) } }
    };
    let retry = Retry::default().waits(Duration::from_millis(1), Duration::from_millis(1));
    let mailer = runtime.subscribe("mailer").on(handler).retry(retry);
    let mailer = soon("start of a subscription", mailer.start()).await.unwrap();
    soon("a subscription", mailer.wait_for(head)).await.unwrap();
    soon("stop of a view", rows.stop()).await;
    soon("stop of a database", database.stop()).await;
    soon("stop of a subscription", mailer.stop()).await;
}

/// Callers waited for a view, and the view waited for one of the threads that they had taken up to read its page.
#[test]
fn callers_that_wait_for_a_view_do_not_keep_views_from_reading() {
    with_blocking_threads(2).block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let runtime = soon("open", Runtime::open(directory.path())).await.unwrap();
        let ledgers = runtime.host::<Ledger>();
        ledgers.execute("a", Command::Add(1)).await.unwrap();
        let sum = runtime.projection::<Sum>("sum").on::<Ledger>().start().await.unwrap();
        let awaited = runtime.head().next();
        let callers = [(); 2].map(|()| {
            let (sum, handle) = (sum.clone(), Handle::current());
            spawn_blocking(move || handle.block_on(sum.wait_for_within(awaited, HANGS * 2)))
        });
        let rows = runtime.keyed::<ByLedger>("rows").on::<Ledger>();
        let rows = soon("start of a view", rows.start()).await.unwrap();
        soon("rows", rows.wait_for(runtime.head())).await.unwrap();
        soon("rebuild", sum.rebuild()).await.unwrap();
        ledgers.execute("b", Command::Add(1)).await.unwrap();
        for caller in callers {
            soon("a caller", caller).await.unwrap().unwrap();
        }
    });
}

/// Rings a bell, and is done.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Ringer;

impl Saga for Ringer {
    const TYPE: &'static str = "ringer";
    type Deadline = ();
}

impl ReactsTo<Ledger> for Ringer {
    fn correlate(_: &Envelope<Ledger>) -> Correlation {
        Correlation::ignore()
    }

    fn react(&mut self, envelope: &Envelope<Ledger>) -> Effects<Self> {
        let Event::Added(_) = envelope.event else { return Effects::none() };
        Effects::none()
    }
}

impl Sends<Bell> for Ringer {
    fn answered(&mut self, _: SagaAnswer<Bell>) -> Effects<Self> {
        Effects::complete()
    }
}

/// A command of a saga that failed is looked for in the aggregate's events before it is sent again. That search
/// waited for a thread that the caller of the saga had taken up.
#[test]
fn a_command_of_a_saga_that_is_looked_for_is_answered() {
    on_the_only_blocking_thread(|| async {
        let (store, faults) = fault::over(memory::open());
        let runtime = soon("open", Runtime::builder().on_store(store)).await.unwrap();
        let bells = runtime.host::<Bell>();
        soon("execute", bells.execute("b", ())).await.unwrap();
        bells.passivate("b").unwrap();
        eventually(|| bells.resident() == 0).await;
        let retry = Retry::default().attempts(1_000);
        let retry = retry.waits(Duration::from_millis(1), Duration::from_millis(1));
        let ringer = runtime.saga::<Ringer>().reacts_to::<Ledger>().sends_to(&bells);
        let ringer = soon("start of a saga", ringer.retry(retry).start()).await.unwrap();
        faults.fail_reads_of(&StreamId::new("bell", "b").unwrap());
        let begun =
            ringer.begin("first", |_| Effects::none().send(&Id::<Bell>::new("b").unwrap(), ()));
        let reads = faults.counts().reads;
        soon("begin", begun).await.unwrap();
        eventually(|| faults.counts().reads > reads + 10).await;
        faults.clear();
        soon("its end", ringer.end_of("first")).await.unwrap();
        assert_eq!(soon("version", bells.version("b")).await.unwrap(), Version::new(2));
    });
}

//! Every caller is answered, whatever its neighbours' values do and however its aggregate's actor ends.

use std::convert::Infallible;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actuarius::store::{fault, memory};
use actuarius::{Aggregate, Context, Failure, Runtime};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::common::{eventually, send, until_held};

/// Long enough that only a caller that is never answered fails the test.
const NEVER: Duration = Duration::from_secs(60);

/// Does what its commands say at the worst moment.
#[derive(Default, Serialize, Deserialize)]
struct Awkward {
    events: u64,
}

enum Command {
    Add,
    /// Reports that it is being decided, waits, and results in an event of this size.
    Wait(Sender<()>, Receiver<()>, usize),
    /// Its destructor panics, unless it is decided.
    Explosive(Bomb),
}

struct Bomb(bool);

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0 {
            resume_unwind(Box::new("a destructor"));
        }
    }
}

#[derive(Serialize, Deserialize)]
enum Event {
    Added,
    Blob(String),
}

impl Aggregate for Awkward {
    const TYPE: &'static str = "awkward";
    type Command = Command;
    type Event = Event;
    type Error = Infallible;

    fn decide(&self, command: Command, _: &Context) -> Result<Vec<Event>, Infallible> {
        Ok(vec![match command {
            Command::Add => Event::Added,
            Command::Wait(entered, go, size) => {
                entered.send(()).unwrap_or_default();
                go.recv().unwrap_or_default();
                Event::Blob("x".repeat(size))
            }
            Command::Explosive(mut bomb) => {
                bomb.0 = false;
                Event::Added
            }
        }])
    }

    fn apply(&mut self, _: &Event) {
        self.events += 1;
    }
}

/// A shutdown that was past its deadline while a turn was being decided once left the requests that the turn put
/// back in an inbox that was never read again, and their callers waited without end.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn requests_put_back_after_the_end_of_the_runtime_are_answered() {
    let (store, faults) = fault::over(memory::open());
    let runtime = Runtime::builder().on_store(store).await.unwrap();
    let awkward = runtime.host::<Awkward>();
    // While the store is held, the next three requests wait together, so that one turn takes all of them.
    let hold = faults.hold();
    let warm_up = send(awkward.execute("a", Command::Add));
    let hold = until_held(hold).await;
    let (entered, is_entered) = channel();
    let (go, may_go) = channel();
    let first = send(awkward.execute("a", Command::Wait(entered, may_go, 250 * 1024)));
    let (second, third) =
        (send(awkward.execute("a", Command::Add)), send(awkward.execute("a", Command::Add)));
    drop(hold);
    timeout(NEVER, warm_up).await.expect("answered").unwrap();
    tokio::task::spawn_blocking(move || is_entered.recv().unwrap()).await.unwrap();
    let report = runtime.shutdown(Duration::ZERO).await;
    assert!(!report.is_clean(), "{report:?}");
    drop(go);
    for waiting in [first, second, third] {
        let answer = timeout(NEVER, waiting).await.expect("every caller is answered");
        let failure = answer.unwrap_err().failure().cloned();
        assert!(
            matches!(failure, Some(Failure::Unavailable(_) | Failure::Indeterminate(_))),
            "{failure:?}"
        );
    }
}

/// A command whose caller no longer waits is dropped by the aggregate's actor. A panic in its destructor once
/// took the answers of other callers along, and a second one ended the process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destructor_that_panics_reaches_no_other_caller() {
    let (store, faults) = fault::over(memory::open());
    let runtime = Runtime::builder().on_store(store).await.unwrap();
    let awkward = runtime.host::<Awkward>();
    let hold = faults.hold();
    let warm_up = send(awkward.execute("a", Command::Add));
    let hold = until_held(hold).await;
    let abandoned: Vec<_> =
        (0..2).map(|_| send(awkward.execute("a", Command::Explosive(Bomb(true))))).collect();
    let decided = send(awkward.execute("a", Command::Explosive(Bomb(true))));
    let other = send(awkward.execute("a", Command::Add));
    drop(abandoned);
    drop(hold);
    for answered in [warm_up, decided, other] {
        assert!(timeout(NEVER, answered).await.expect("answered").is_ok());
    }
    assert_eq!(awkward.query("a", |it| it.events).await.unwrap(), 3);
}

/// A value that a caller no longer takes is dropped where the answers are sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_returned_value_that_panics_when_dropped_reaches_no_other_caller() {
    let (store, faults) = fault::over(memory::open());
    let runtime = Runtime::builder().on_store(store).await.unwrap();
    let awkward = runtime.host::<Awkward>();
    let hold = faults.hold();
    let computed = Arc::new(Mutex::new(0));
    let counted = computed.clone();
    let abandoned = send(awkward.execute("a", Command::Add).returning(move |_| {
        *counted.lock().unwrap() += 1;
        Bomb(true)
    }));
    let hold = until_held(hold).await;
    let other = send(awkward.execute("b", Command::Add));
    assert_eq!(*computed.lock().unwrap(), 1);
    drop(abandoned);
    drop(hold);
    assert!(timeout(NEVER, other).await.expect("answered").is_ok());
    assert_eq!(
        timeout(NEVER, awkward.query("a", |it| it.events)).await.expect("answered").unwrap(),
        1
    );
}

/// A store that cannot be closed was once logged only, and the shutdown looked clean.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_reports_a_store_that_could_not_be_closed() {
    let (store, faults) = fault::over(memory::open());
    let runtime = Runtime::builder().on_store(store).await.unwrap();
    runtime.host::<Awkward>().execute("a", Command::Add).await.unwrap();
    faults.fail_close();
    let report = runtime.shutdown(NEVER).await;
    assert!(report.store_failed && !report.is_clean(), "{report:?}");
}

/// Callers that block on answers may take up all of tokio's blocking threads. Recoveries once needed one of
/// these threads, so nothing was answered any more.
#[test]
fn callers_that_take_up_the_blocking_threads_are_answered() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let tokio = builder.worker_threads(2).max_blocking_threads(2).enable_all().build().unwrap();
    tokio.block_on(async {
        let contents = Arc::default();
        let runtime = Runtime::builder().on_store(memory::reopen(&contents)).await.unwrap();
        let awkward = runtime.host::<Awkward>();
        for id in ["a", "b"] {
            awkward.execute(id, Command::Add).await.unwrap();
            awkward.passivate(id).unwrap();
        }
        eventually(|| runtime.health().resident == 0).await;
        let calls = ["a", "b"].map(|id| {
            let (awkward, handle) = (awkward.clone(), tokio::runtime::Handle::current());
            tokio::task::spawn_blocking(move || {
                handle.block_on(async { awkward.execute(id, Command::Add).await.map(drop) })
            })
        });
        for call in calls {
            assert!(timeout(NEVER, call).await.expect("answered").unwrap().is_ok());
        }
    });
}

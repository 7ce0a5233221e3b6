//! After `forget` no handler is given clear text, wherever the event had been read to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actuarius::error::BoxError;
use actuarius::health::FollowerStatus;
use actuarius::projection::Missed;
use actuarius::saga::Sagas;
use actuarius::store::{fault, memory};
use actuarius::subscription::{OnPoison, Retry, Subscription, SubscriptionBuilder};
use actuarius::{Aggregates, Envelope, Personal, Runtime, StreamId};
use tokio::sync::Semaphore;
use tokio_stream::StreamExt;

use super::customers::{Customer, CustomerCommand, CustomerEvent, register, ring, subject};
use super::saga::{Mailbox, SLOW, SLOW_BEGUN, SLOW_ENDS, Welcome};
use super::views::ByName;
use crate::common::eventually;

const LONG: Duration = Duration::from_secs(60);

/// A handler that records what it is given, and waits or fails on demand.
#[derive(Clone)]
struct Clerk(Arc<Desk>);

struct Desk {
    /// The customers whose events are held up until the gate is opened.
    held: Mutex<Vec<String>>,
    gate: Semaphore,
    entered: Mutex<Vec<String>>,
    /// The customers whose events fail.
    failing: Mutex<Vec<String>>,
    is_forgotten: AtomicBool,
    /// Whether each event that was handed over after the erasure was erased.
    later: Mutex<Vec<bool>>,
}

impl Clerk {
    fn new() -> Self {
        Self(Arc::new(Desk {
            held: Mutex::default(),
            gate: Semaphore::new(0),
            entered: Mutex::default(),
            failing: Mutex::default(),
            is_forgotten: AtomicBool::new(false),
            later: Mutex::default(),
        }))
    }

    fn hold(self, id: &str) -> Self {
        self.0.held.lock().unwrap().push(id.to_owned());
        self
    }

    fn fail(self, id: &str) -> Self {
        self.0.failing.lock().unwrap().push(id.to_owned());
        self
    }

    fn succeed(&self) {
        self.0.failing.lock().unwrap().clear();
    }

    fn open(&self) {
        self.0.gate.close();
    }

    async fn handle(&self, event: Envelope<Customer>) -> Result<(), BoxError> {
        let (desk, id) = (&self.0, event.id.as_str().to_owned());
        if desk.is_forgotten.load(Ordering::SeqCst) {
            desk.later.lock().unwrap().push(is_erased(&event.event));
        }
        desk.entered.lock().unwrap().push(id.clone());
        let is_held = desk.held.lock().unwrap().contains(&id);
        if is_held {
            let _ = desk.gate.acquire().await;
        }
        match desk.failing.lock().unwrap().contains(&id) {
            true => Err("the desk is closed".into()),
            false => Ok(()),
        }
    }

    async fn until_entered(&self, id: &str, times: usize) {
        let count = || self.0.entered.lock().unwrap().iter().filter(|it| *it == id).count();
        eventually(|| count() >= times).await;
    }

    /// Describes a subscription with one worker.
    fn subscribe(&self, runtime: &Runtime) -> SubscriptionBuilder {
        let clerk = self.clone();
        let on_event = move |event| {
            let clerk = clerk.clone();
            async move { clerk.handle(event).await }
        };
        runtime.subscribe("letters").on(on_event).workers(1)
    }

    /// Forgets Ada, and records what is handed over from then on.
    async fn forget_ada(&self, runtime: &Runtime) {
        let forgotten = runtime.forget(subject("ada")).await.unwrap();
        assert!(forgotten.had_key && forgotten.is_complete(), "{forgotten:?}");
        self.0.is_forgotten.store(true, Ordering::SeqCst);
    }

    /// Waits until all events are handled. Every event that was handed over after the erasure must be erased.
    async fn finish(&self, runtime: &Runtime, letters: &Subscription, events: usize) {
        letters.wait_for_within(runtime.head(), LONG).await.unwrap();
        assert_eq!(*self.0.later.lock().unwrap(), vec![true; events]);
    }
}

fn is_erased(event: &CustomerEvent) -> bool {
    match event {
        CustomerEvent::Registered { name } => name.is_erased(),
        CustomerEvent::Ordered(address, _) => address.is_erased(),
    }
}

/// Stores an event of Bob, and nine of Ada.
async fn stored() -> (Runtime, Aggregates<Customer>) {
    let runtime = Runtime::builder().personal_data(ring()).in_memory().await.unwrap();
    let customers = runtime.host::<Customer>();
    register(&customers, "bob").await;
    register(&customers, "ada").await;
    for _ in 0..8 {
        customers.execute("ada", CustomerCommand::Order).await.unwrap();
    }
    (runtime, customers)
}

/// Events were decoded when they were read. A slow handler had nine events of Ada ahead of it when she was
/// forgotten, and wrote her into the user's table again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_wait_for_a_slow_handler_are_handed_over_erased() {
    let (runtime, _customers) = stored().await;
    let clerk = Clerk::new().hold("bob");
    let letters = clerk.subscribe(&runtime).start().await.unwrap();
    clerk.until_entered("bob", 1).await;
    clerk.forget_ada(&runtime).await;
    clerk.open();
    clerk.finish(&runtime, &letters, 9).await;
}

/// A subscription was paused for days with decoded events in memory. Ada was forgotten, and the resumed
/// subscription was given her address.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_was_paused_is_handed_erased_events() {
    let (runtime, _customers) = stored().await;
    let clerk = Clerk::new().hold("bob");
    let letters = clerk.subscribe(&runtime).start().await.unwrap();
    clerk.until_entered("bob", 1).await;
    let (pausing, gate) = (letters.pause(), async { clerk.open() });
    tokio::join!(pausing, gate);
    assert_eq!(letters.status(), FollowerStatus::Paused);
    clerk.forget_ada(&runtime).await;
    letters.resume();
    clerk.finish(&runtime, &letters, 9).await;
}

/// The same for a subscription that an operator had to resume after an event failed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_was_halted_is_handed_erased_events() {
    let (runtime, _customers) = stored().await;
    let clerk = Clerk::new().fail("bob");
    let builder = clerk.subscribe(&runtime).on_poison(OnPoison::Halt);
    let letters = builder.retry(Retry::default().attempts(1)).start().await.unwrap();
    eventually(|| matches!(letters.status(), FollowerStatus::Halted { .. })).await;
    clerk.forget_ada(&runtime).await;
    clerk.succeed();
    letters.resume();
    // Bob's event is not erased.
    letters.wait_for_within(runtime.head(), LONG).await.unwrap();
    let expected: Vec<_> = [false].into_iter().chain([true; 9]).collect();
    assert_eq!(*clerk.0.later.lock().unwrap(), expected);
}

/// The first event of Ada failed and was tried again, and the others waited for it in its lane.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_is_tried_again_and_those_after_it_are_handed_over_erased() {
    let (runtime, _customers) = stored().await;
    let clerk = Clerk::new().fail("ada");
    let wait = Duration::from_millis(1);
    let builder =
        clerk.subscribe(&runtime).retry(Retry::default().attempts(u32::MAX).waits(wait, wait));
    let letters = builder.start().await.unwrap();
    clerk.until_entered("ada", 3).await;
    clerk.forget_ada(&runtime).await;
    clerk.succeed();
    letters.wait_for_within(runtime.head(), LONG).await.unwrap();
    let later = clerk.0.later.lock().unwrap();
    assert!(later.len() >= 9 && later.iter().all(|erased| *erased), "{later:?}");
}

/// Parked events are read again when they are retried.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parked_events_are_handed_over_erased() {
    let (runtime, _customers) = stored().await;
    let clerk = Clerk::new().fail("ada");
    let builder = clerk.subscribe(&runtime).on_poison(OnPoison::Park);
    let letters = builder.retry(Retry::default().attempts(1)).start().await.unwrap();
    letters.wait_for_within(runtime.head(), LONG).await.unwrap();
    clerk.forget_ada(&runtime).await;
    clerk.succeed();
    assert_eq!(letters.retry_parked("customer/ada").await.unwrap(), 9);
    clerk.finish(&runtime, &letters, 9).await;
}

/// A handler that already had Ada's event was still at work with it when `forget` reported that she was
/// forgotten everywhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_at_work_with_the_subject_is_waited_for() {
    let (runtime, _customers) = stored().await;
    let clerk = Clerk::new().hold("ada");
    let letters = clerk.subscribe(&runtime).start().await.unwrap();
    clerk.until_entered("ada", 1).await;
    let forgetting = tokio::spawn({
        let (clerk, runtime) = (clerk.clone(), runtime.clone());
        async move { clerk.forget_ada(&runtime).await }
    });
    let keys = runtime.keys().unwrap();
    eventually(|| keys.is_forgotten(&subject("ada"))).await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert!(!forgetting.is_finished(), "the handler has her event");
    clerk.open();
    forgetting.await.unwrap();
    letters.wait_for_within(runtime.head(), LONG).await.unwrap();
    let later = clerk.0.later.lock().unwrap();
    assert!(later.iter().all(|erased| *erased), "{later:?}");
}

/// A handler that hangs must not make every erasure hang: it is named. Others are not waited for.
#[tokio::test(start_paused = true)]
async fn a_handler_that_does_not_return_is_named() {
    let (runtime, _customers) = stored().await;
    let clerk = Clerk::new().hold("bob");
    let _letters = clerk.subscribe(&runtime).start().await.unwrap();
    clerk.until_entered("bob", 1).await;
    clerk.forget_ada(&runtime).await;
    let forgotten = runtime.forget(subject("bob")).await.unwrap();
    assert_eq!(
        (forgotten.at_work.as_slice(), forgotten.is_complete()),
        (&["letters".to_owned()][..], false)
    );
    clerk.open();
    let again = runtime.forget(subject("bob")).await.unwrap();
    assert!(again.is_complete(), "{again:?}");
}

/// Forgetting a customer who has left is the work of a handler. It would wait for itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_forgets_the_subject_of_its_event_does_not_wait_for_itself() {
    let (runtime, _customers) = stored().await;
    let forgetting = runtime.clone();
    let on_event = move |event: Envelope<Customer>| {
        let runtime = forgetting.clone();
        async move {
            let forgotten = runtime.forget(subject(event.id.as_str())).await?;
            assert!(forgotten.at_work.is_empty(), "{forgotten:?}");
            Ok::<(), BoxError>(())
        }
    };
    let letters = runtime.subscribe("leavers").on(on_event).workers(1).start().await.unwrap();
    let waited = letters.wait_for_within(runtime.head(), LONG).await;
    letters.stop().await;
    waited.unwrap();
    assert!(runtime.health().quarantined.is_empty());
}

/// The key of a row may hold clear text. A slow receiver of changes was given it after the erasure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_wait_for_a_slow_receiver_do_not_name_rows_by_clear_text() {
    let runtime = Runtime::builder().personal_data(ring()).in_memory().await.unwrap();
    let customers = runtime.host::<Customer>();
    let by_name = runtime.keyed::<ByName>("by-name").on::<Customer>().start().await.unwrap();
    let mut changes = by_name.changes();
    let ada = register(&customers, "ada").await;
    runtime.caught_up(LONG).await.unwrap();
    let forgotten = runtime.forget(subject("ada")).await.unwrap();
    assert!(forgotten.is_complete(), "{forgotten:?}");
    assert_eq!(changes.next().await, Some(Err(Missed)));
    let bob = register(&customers, "bob").await;
    let keys = loop {
        let change = changes.next().await.expect("the view is open");
        if let Ok(change) = change {
            break change.keys;
        }
    };
    assert_eq!(keys, [bob]);
    assert!(by_name.get(&ada).unwrap().is_none());
}

/// A saga copies a personal value into a command. The customer was forgotten after the event was decoded, the
/// command could not be stored, and the instance was quarantined for a lawful erasure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saga_that_reacts_to_an_event_of_a_forgotten_subject_is_not_quarantined() {
    let (store, faults) = fault::over(memory::reopen(&Arc::default()));
    let runtime = Runtime::builder().personal_data(ring()).on_store(store).await.unwrap();
    let (customers, mailboxes) = (runtime.host::<Customer>(), runtime.host::<Mailbox>());
    faults.fail_reads_of(&StreamId::new("welcome", "ada").unwrap());
    let reads = faults.counts().reads;
    let retry = Retry::default().attempts(1);
    let welcomes = runtime.saga::<Welcome>().reacts_to::<Customer>().sends_to(&mailboxes);
    let welcomes: Sagas<Welcome> = welcomes.retry(retry).start().await.unwrap();
    let command = CustomerCommand::Register(Personal::new(subject("ada"), "Ada".to_owned()));
    customers.execute("ada", command).await.unwrap();
    eventually(|| faults.counts().reads > reads).await;
    let forgotten = runtime.forget(subject("ada")).await.unwrap();
    assert!(forgotten.is_complete(), "{forgotten:?}");
    faults.clear();
    runtime.caught_up(LONG).await.unwrap();
    // A recovery that failed before the faults were cleared may answer the first query.
    let is_erased = loop {
        match welcomes.query("ada", |it| it.name.is_erased()).await {
            Ok(found) => break found.expect("it exists"),
            Err(error) => assert!(error.to_string().contains("scripted"), "{error}"),
        }
    };
    assert!(is_erased);
    assert!(runtime.health().is_good(), "{:?}", runtime.health());
    assert_eq!(welcomes.counts().in_trouble, 0);
}

/// The customer was forgotten while the letter to them was being decided. The letter could not be stored, and the
/// instance was quarantined for a lawful erasure.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_command_of_a_saga_to_a_subject_that_is_forgotten_meanwhile_is_sent_without_the_clear_text()
 {
    let runtime = Runtime::builder().personal_data(ring()).in_memory().await.unwrap();
    let (customers, mailboxes) = (runtime.host::<Customer>(), runtime.host::<Mailbox>());
    let welcomes = runtime.saga::<Welcome>().reacts_to::<Customer>().sends_to(&mailboxes);
    let welcomes: Sagas<Welcome> =
        welcomes.retry(Retry::default().attempts(1)).start().await.unwrap();
    let command = CustomerCommand::Register(Personal::new(subject("ada"), SLOW.to_owned()));
    customers.execute("ada", command).await.unwrap();
    eventually(|| SLOW_BEGUN.get().is_some()).await;
    let forgetting = tokio::spawn({
        let runtime = runtime.clone();
        async move { runtime.forget(subject("ada")).await.unwrap() }
    });
    eventually(|| runtime.health().keys.is_some_and(|keys| keys.forgotten == 1)).await;
    SLOW_ENDS.get_or_init(|| ());
    let _ = forgetting.await.unwrap();
    eventually(|| welcomes.counts().commands_under_way == 0 || welcomes.counts().in_trouble > 0)
        .await;
    assert_eq!(welcomes.counts().in_trouble, 0, "{:?}", welcomes.list("", 1, |_| true));
    assert!(mailboxes.query("ada", |it| it.letters[0].is_erased()).await.unwrap());
}

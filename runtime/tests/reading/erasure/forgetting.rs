//! Forgetting a subject: its personal values are in no file, view or answer any more, through
//! crashes and load.

use std::time::Duration;

use actuarius::erasure::ForgetError;
use actuarius::erasure::PersonalError;
use actuarius::erasure::keys::Keys;
use actuarius::error::CodecError;
use actuarius::{ExecuteError, Failure, Hosting, OpenError, Personal, Runtime};

use super::customers::{
    CODECS, Customer, CustomerCommand, Place, hosting, register, ring, subject,
};
use super::views::{cards, names};

const LONG: Duration = Duration::from_secs(60);

async fn shut_down(runtime: Runtime) {
    assert!(runtime.shutdown(LONG).await.is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_subject_is_in_no_file_and_the_others_still_are() {
    for codec in CODECS {
        let place = Place::new();
        let runtime = place.open().await;
        let customers = runtime.host_with::<Customer>(hosting(codec));
        let (in_memory, on_disk) = (names(&runtime).await, cards(&runtime).await);
        let (ada, bob) = (register(&customers, "ada").await, register(&customers, "bob").await);
        customers.execute("ada", CustomerCommand::Order).await.unwrap();
        runtime.caught_up(LONG).await.unwrap();
        assert_eq!(on_disk.get("ada").unwrap().unwrap().name.get(), Some(&ada));
        assert!(place.says(&ada), "a view on disk has the clear text");

        let forgotten = runtime.forget(subject("ada")).await.unwrap();
        assert!(forgotten.had_key && forgotten.is_complete(), "{forgotten:?}");
        assert_eq!(forgotten.aggregates, 1);
        assert!(!place.says(&ada), "{codec:?}: a file still has it while the runtime runs");
        let customer = customers.query("ada", Customer::clone).await.unwrap();
        assert!(customer.name.is_erased());
        assert_eq!((customer.greeting.as_str(), customer.orders), ("dear customer", 1));
        assert_eq!(in_memory.read(|names| names.0["ada"].clone()), "erased");
        assert_eq!(on_disk.get("ada").unwrap().unwrap().greeting, "erased");
        assert_eq!(in_memory.read(|names| names.0["bob"].clone()), bob);
        assert_eq!(customers.query("bob", |it| it.name.clone()).await.unwrap().get(), Some(&bob));
        // Later events of the customer have no personal values.
        let order = customers.execute("ada", CustomerCommand::Order).await.unwrap_err();
        let ExecuteError::Failed(Failure::Unstorable(CodecError::Personal(why))) = order else {
            panic!("{order:?}")
        };
        assert_eq!(why, PersonalError::Forgotten { subject: subject("ada") });
        drop((customers, in_memory, on_disk));
        shut_down(runtime).await;
        assert!(!place.says(&ada), "{codec:?}");
        assert!(place.says(&bob), "the search finds what is there");

        let runtime = place.open().await;
        let customers = runtime.host_with::<Customer>(hosting(codec));
        assert!(customers.query("ada", |it| it.name.is_erased()).await.unwrap());
        let on_disk = cards(&runtime).await;
        assert_eq!(on_disk.get("bob").unwrap().unwrap().greeting, format!("dear {bob}"));
        assert_eq!(runtime.health().keys.unwrap().forgotten, 1);
        assert!(runtime.health().is_good());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_that_are_not_started_are_erased_too() {
    let place = Place::new();
    let runtime = place.open().await;
    let customers = runtime.host_with::<Customer>(hosting(CODECS[0]));
    let (in_memory, on_disk) = (names(&runtime).await, cards(&runtime).await);
    let ada = register(&customers, "ada").await;
    let bob = register(&customers, "bob").await;
    runtime.caught_up(LONG).await.unwrap();
    drop((customers, in_memory, on_disk));
    shut_down(runtime).await;

    let runtime = place.open().await;
    assert!(place.says(&ada));
    let forgotten = runtime.forget(subject("ada")).await.unwrap();
    assert_eq!(forgotten.removed_views, ["cards", "names"]);
    assert!(!place.says(&ada));
    let (in_memory, on_disk) = (names(&runtime).await, cards(&runtime).await);
    runtime.caught_up(LONG).await.unwrap();
    assert_eq!(in_memory.read(|names| names.0["ada"].clone()), "erased");
    assert_eq!(on_disk.get("bob").unwrap().unwrap().greeting, format!("dear {bob}"));
    // No other subject is affected.
    let again = runtime.forget(subject("ada")).await.unwrap();
    assert!(!again.had_key && again.removed_views.is_empty() && again.aggregates == 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_in_use_is_named() {
    let place = Place::new();
    let runtime = place.open().await;
    let on_disk = cards(&runtime).await;
    register(&runtime.host::<Customer>(), "ada").await;
    runtime.caught_up(LONG).await.unwrap();
    on_disk.stop().await;
    let forgotten = runtime.forget(subject("ada")).await.unwrap();
    assert_eq!(
        (forgotten.unseen_views.as_slice(), forgotten.is_complete()),
        (&["cards".to_owned()][..], false)
    );
    drop(on_disk);
    let again = runtime.forget(subject("ada")).await.unwrap();
    assert_eq!(
        (again.is_complete(), again.removed_views.as_slice()),
        (true, &["cards".to_owned()][..])
    );
}

/// A crash after the removal of the key: the views are found by their number at the next start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_after_the_key_is_removed_leaves_the_subject_in_no_view_after_the_next_start() {
    let place = Place::new();
    let runtime = place.open().await;
    let customers = runtime.host_with::<Customer>(hosting(CODECS[0]));
    let (in_memory, on_disk) = (names(&runtime).await, cards(&runtime).await);
    let ada = register(&customers, "ada").await;
    runtime.caught_up(LONG).await.unwrap();
    drop((customers, in_memory, on_disk));
    shut_down(runtime).await;
    // Only the key was removed.
    let keys = Keys::open(place.data.join("keys"), place.master()).unwrap();
    assert!(keys.forget(&subject("ada")).unwrap().had_key);
    drop(keys);
    assert!(place.says(&ada), "the views still have it");

    let runtime = place.open().await;
    let (in_memory, on_disk) = (names(&runtime).await, cards(&runtime).await);
    runtime.caught_up(LONG).await.unwrap();
    assert_eq!(in_memory.read(|names| names.0["ada"].clone()), "erased");
    assert_eq!(on_disk.get("ada").unwrap().unwrap().greeting, "erased");
    assert!(!place.says(&ada));
    let customers = runtime.host_with::<Customer>(hosting(CODECS[0]));
    assert_eq!(customers.query("ada", |it| it.greeting.clone()).await.unwrap(), "dear customer");
    let figures = runtime.health().keys.unwrap();
    assert!(figures.erased_snapshots > 0, "the snapshot held her: {figures:?}");
}

/// All tasks are aborted, as in a killed process, between any two steps.
#[test]
fn an_interrupted_erasure_is_finished_by_the_next_one() {
    for micros in [0, 50, 200, 500, 1_000, 2_000, 5_000, 20_000] {
        let place = Place::new();
        let tasks = tokio::runtime::Runtime::new().unwrap();
        let (ada, bob) = tasks.block_on(cut_off(&place, Duration::from_micros(micros)));
        tasks.shutdown_background();
        let tasks = tokio::runtime::Runtime::new().unwrap();
        tasks.block_on(async {
            let runtime = reopened(&place).await;
            let forgotten = runtime.forget(subject("ada")).await.unwrap();
            assert!(forgotten.is_complete(), "{micros} µs: {forgotten:?}");
            assert!(!place.says(&ada), "{micros} µs");
            let customers = runtime.host_with::<Customer>(hosting(CODECS[0]));
            let name = customers.query("bob", |it| it.name.clone()).await.unwrap();
            assert_eq!(name.get(), Some(&bob));
            let on_disk = cards(&runtime).await;
            runtime.caught_up(LONG).await.unwrap();
            assert_eq!(on_disk.get("bob").unwrap().unwrap().greeting, format!("dear {bob}"));
        });
    }
}

async fn cut_off(place: &Place, after: Duration) -> (String, String) {
    let runtime = place.open().await;
    let customers = runtime.host_with::<Customer>(hosting(CODECS[0]));
    let _views = (names(&runtime).await, cards(&runtime).await);
    let told = (register(&customers, "ada").await, register(&customers, "bob").await);
    runtime.caught_up(LONG).await.unwrap();
    let _ = tokio::time::timeout(after, runtime.forget(subject("ada"))).await;
    told
}

/// Opens the runtime once the aborted tasks have released its files.
async fn reopened(place: &Place) -> Runtime {
    loop {
        match place.builder().open(&place.data).await {
            Err(OpenError::Locked { .. }) => {}
            opened => return opened.unwrap(),
        }
    }
}

#[tokio::test]
async fn an_unknown_subject_that_is_forgotten_cannot_be_written_any_more() {
    let runtime = Runtime::builder().personal_data(ring()).in_memory().await.unwrap();
    let forgotten = runtime.forget("nobody").await.unwrap();
    assert!(!forgotten.had_key);
    let command = CustomerCommand::Register(Personal::new("nobody", "Nobody".to_owned()));
    let refused = runtime.host::<Customer>().execute("nobody", command).await.unwrap_err();
    assert!(refused.to_string().contains("was forgotten"), "{refused}");
}

#[tokio::test]
async fn without_keys_no_subject_can_be_forgotten() {
    let runtime = Runtime::in_memory().await.unwrap();
    assert_eq!(runtime.forget("ada").await, Err(ForgetError::NoKeys));
}

/// Commands run all the time. No query after the erasure returns the clear text.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_no_answer_after_the_erasure_shows_clear_text() {
    let runtime = Runtime::builder().personal_data(ring()).in_memory().await.unwrap();
    let customers = runtime.host_with::<Customer>(Hosting::default().snapshot_every(3));
    for round in 0..30 {
        let id = format!("customer {round}");
        let name = register(&customers, &id).await;
        let work: Vec<_> = (0..4)
            .map(|_| {
                let (customers, id) = (customers.clone(), id.clone());
                tokio::spawn(async move {
                    for _ in 0..50 {
                        let order = customers.execute(id.as_str(), CustomerCommand::Order);
                        if order.await.is_err() {
                            return;
                        }
                    }
                })
            })
            .collect();
        tokio::task::yield_now().await;
        let forgotten = runtime.forget(subject(&id)).await.unwrap();
        assert!(forgotten.had_key);
        let customer = customers.query(id.as_str(), Customer::clone).await.unwrap();
        assert!(customer.name.is_erased() && !customer.greeting.contains(&name), "{customer:?}");
        for task in work {
            task.await.unwrap();
        }
        let customer = customers.query(id.as_str(), Customer::clone).await.unwrap();
        assert!(customer.name.is_erased(), "{customer:?}");
    }
}

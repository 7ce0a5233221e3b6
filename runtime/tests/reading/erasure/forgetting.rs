use std::time::Duration;

use actuarius::keys::{Keys, PersonalError};
use actuarius::{
    CodecError, ExecuteError, Failure, ForgetError, Hosting, OpenError, Personal, Runtime,
};

use super::customers::{
    CODECS, Customer, CustomerCommand, Place, hosting, register, ring, subject,
};
use super::views::{cards, names};

const LONG: Duration = Duration::from_secs(60);

async fn shut_down(runtime: Runtime) {
    assert!(runtime.shutdown(LONG).await.is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subject_that_is_forgotten_is_in_no_file_and_everyone_else_in_all() {
    for codec in CODECS {
        let place = Place::new();
        let runtime = place.open().await;
        let customers = runtime.host_with::<Customer>(hosting(codec));
        let (in_memory, on_disk) = (names(&runtime).await, cards(&runtime).await);
        let (ada, bob) = (register(&customers, "ada").await, register(&customers, "bob").await);
        customers.execute("ada", CustomerCommand::Order).await.unwrap();
        runtime.caught_up(LONG).await.unwrap();
        assert_eq!(on_disk.get("ada").unwrap().unwrap().name.get(), Some(&ada));
        assert!(place.says(&ada), "a view on disk says what it was told");

        let forgotten = runtime.forget(subject("ada")).await.unwrap();
        assert!(forgotten.had_key && forgotten.is_complete(), "{forgotten:?}");
        assert_eq!(forgotten.aggregates, 1);
        assert!(!place.says(&ada), "{codec:?}: a file still says it while all is running");
        let customer = customers.query("ada", Customer::clone).await.unwrap();
        assert!(customer.name.is_erased());
        assert_eq!((customer.greeting.as_str(), customer.orders), ("dear customer", 1));
        assert_eq!(in_memory.read(|names| names.0["ada"].clone()), "erased");
        assert_eq!(on_disk.get("ada").unwrap().unwrap().greeting, "erased");
        assert_eq!(in_memory.read(|names| names.0["bob"].clone()), bob);
        assert_eq!(customers.query("bob", |it| it.name.clone()).await.unwrap().get(), Some(&bob));
        // What goes on about the customer goes on without what is personal.
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
async fn views_that_are_not_started_are_looked_after_too() {
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
    // Nobody new is in them.
    let again = runtime.forget(subject("ada")).await.unwrap();
    assert!(!again.had_key && again.removed_views.is_empty() && again.aggregates == 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_that_something_holds_open_is_named() {
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

/// A crash behind the key: the views are found by their number at the next start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_cut_off_behind_the_key_is_in_no_view_after_the_next_start() {
    let place = Place::new();
    let runtime = place.open().await;
    let customers = runtime.host_with::<Customer>(hosting(CODECS[0]));
    let (in_memory, on_disk) = (names(&runtime).await, cards(&runtime).await);
    let ada = register(&customers, "ada").await;
    runtime.caught_up(LONG).await.unwrap();
    drop((customers, in_memory, on_disk));
    shut_down(runtime).await;
    // The key went, and nothing else.
    let keys = Keys::open(place.data.join("keys"), place.master()).unwrap();
    assert!(keys.forget(&subject("ada")).unwrap().had_key);
    drop(keys);
    assert!(place.says(&ada), "the views still say it");

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

/// All tasks end where they are, as if the process had been killed, between any two steps.
#[test]
fn whatever_was_cut_off_the_next_one_who_forgets_finishes_it() {
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

/// Opens it once those who were cut off have let go of its files.
async fn reopened(place: &Place) -> Runtime {
    loop {
        match place.builder().open(&place.data).await {
            Err(OpenError::Locked { .. }) => {}
            opened => return opened.unwrap(),
        }
    }
}

#[tokio::test]
async fn who_was_never_seen_cannot_be_written_about_any_more() {
    let runtime = Runtime::builder().personal_data(ring()).in_memory().await.unwrap();
    let forgotten = runtime.forget("nobody").await.unwrap();
    assert!(!forgotten.had_key);
    let command = CustomerCommand::Register(Personal::new("nobody", "Nobody".to_owned()));
    let refused = runtime.host::<Customer>().execute("nobody", command).await.unwrap_err();
    assert!(refused.to_string().contains("was forgotten"), "{refused}");
}

#[tokio::test]
async fn without_keys_nobody_can_be_forgotten() {
    let runtime = Runtime::in_memory().await.unwrap();
    assert_eq!(runtime.forget("ada").await, Err(ForgetError::NoKeys));
}

/// Commands go on all the while: no state that a query shows behind the forgetting has the clear text.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_no_answer_behind_the_forgetting_shows_clear_text() {
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

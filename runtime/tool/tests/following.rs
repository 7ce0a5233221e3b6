//! `subscriptions`, `parked` and `sagas`.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actuarius::error::BoxError;
use actuarius::subscription::{Retry, Subscription};
use actuarius::{Codec, Envelope, Id, Runtime, Timestamp};
use actuarius_tool::Tool;
use serde_json::{Value, json};

use crate::common::AccountEvent::{self, Closed, Deposited};
use crate::common::{Account, actuarius, filled, json};

const LONG: Duration = Duration::from_secs(60);

/// Runs a subscription that refuses deposits of 13, and returns the amounts it handled.
async fn mail(runtime: &Runtime) -> Vec<i64> {
    let taken = Arc::<Mutex<Vec<i64>>>::default();
    let of_handler = taken.clone();
    let handle = move |event: Envelope<Account>| {
        let taken = of_handler.clone();
        async move {
            match event.event {
                Deposited(13) => Err::<(), BoxError>("unlucky\u{1b}[2J".into()),
                Deposited(cents) => {
                    taken.lock().unwrap().push(cents);
                    Ok(())
                }
                _ => Ok(()),
            }
        }
    };
    let retry = Retry::default().attempts(1);
    let mailer = runtime.subscribe("mailer").on(handle).retry(retry).start().await.unwrap();
    mailer.wait_for_within(runtime.head(), LONG).await.unwrap();
    mailer.stop().await;
    taken.lock().unwrap().clone()
}

/// Writes five deposits into "a", of which the second is refused, and one into "b".
fn parked_store(directory: &Path) {
    filled(directory, Codec::Json, async |runtime, accounts| {
        for cents in [1, 13, 2, 3] {
            accounts.execute("a", vec![Deposited(cents)]).await.unwrap();
        }
        accounts.execute("b", vec![Deposited(4)]).await.unwrap();
        let mut taken = mail(runtime).await;
        taken.sort_unstable();
        assert_eq!(taken, [1, 4]);
        accounts.execute("b", vec![Closed]).await.unwrap();
    });
}

#[test]
fn subscriptions_are_listed_with_their_parked_events() {
    let directory = tempfile::tempdir().unwrap();
    parked_store(directory.path());
    let listed = json(directory.path(), &["subscriptions"]).fine().document();
    let expected = json!({
        "name": "mailer", "position": 5, "lag": 1, "paused": false, "keys_parked": 1, "events_parked": 3,
    });
    assert_eq!(listed, expected);
    let info = json(directory.path(), &["info"]).fine().document();
    assert_eq!(info["subscriptions"], json!(1));
}

/// The tool deleted a stream whose last event a stopped subscription had not received.
#[test]
fn a_stream_that_a_subscription_has_not_finished_is_deleted_only_on_demand() {
    let directory = tempfile::tempdir().unwrap();
    parked_store(directory.path());
    let delete = |id: &str, more: &[&str]| {
        actuarius(directory.path(), &[&["delete", id, "--yes"], more].concat())
    };
    let refused = delete("account/b", &[]);
    assert_eq!(refused.code, 2, "{}", refused.errors);
    assert!(refused.errors.contains("\"mailer\" (at position 5)"), "{}", refused.errors);
    json(directory.path(), &["verify"]).fine();
    let shown = json(directory.path(), &["show", "account/b"]).fine().document();
    assert_eq!(shown["version"], json!(2), "nothing was deleted");
    // Of this one it has received or parked all events.
    delete("account/a", &[]).fine();
    delete("account/b", &["--despite-lag"]).fine();
}

#[test]
fn parked_events_are_listed_and_the_first_is_skipped_permanently() {
    let directory = tempfile::tempdir().unwrap();
    parked_store(directory.path());
    let listed = |more: &[&str]| {
        let all = json(directory.path(), &[&["parked", "list", "mailer"], more].concat());
        let row = |it: &Value| (it["position"].as_u64().unwrap(), it["behind"].as_u64().unwrap());
        all.fine().json().iter().map(row).collect::<Vec<_>>()
    };
    assert_eq!(listed(&[]), [(2, 2)]);
    assert_eq!(listed(&["account/a"]), [(2, 2), (3, 1), (4, 0)]);
    let text = actuarius(directory.path(), &["parked", "list", "mailer"]).fine().out;
    assert!(text.contains("unlucky\\u{1b}[2J"), "{text}");

    let skip = |position: &str| {
        json(directory.path(), &["parked", "skip", "mailer", "account/a", "--position", position])
    };
    assert_eq!(skip("3").code, 2, "it is not the first");
    assert_eq!(listed(&[]), [(2, 2)]);
    let skipped = skip("2").fine().document();
    assert_eq!((&skipped["event"], &skipped["attempts"]), (&json!("Deposited"), &json!(1)));
    assert_eq!(listed(&["account/a"]), [(3, 1), (4, 0)]);

    // The subscription continues from there.
    filled(directory.path(), Codec::Json, async |runtime, _| {
        let taken = Arc::<Mutex<Vec<AccountEvent>>>::default();
        let of_handler = taken.clone();
        let handle = move |event: Envelope<Account>| {
            of_handler.lock().unwrap().push(event.event);
            async { Ok::<(), BoxError>(()) }
        };
        let mailer = runtime.subscribe("mailer").on(handle).start().await.unwrap();
        mailer.wait_for_within(runtime.head(), LONG).await.unwrap();
        until_none_is_parked(&mailer).await;
        let taken = format!("{:?}", taken.lock().unwrap());
        assert!(taken.contains("Deposited(2), ") && taken.contains("Deposited(3)"), "{taken}");
        assert!(!taken.contains("Deposited(13)"), "{taken}");
    });
    assert!(listed(&[]).is_empty());
}

async fn until_none_is_parked(mailer: &Subscription) {
    while !mailer.parked().await.is_empty() {
        tokio::task::yield_now().await;
    }
}

/// An operator had one way to get parked events handled: a change of the program that called `retry_parked`.
#[test]
fn parked_events_are_listed_and_retried_by_their_error() {
    let directory = tempfile::tempdir().unwrap();
    parked_store(directory.path());
    let parked = |arguments: &[&str]| {
        json(directory.path(), &[&["parked"], arguments].concat()).fine().json()
    };
    let of_other_cause = ["list", "mailer", "--error", "lucky"];
    assert!(parked(&of_other_cause).is_empty());
    assert_eq!(parked(&["list", "mailer", "--error", "unlucky"]).len(), 1);
    let retry = |more: &[&str]| parked(&[&["retry", "mailer"], more].concat())[0]["keys"].clone();
    assert_eq!(retry(&["--error", "lucky"]), json!(0));
    assert_eq!(retry(&["account/b"]), json!(0));
    assert_eq!(parked(&["list", "mailer"])[0]["attempts"], json!(1));
    assert_eq!(retry(&["account/a", "--error", "unlucky"]), json!(1));
    assert_eq!(parked(&["list", "mailer"])[0]["attempts"], json!(0));
    assert_eq!(json(directory.path(), &["parked", "retry", "nobody"]).code, 2);
    filled(directory.path(), Codec::Json, async |runtime, _| {
        let handle = |_: Envelope<Account>| async { Ok::<(), BoxError>(()) };
        let mailer = runtime.subscribe("mailer").on(handle).start().await.unwrap();
        until_none_is_parked(&mailer).await;
    });
    assert!(parked(&["list", "mailer"]).is_empty());
}

/// A scheduling saga of the runtime: one instance waits for the year 2100, one has ended.
fn scheduled_store(directory: &Path, codec: Codec) {
    filled(directory, codec, async |runtime, accounts| {
        let schedules = runtime.schedules().sends_to(accounts).start().await.unwrap();
        let alice = Id::<Account>::new("alice").unwrap();
        let late = Timestamp::from_micros(4_102_444_800_000_000);
        let now = Timestamp::from_micros(0);
        schedules.schedule_as("late", &alice, vec![Deposited(1)], late).await.unwrap();
        schedules.schedule_as("now", &alice, vec![Deposited(2)], now).await.unwrap();
        schedules.end_of("now").await.unwrap();
    });
}

#[test]
fn sagas_are_counted_and_their_instances_and_steps_listed() {
    let directory = tempfile::tempdir().unwrap();
    scheduled_store(directory.path(), Codec::Json);
    let all = json(directory.path(), &["sagas"]).fine().document();
    let name = all["saga"].as_str().unwrap().to_owned();
    let counts = ["live", "in_trouble", "completed", "unreadable"].map(|it| &all[it]);
    assert_eq!(counts, [&json!(1), &json!(0), &json!(1), &json!(0)]);

    let live = json(directory.path(), &["sagas", &name]).fine().document();
    assert_eq!((&live["id"], &live["status"]), (&json!("late"), &json!("running")));
    assert_eq!(live["next_deadline"], json!("2100-01-01T00:00:00.000000Z"));
    let ended = json(directory.path(), &["sagas", &name, "--ended"]).fine().json();
    assert_eq!(ended.iter().map(|it| &it["id"]).collect::<Vec<_>>(), ["late", "now"]);

    let steps = json(directory.path(), &["sagas", &format!("{name}/now")]).fine().json();
    assert_eq!(steps[0]["heard"], json!("it was begun"));
    assert_eq!(steps.last().unwrap()["status"], json!("completed"));
    assert!(steps.iter().all(|step| step.get("state").is_some()));
    let text = actuarius(directory.path(), &["sagas"]).fine().out;
    assert!(text.starts_with("SAGA"), "{text}");
}

/// A misspelt saga had no instances, with the exit code of success; and `show` said that a program with the saga
/// registered had no such type.
#[test]
fn a_saga_that_does_not_exist_is_an_error_and_show_names_the_command_for_instances() {
    let directory = tempfile::tempdir().unwrap();
    scheduled_store(directory.path(), Codec::Json);
    let name = json(directory.path(), &["sagas"]).fine().document()["saga"].clone();
    let name = name.as_str().unwrap();
    let nope = actuarius(directory.path(), &["sagas", "nope"]);
    assert_eq!(nope.code, 2);
    assert!(nope.errors.contains("no instances of a saga \"nope\""), "{}", nope.errors);
    let shown = actuarius(directory.path(), &["show", &format!("{name}/late")]).fine().out;
    assert!(shown.contains(&format!("use sagas {name}/late")), "{shown}");
}

#[test]
fn a_stream_that_only_looks_like_a_saga_is_reported_as_unreadable() {
    #[derive(Default, serde::Serialize, serde::Deserialize)]
    struct Walk;
    #[derive(serde::Serialize, serde::Deserialize)]
    enum Walked {
        Stepped { metres: u8 },
    }
    impl actuarius::Aggregate for Walk {
        const TYPE: &'static str = "walk";
        type Command = ();
        type Event = Walked;
        type Error = crate::common::No;
        fn decide(&self, (): (), _: &actuarius::Context) -> Result<Vec<Walked>, crate::common::No> {
            Ok(vec![Walked::Stepped { metres: 1 }])
        }
        fn apply(&mut self, _: &Walked) {}
    }
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path(), Codec::Json, async |runtime, _| {
        runtime.host::<Walk>().execute("home", ()).await.unwrap();
    });
    let all = json(directory.path(), &["sagas"]).fine().document();
    assert_eq!((&all["saga"], &all["unreadable"]), (&json!("walk"), &json!(1)));
    let mut out = Vec::new();
    let tool = Tool::new().store(directory.path()).aggregate::<Walk>();
    assert_eq!(tool.answer(["x", "sagas"], &mut out, &mut Vec::new()), 0);
}

//! The library in a program with registered types.

use std::io::Write;
use std::path::Path;

use actuarius::{Codec, Hosting, Runtime};
use actuarius_tool::Tool;
use serde_json::json;

use crate::common::AccountEvent::{Deposited, Opened};
use crate::common::{Account, Ran, two_accounts};

fn bank(directory: &Path, arguments: &[&str]) -> Ran {
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    let tool = Tool::new().named("bank").store(directory).aggregate::<Account>();
    let arguments = [&["bank", "--json"], arguments].concat();
    let code = tool.answer(arguments, &mut out, &mut errors).into();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code, out: text(out), errors: text(errors) }
}

#[test]
fn events_of_a_registered_type_are_shown_as_values_with_every_codec() {
    let mut all: Vec<Vec<_>> = Vec::new();
    for codec in [Codec::Bincode, Codec::Json, Codec::MessagePack] {
        let directory = tempfile::tempdir().unwrap();
        two_accounts(directory.path(), codec);
        let values = bank(directory.path(), &["tail"]).fine().json();
        all.push(values.iter().map(|it| (it["event"].clone(), it["value"].clone())).collect());
    }
    let expected: Vec<_> = [
        ("Opened", json!({ "owner": "Alice" })),
        ("Opened", json!({ "owner": "Bob" })),
        ("Deposited", json!(7)),
        ("Deposited", json!(500)),
        ("Closed", json!(null)),
    ]
    .map(|(event, value)| (json!(event), value))
    .into();
    assert_eq!(all, [expected.clone(), expected.clone(), expected]);
}

#[test]
fn the_state_is_shown_as_of_any_moment() {
    let directory = tempfile::tempdir().unwrap();
    two_accounts(directory.path(), Codec::Bincode);
    let show = |at: &[&str]| {
        let shown = bank(directory.path(), &[&["show", "account/alice"], at].concat());
        let shown = shown.fine().document();
        (shown["version"].as_u64().unwrap(), shown["state"].clone())
    };
    let alice = |cents: i64| json!({ "owner": "Alice", "cents": cents });
    let before = json!({ "owner": "", "cents": 0 });
    assert_eq!(show(&[]), (3, alice(0)));
    assert_eq!(show(&["--at", "2"]), (2, alice(500)));
    assert_eq!(show(&["--at", "position:4"]), (2, alice(500)));
    assert_eq!(show(&["--at", "position:3"]), (1, alice(0)));
    assert_eq!(show(&["--at", "0"]), (0, before.clone()));
    assert_eq!(show(&["--at", "1999-01-01"]), (0, before));
    assert_eq!(show(&["--at", "9999-01-01"]), (3, alice(0)));
}

#[test]
fn a_history_shows_the_state_after_each_event() {
    let directory = tempfile::tempdir().unwrap();
    two_accounts(directory.path(), Codec::Bincode);
    let cents = |more: &[&str]| -> Vec<serde_json::Value> {
        let history = bank(directory.path(), &[&["history", "account/alice"], more].concat());
        history.fine().json().iter().map(|it| it["state"]["cents"].clone()).collect()
    };
    assert_eq!(cents(&[]), [json!(0), json!(500), json!(0)]);
    assert_eq!(cents(&["--from", "2", "-n", "1"]), [json!(500)]);
    assert_eq!(cents(&["--no-state", "-n", "1"]), [json!(null)]);
}

#[test]
fn a_history_whose_state_cannot_be_computed_still_lists_all_events() {
    let directory = tempfile::tempdir().unwrap();
    let tokio = tokio::runtime::Runtime::new().unwrap();
    tokio.block_on(async {
        // A type with the same events whose `apply` does not panic.
        let runtime = Runtime::open(directory.path()).await.unwrap();
        let accounts = runtime.host::<Lenient>();
        accounts.execute("a", vec![Deposited(1), Deposited(666), Deposited(2)]).await.unwrap();
        assert!(runtime.shutdown(std::time::Duration::from_secs(60)).await.is_clean());
        // Works from within an async program, too.
        let told = bank(directory.path(), &["history", "account/a"]);
        assert_eq!(told.code, 1, "{told:?}");
        assert_eq!(told.out.lines().count(), 3);
        assert!(told.errors.contains("panicked"), "{}", told.errors);
        assert_eq!(bank(directory.path(), &["show", "account/a", "--at", "1"]).code, 0);
        assert_eq!(bank(directory.path(), &["show", "account/a"]).code, 1);
    });
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Lenient(i64);

impl actuarius::Aggregate for Lenient {
    const TYPE: &'static str = "account";
    type Command = Vec<crate::common::AccountEvent>;
    type Event = crate::common::AccountEvent;
    type Error = crate::common::No;
    fn decide(
        &self,
        events: Self::Command,
        _: &actuarius::Context,
    ) -> Result<Vec<crate::common::AccountEvent>, crate::common::No> {
        Ok(events)
    }
    fn apply(&mut self, _: &crate::common::AccountEvent) {
        self.0 += 1;
    }
}

#[test]
fn a_snapshot_that_differs_from_its_events_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let fill = |wrong: bool| {
        tokio.block_on(async {
            let runtime = Runtime::open(directory.path()).await.unwrap();
            let hosting = Hosting::default().snapshot_every(1).codec(Codec::Json);
            if wrong {
                let odd = runtime.host_with::<Odd>(hosting);
                odd.execute("bob", vec![Deposited(3)]).await.unwrap();
            } else {
                let accounts = runtime.host_with::<Account>(hosting);
                let opened = Opened { owner: "Alice".to_owned() };
                accounts.execute("alice", vec![opened, Deposited(3)]).await.unwrap();
            }
            assert!(runtime.shutdown(std::time::Duration::from_secs(60)).await.is_clean());
        });
    };
    fill(false);
    let verified = bank(directory.path(), &["verify", "--full"]).fine().document();
    assert_eq!(verified["snapshots_replayed"], json!(1));
    fill(true);
    assert_eq!(bank(directory.path(), &["verify"]).fine().document()["whole"], json!(true));
    let verified = bank(directory.path(), &["verify", "--full"]);
    assert_eq!(verified.code, 1, "{verified:?}");
    let finding = &verified.document()["findings"][0];
    assert_eq!(finding["place"], json!("snapshot of account/bob, version 1"));
}

/// A release that could not read its own history passed `verify --full`, because only aggregates with snapshots were
/// replayed.
#[test]
fn full_verification_reports_the_first_undecodable_event_of_each_type() {
    let directory = tempfile::tempdir().unwrap();
    two_accounts(directory.path(), Codec::MessagePack);
    let verified = bank(directory.path(), &["verify", "--full"]).fine().document();
    assert_eq!(verified["events_decoded"], json!(5));
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    let tool = Tool::new().store(directory.path()).aggregate::<Changed>();
    assert_eq!(tool.answer(["bank", "--json", "verify", "--full"], &mut out, &mut errors), 1);
    let verified: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!((&verified["whole"], &verified["events_decoded"]), (&json!(false), &json!(1)));
    let findings = verified["findings"].as_array().unwrap();
    let places: Vec<_> = findings.iter().map(|it| it["place"].as_str().unwrap()).collect();
    assert_eq!(
        places,
        ["account/alice, version 1, position 1", "account/bob, version 2, position 3"]
    );
    let what = |number: usize| findings[number]["what"].as_str().unwrap();
    assert!(
        what(0).contains("`Opened`, schema version 1") && what(0).contains("holder"),
        "{}",
        what(0)
    );
    assert!(what(0).ends_with("2 events of this type do not decode"), "{}", what(0));
    assert!(what(1).contains("no event type `Deposited`"), "{}", what(1));
}

/// An account of a later release without the upcasters that it needs.
#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Changed;

#[derive(serde::Serialize, serde::Deserialize)]
enum ChangedEvent {
    Opened { holder: String },
    Closed,
}

impl actuarius::Aggregate for Changed {
    const TYPE: &'static str = "account";
    type Command = ();
    type Event = ChangedEvent;
    type Error = crate::common::No;
    fn decide(
        &self,
        (): (),
        _: &actuarius::Context,
    ) -> Result<Vec<ChangedEvent>, crate::common::No> {
        Ok(Vec::new())
    }
    fn apply(&mut self, _: &ChangedEvent) {}
}

/// An account whose `apply` is wrong.
#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Odd {
    owner: String,
    cents: i64,
}

impl actuarius::Aggregate for Odd {
    const TYPE: &'static str = "account";
    type Command = Vec<crate::common::AccountEvent>;
    type Event = crate::common::AccountEvent;
    type Error = crate::common::No;
    fn decide(
        &self,
        events: Self::Command,
        _: &actuarius::Context,
    ) -> Result<Vec<crate::common::AccountEvent>, crate::common::No> {
        Ok(events)
    }
    fn apply(&mut self, _: &crate::common::AccountEvent) {
        self.cents = 77;
    }
}

#[test]
fn output_to_a_closed_pipe_is_not_an_error() {
    /// A reader like `head`, which takes one line and then closes.
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let directory = tempfile::tempdir().unwrap();
    two_accounts(directory.path(), Codec::Json);
    let (tool, mut errors) = (Tool::new().store(directory.path()), Vec::new());
    assert_eq!(tool.answer(["bank", "tail"], &mut Closed, &mut errors), 0);
    assert!(errors.is_empty());
}

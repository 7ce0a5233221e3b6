//! `info`, `streams`, `tail`, `history` and `show` on stores with unregistered types.

use actuarius::{Codec, Metadata};
use serde_json::json;

use crate::common::{AccountEvent, actuarius, filled, json, two_accounts};

#[test]
fn info_describes_the_store() {
    let directory = tempfile::tempdir().unwrap();
    two_accounts(directory.path(), Codec::Json);
    let info = json(directory.path(), &["info"]).fine().document();
    assert_eq!((&info["head"], &info["engine"]), (&json!(5), &json!("sled")));
    assert!(info["chain"].as_str().unwrap().starts_with("5:"));
    assert!(info["disk_bytes"].as_u64().unwrap() > 0);
    assert!(info["first_time"].as_str() <= info["last_time"].as_str());
    let text = actuarius(directory.path(), &["info"]).fine().out;
    assert!(text.contains("head           5\n"), "{text}");
}

#[test]
fn streams_are_listed_once_each_and_can_be_filtered() {
    let directory = tempfile::tempdir().unwrap();
    two_accounts(directory.path(), Codec::Bincode);
    let listed = |more: &[&str]| -> Vec<(String, u64, u64, u64)> {
        let all = json(directory.path(), &[&["streams"], more].concat()).fine().json();
        let number = |it: &serde_json::Value, name: &str| it[name].as_u64().unwrap();
        let row = |it: &serde_json::Value| {
            let id = it["id"].as_str().unwrap().to_owned();
            (id, number(it, "version"), number(it, "first_position"), number(it, "last_position"))
        };
        all.iter().map(row).collect()
    };
    let (alice, bob) = (("alice".to_owned(), 3, 1, 5), ("bob".to_owned(), 2, 2, 3));
    assert_eq!(listed(&[]), [alice.clone(), bob.clone()]);
    assert_eq!(listed(&["--prefix", "b"]), [bob]);
    assert_eq!(listed(&["--type", "account", "-n", "1"]), [alice]);
    assert!(listed(&["--type", "order"]).is_empty());
    let text = actuarius(directory.path(), &["streams"]).fine().out;
    assert!(text.starts_with("STREAM         EVENTS  FIRST  LAST  BEGAN "), "{text}");
}

#[test]
fn tail_shows_the_last_events_and_values_where_the_codec_has_them() {
    for codec in [Codec::Json, Codec::MessagePack, Codec::Bincode] {
        let directory = tempfile::tempdir().unwrap();
        two_accounts(directory.path(), codec);
        let last = json(directory.path(), &["tail", "-n", "3"]).fine().json();
        let events: Vec<_> = last.iter().map(|it| it["event"].as_str().unwrap()).collect();
        assert_eq!(events, ["Deposited", "Deposited", "Closed"]);
        assert_eq!((&last[0]["position"], &last[0]["version"]), (&json!(3), &json!(2)));
        if codec == Codec::Bincode {
            assert_eq!((&last[0]["codec"], &last[0]["bytes"]), (&json!("bincode"), &json!("0e")));
            assert!(last[0].get("value").is_none());
        } else {
            assert_eq!((&last[0]["value"], &last[2]["value"]), (&json!(7), &json!(null)));
            assert!(last[0].get("bytes").is_none());
        }
        let first = json(directory.path(), &["tail", "-n", "2", "--after", "0"]).fine().json();
        assert_eq!(first.iter().map(|it| &it["position"]).collect::<Vec<_>>(), [1, 2]);
        assert!(json(directory.path(), &["tail", "-n", "0"]).fine().json().is_empty());
    }
}

/// `tail` had `--number` and `history` had `--limit` for the same.
#[test]
fn every_listing_takes_its_length_under_both_names() {
    let directory = tempfile::tempdir().unwrap();
    two_accounts(directory.path(), Codec::Json);
    for listing in [&["tail"][..], &["streams"], &["history", "account/alice"]] {
        for name in ["-n", "--limit", "--number"] {
            let listed = json(directory.path(), &[listing, &[name, "1"]].concat()).fine();
            assert_eq!(listed.json().len(), 1, "{listing:?} {name}");
        }
    }
}

#[test]
fn a_history_begins_and_ends_at_the_given_versions() {
    let directory = tempfile::tempdir().unwrap();
    two_accounts(directory.path(), Codec::Json);
    let all = json(directory.path(), &["history", "account/alice"]).fine().json();
    assert_eq!(all.iter().map(|it| &it["version"]).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(all[0]["value"], json!({ "owner": "Alice" }));
    assert!(all[0].get("state").is_none());
    // A version in the middle of a commit.
    let rest = json(directory.path(), &["history", "account/alice", "--from", "3"]).fine().json();
    assert_eq!(rest.iter().map(|it| &it["event"]).collect::<Vec<_>>(), ["Closed"]);
    let one = json(directory.path(), &["history", "alice", "--type", "account", "-n", "1"]);
    assert_eq!(one.fine().json().len(), 1);
    let past_end = json(directory.path(), &["history", "account/bob", "--from", "9"]);
    assert!(past_end.fine().json().is_empty());
}

#[test]
fn a_stream_of_an_unknown_type_is_shown_without_its_state() {
    let directory = tempfile::tempdir().unwrap();
    two_accounts(directory.path(), Codec::Json);
    let show = |at: &[&str]| {
        let shown = json(directory.path(), &[&["show", "account/alice"], at].concat());
        let shown = shown.fine().document();
        assert_eq!((&shown["registered"], shown.get("state")), (&json!(false), None));
        (shown["version"].as_u64().unwrap(), shown["event"].as_str().map(str::to_owned))
    };
    let opened = Some("Opened".to_owned());
    assert_eq!(show(&[]), (3, Some("Closed".to_owned())));
    assert_eq!(show(&["--at", "2"]), (2, Some("Deposited".to_owned())));
    assert_eq!(show(&["--at", "99"]).0, 3);
    assert_eq!(show(&["--at", "0"]), (0, None));
    assert_eq!(show(&["--at", "position:3"]), (1, opened));
    assert_eq!(show(&["--at", "1999-12-31"]), (0, None));
    assert_eq!(show(&["--at", "9999-12-31"]).0, 3);
}

#[test]
fn names_are_escaped_on_the_terminal_and_exact_in_json() {
    let directory = tempfile::tempdir().unwrap();
    let odd = "a/b\u{1b}[2J\u{202e}\u{9b}\n\"é";
    filled(directory.path(), Codec::Json, async |_, accounts| {
        let event = AccountEvent::Opened { owner: odd.to_owned() };
        let asked_by = Metadata { user: Some(odd.to_owned()), ..Metadata::default() };
        accounts.execute(odd, vec![event]).metadata(asked_by).await.unwrap();
    });
    for arguments in [&["streams"][..], &["tail"], &["history", &format!("account/{odd}")]] {
        for flags in [&[][..], &["--json"]] {
            let ran = actuarius(directory.path(), &[flags, arguments].concat()).fine();
            let is_harmless = |it: char| it == '\n' || it == 'é' || (' '..='~').contains(&it);
            assert!(ran.out.chars().all(is_harmless), "{}", ran.out);
        }
    }
    let listed = json(directory.path(), &["streams"]).fine().document();
    assert_eq!(listed["id"], json!(odd));
    let tail = json(directory.path(), &["tail"]).fine().document();
    assert_eq!((&tail["value"]["owner"], &tail["user"]), (&json!(odd), &json!(odd)));
}

//! `archive`, `delete`, `compact`, `export` and `import`.

use std::fs;
use std::path::Path;

use actuarius::Codec;
use serde_json::{Value, json};

use crate::common::{AccountEvent, actuarius, filled, json, two_accounts};

#[test]
fn archived_events_are_read_as_before() {
    let directory = tempfile::tempdir().unwrap();
    two_accounts(directory.path(), Codec::Json);
    let tail = || actuarius(directory.path(), &["tail"]).fine().out;
    let before = tail();
    // Whether alice has a snapshot does not matter: the command archives the whole stream.
    let moved = json(directory.path(), &["archive", "account/alice", "--whole"]).fine();
    assert_eq!(
        (&moved.document()["events"], &moved.document()["segments"]),
        (&json!(3), &json!(1))
    );
    let none = json(directory.path(), &["archive", "--type", "order", "--whole"]).fine();
    assert_eq!(none.document()["events"], json!(0));
    assert_eq!(tail(), before);
    assert_eq!(archived(directory.path()), (2, 0));
    let rest = json(directory.path(), &["archive", "--type", "account", "--whole"]).fine();
    assert_eq!(rest.document()["events"], json!(2));
    assert_eq!(tail(), before);
    // Without its file the archive is reported as missing, and streams can still be listed.
    fs::rename(directory.path().join("archive"), directory.path().join("elsewhere")).unwrap();
    let missed = actuarius(directory.path(), &["tail"]);
    assert_eq!((missed.code, archived(directory.path())), (2, (3, 3)), "{}", missed.errors);
    assert_eq!(actuarius(directory.path(), &["archive"]).code, 2);
}

/// It printed three zeros, with the exit code of success.
#[test]
fn an_archive_command_that_moves_nothing_says_why() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path(), Codec::Json, async |_, accounts| {
        let opened = AccountEvent::Opened { owner: "Alice".to_owned() };
        accounts.execute("alice", vec![opened]).await.unwrap();
    });
    let text = |more: &[&str]| {
        actuarius(directory.path(), &[&["archive", "account/alice"], more].concat()).fine().out
    };
    // Its snapshot covers the event.
    text(&[]);
    assert!(text(&[]).contains("no newer snapshot covers any"), "{}", text(&[]));
    text(&["--whole"]);
    assert!(text(&["--whole"]).contains("in the archive already"), "{}", text(&["--whole"]));
}

/// Returns the number of archived commits, and how many of them are in missing files.
fn archived(directory: &Path) -> (u64, u64) {
    let verified = json(directory, &["verify"]).fine().document();
    let number = |name: &str| verified[name].as_u64().unwrap();
    (number("archived"), number("archived_elsewhere"))
}

#[test]
fn a_deleted_stream_is_removed_and_its_disk_space_freed() {
    let directory = tempfile::tempdir().unwrap();
    two_accounts(directory.path(), Codec::Json);
    let delete =
        |more: &[&str]| json(directory.path(), &[&["delete", "account/alice"], more].concat());
    let refused = delete(&[]);
    assert_eq!(refused.code, 2);
    assert!(refused.errors.contains("--yes"), "{}", refused.errors);
    let deleted = delete(&["--yes"]).fine().document();
    let named = ["version", "commits", "already"].map(|name| &deleted[name]);
    assert_eq!(named, [&json!(4), &json!(2), &json!(false)]);
    assert_eq!(delete(&["--yes"]).fine().document()["already"], json!(true));
    let history = json(directory.path(), &["history", "account/alice"]).fine().json();
    let marks: Vec<_> =
        history.iter().map(|it| (it["removed"].clone(), it["deleted"].clone())).collect();
    let (yes, no) = (json!(true), Value::Null);
    assert_eq!(marks, [(yes.clone(), no.clone()), (yes.clone(), no.clone()), (no, yes)]);
    let compacted = json(directory.path(), &["compact"]).fine().document();
    assert!(compacted["bytes_after"].as_u64().unwrap() > 0);
    let verified = json(directory.path(), &["verify"]).fine().document();
    assert_eq!((&verified["removed"], &verified["events"]), (&json!(2), &json!(6)));
    let files = walk(&directory.path().join("store"));
    assert!(files.iter().all(|bytes| !bytes.windows(5).any(|it| it == b"Alice")));
    // The runtime does not find it either.
    filled(directory.path(), Codec::Json, async |_, accounts| {
        let refused = accounts.execute("alice", vec![AccountEvent::Closed]).await;
        assert!(refused.is_err());
        assert!(!accounts.exists("alice").await.unwrap());
    });
}

fn walk(folder: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|it| if it.is_dir() { walk(&it) } else { vec![fs::read(&it).unwrap()] })
        .collect()
}

#[test]
fn an_export_is_imported_byte_by_byte() {
    let all = tempfile::tempdir().unwrap();
    let path = |name: &str| all.path().join(name);
    let text = |name: &str| path(name).to_str().unwrap().to_owned();
    let (data, file, copy) = (path("data"), text("lines.json"), path("copy"));
    two_accounts(&data, Codec::Bincode);
    let exported = json(&data, &["export", &file]).fine().document();
    let end = json(&data, &["info"]).fine().document()["chain"].clone();
    assert_eq!((&exported["commits"], &exported["end"]), (&json!(3), &end));
    assert_eq!(json(&data, &["export", &file]).code, 2, "the file is there");
    let lines = actuarius(&data, &["export"]).fine().out;
    assert_eq!(lines, fs::read_to_string(&file).unwrap());

    let import = || json(&data, &["import", &file, copy.to_str().unwrap()]).fine().document();
    let first = import();
    assert_eq!((&first["commits"], &first["found"], &first["end"]), (&json!(3), &json!(0), &end));
    let again = import();
    assert_eq!((&again["commits"], &again["found"]), (&json!(0), &json!(3)));
    let shown = |directory| actuarius(directory, &["tail"]).fine().out;
    assert_eq!(shown(&copy), shown(&data));

    let part = text("part.json");
    let exported = json(&data, &["export", &part, "--prefix", "b"]).fine().document();
    assert_eq!((&exported["commits"], &exported["end"]), (&json!(1), &Value::Null));
    fs::write(&part, "{}").unwrap();
    assert_eq!(json(&data, &["import", &part, &text("none")]).code, 2);
}

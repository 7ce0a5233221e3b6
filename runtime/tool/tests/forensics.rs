//! Reading what is left of a store that does not open.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use actuarius::Codec;

use crate::common::{AccountEvent, actuarius, filled, json, two_accounts};

/// Every file below a directory, with its content.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => drop(found.insert(path.clone(), fs::read(&path).unwrap())),
        }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    for (path, content) in files(from) {
        let to = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, content).unwrap();
    }
}

/// A store of two accounts that has lost the commits after its first five events.
fn shorter(directory: &Path) {
    two_accounts(directory, Codec::Json);
    let before = tempfile::tempdir().unwrap();
    let log = directory.join("store/log");
    copy(&log, before.path());
    filled(directory, Codec::Json, async |_, accounts| {
        accounts.execute("bob", vec![AccountEvent::Deposited(1)]).await.unwrap();
    });
    fs::remove_dir_all(&log).unwrap();
    copy(before.path(), &log);
    fs::create_dir_all(log.join("blobs")).unwrap();
}

/// An operator with a store that had lost its last events could see that it had lost them, and nothing else: each
/// command of the tool refused to open it.
#[test]
fn what_is_left_of_a_store_is_read_in_a_copy_and_loudly() {
    let directory = tempfile::tempdir().unwrap();
    shorter(directory.path());
    let refused = actuarius(directory.path(), &["tail"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    let before = files(directory.path());
    let out = tempfile::tempdir().unwrap();
    let lines = out.path().join("lines");
    for arguments in [
        &["info"][..],
        &["streams"],
        &["show", "account/alice"],
        &["tail"],
        &["history", "account/alice"],
        &["subscriptions"],
        &["sagas"],
        &["verify"],
        &["export", lines.to_str().unwrap()],
    ] {
        let ran = actuarius(directory.path(), &[arguments, &["--forensics"]].concat());
        assert_eq!(ran.code, 1, "acknowledged events are missing: {arguments:?}: {ran:?}");
        assert!(ran.errors.contains("FORENSICS"), "{ran:?}");
        assert!(
            ran.errors.contains("position 5, but position 6 was acknowledged: 1 event"),
            "{ran:?}"
        );
        assert!(!ran.out.is_empty() || arguments == ["sagas"] || arguments == ["subscriptions"]);
        assert!(before == files(directory.path()), "{arguments:?} changed the store");
    }
    assert_eq!(
        fs::read_to_string(lines).unwrap().lines().filter(|it| it.contains("alice")).count(),
        2
    );
    let told = json(directory.path(), &["--forensics", "tail"]);
    assert_eq!(told.out.lines().count(), 5);
    let notice: serde_json::Value = serde_json::from_str(&told.errors).unwrap();
    assert_eq!(notice["forensics"], serde_json::json!({ "found": 5, "acknowledged": 6 }));
}

/// A script that read only the result of `verify` took a store for whole that had lost acknowledged events at its
/// end: only the notice on standard error and the exit code said so.
#[test]
fn missing_events_at_the_end_are_a_finding() {
    let directory = tempfile::tempdir().unwrap();
    shorter(directory.path());
    let ran = json(directory.path(), &["--forensics", "verify"]);
    let verified: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &verified["whole"]), (1, &serde_json::json!(false)), "{verified}");
    let finding = serde_json::json!({
        "place": "log, position 6",
        "what": "position 6 was acknowledged, but the log ends at position 5: 1 event is missing",
    });
    assert_eq!(verified["findings"], serde_json::json!([finding]));
    let ran = actuarius(directory.path(), &["--forensics", "verify"]);
    assert!(!ran.out.contains("is whole") && ran.out.contains("1 FINDING"), "{ran:?}");
}

#[test]
fn a_whole_store_is_read_with_the_notice_and_without_a_problem() {
    let directory = tempfile::tempdir().unwrap();
    two_accounts(directory.path(), Codec::Json);
    let ran = actuarius(directory.path(), &["--forensics", "tail"]).fine();
    assert!(ran.errors.contains("FORENSICS") && ran.out.contains("Deposited"), "{ran:?}");
    let verified = json(directory.path(), &["--forensics", "verify"]).fine();
    assert!(verified.out.contains(r#""whole":true"#), "{verified:?}");
}

#[test]
fn commands_that_change_a_store_or_copy_it_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    two_accounts(directory.path(), Codec::Json);
    let before = files(directory.path());
    for arguments in [
        &["delete", "account/alice", "--yes"][..],
        &["compact"],
        &["archive", "account/alice", "--whole"],
        &["backup", "nowhere"],
        &["keys", "info"],
    ] {
        let ran = actuarius(directory.path(), &[&["--forensics"], arguments].concat());
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:?}");
        assert!(ran.errors.contains("--forensics works with"), "{ran:?}");
    }
    assert!(before == files(directory.path()));
}

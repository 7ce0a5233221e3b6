//! Errors: each one has a message and an exit code, and changes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use actuarius::Codec;

use crate::common::{actuarius, filled, json, two_accounts};

#[test]
fn a_directory_without_a_store_is_refused_and_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let ran = actuarius(directory.path(), &["info"]);
    assert_eq!(ran.code, 2);
    assert!(ran.errors.contains("contains no store"), "{}", ran.errors);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    let missing = directory.path().join("missing");
    assert_eq!((actuarius(&missing, &["tail"]).code, missing.exists()), (2, false));
}

#[test]
fn a_store_in_use_is_refused_with_its_path() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path(), Codec::Json, async |_, _| {
        let ran = actuarius(directory.path(), &["streams"]);
        assert_eq!(ran.code, 2);
        assert!(ran.errors.contains("open in another process"), "{}", ran.errors);
        assert!(ran.errors.contains("backup"), "{}", ran.errors);
        let told = json(directory.path(), &["info"]);
        let error: serde_json::Value = serde_json::from_str(&told.errors).unwrap();
        assert_eq!((&error["exit_code"], told.out.as_str()), (&serde_json::json!(2), ""));
    });
}

#[test]
fn wrong_arguments_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    two_accounts(directory.path(), Codec::Json);
    for arguments in [
        &["show", "account/nobody"][..],
        &["history", "nobody"],
        &["history", "/nobody"],
        &["show", "account/alice", "--at", "yesterday"],
        &["tail", "-n", "x"],
        &["sagas", "transfer/none"],
        &["parked", "list", "mailer"],
        &["parked", "skip", "mailer", "key", "--position", "1"],
        &["no-such-command"],
        &[],
    ] {
        let ran = actuarius(directory.path(), arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}: {}", ran.errors);
        assert!(!ran.errors.is_empty());
    }
    let mut unnamed = Command::new(env!("CARGO_BIN_EXE_actuarius"));
    let output = unnamed.env_remove("ACTUARIUS_STORE").arg("info").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let mut named = Command::new(env!("CARGO_BIN_EXE_actuarius"));
    let output = named.env("ACTUARIUS_STORE", directory.path()).arg("info").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn help_and_version_are_not_errors() {
    let help = actuarius(Path::new("."), &["--help"]).fine();
    for command in
        ["info", "streams", "show", "tail", "history", "subscriptions", "sagas", "parked"]
    {
        assert!(help.out.contains(&format!("\n  {command} ")), "{command}: {}", help.out);
    }
    assert!(actuarius(Path::new("."), &["--version"]).fine().out.starts_with("actuarius 0."));
}

#[test]
fn damage_is_reported_with_exit_code_1() {
    let directory = tempfile::tempdir().unwrap();
    two_accounts(directory.path(), Codec::Json);
    let mark = directory.path().join("store/mark");
    fs::write(&mark, vec![7; fs::read(&mark).unwrap().len()]).unwrap();
    let ran = actuarius(directory.path(), &["info"]);
    assert_eq!(ran.code, 1, "{}", ran.errors);
}

#[test]
fn read_only_commands_change_nothing() {
    let directory = tempfile::tempdir().unwrap();
    two_accounts(directory.path(), Codec::Json);
    let seen = || json(directory.path(), &["tail", "-n", "100"]).fine().out;
    let before = (seen(), names(directory.path()));
    for arguments in [
        &["info"][..],
        &["streams"],
        &["show", "account/alice"],
        &["history", "account/alice"],
        &["subscriptions"],
        &["sagas"],
    ] {
        json(directory.path(), arguments).fine();
    }
    assert_eq!((seen(), names(directory.path())), before);
}

/// Returns the files outside the engine's own folder with their contents.
fn names(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for folder in [directory.to_owned(), directory.join("store")] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let content = if path.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
            found.insert(path.display().to_string(), content);
        }
    }
    found
}

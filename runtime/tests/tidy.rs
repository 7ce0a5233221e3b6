//! The house rules that no compiler checks: who may know whom.
//!
//! `docs/ARCHITECTURE.md` draws the rooms; a new arrow needs a reason there and a line here.

use std::fs;
use std::path::{Path, PathBuf};

/// Past this many lines a file is looked at again. The longest one today is shorter.
const LINES_MAX: usize = 420;

#[test]
fn the_domain_is_pure() {
    for word in
        ["tokio", "ractor", "sled", "SystemTime::now", "Instant::now", "std::fs", "std::net"]
    {
        nobody_says(word, &files("domain/src"));
    }
}

#[test]
fn persistence_knows_neither_tasks_nor_actors() {
    for word in ["tokio", "ractor", "async fn"] {
        nobody_says(word, &files("persistence/src"));
    }
}

#[test]
fn the_engine_is_named_in_one_folder_only() {
    let others: Vec<_> = ["domain/src", "persistence/src", "runtime/src"]
        .iter()
        .flat_map(|folder| files(folder))
        .filter(|file| !file.starts_with(root().join("persistence/src/disk")))
        .collect();
    nobody_says("sled::", &others);
}

#[test]
fn the_arrows_of_the_runtime_point_one_way() {
    let forbidden = [
        ("committer.rs", &["actor", "slot", "directory", "seat", "flight"][..]),
        ("committer/desk.rs", &["actor", "slot", "directory", "seat", "flight"]),
        ("supervision.rs", &["actor", "directory", "seat", "home"]),
        ("slot.rs", &["actor", "directory", "seat", "home", "committer"]),
        ("recovery.rs", &["actor", "directory", "committer"]),
        ("turn.rs", &["actor", "directory"]),
        ("flight.rs", &["actor", "directory", "turn"]),
        ("actor.rs", &["directory", "aggregates", "runtime"]),
        ("directory.rs", &["actor::AggregateActor", "aggregates", "runtime"]),
    ];
    for (file, rooms) in forbidden {
        let path = root().join("runtime/src").join(file);
        for room in rooms {
            nobody_says(&format!("use crate::{room}"), std::slice::from_ref(&path));
        }
    }
}

#[test]
fn no_file_has_grown_out_of_one_sitting() {
    for folder in ["domain/src", "persistence/src", "runtime/src", "examples", "benches/src"] {
        for file in files(folder) {
            let lines = read(&file).lines().count();
            assert!(lines <= LINES_MAX, "{} has {lines} lines", file.display());
        }
    }
}

fn nobody_says(word: &str, files: &[PathBuf]) {
    assert!(!files.is_empty());
    for file in files {
        let text = read(file);
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            assert!(!line.contains(word), "{} says {word:?}: {line}", file.display());
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the workspace") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    found
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).expect("a source file")
}

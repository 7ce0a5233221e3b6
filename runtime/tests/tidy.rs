//! The house rules that no compiler checks: who may know whom.
//!
//! `docs/ARCHITECTURE.md` draws the rooms; a new arrow needs a reason there and a line here.

use actuarius::store::sled;
use std::collections::{BTreeMap, BTreeSet};
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
fn whoever_decides_and_commits_knows_nobody_who_follows() {
    let deciding = "admission slot seat home directory supervision actor recovery recoveries \
                    incarnation residency turn flight request committer engine";
    // "follower" is followers, too.
    let following =
        ["follower", "progress", "consistency", "projection", "subscription", "view", "saga"];
    for name in deciding.split(' ') {
        nobody_uses("crate", &following, &room(&format!("runtime/src/{name}")));
    }
}

#[test]
fn the_arrows_of_the_read_side_point_one_way() {
    for leaf in
        ["tail", "progress", "decoding", "view", "follower_status", "deadline", "keep_alive"]
    {
        nobody_says("use crate::", &room(&format!("runtime/src/{leaf}")));
    }
    let forbidden = [
        (
            "follower",
            &["followers", "committer", "projection", "subscription", "alive", "saga"][..],
        ),
        (
            "followers",
            &["follower::", "committer", "projection", "subscription", "view", "alive", "saga"],
        ),
        ("consistency", &["follower::", "projection", "subscription", "view", "alive", "saga"]),
        // A rebuild can run no effect: it does not know that there are any.
        ("projection", &["subscription", "committer", "execute", "request", "slot", "saga"]),
        ("subscription", &["projection", "view", "alive", "aggregates", "execute", "slot", "saga"]),
        ("testing", &["engine", "tail", "follower::", "projection", "alive", "runtime"]),
    ];
    for (name, rooms) in forbidden {
        nobody_uses("crate", rooms, &room(&format!("runtime/src/{name}")));
    }
}

/// Who stands in a circle can only be understood, and changed, together with all others in it.
#[test]
fn the_rooms_of_the_runtime_stand_in_no_circle() {
    let mut knows = BTreeMap::<String, BTreeSet<String>>::new();
    for file in files("runtime/src") {
        let inside = file.strip_prefix(root().join("runtime/src")).expect("a file in there");
        let first = inside.iter().next().expect("a name").to_string_lossy();
        let room = first.trim_end_matches(".rs").to_owned();
        // A test may make what it tests with whatever is there.
        if room != "lib" && !file.ends_with("tests.rs") {
            knows.entry(room).or_default().extend(rooms_known_by(&file));
        }
    }
    // A runtime gives out its builder, which gives out a runtime.
    let builder = knows.get_mut("runtime").is_some_and(|known| known.remove("builder"));
    assert!(builder, "the exception is no longer needed");
    for (room, known) in &mut knows {
        known.remove(room);
    }
    // Who knows none of the others, or is known by none, stands in no circle with them.
    let mut rooms = usize::MAX;
    while knows.len() < rooms {
        rooms = knows.len();
        let known: BTreeSet<_> = knows.values().flatten().cloned().collect();
        knows.retain(|room, knows| !knows.is_empty() && known.contains(room));
        let left: BTreeSet<_> = knows.keys().cloned().collect();
        for known in knows.values_mut() {
            known.retain(|room| left.contains(room));
        }
    }
    assert!(knows.is_empty(), "these stand in circles: {knows:?}");
}

fn rooms_known_by(file: &Path) -> BTreeSet<String> {
    let text = read(file);
    let code = text.split("#[cfg(test)]").next().unwrap_or_default().lines();
    let code = code.filter(|line| !line.trim_start().starts_with("//"));
    let paths = code.flat_map(|line| line.split("crate::").skip(1));
    let rooms = paths.map(|path| {
        path.chars().take_while(|&letter| letter == '_' || letter.is_alphanumeric()).collect()
    });
    rooms.collect()
}

#[test]
fn what_follows_for_a_projection_knows_no_kind_of_view() {
    let kinds = ["in_memory", "memory", "keyed", "database"];
    for name in ["host", "track", "rebuild", "target", "routes"] {
        let files = room(&format!("runtime/src/projection/{name}"));
        nobody_uses("super", &kinds, &files);
        nobody_uses("crate::projection", &kinds, &files);
    }
    let others = [
        ("memory", &["host", "keyed", "database"][..]),
        ("in_memory", &["keyed", "database"]),
        ("keyed", &["in_memory", "memory", "database"]),
        ("database", &["in_memory", "memory", "keyed", "saved"]),
    ];
    for (name, rooms) in others {
        let files = room(&format!("runtime/src/projection/{name}"));
        nobody_uses("super", rooms, &files);
        nobody_uses("crate::projection", rooms, &files);
    }
}

#[test]
fn which_event_is_next_and_what_is_parked_is_decided_without_tasks_or_time() {
    for name in ["lanes", "parked", "checkpoint"] {
        for word in ["tokio", "async", "Instant", "use crate::engine"] {
            nobody_says(word, &room(&format!("runtime/src/subscription/{name}")));
        }
    }
}

#[test]
fn what_follows_from_an_input_of_a_saga_is_decided_without_tasks_or_time() {
    let at_work = "host carrying conductor triggers at_work tasks builder handle schedules";
    let at_work: Vec<_> = at_work.split(' ').collect();
    // From what is stored to who decides: each knows only those before it.
    let pure = ["stored", "stage", "status", "book", "instance", "draft", "board", "history"];
    for name in pure {
        let files = room(&format!("runtime/src/saga/{name}"));
        nobody_uses("super", &at_work, &files);
        for word in ["tokio", "async", "Instant::", "use crate::engine", "use crate::clock"] {
            nobody_says(word, &files);
        }
    }
    for (name, knows) in [
        ("stored", &[][..]),
        ("stage", &[]),
        ("tasks", &[]),
        ("status", &["stored"]),
        ("book", &["stored"]),
        ("at_work", &["stored"]),
        ("board", &["instance", "status", "stored"]),
        ("targets", &["instance", "stage", "stored"]),
    ] {
        let known = uses_beside(&format!("runtime/src/saga/{name}.rs"));
        let more: Vec<_> = known.iter().filter(|it| !knows.contains(&it.as_str())).collect();
        assert!(more.is_empty(), "saga/{name}.rs uses {more:?}, too");
    }
}

#[test]
fn who_works_for_a_saga_knows_only_those_it_needs() {
    let forbidden = [
        ("host", &["carrying", "conductor", "triggers", "builder", "handle", "schedules"][..]),
        ("carrying", &["conductor", "triggers", "builder", "handle", "schedules"]),
        ("triggers", &["conductor", "builder", "handle", "schedules"]),
        ("conductor", &["triggers", "builder", "handle", "schedules"]),
        ("handle", &["conductor", "triggers", "builder", "schedules", "carrying"]),
        // A saga as a user's.
        ("schedules", &["host", "instance", "stored", "book", "board", "targets", "carrying"]),
        ("rehearsal", &["host", "carrying", "conductor", "triggers", "board", "handle"]),
    ];
    for (name, rooms) in forbidden {
        nobody_uses("super", rooms, &room(&format!("runtime/src/saga/{name}")));
    }
    for room_of_engine in ["committer", "slot", "actor", "turn", "flight", "tail", "follower::"] {
        nobody_uses("crate", &[room_of_engine], &files("runtime/src/saga"));
    }
}

/// The modules beside it that a file uses.
fn uses_beside(file: &str) -> BTreeSet<String> {
    let text = read(&root().join(file));
    let used = text.lines().filter_map(|line| line.strip_prefix("use super::"));
    let names = used.map(|path| {
        path.chars().take_while(|&letter| letter == '_' || letter.is_alphanumeric()).collect()
    });
    names.collect()
}

#[test]
fn the_log_on_disk_and_the_tables_of_views_do_not_know_each_other() {
    let (table, views) = (room("persistence/src/disk/table"), room("persistence/src/views"));
    let log = "writer packing chunk index part runs upkeep meta snapshots notes reader recover \
               generations shared";
    let log: Vec<_> = log.split(' ').collect();
    nobody_uses("super", &log, &table);
    nobody_uses("crate::disk", &log, &table);
    nobody_uses("crate::views", &["directory", "table", "memory", "state"], &table);
    for leaf in ["changes", "error", "state", "memory"] {
        nobody_says("use crate::disk", &room(&format!("persistence/src/views/{leaf}")));
    }
    let rest: Vec<_> = files("persistence/src")
        .into_iter()
        .filter(|file| !table.contains(file) && !views.contains(file))
        .collect();
    nobody_says("use crate::views", &rest);
    nobody_says("use super::table", &rest);
}

#[test]
fn no_file_has_grown_out_of_one_sitting() {
    let folders =
        ["domain/src", "persistence/src", "runtime/src", "runtime/tool", "examples", "benches/src"];
    for folder in folders {
        for file in files(folder) {
            let lines = read(&file).lines().count();
            assert!(lines <= LINES_MAX, "{} has {lines} lines", file.display());
        }
    }
}

fn nobody_uses(from: &str, rooms: &[&str], files: &[PathBuf]) {
    for room in rooms {
        nobody_says(&format!("use {from}::{room}"), files);
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

/// A module: its file, and those in the folder of its name.
fn room(name: &str) -> Vec<PathBuf> {
    let mut found = vec![root().join(name).with_extension("rs")];
    if root().join(name).is_dir() {
        found.extend(files(name));
    }
    found
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

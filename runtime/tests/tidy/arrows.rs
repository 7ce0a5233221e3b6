//! Which modules may not import which others.

use std::path::PathBuf;

use crate::imports::Tree;
use crate::sources::{below, module, read, root, shown};

/// A set of modules, and those that none of them imports.
type Rule = (&'static str, &'static [&'static str]);

/// The modules of the runtime, from the ground up: each imports only modules before it.
const ORDER: [&str; 15] = [
    "base",
    "schema",
    "commit",
    "engine",
    "aggregate",
    "follow",
    "history",
    "projection",
    "request",
    "timers",
    "subscription",
    "saga",
    "erasure",
    "operations",
    "testing",
];

/// What holds within and between the modules of the runtime.
const RUNTIME: [Rule; 17] = [
    // Committing knows neither actors nor followers.
    ("commit", &["aggregate", "engine", "follow", "projection", "subscription", "saga"]),
    ("engine::supervision", &["aggregate"]),
    ("aggregate", &["follow", "projection", "subscription", "saga", "erasure", "operations"]),
    ("aggregate::inbox", &["aggregate::actor", "aggregate::directory", "commit::committer"]),
    ("aggregate::recovery", &["aggregate::actor", "aggregate::directory", "commit::committer"]),
    ("aggregate::turn", &["aggregate::actor", "aggregate::directory"]),
    ("aggregate::pending_append", &["aggregate::actor", "aggregate::directory", "aggregate::turn"]),
    ("aggregate::actor", &["aggregate::directory", "aggregates", "runtime"]),
    ("follow", &["projection", "subscription", "saga", "inner", "commit::committer"]),
    // A rebuild can have no effect on the outside: it does not know that there are any.
    ("projection", &["subscription", "commit::committer", "request::execute", "saga"]),
    ("projection::rows", &["projection::keyed", "projection::memory", "projection::database"]),
    ("projection::memory", &["projection::keyed", "projection::database"]),
    ("projection::keyed", &["projection::memory", "projection::database"]),
    ("projection::database", &["projection::memory", "projection::keyed", "projection::saved"]),
    ("subscription", &["projection", "inner", "aggregates", "request", "aggregate", "saga"]),
    ("saga", &["commit::committer", "aggregate::inbox", "aggregate::actor", "follow::follower"]),
    ("history", &["projection", "subscription", "saga", "operations"]),
];

/// What holds within persistence.
const PERSISTENCE: [Rule; 8] = [
    ("wire", &["record", "store", "archive", "personal", "keys", "views", "transfer", "files"]),
    ("files", &["record", "store", "archive", "keys", "views", "transfer"]),
    ("record", &["keys", "store", "archive", "views", "transfer", "files"]),
    ("personal::scope", &["keys", "record", "store"]),
    ("table", &["views", "store", "keys", "archive", "transfer"]),
    ("store::reader", &["keys", "views", "transfer", "fault", "contract"]),
    ("store", &["keys", "views", "transfer", "fault", "contract"]),
    ("keys", &["store", "views", "archive", "transfer"]),
];

/// What holds within the sled store: the log and the tables of views do not know each other.
const SLED: [Rule; 2] = [("table", &["log", "index", "snapshots", "notes"]), ("log", &["table"])];

#[test]
fn the_arrows_within_each_crate_point_one_way() {
    let mut broken = Vec::new();
    for (folder, rules) in [
        ("runtime/src", &RUNTIME[..]),
        ("persistence/src", &PERSISTENCE),
        ("persistence/sled/src", &SLED),
    ] {
        let imports = Tree::read(folder).imports();
        for (from, forbidden) in rules {
            let inside = imports.iter().filter(|(module, _)| is_in(module, from));
            assert!(inside.clone().count() > 0, "{folder} has no module {from}");
            for (module, known) in inside {
                let bad = known.iter().filter(|it| forbidden.iter().any(|other| is_in(it, other)));
                broken.extend(bad.map(|it| format!("{folder}: {module} imports {it}")));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_modules_of_the_runtime_have_one_order() {
    let mut broken = Vec::new();
    for (module, known) in Tree::read("runtime/src").imports() {
        let Some(own) = ORDER.iter().position(|it| is_in(&module, it)) else { continue };
        for other in known {
            let above = ORDER.iter().position(|it| is_in(&other, it)).filter(|it| *it > own);
            broken.extend(above.map(|_| format!("{module} imports {other}")));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

fn is_in(module: &str, parent: &str) -> bool {
    module == parent || module.strip_prefix(parent).is_some_and(|rest| rest.starts_with("::"))
}

#[test]
fn the_domain_is_pure() {
    for word in
        ["tokio", "ractor", "sled", "SystemTime::now", "Instant::now", "std::fs", "std::net"]
    {
        never("domain/src", word, &below("domain/src", "rs"));
    }
}

#[test]
fn stores_know_neither_tasks_nor_actors() {
    for folder in ["persistence/src", "persistence/sled/src"] {
        for word in ["tokio", "ractor", "async fn"] {
            never(folder, word, &below(folder, "rs"));
        }
    }
}

#[test]
fn the_engine_is_named_in_its_own_crate_only() {
    for folder in ["domain/src", "persistence/src", "runtime/src"] {
        let files: Vec<_> = below(folder, "rs");
        never(folder, " sled::", &files);
        never(folder, "(sled::", &files);
    }
}

#[test]
fn what_is_decided_without_tasks_or_time_stays_so() {
    let pure = [
        ("subscription", &["lanes", "parked", "checkpoint"][..]),
        (
            "saga",
            &["stored", "stage", "status", "instance_state", "instance", "draft", "instance_index"],
        ),
    ];
    for (folder, modules) in pure {
        for name in modules {
            for word in ["tokio", "async ", "Instant::", "crate::engine", "base::clock"] {
                never(folder, word, &module(&format!("runtime/src/{folder}/{name}")));
            }
        }
    }
}

/// Checks that no code outside of comments has `word`.
fn never(where_: &str, word: &str, files: &[PathBuf]) {
    assert!(!files.is_empty(), "{where_} has no files below {}", root().display());
    for file in files {
        let text = read(file);
        let mut code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        if let Some(line) = code.find(|line| line.contains(word)) {
            panic!("{} has {word:?}: {line}", shown(file));
        }
    }
}

//! The public surface of the published crates: `docs/api` lists it, and it changes only on purpose.
//!
//! `tree` reads the modules of a crate, `expand` its own macros, `scope` finds what a path means, `listing`
//! what is reachable from the root, and `items` and `text` write it. What the compiler infers, such as
//! `Send`, is not listed.

mod expand;
mod items;
mod listing;
mod notes;
mod sample;
mod scope;
mod text;
mod tree;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::{env, fs};

use crate::sources::root;
use listing::Listing;
use tree::Tree;

/// The published crates, by the folders of their sources.
const PUBLISHED: [(&str, &str); 5] = [
    ("actuarius", "runtime/src"),
    ("actuarius-domain", "domain/src"),
    ("actuarius-persistence", "persistence/src"),
    ("actuarius-sled", "persistence/sled/src"),
    ("actuarius-tool", "runtime/tool/src"),
];

/// With this variable, the surface as it is becomes the one that is expected.
const ACCEPT: &str = "ACCEPT_API";

#[test]
fn the_api_changes_only_on_purpose() {
    let mut changes = String::new();
    for (name, folder) in PUBLISHED {
        let tree = Tree::read(&name.replace('-', "_"), &root().join(folder).join("lib.rs"));
        let found = Listing::of(&tree).lines();
        let file = root().join("docs/api").join(name).with_extension("txt");
        if env::var(ACCEPT).is_ok_and(|it| it == "1") {
            fs::create_dir_all(root().join("docs/api")).expect("a folder for the listings");
            fs::write(&file, found.join("\n") + "\n").expect("a listing");
        }
        let expected = fs::read_to_string(&file).unwrap_or_default();
        changes.push_str(&difference(name, &expected, &found));
    }
    assert!(
        changes.is_empty(),
        "the public surface has changed:\n{changes}\nIf this is on purpose, say so in CHANGELOG.md, and accept it:\n\
         {ACCEPT}=1 cargo test -p actuarius --features full --test tidy api"
    );
}

#[test]
fn every_type_of_the_api_has_a_public_name() {
    let unnamed = PUBLISHED.into_iter().flat_map(|(name, folder)| {
        let tree = Tree::read(&name.replace('-', "_"), &root().join(folder).join("lib.rs"));
        Listing::of(&tree).unnamed()
    });
    let unnamed: Vec<_> = unnamed.collect();
    assert!(unnamed.is_empty(), "users cannot name these:\n{}", unnamed.join("\n"));
}

/// Returns the lines that came and went.
fn difference(name: &str, expected: &str, found: &[String]) -> String {
    let before: BTreeSet<_> = expected.lines().collect();
    let after: BTreeSet<_> = found.iter().map(String::as_str).collect();
    let mut changes = String::new();
    for line in before.symmetric_difference(&after) {
        let sign = if after.contains(line) { '+' } else { '-' };
        writeln!(changes, "{sign} {name}: {line}").expect("a text takes all");
    }
    changes
}

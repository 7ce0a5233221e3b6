//! No files of a crate import each other in a circle: code in a circle can only be understood, and changed,
//! together with all the rest of it.
//!
//! A path is followed through re-exports to the file that defines the name, so that a circle cannot hide
//! behind `crate::Name`.

use std::collections::{BTreeMap, BTreeSet};

use crate::imports::Tree;
use crate::sources::CRATES;

#[test]
fn the_files_of_no_crate_import_each_other_in_a_circle() {
    let mut circles = Vec::new();
    for folder in CRATES {
        let tree = Tree::read(folder);
        let imports = tree.imports();
        for circle in circular(imports) {
            circles.push(format!("{folder}: {}", circle.join(", ")));
        }
    }
    assert!(circles.is_empty(), "these files import each other:\n{}", circles.join("\n"));
}

#[test]
fn the_check_finds_a_circle_behind_a_re_export() {
    let tree = Tree::of([
        ("", "pub mod a;\nmod b;\npub use b::Thing;\n"),
        ("a", "use crate::Thing;\n"),
        ("b", "use crate::a;\n"),
        ("c", "use super::a::{self, Other};\n"),
    ]);
    assert_eq!(circular(tree.imports()), [["a", "b"]]);
}

/// Returns the circles: each is a set of modules that reach each other.
fn circular(imports: BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    let reach = |from: &String| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(module) = open.pop() {
            for next in imports.get(module).into_iter().flatten() {
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        seen
    };
    let reached: BTreeMap<_, _> = imports.keys().map(|module| (module, reach(module))).collect();
    let mut circles = BTreeSet::new();
    for (module, seen) in &reached {
        let back = |other: &&&String| reached.get(*other).is_some_and(|it| it.contains(module));
        let circle: Vec<String> = seen.iter().filter(back).map(|it| (*it).clone()).collect();
        if !circle.is_empty() {
            circles.insert(circle);
        }
    }
    circles.into_iter().collect()
}

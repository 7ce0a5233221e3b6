//! How files look: each begins with a line that says what is in it, and none is too long.

use std::path::PathBuf;

use crate::sources::{CRATES, below, read, shown};

/// Past this many lines a file is looked at again.
const LINES_MAX: usize = 400;

fn all() -> Vec<PathBuf> {
    let others = ["domain/tests", "persistence/tests", "persistence/sled/tests", "runtime/tests"];
    let programs = ["runtime/tool/tests", "examples", "benches"];
    let folders = CRATES.iter().copied().chain(others).chain(programs);
    let exists = |folder: &&str| crate::sources::root().join(folder).is_dir();
    folders.filter(exists).flat_map(|folder| below(folder, "rs")).collect()
}

#[test]
fn the_first_line_of_every_file_says_what_is_in_it() {
    let without = |file: &PathBuf| !read(file).starts_with("//! ");
    let files: Vec<_> = all().into_iter().filter(without).map(|file| shown(&file)).collect();
    assert!(files.is_empty(), "these files begin without `//!`:\n{}", files.join("\n"));
}

#[test]
fn no_file_is_longer_than_one_sitting() {
    let long = |file: PathBuf| {
        let lines = read(&file).lines().count();
        (lines > LINES_MAX).then(|| format!("{} has {lines} lines", shown(&file)))
    };
    let files: Vec<_> = all().into_iter().filter_map(long).collect();
    assert!(files.is_empty(), "{}", files.join("\n"));
}

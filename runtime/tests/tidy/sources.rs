//! Reads the source files of the workspace.

use std::fs;
use std::path::{Path, PathBuf};

/// The crates whose modules are checked, by the folders of their sources.
pub(crate) const CRATES: [&str; 5] =
    ["domain/src", "persistence/src", "persistence/sled/src", "runtime/src", "runtime/tool/src"];

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

pub(crate) fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Returns the files below a folder that have an ending, without build output.
pub(crate) fn below(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the workspace") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Returns a module: its file, and those in the folder of its name.
pub(crate) fn module(name: &str) -> Vec<PathBuf> {
    let mut found = vec![root().join(name).with_extension("rs")];
    if root().join(name).is_dir() {
        found.extend(below(name, "rs"));
    }
    found
}

/// Returns the path of a file from the root of the workspace.
pub(crate) fn shown(file: &Path) -> String {
    file.strip_prefix(root()).unwrap_or(file).display().to_string()
}

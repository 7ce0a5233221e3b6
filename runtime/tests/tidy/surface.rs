//! The crate root shows at most 30 names; the rest is in modules by task.

use crate::sources::{read, root};

/// The most names at the root of `actuarius`.
const ROOT_NAMES_MAX: usize = 30;

#[test]
fn the_crate_root_shows_few_names() {
    let lib = read(&root().join("runtime/src/lib.rs"));
    let code: String = lib.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let exported = code.split("pub use ").skip(1).filter_map(|it| it.split(';').next());
    let names = exported.flat_map(|it| {
        let inside = it.split_once('{').map_or(it, |(_, inside)| inside.trim_end_matches('}'));
        inside.split(',').map(|name| name.rsplit("::").next().unwrap_or(name).trim().to_owned())
    });
    let names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
    assert!(names.len() >= 20, "the list of names was not read: {names:?}");
    assert!(names.len() <= ROOT_NAMES_MAX, "{} names: {names:?}", names.len());
}

//! The published crates say what they are, where their documentation is, and under which licences they are.

use crate::sources::{CRATES, read, root};

/// What the manifest of each published crate has.
const FIELDS: [&str; 10] = [
    "description = \"",
    "version.workspace",
    "rust-version.workspace",
    "license.workspace",
    "repository.workspace",
    "documentation = \"https://docs.rs/",
    "readme = \"",
    "keywords = [",
    "categories = [",
    "include = [",
];

#[test]
fn the_published_crates_have_complete_manifests() {
    let mut missing = Vec::new();
    for folder in CRATES {
        let folder = root().join(folder.trim_end_matches("/src"));
        let manifest = read(&folder.join("Cargo.toml"));
        let name = manifest.split('"').nth(1).expect("the name of the crate").to_owned();
        let fields = FIELDS.iter().filter(|field| !manifest.contains(**field));
        missing.extend(fields.map(|field| format!("{name}: {field}")));
        let address = format!("documentation = \"https://docs.rs/{name}\"");
        assert!(manifest.contains(&address), "{name} has another address of its documentation");
        for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
            assert_eq!(
                read(&folder.join(licence)),
                read(&root().join(licence)),
                "{name}: {licence}"
            );
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

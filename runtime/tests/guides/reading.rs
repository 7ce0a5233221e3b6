//! Compares each block of code in the book with the region of a test that it names.

use std::fs;
use std::path::{Path, PathBuf};

/// A block of code, and the comment in front of it that says where it comes from.
struct Block {
    chapter: String,
    named: String,
    code: String,
}

#[test]
fn the_book_shows_the_code_of_these_tests_as_it_is() {
    let blocks = blocks();
    assert!(!blocks.is_empty());
    for Block { chapter, named, code } in blocks {
        let shown = named.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
        let Some((file, region)) = shown.and_then(|shown| shown.split_once('#')) else {
            panic!("{chapter}: a block does not say where it comes from:\n{code}");
        };
        let source = region_of(file, region);
        assert_eq!(code, source, "{chapter} should show {file}#{region} as it is");
    }
}

#[test]
fn every_region_is_shown_in_the_book() {
    let shown: Vec<_> = blocks().into_iter().map(|block| block.named).collect();
    for file in files("runtime/tests/guides", "rs") {
        let name = format!("runtime/tests/guides/{}", name(&file));
        for line in read(&file).lines() {
            let Some(region) = line.trim_start().strip_prefix("// region: ") else { continue };
            let wanted = format!("<!-- {name}#{region} -->");
            assert!(shown.contains(&wanted), "no chapter shows {name}#{region}");
        }
    }
}

#[test]
fn every_chapter_is_in_the_summary() {
    let summary = read(&root().join("docs/book/src/SUMMARY.md"));
    for chapter in files("docs/book/src", "md") {
        let name = name(&chapter);
        let listed = name == "SUMMARY.md" || summary.contains(&format!("({name})"));
        assert!(listed, "docs/book/src/SUMMARY.md does not list {name}");
    }
}

fn blocks() -> Vec<Block> {
    let chapters = files("docs/book/src", "md");
    chapters.iter().flat_map(|chapter| blocks_of(chapter)).collect()
}

fn blocks_of(chapter: &Path) -> Vec<Block> {
    let text = read(chapter);
    let pieces = text.split("```rust\n").collect::<Vec<_>>();
    let pairs = pieces.windows(2).map(|pair| {
        let named = pair[0].lines().last().unwrap_or_default().to_owned();
        let (code, _) = pair[1].split_once("```").expect("a block ends");
        Block { chapter: name(chapter), named, code: code.to_owned() }
    });
    pairs.collect()
}

/// What stands between the marks of a region, moved to the left.
fn region_of(file: &str, region: &str) -> String {
    let text = read(&root().join(file));
    let mut inside = text.lines().skip_while(|line| line.trim() != format!("// region: {region}"));
    let mark = inside.next().unwrap_or_else(|| panic!("{file} has no region {region:?}"));
    let indent = mark.len() - mark.trim_start().len();
    let inside = inside.take_while(|line| line.trim() != format!("// endregion: {region}"));
    inside.map(|line| line.get(indent..).unwrap_or_default().to_owned() + "\n").collect()
}

fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).expect("a folder of the repository");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|it| it == ending)).collect()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

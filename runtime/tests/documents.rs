//! Compares the documents with the code: limits and defaults, named files and functions, lengths and links.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Documents that name files of the code.
const MAPS: [&str; 7] = [
    "docs/ARCHITECTURE.md",
    "docs/TESTING.md",
    "docs/INVARIANTS.md",
    "docs/LIMITS.md",
    "docs/FAILURES.md",
    "docs/GLOSSARY.md",
    "examples/README.md",
];

#[test]
fn the_limits_are_those_of_the_code() {
    let mut wrong = Vec::new();
    let limits = read("docs/LIMITS.md");
    let rows: Vec<_> = limits.lines().filter_map(limit).collect();
    assert!(rows.len() >= 70, "only {} rows name a constant", rows.len());
    for Limit { what, value, file, name } in rows {
        let documented = documented(value);
        let actual = source(file).and_then(|text| constant(&text, name));
        if documented.is_none() || documented != actual {
            wrong.push(format!("{what}: documented {value}, {file} {name} is {actual:?}"));
        }
    }
    assert!(wrong.is_empty(), "docs/LIMITS.md:\n{}", wrong.join("\n"));
}

#[test]
fn the_front_page_the_map_and_the_glossary_are_short() {
    for (page, most) in [("README.md", 200), ("docs/ARCHITECTURE.md", 200)] {
        let lines = read(page).lines().count();
        assert!(lines <= most, "{page} has {lines} lines");
    }
    let glossary = read("docs/GLOSSARY.md");
    let rows = glossary.lines().filter(|line| line.starts_with("| ")).count();
    assert!(rows <= 80 + 1, "{} entries", rows - 1);
}

#[test]
fn files_and_functions_named_in_documents_exist() {
    let sources = files("", "rs");
    let mut missing = BTreeSet::new();
    for page in MAPS {
        let text = read(page);
        for name in quoted(&text) {
            if !exists(name, &sources) {
                missing.insert(format!("{page}: {name}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// A table of scenarios once named files whose tests did not cover them. Each row names a test, which exists (above), or
/// the sweep of power cuts.
#[test]
fn each_scenario_of_failure_names_a_test() {
    let text = read("docs/TESTING.md");
    let (_, table) = text.split_once("## What may go wrong").expect("the scenarios");
    let (table, _) = table.split_once("\n## ").expect("their end");
    let rows: Vec<_> = table.lines().filter_map(scenario).collect();
    assert!(rows.iter().map(|(number, _)| *number).eq(1..=38), "{rows:?}");
    for (number, tests) in rows {
        assert!(tests.contains(".rs::") || tests.starts_with("sweep"), "{number}: {tests}");
    }
    assert!(root().join("examples/torture/power-cut/sweep").exists());
}

/// Returns the number of a scenario, and its tests.
fn scenario(line: &str) -> Option<(usize, &str)> {
    let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
    Some((cells.next()?.parse().ok()?, cells.last()?))
}

#[test]
fn the_walk_of_a_command_has_at_most_12_steps() {
    let text = read("docs/ARCHITECTURE.md");
    let (_, walk) = text.split_once("## The walk of one command").expect("the walk");
    let (walk, _) = walk.split_once("\n**To load").expect("its end");
    let steps = walk.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_digit()));
    assert!((1..=12).contains(&steps.count()));
}

#[test]
fn links_lead_to_files_and_headings() {
    let mut broken = BTreeSet::new();
    for page in files("", "md") {
        let text = fs::read_to_string(&page).expect("a page");
        for target in links(&text) {
            if !leads_somewhere(&page, &text, target) {
                broken.insert(format!("{}: {target}", shown(&page)));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// A row of `docs/LIMITS.md` that names a constant or a field.
struct Limit<'a> {
    what: &'a str,
    value: &'a str,
    file: &'a str,
    name: &'a str,
}

fn limit(line: &str) -> Option<Limit<'_>> {
    let mut cells = line.strip_prefix("| ")?.split(" | ");
    let (what, value, constant) = (cells.next()?, cells.next()?, cells.next()?);
    let (file, name) = constant.trim_matches('`').split_once("` `")?;
    Some(Limit { what, value, file, name })
}

/// Returns a documented value as a number, bytes or nanoseconds.
fn documented(value: &str) -> Option<u128> {
    let (number, unit) = value.split_once(' ').unwrap_or((value, ""));
    let number: u128 = number.replace(',', "").parse().ok()?;
    let unit = match unit {
        "" | "bytes" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "µs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        _ => return None,
    };
    Some(number * unit)
}

/// Returns the value of `const NAME: T = …;`, of the field `name: …`, or of `NAME.field`.
fn constant(text: &str, name: &str) -> Option<u128> {
    if let Some((constant, field)) = name.split_once('.') {
        return field_of(definition(text, constant)?, field);
    }
    match definition(text, name) {
        Some(expression) => evaluate(expression),
        None => field_of(text, name),
    }
}

fn definition<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("const {name}: "))?;
    let (_, value) = rest.split_once('=')?;
    value.split_once(';').map(|(value, _)| value.trim())
}

/// Returns the first value of the field that is a number or a duration.
fn field_of(text: &str, field: &str) -> Option<u128> {
    let start = format!("{field}: ");
    let values = text.split(&start).skip(1);
    values.filter_map(|rest| rest.split(['\n', ';', '}']).next()).find_map(|value| {
        let (first, _) = value.split_once(", ").unwrap_or((value, ""));
        evaluate(first.trim().trim_end_matches(','))
    })
}

/// Evaluates a number, a product of numbers, or a duration; `None` for anything else.
fn evaluate(expression: &str) -> Option<u128> {
    let expression = expression.trim();
    if let Some(inner) = inside(expression, "Some(") {
        return evaluate(inner);
    }
    let units = [("secs", 1_000_000_000), ("millis", 1_000_000), ("micros", 1_000), ("nanos", 1)];
    for (unit, nanoseconds) in units {
        if let Some(inner) = inside(expression, &format!("Duration::from_{unit}(")) {
            return evaluate(inner).map(|value| value * nanoseconds);
        }
    }
    let factors = expression.split('*').map(|factor| factor.trim().replace('_', "").parse().ok());
    factors.reduce(|all: Option<u128>, factor| Some(all? * factor?)).flatten()
}

fn inside<'a>(expression: &'a str, start: &str) -> Option<&'a str> {
    expression.strip_prefix(start)?.strip_suffix(')')
}

/// Returns what stands between backticks, outside of blocks of code, and names a file or a function.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    let prose = prose(text).flat_map(|line| line.split('`').skip(1).step_by(2));
    prose.filter(|name| {
        let last = name.rsplit("::").next().unwrap_or_default();
        let is_path = name.chars().all(|it| it.is_alphanumeric() || "_/.-:".contains(it));
        let is_function = name.contains("::") && last.starts_with(|it: char| it.is_lowercase());
        is_path && (name.ends_with(".rs") || is_function)
    })
}

fn exists(name: &str, sources: &[PathBuf]) -> bool {
    let (file, function) = match name.rsplit_once("::") {
        Some((file, function)) => (Some(file).filter(|file| file.ends_with(".rs")), Some(function)),
        None => (Some(name), None),
    };
    let named = |path: &&PathBuf| file.is_none_or(|file| path.ends_with(file));
    sources.iter().filter(named).any(|path| match function {
        None => true,
        Some(function) => {
            let text = fs::read_to_string(path).unwrap_or_default();
            ["(", "<"].iter().any(|next| text.contains(&format!("fn {function}{next}")))
        }
    })
}

/// Returns the targets of links within the repository.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = prose(text).flat_map(|line| line.split("](").skip(1));
    let targets = targets.filter_map(|rest| rest.split([')', ' ']).next());
    targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
}

fn leads_somewhere(page: &Path, text: &str, target: &str) -> bool {
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = page.parent().expect("a folder").join(file);
    if !file.is_empty() && !path.exists() {
        return false;
    }
    if anchor.is_empty() || !(file.is_empty() || file.ends_with(".md")) {
        return true;
    }
    let other = if file.is_empty() { text.to_owned() } else { fs::read_to_string(path).unwrap() };
    prose(&other).any(|line| line.starts_with('#') && slug(line) == anchor)
}

/// Returns the anchor of a heading.
fn slug(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading.chars().filter(|it| it.is_alphanumeric() || "-_ ".contains(*it));
    kept.map(|it| if it == ' ' { '-' } else { it }).collect()
}

/// Returns the lines outside of blocks of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

fn source(file: &str) -> Option<String> {
    fs::read_to_string(root().join(file)).ok()
}

fn read(file: &str) -> String {
    source(file).unwrap_or_else(|| panic!("{file} cannot be read"))
}

/// Returns all files below a folder, without those of builds and of tools.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").map(|it| it.expect("an entry")) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            if path.is_dir() && !name.starts_with('.') && !["target", "data"].contains(&&*name) {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == ending) {
                found.push(path);
            }
        }
    }
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").to_owned()
}

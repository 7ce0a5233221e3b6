//! The documents, comments and messages use plain technical English: none of the words that readers stumbled
//! over. `CONTRIBUTING.md` says which words to use instead.

use std::path::PathBuf;

use crate::sources::{CRATES, below, read, root, shown};

/// Phrases that no document, comment or message uses.
const AVOIDED: [&str; 18] = [
    "is told",
    "are told",
    "be told",
    "to be had",
    "for ever",
    "anew",
    "mends",
    "mended",
    "whoever",
    "somebody",
    "come into memory",
    "comes into memory",
    "leaves memory",
    "leave memory",
    "let go of",
    "lets go of",
    "goes on where",
    "who wants",
];

/// The words themselves are listed there.
const EXEMPT: [&str; 2] = ["CONTRIBUTING.md", "runtime/tests/tidy/language.rs"];

#[test]
fn documents_comments_and_messages_use_plain_words() {
    let mut files: Vec<PathBuf> = below(".", "md");
    for folder in
        CRATES.iter().chain(&["runtime/tests", "persistence/tests", "examples", "benches"])
    {
        files.extend(below(folder, "rs"));
    }
    files.extend(below("persistence/sled/tests", "rs"));
    files.sort();
    files.dedup();
    let mut found = Vec::new();
    for file in files.iter().filter(|file| !EXEMPT.iter().any(|it| **file == root().join(it))) {
        for (number, line) in read(file).lines().enumerate() {
            let lower = line.to_lowercase();
            if let Some(word) = AVOIDED.iter().find(|phrase| has(&lower, phrase)) {
                found.push(format!("{}:{}: {word:?}: {}", shown(file), number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{} lines:\n{}", found.len(), found.join("\n"));
}

/// Returns whether the line has the phrase as whole words.
fn has(line: &str, phrase: &str) -> bool {
    let is_edge = |letter: Option<char>| letter.is_none_or(|letter| !letter.is_alphanumeric());
    line.match_indices(phrase).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + phrase.len()..]);
        is_edge(before.chars().next_back()) && is_edge(after.chars().next())
    })
}

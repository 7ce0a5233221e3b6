//! Tokens as text with normalized white space, so that a line only changes when the code does.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;

/// Punctuation of two or three characters that is one word.
const JOINED: [&str; 7] = ["::", "->", "=>", "..", "...", "==", "..="];

/// Words that an opening parenthesis does not follow directly.
const KEYWORDS: [&str; 8] = ["as", "const", "dyn", "for", "in", "impl", "mut", "where"];

/// Returns code on one line.
pub(crate) fn text(code: &impl ToTokens) -> String {
    let mut words = Vec::new();
    split(code.to_token_stream(), &mut words);
    let mut line = String::new();
    let mut before = "";
    for (at, word) in words.iter().enumerate() {
        let next = words.get(at + 1).map_or("", String::as_str);
        if word == "," && (matches!(next, ">" | "]" | "}" | "") || ends_list(&words, at)) {
            continue;
        }
        if !line.is_empty() && has_space(before, word) {
            line.push(' ');
        }
        line.push_str(word);
        before = word;
    }
    line
}

fn split(tokens: TokenStream, words: &mut Vec<String>) {
    let mut joined = String::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                words.push(open.to_owned());
                split(group.stream(), words);
                words.push(close.to_owned());
            }
            TokenTree::Punct(punct) => {
                joined.push(punct.as_char());
                let is_open = punct.spacing() == Spacing::Joint
                    && JOINED.iter().any(|it| it.starts_with(&joined) && *it != joined);
                if !is_open {
                    words.push(std::mem::take(&mut joined));
                }
            }
            other => words.push(std::mem::take(&mut joined) + &other.to_string()),
        }
    }
    words.retain(|word| !word.is_empty());
}

/// Returns whether the comma here is the last of a list of more than one, or of arguments.
fn ends_list(words: &[String], at: usize) -> bool {
    if words.get(at + 1).is_none_or(|next| next != ")") {
        return false;
    }
    let (mut depth, mut commas) = (0, 0);
    for (index, word) in words[..at].iter().enumerate().rev() {
        match word.as_str() {
            ")" | "]" | ">" | "}" => depth += 1,
            "(" if depth == 0 => {
                let before = index.checked_sub(1).map_or("", |it| words[it].as_str());
                return commas > 0 || is_call(before);
            }
            "(" | "[" | "<" | "{" => depth -= 1,
            "," if depth == 0 => commas += 1,
            _ => {}
        }
    }
    false
}

/// Returns whether a parenthesis after this word has arguments in it.
fn is_call(before: &str) -> bool {
    before == ">" || (is_word(before) && !KEYWORDS.contains(&before))
}

fn is_word(text: &str) -> bool {
    text.starts_with(|it: char| it == '_' || it.is_alphanumeric())
}

fn has_space(before: &str, word: &str) -> bool {
    if matches!(before, "(" | "[" | "<" | "::" | "&" | "!" | "#" | "'" | "?" | "*" | "$") {
        return false;
    }
    match word {
        "," | ";" | ")" | "]" | ">" | ":" | "::" | "!" => before == "->" && word == "::",
        "<" => !is_word(before) && before != "::",
        "(" => !is_call(before),
        _ => true,
    }
}

#[test]
fn white_space_and_trailing_commas_make_no_difference() {
    let cases = [
        "async fn open<'a, T: ?Sized>(&'a mut self, of: &[u8; 16]) -> Result<(T,), Box<dyn Error + 'a>>",
        "impl<K, V> From<(K, V)> for Map<<K as Key>::Name, V> where K: Fn(u8) -> (K, V)",
        "#[non_exhaustive] enum Part { .. }",
    ];
    for case in cases {
        let spread = case.replace('(', " ( ").replace('<', "\n< ").replace(',', " ,");
        let spread = spread.replace("of: &[u8; 16]", "of : & [ u8;16 ],").replace("V>", "V,>");
        let tokens: TokenStream = spread.parse().expect("tokens");
        assert_eq!(text(&tokens), case);
    }
}

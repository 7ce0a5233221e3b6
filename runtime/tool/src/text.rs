//! Text from a store, escaped so that a terminal does not interpret it.

use std::fmt::{self, Write};

/// A name as it is shown: characters that are not printable are escaped, quotes are not.
pub(crate) struct Name<'a>(pub(crate) &'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| match letter {
            '"' | '\'' => formatter.write_char(letter),
            letter => write!(formatter, "{}", letter.escape_debug()),
        })
    }
}

/// A stream as it is shown, and as an argument names it: `type/id`.
pub(crate) fn stream(category: &str, id: &str) -> String {
    format!("{}/{}", Name(category), Name(id))
}

/// Escapes all characters of a JSON text that a terminal might interpret. The meaning does not change: such
/// characters occur in strings only, where they may be escaped.
pub(crate) fn escape_json(json: &str) -> String {
    if json.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return json.to_owned();
    }
    let mut escaped = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter == '\n' || letter == '\r' || letter == '\t' {
            // Between two values: within a string they are already escaped.
            escaped.push(' ');
        } else if letter == '"' || letter == '\'' || letter == '\\' || is_printable(letter) {
            escaped.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

fn is_printable(letter: char) -> bool {
    letter.escape_debug().next() == Some(letter)
}

/// The first `most` characters of a text.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A number of things, in the singular or with an `s`.
pub(crate) fn count(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// A number of bytes, in a suitable unit.
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = (number.max(1).ilog2() / 10).min(4);
    let scaled = number as f64 / f64::from(10 * unit).exp2();
    let name = UNITS[unit as usize];
    if unit == 0 { format!("{number} {name}") } else { format!("{scaled:.1} {name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reaches_a_terminal_escaped() {
        let odd = "a\u{1b}[2Jb\n\r\u{202e}c\u{9b}\\\"'é\u{301}";
        let shown = stream("t\0", odd);
        assert_eq!(shown, "t\\0/a\\u{1b}[2Jb\\n\\r\\u{202e}c\\u{9b}\\\\\"'é\\u{301}");
    }

    #[test]
    fn escaped_json_means_the_same() {
        let odd = "a\u{1b}\u{7f}\u{9b}\u{202e}\u{e0001}\n\"\\é";
        let json = serde_json::to_string_pretty(&[odd]).unwrap();
        let escaped = escape_json(&json);
        assert!(escaped.chars().all(is_printable_or_quote), "{escaped}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&escaped).unwrap(), [odd]);
    }

    fn is_printable_or_quote(letter: char) -> bool {
        matches!(letter, '"' | '\\' | '\'') || is_printable(letter)
    }

    #[test]
    fn a_cut_text_ends_with_an_ellipsis_and_numbers_have_units() {
        assert_eq!([count(0, "event"), count(1, "event")], ["0 events", "1 event"]);
        assert_eq!((cut("äöü", 2).as_str(), cut("äöü", 3).as_str()), ("äö…", "äöü"));
        assert_eq!(
            [bytes(0), bytes(1023), bytes(1536), bytes(u64::MAX)].join(" "),
            "0 B 1023 B 1.5 KiB 16777216.0 TiB"
        );
    }
}

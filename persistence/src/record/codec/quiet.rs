//! Removes values from the texts of decoding errors: they are logged, parked, shown and backed up, where personal
//! data must not be.
//!
//! serde has a few texts of its own, which name a type, what was expected, and the value. Code of users writes the
//! others, and they may quote anything.

/// What replaces a text that may quote a value.
const LEFT_OUT: &str = "a value is refused; the reason may quote it, and is left out";

/// The kinds of values that serde names before the value.
const KINDS: [&str; 18] = [
    "boolean",
    "integer",
    "floating point",
    "character",
    "string",
    "byte array",
    "unit value",
    "null",
    "Option value",
    "newtype struct",
    "sequence",
    "map",
    "enum",
    "unit variant",
    "newtype variant",
    "tuple variant",
    "struct variant",
    "NaN",
];

/// Texts with names of types and fields of the program after them, or nothing.
const HARMLESS: [&str; 14] = [
    "missing field",
    "duplicate field",
    "data did not match any variant of untagged enum",
    "no variant of enum",
    "can only flatten structs and maps",
    "an event must be an externally tagged enum",
    "it is not a floating-point number",
    "an enum must have one entry",
    "it is no variant of",
    "there is no such upcaster",
    "an upcaster of steps must return the current state",
    "an upcaster of steps must return exactly one state",
    "there is no content",
    "the value has more elements than its bytes can have",
];

/// Returns the text of a decoding error without values.
pub(crate) fn without_values(text: &str) -> String {
    let (said, place) = text.split_at(place(text).unwrap_or(text.len()));
    let quiet = mismatch(said).or_else(|| unknown(said));
    let quiet = quiet.or_else(|| is_harmless(said).then(|| said.to_owned()));
    quiet.unwrap_or_else(|| LEFT_OUT.to_owned()) + place
}

/// Returns where the position in a JSON text begins.
fn place(text: &str) -> Option<usize> {
    let (said, line) = text.rsplit_once(" at line ")?;
    let (line, column) = line.split_once(" column ")?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    (is_number(line) && is_number(column)).then_some(said.len())
}

/// Returns a text about a value of another type or range.
fn mismatch(said: &str) -> Option<String> {
    let is_of = |what: &&str| said.starts_with(what);
    let what = ["invalid type", "invalid value", "invalid length"].into_iter().find(is_of)?;
    let found = said[what.len()..].trim_start_matches([':', ' ']);
    let kind = KINDS.into_iter().find(|kind| found.starts_with(kind));
    let kind = kind.map(|kind| format!(": {kind}")).unwrap_or_default();
    Some(format!("{what}{kind}{}", expected(found)))
}

/// Returns a text about a variant or a field that the type does not have. Its name may be the key of a map, or the
/// text of a value.
fn unknown(said: &str) -> Option<String> {
    let is_of = |what: &&str| said.starts_with(what);
    let what = ["unknown variant", "unknown field"].into_iter().find(is_of)?;
    Some(format!("{what}{}", expected(said)))
}

/// Returns what was expected, after the value.
fn expected(said: &str) -> &str {
    let ends = [", expected ", ", there are no variants", ", there are no fields"];
    let end = ends.into_iter().filter_map(|end| said.rfind(end)).max();
    end.map_or("", |end| &said[end..])
}

fn is_harmless(said: &str) -> bool {
    let is_name =
        |rest: &str| rest.chars().all(|it| it.is_ascii_alphanumeric() || "_`:<>& ".contains(it));
    HARMLESS.iter().any(|text| said.strip_prefix(text).is_some_and(is_name))
}

#[cfg(test)]
mod tests;

//! The shape of a type in canonical words, like `{currency: enum(Eur|Usd), cents: u64}`.
//!
//! Two types have the same words exactly if a codec that stores no names lays them out in the same way, and
//! their fields and variants have the same names. The words are stored, so they must never change.

use actuarius_persistence::RecordedShape;

use super::node::variant_of;
use super::tracer::{Seen, Tracer, hash};

/// What could not be seen: where, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unknown {
    path: Vec<String>,
    why: &'static str,
}

impl Unknown {
    fn of(why: &'static str) -> Self {
        Self { path: Vec::new(), why }
    }

    fn within(mut self, part: impl Into<String>) -> Self {
        self.path.insert(0, part.into());
        self
    }
}

impl std::fmt::Display for Unknown {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.path.is_empty() {
            true => write!(formatter, "its value {}", self.why),
            false => write!(formatter, "`{}` {}", self.path.join("."), self.why),
        }
    }
}

const HIDDEN: &str = "is read as any kind of value (flattened, untagged, internally tagged, or like `serde_json::Value`)";
const REFUSED: &str = "accepts none of the sample values, so what follows it cannot be seen";
const DYNAMIC: &str = "is read in more than one way";
const TOO_LARGE: &str = "is too large, or nested too deeply, to be seen completely";

type Words = Result<String, Unknown>;

/// Describes a node and everything in it.
pub(super) fn describe(tracer: &Tracer, node: u64) -> Words {
    if let Some((_, names)) = tracer.cut(node) {
        return Ok(cut(names, tracer.seen(node).is_some_and(|seen| seen.kind == "enum")));
    }
    let Some(seen) = tracer.seen(node) else {
        // It accepted nothing, so nothing is stored for it.
        return if tracer.is_accepted(node) {
            Ok("nothing".into())
        } else {
            Err(Unknown::of(unseen(tracer)))
        };
    };
    if tracer.is_hidden(node) {
        let why = if matches!(seen.kind, "anything" | "visit_str") { HIDDEN } else { DYNAMIC };
        return Err(Unknown::of(why));
    }
    let part = |name, number| describe(tracer, hash(node, &[name], number));
    match seen.kind {
        "unit" => Ok("()".into()),
        "option" => Ok(format!("optional({})", part("some", 0)?)),
        "newtype" => part("newtype", 0),
        "sequence" => Ok(format!("[{}]", part("element", 0).map_err(|it| it.within("element"))?)),
        "map" => map(part("key", 0), part("value", 0)),
        "tuple" => tuple(tracer, node, seen),
        "struct" => fields(tracer, node, seen),
        "enum" => variants(tracer, node, seen),
        leaf => Ok(leaf
            .strip_prefix("visit_")
            .map_or("text", |it| if it == "str" { "text" } else { it })
            .into()),
    }
}

/// Returns why something was not seen.
fn unseen(tracer: &Tracer) -> &'static str {
    if tracer.is_exhausted() { TOO_LARGE } else { REFUSED }
}

/// What contains itself again; its parts are described where it begins.
fn cut(names: &[&str], is_enum: bool) -> String {
    let all: Vec<_> = names.iter().map(|name| quoted(name)).collect();
    if is_enum { format!("..({})", all.join("|")) } else { format!("..{{{}}}", all.join(", ")) }
}

fn map(key: Words, value: Words) -> Words {
    let key = key.map_err(|it| it.within("key"))?;
    Ok(format!("map({key} -> {})", value.map_err(|it| it.within("value"))?))
}

fn tuple(tracer: &Tracer, node: u64, seen: Seen) -> Words {
    let parts = parts(tracer, node, "part", seen.number)?;
    let described = parts
        .into_iter()
        .enumerate()
        .map(|(number, part)| part.map_err(|it| it.within(number.to_string())));
    let all = described.collect::<Result<Vec<_>, _>>()?;
    match all.split_first() {
        Some((first, rest)) if all.len() > 3 && rest.iter().all(|it| it == first) => {
            Ok(format!("[{first}; {}]", all.len()))
        }
        _ => Ok(format!("({})", all.join(", "))),
    }
}

fn fields(tracer: &Tracer, node: u64, seen: Seen) -> Words {
    let parts = parts(tracer, node, "field", seen.names.len())?;
    if parts.len() < seen.names.len() {
        // Some names are aliases, and it is not known of which fields.
        let names: Vec<_> = seen.names.iter().map(|name| quoted(name)).collect();
        let all = parts.into_iter().collect::<Result<Vec<_>, _>>()?;
        return Ok(format!("{{{}: {}}}", names.join(", "), all.join(", ")));
    }
    let all = seen.names.iter().zip(parts).map(|(name, part)| {
        Ok(format!("{}: {}", quoted(name), part.map_err(|it| it.within(*name))?))
    });
    Ok(format!("{{{}}}", all.collect::<Result<Vec<_>, _>>()?.join(", ")))
}

/// Describes the parts of a tuple or a struct. They are fewer than `most` if the type accepts fewer.
fn parts(tracer: &Tracer, node: u64, name: &str, most: usize) -> Result<Vec<Words>, Unknown> {
    let ids = (0..most).map(|number| hash(node, &[name], number));
    let is_touched = |id: &u64| {
        tracer.seen(*id).is_some() || tracer.is_accepted(*id) || tracer.cut(*id).is_some()
    };
    let touched: Vec<_> = ids.clone().take_while(is_touched).collect();
    if touched.len() < most && !tracer.is_accepted(node) {
        // The last part that was seen is what was refused, unless it is unknown itself.
        let mut all: Vec<_> = touched.iter().map(|id| describe(tracer, *id)).collect();
        let at = all.len().saturating_sub(1);
        let why = match all.pop() {
            Some(Err(why)) => why,
            _ => Unknown::of(unseen(tracer)),
        };
        return Err(why.within(part_name(tracer, node, at)));
    }
    Ok(touched.into_iter().map(|id| describe(tracer, id)).collect())
}

fn part_name(tracer: &Tracer, node: u64, number: usize) -> String {
    let name = tracer.seen(node).and_then(|seen| seen.names.get(number).copied());
    name.map_or_else(|| number.to_string(), str::to_owned)
}

fn variants(tracer: &Tracer, node: u64, seen: Seen) -> Words {
    let all = seen.names.iter().enumerate().map(|(number, name)| {
        let content = variant_of(node, name, number);
        let content = content_of(tracer, content).map_err(|it| it.within(*name))?;
        Ok(format!("{}{content}", quoted(name)))
    });
    Ok(format!("enum({})", all.collect::<Result<Vec<_>, _>>()?.join("|")))
}

/// Describes what a variant adds to its name.
fn content_of(tracer: &Tracer, node: u64) -> Words {
    let words = describe(tracer, node)?;
    Ok(match tracer.seen(node).map(|seen| seen.kind) {
        Some("unit") => String::new(),
        Some("newtype") => format!("({words})"),
        _ => words,
    })
}

/// Returns a name without the characters that the words themselves are made of.
fn quoted(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for character in name.chars() {
        match character.is_alphanumeric() || matches!(character, '_' | '-' | '.') {
            true => out.push(character),
            false => out.push_str(&format!("%{:x}%", u32::from(character))),
        }
    }
    out
}

/// Like [`RecordedShape::reads`], for what an upcaster reads, whose fields may have other names. A name that is in
/// another place now is a mistake.
pub(in crate::schema) fn reads_renamed(recorded: &str, current: &str) -> bool {
    if RecordedShape::reads(recorded, current) {
        return true;
    }
    let ((old, old_names), (new, new_names)) = (without_names(recorded), without_names(current));
    let renamed = || old_names.iter().zip(&new_names).filter(|(old, new)| old != new);
    let is_moved = |(old, _): (&&str, _)| renamed().any(|(_, new)| new == old);
    RecordedShape::reads(&old, &new) && !renamed().any(is_moved)
}

/// Returns the words without the names of fields, and these names.
fn without_names(words: &str) -> (String, Vec<&str>) {
    let (mut rest, mut out, mut names) = (words, String::with_capacity(words.len()), Vec::new());
    while !rest.is_empty() {
        let end = rest.find(|it: char| "(){}[]|,;:> ".contains(it)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = match after.strip_prefix(": ") {
            Some(after) => {
                names.push(word);
                after
            }
            None => {
                let separator = after.chars().next().map_or(0, char::len_utf8);
                out.push_str(&rest[..end + separator]);
                &after[separator..]
            }
        };
    }
    (out, names)
}

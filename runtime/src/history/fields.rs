//! [`FieldChange`]: compares two values field by field.

use std::fmt;

use actuarius_persistence::personal::masked;
use serde::Serialize;
use serde_json::Value;

/// A field whose values are different before and after.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldChange {
    /// The path of the field as a JSON pointer (RFC 6901), such as `/lines/3/cents`. The empty path is the
    /// whole value.
    pub path: String,
    /// The value before; `None` if the field did not exist.
    pub before: Option<Value>,
    /// The value after; `None` if the field does not exist any more.
    pub after: Option<Value>,
}

impl FieldChange {
    /// Returns whether the field was added.
    #[must_use]
    pub fn is_added(&self) -> bool {
        self.before.is_none()
    }

    /// Returns whether the field was removed.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.after.is_none()
    }
}

/// Formats as `+ /a: 1`, `- /a: 1` or `~ /a: 1 -> 2`.
impl fmt::Display for FieldChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => write!(formatter, "~ {path}: {before} -> {after}"),
            (Some(before), None) => write!(formatter, "- {path}: {before}"),
            (None, Some(after)) => write!(formatter, "+ {path}: {after}"),
            (None, None) => formatter.write_str(path),
        }
    }
}

/// Converts a state to a JSON value. Personal values are masked: a comparison shows that they have changed,
/// not to what.
pub(crate) fn as_value(state: &impl Serialize) -> Result<Value, String> {
    masked(|| serde_json::to_value(state)).map_err(|error| error.to_string())
}

/// Returns the innermost fields that are different, in the order of their paths. Lists are compared index by
/// index.
pub(crate) fn changes(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    compare(&mut String::new(), Some(before), Some(after), &mut changes);
    changes
}

fn compare(
    path: &mut String,
    before: Option<&Value>,
    after: Option<&Value>,
    changes: &mut Vec<FieldChange>,
) {
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            for (name, value) in before {
                within(path, name, |path| compare(path, Some(value), after.get(name), changes));
            }
            for (name, value) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
                within(path, name, |path| compare(path, None, Some(value), changes));
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            for index in 0..before.len().max(after.len()) {
                let (before, after) = (before.get(index), after.get(index));
                within(path, &index.to_string(), |path| compare(path, before, after, changes));
            }
        }
        (before, after) if before == after => {}
        (before, after) => {
            let (path, before, after) = (path.clone(), before.cloned(), after.cloned());
            changes.push(FieldChange { path, before, after });
        }
    }
}

/// Calls `compare` with the path extended by `name`.
fn within(path: &mut String, name: &str, compare: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push('/');
    path.push_str(&name.replace('~', "~0").replace('/', "~1"));
    compare(path);
    path.truncate(length);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn formatted(before: &Value, after: &Value) -> Vec<String> {
        changes(before, after).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn equal_values_have_no_changes() {
        let value = json!({"a": [1, {"b": null}], "c": "d"});
        assert_eq!(formatted(&value, &value), [""; 0]);
    }

    #[test]
    fn the_innermost_fields_are_listed_with_their_paths() {
        let before = json!({"cents": 5, "lines": [{"of": 1}, {"of": 2}], "owner": "ada"});
        let after = json!({"cents": 7, "lines": [{"of": 1}, {"of": 3}, 4], "open": true});
        let expected = [
            "~ /cents: 5 -> 7",
            "~ /lines/1/of: 2 -> 3",
            "+ /lines/2: 4",
            "- /owner: \"ada\"",
            "+ /open: true",
        ];
        assert_eq!(formatted(&before, &after), expected);
    }

    #[test]
    fn a_value_of_another_kind_is_one_change_and_a_missing_field_is_not_null() {
        assert_eq!(formatted(&json!(1), &json!([1])), ["~ : 1 -> [1]"]);
        assert_eq!(formatted(&json!({"a": null}), &json!({})), ["- /a: null"]);
    }

    #[test]
    fn names_that_look_like_paths_are_escaped_as_in_json_pointers() {
        let (before, after) = (json!({"a/b": {"~": 1}}), json!({"a/b": {"~": 2}}));
        let change = &changes(&before, &after)[0];
        assert_eq!(change.path, "/a~1b/~0");
        assert_eq!(after.pointer(&change.path), change.after.as_ref());
    }
}

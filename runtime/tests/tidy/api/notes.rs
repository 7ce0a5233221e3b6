//! The conditions under which an item is compiled: `#[cfg(feature = "x")]` becomes the note `x`.

use std::collections::BTreeSet;

use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, Lit, Meta, Token};

use super::text::text;

/// What must hold for an item to be compiled. All of these must.
pub(crate) type Notes = BTreeSet<String>;

/// Returns the conditions of an item; `None` if only unit tests have it.
pub(crate) fn notes(attributes: &[Attribute]) -> Option<Notes> {
    let mut notes = Notes::new();
    for attribute in attributes.iter().filter(|it| it.path().is_ident("cfg")) {
        let condition = attribute.parse_args().expect("a condition");
        notes.extend(condition_of(&condition)?.split(", ").map(str::to_owned));
    }
    notes.remove("");
    Some(notes)
}

/// Returns a condition as text, empty if it always holds; `None` if it only holds in unit tests.
fn condition_of(condition: &Meta) -> Option<String> {
    let inside = |list: &syn::MetaList| {
        let parser = Punctuated::<Meta, Token![,]>::parse_terminated;
        let parts = list.parse_args_with(parser).expect("conditions");
        parts.iter().map(condition_of).collect::<Vec<_>>()
    };
    match condition {
        Meta::Path(path) if path.is_ident("test") => None,
        Meta::List(list) if list.path.is_ident("not") => match inside(list).pop().flatten() {
            None => Some(String::new()),
            Some(condition) => Some(format!("not {}", condition.replace(", ", " and "))),
        },
        Meta::List(list) if list.path.is_ident("any") => {
            let parts: Vec<_> = inside(list).into_iter().flatten().collect();
            (!parts.is_empty()).then(|| parts.join(" or "))
        }
        Meta::List(list) => Some(inside(list).into_iter().collect::<Option<Vec<_>>>()?.join(", ")),
        Meta::NameValue(pair) if pair.path.is_ident("feature") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(name) => Some(name.value()),
                other => Some(text(other)),
            },
            other => Some(text(other)),
        },
        other => Some(text(other)),
    }
}

/// Returns whether two conditions exclude each other.
pub(crate) fn is_never(notes: &Notes) -> bool {
    notes.iter().any(|note| notes.contains(&format!("not {note}")))
}

/// Returns whether the documentation leaves an item out.
pub(crate) fn is_hidden(attributes: &[Attribute]) -> bool {
    let docs = attributes.iter().filter(|it| it.path().is_ident("doc"));
    docs.filter_map(|it| it.parse_args::<Meta>().ok()).any(|it| it.path().is_ident("hidden"))
}

/// Returns whether an item has an attribute without arguments, or one with any.
pub(crate) fn has(attributes: &[Attribute], name: &str) -> bool {
    attributes.iter().any(|it| it.path().is_ident(name))
}

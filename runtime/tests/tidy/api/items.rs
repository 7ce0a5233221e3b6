//! What users see of an item: its declaration, fields, variants and associated items, each as one line.

use std::collections::BTreeSet;

use quote::{ToTokens, quote};
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Field, Fields, FnArg, Generics, Ident, ImplItem, Item, ItemEnum, ItemImpl,
    ItemMacro, ItemStruct, ItemTrait, Pat, ReceiverKind, Signature, Token, TraitItem, Visibility,
};

use super::notes::{Notes, has, is_hidden, notes};
use super::text::text;

/// A part of an item: its name within the item, empty for the item itself, its text and its conditions.
pub(crate) type Part = (String, String, Notes);

/// Returns what users see of an item.
pub(crate) fn parts(item: &Item) -> Vec<Part> {
    match item {
        Item::Const(it) => whole(format!("const {}: {}", it.ident, text(&it.ty))),
        Item::Static(it) => whole(format!("static {}: {}", it.ident, text(&it.ty))),
        Item::Fn(it) => whole(signature(&it.sig)),
        Item::Type(it) => {
            let (head, bounds) = generic(&it.generics);
            whole(format!("type {}{head} = {}{bounds}", it.ident, text(&it.ty)))
        }
        Item::Macro(it) => whole(rules(it)),
        Item::Struct(it) => structure(it),
        Item::Enum(it) => enumeration(it),
        Item::Trait(it) => interface(it),
        other => whole(text(other)),
    }
}

fn whole(text: String) -> Vec<Part> {
    vec![(String::new(), text, Notes::new())]
}

fn structure(item: &ItemStruct) -> Vec<Part> {
    let (head, bounds) = generic(&item.generics);
    let is_open = item.fields.iter().all(is_public) && !has(&item.attrs, "non_exhaustive");
    let body = match (&item.fields, is_open) {
        (Fields::Unit, true) => "",
        (Fields::Unnamed(_), true) => " ( )",
        (Fields::Named(_), true) => " { }",
        (_, false) => " { .. }",
    };
    let mut found = whole(format!("struct {}{head}{bounds}{body}", item.ident));
    found.extend(derived(&item.attrs));
    for (index, field) in item.fields.iter().enumerate().filter(|(_, it)| is_public(it)) {
        let Some(notes) = shown(&field.attrs) else { continue };
        let name = field.ident.as_ref().map_or_else(|| index.to_string(), Ident::to_string);
        found.push((name.clone(), format!("{name}: {}", text(&field.ty)), notes));
    }
    found
}

fn is_public(field: &Field) -> bool {
    matches!(field.vis, Visibility::Public(_))
}

fn enumeration(item: &ItemEnum) -> Vec<Part> {
    let (head, bounds) = generic(&item.generics);
    let open = exhaustive(&item.attrs);
    let mut found = whole(format!("{open}enum {}{head}{bounds}", item.ident));
    found.extend(derived(&item.attrs));
    for variant in &item.variants {
        let Some(notes) = shown(&variant.attrs) else { continue };
        let mut bare = variant.clone();
        bare.attrs.clear();
        for field in &mut bare.fields {
            field.attrs.retain(|it| it.path().is_ident("from"));
        }
        let declaration = format!("{}{}", exhaustive(&variant.attrs), text(&bare));
        found.push((variant.ident.to_string(), declaration, notes));
    }
    found
}

fn interface(item: &ItemTrait) -> Vec<Part> {
    let mut bare = item.clone();
    let supertraits = Punctuated::<_, Token![+]>::from_iter(std::mem::take(&mut bare.supertraits));
    let above =
        if supertraits.is_empty() { String::new() } else { format!(": {}", text(&supertraits)) };
    let (head, bounds) = generic(&item.generics);
    let unsafety = item.unsafety.map_or("", |_| "unsafe ");
    let mut found = whole(format!("{unsafety}trait {}{head}{above}{bounds}", item.ident));
    for inside in &item.items {
        let (attributes, name, declaration) = match inside {
            TraitItem::Fn(it) => {
                let provided = if it.default.is_some() { " { .. }" } else { "" };
                (&it.attrs, &it.sig.ident, signature(&it.sig) + provided)
            }
            TraitItem::Const(it) => {
                let provided = if it.default.is_some() { " = .." } else { "" };
                let declaration = format!("const {}: {}{provided}", it.ident, text(&it.ty));
                (&it.attrs, &it.ident, declaration)
            }
            TraitItem::Type(it) => {
                let mut bare = it.clone();
                bare.attrs.clear();
                (&it.attrs, &it.ident, text(&bare).trim_end_matches(';').to_owned())
            }
            other => panic!("an item of a trait of an unknown form: {}", text(other)),
        };
        let Some(notes) = shown(attributes) else { continue };
        found.push((name.to_string(), declaration, notes));
    }
    found
}

/// Returns what users see of a block with the functions of a type.
pub(crate) fn inherent(block: &ItemImpl) -> Vec<Part> {
    let (head, bounds) = generic(&block.generics);
    let of = match format!("impl{head} {}{bounds}", text(&block.self_ty)) {
        // The path already has the name.
        of if head.is_empty() && !of.contains('<') => String::new(),
        of => format!(" in {of}"),
    };
    let mut found = Vec::new();
    for inside in &block.items {
        let (attributes, vis, name, declaration) = match inside {
            ImplItem::Fn(it) => (&it.attrs, &it.vis, &it.sig.ident, signature(&it.sig)),
            ImplItem::Const(it) => {
                (&it.attrs, &it.vis, &it.ident, format!("const {}: {}", it.ident, text(&it.ty)))
            }
            _ => continue,
        };
        if let (Visibility::Public(_), Some(notes)) = (vis, shown(attributes)) {
            found.push((name.to_string(), format!("{declaration}{of}"), notes));
        }
    }
    found
}

/// Returns an implementation of a trait as one line, with its associated types.
pub(crate) fn implementation(block: &ItemImpl, hidden: &BTreeSet<String>) -> String {
    let (head, bounds) = generic(&block.generics);
    let (path, _) = block.trait_.as_ref().expect("an implementation of a trait");
    let types = block.items.iter().filter_map(|it| match it {
        ImplItem::Type(it) if !hidden.contains(&it.ident.to_string()) => {
            Some(format!(" {} = {};", it.ident, text(&it.ty)))
        }
        _ => None,
    });
    let types: String = types.collect();
    let body = if types.is_empty() { types } else { format!(" {{{types} }}") };
    let negative = block.modifiers.polarity.map_or("", |_| "!");
    format!("impl{head} {negative}{} for {}{bounds}{body}", text(path), text(&block.self_ty))
}

/// Returns a signature without patterns that only its body uses.
fn signature(signature: &Signature) -> String {
    let mut bare = signature.clone();
    for input in &mut bare.inputs {
        match input {
            FnArg::Receiver(it) if matches!(it.kind, ReceiverKind::Value) => it.mutability = None,
            FnArg::Receiver(_) => {}
            FnArg::Typed(it) => {
                it.attrs.clear();
                if let Pat::Ident(name) = &mut *it.pat {
                    (name.mutability, name.by_ref) = (None, None);
                }
            }
        }
    }
    text(&bare).trim_end_matches(',').to_owned()
}

/// Returns parameters with their bounds, and the `where` clause.
fn generic(generics: &Generics) -> (String, String) {
    let parameters = text(&quote!(#generics));
    let bounds = generics.where_clause.as_ref().map_or_else(String::new, text);
    let space = if bounds.is_empty() { "" } else { " " };
    (parameters, format!("{space}{bounds}"))
}

/// Returns the traits that an item derives, as one line.
fn derived(attributes: &[Attribute]) -> Option<Part> {
    let derives = attributes.iter().filter(|it| it.path().is_ident("derive"));
    let parse = Punctuated::<syn::Path, Token![,]>::parse_terminated;
    let mut names: Vec<_> = derives
        .flat_map(|it| it.parse_args_with(parse).expect("traits"))
        .map(|path| text(&path.to_token_stream()))
        .collect();
    names.sort();
    let line = format!("derive {}", names.join(", "));
    (!names.is_empty()).then(|| (String::new(), line, Notes::new()))
}

fn exhaustive(attributes: &[Attribute]) -> &'static str {
    if has(attributes, "non_exhaustive") { "#[non_exhaustive] " } else { "" }
}

/// Returns the conditions of what the documentation shows.
fn shown(attributes: &[Attribute]) -> Option<Notes> {
    notes(attributes).filter(|_| !is_hidden(attributes))
}

/// Returns the rules of a macro without what they expand to.
fn rules(item: &ItemMacro) -> String {
    let tokens: Vec<_> = item.mac.tokens.clone().into_iter().collect();
    let arms = tokens.split(|it| it.to_string() == ";").filter_map(|arm| arm.first());
    let arms: Vec<_> = arms.map(text).collect();
    let name = item.ident.as_ref().map(Ident::to_string).unwrap_or_default();
    format!("macro {name}! {}", arms.join(" "))
}

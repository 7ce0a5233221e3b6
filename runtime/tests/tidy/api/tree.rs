//! The modules of a crate with what they define, read from its sources.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Ident, ImplItem, Item, ItemImpl, ItemMacro, ItemMod, UseTree, Visibility};

use super::expand::expand;
use super::notes::{Notes, has, is_hidden, notes};
use crate::sources::read;

/// A crate: its modules by their paths (the root is empty), and its `impl` blocks.
pub(crate) struct Tree {
    pub(crate) name: String,
    pub(crate) modules: BTreeMap<String, Vec<Entry>>,
    pub(crate) impls: Vec<Impl>,
    macros: BTreeMap<String, ItemMacro>,
}

/// A name in a module.
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) is_public: bool,
    pub(crate) is_hidden: bool,
    pub(crate) notes: Notes,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    Module(String),
    Item(Box<Item>),
    Use(Vec<String>),
    Glob(Vec<String>),
}

/// An `impl` block, and the module it is in.
pub(crate) struct Impl {
    pub(crate) module: String,
    pub(crate) notes: Notes,
    pub(crate) item: ItemImpl,
}

/// Where items are: their module, its file, the folder of its children, and the conditions of all of it.
struct Place {
    module: String,
    file: PathBuf,
    children: PathBuf,
    notes: Notes,
}

impl Tree {
    /// Reads a crate from its root file.
    pub(crate) fn read(name: &str, file: &Path) -> Self {
        let folder = file.parent().expect("the folder of the sources");
        Self::of(name, &read(file), file.to_owned(), folder.to_owned())
    }

    /// Reads a crate that is in one text.
    pub(crate) fn of_text(name: &str, text: &str) -> Self {
        Self::of(name, text, PathBuf::new(), PathBuf::new())
    }

    fn of(name: &str, text: &str, file: PathBuf, children: PathBuf) -> Self {
        let (modules, macros) = (BTreeMap::new(), BTreeMap::new());
        let mut tree = Self { name: name.to_owned(), modules, impls: Vec::new(), macros };
        let place = Place { module: String::new(), file, children, notes: Notes::new() };
        tree.add_file(&place, text);
        tree
    }

    fn add_file(&mut self, place: &Place, text: &str) {
        let file = syn::parse_file(text);
        let file = file.unwrap_or_else(|error| panic!("{}: {error}", place.file.display()));
        self.add(place, file.items);
    }

    fn add(&mut self, place: &Place, items: Vec<Item>) {
        self.modules.entry(place.module.clone()).or_default();
        for item in items {
            let Some(mut notes) = notes(attributes(&item)) else { continue };
            notes.extend(place.notes.iter().cloned());
            match item {
                Item::Mod(item) => self.add_module(place, notes, item),
                Item::Impl(item) => self.add_impl(place, notes, item),
                Item::Macro(item) => self.add_macro(place, notes, item),
                Item::Use(item) => {
                    let mut kinds = Vec::new();
                    flatten(&item.tree, &mut Vec::new(), &mut kinds);
                    for (name, kind) in kinds {
                        self.push(place, &item.attrs, &item.vis, notes.clone(), name, kind);
                    }
                }
                item => {
                    let Some((vis, ident)) = head(&item) else { continue };
                    let (vis, name) = (vis.clone(), ident.to_string());
                    let attributes = attributes(&item).to_vec();
                    let kind = Kind::Item(Box::new(item));
                    self.push(place, &attributes, &vis, notes, name, kind);
                }
            }
        }
    }

    fn push(
        &mut self,
        place: &Place,
        attributes: &[Attribute],
        vis: &Visibility,
        notes: Notes,
        name: String,
        kind: Kind,
    ) {
        let is_public = matches!(vis, Visibility::Public(_));
        let entry = Entry { name, is_public, is_hidden: is_hidden(attributes), notes, kind };
        self.modules.entry(place.module.clone()).or_default().push(entry);
    }

    fn add_module(&mut self, place: &Place, notes: Notes, item: ItemMod) {
        let name = item.ident.to_string();
        let module = joined(&place.module, &name);
        let kind = Kind::Module(module.clone());
        self.push(place, &item.attrs, &item.vis, notes.clone(), name.clone(), kind);
        let children = place.children.join(&name);
        if let Some((_, items)) = item.content {
            let inside = Place { module, file: place.file.clone(), children, notes };
            return self.add(&inside, items);
        }
        let file = match written_path(&item.attrs) {
            Some(path) => place.file.with_file_name(path),
            None => Some(children.with_extension("rs"))
                .filter(|file| file.exists())
                .unwrap_or_else(|| children.join("mod.rs")),
        };
        let text = read(&file);
        self.add_file(&Place { module, file, children, notes }, &text);
    }

    fn add_impl(&mut self, place: &Place, notes: Notes, mut item: ItemImpl) {
        if item.trait_.is_none() {
            let mut items = Vec::new();
            for inside in std::mem::take(&mut item.items) {
                match inside {
                    ImplItem::Macro(call) => {
                        let made = self.expanded(&call.mac);
                        items.extend(made.into_iter().flat_map(as_impl_items));
                    }
                    inside => items.push(inside),
                }
            }
            item.items = items;
        }
        self.impls.push(Impl { module: place.module.clone(), notes, item });
    }

    fn add_macro(&mut self, place: &Place, notes: Notes, item: ItemMacro) {
        if let Some(name) = &item.ident {
            let name = name.to_string();
            self.macros.insert(name.clone(), item.clone());
            if has(&item.attrs, "macro_export") {
                let (is_hidden, is_public) = (is_hidden(&item.attrs), true);
                let kind = Kind::Item(Box::new(Item::Macro(item)));
                let entry = Entry { name, is_public, is_hidden, notes, kind };
                self.modules.entry(String::new()).or_default().push(entry);
            }
        } else if let Some(made) = self.expanded(&item.mac) {
            let file: syn::File = syn::parse2(made).expect("items");
            let notes = notes.into_iter().chain(place.notes.iter().cloned()).collect();
            let (module, file_of) = (place.module.clone(), place.file.clone());
            let children = place.children.clone();
            self.add(&Place { module, file: file_of, children, notes }, file.items);
        }
    }

    /// Returns what a call of a macro of this crate stands for. Macros of other crates define nothing public.
    fn expanded(&self, call: &syn::Macro) -> Option<TokenStream> {
        let name = call.path.segments.last()?.ident.to_string();
        let Some(rules) = self.macros.get(&name) else {
            let is_private = call.tokens.clone().into_iter().all(|it| it.to_string() != "pub");
            assert!(is_private, "{}: {name}! may define public items", self.name);
            return None;
        };
        let made = expand(rules.mac.tokens.clone(), &call.tokens);
        Some(made.unwrap_or_else(|| panic!("{}: no rule of {name}! matches", self.name)))
    }
}

/// Returns what a macro writes into an `impl` block.
fn as_impl_items(made: TokenStream) -> Vec<ImplItem> {
    let block: ItemImpl = syn::parse2(quote!(impl Block { #made })).expect("an `impl` block");
    block.items
}

fn written_path(attributes: &[Attribute]) -> Option<String> {
    let attribute = attributes.iter().find(|it| it.path().is_ident("path"))?;
    match &attribute.meta.require_name_value().ok()?.value {
        syn::Expr::Lit(literal) => match &literal.lit {
            syn::Lit::Str(path) => Some(path.value()),
            _ => None,
        },
        _ => None,
    }
}

/// Splits a `use` into its names with their paths.
fn flatten(tree: &UseTree, path: &mut Vec<String>, found: &mut Vec<(String, Kind)>) {
    let with = |path: &[String], name: &Ident| {
        let mut path = path.to_vec();
        if name != "self" || path.is_empty() {
            path.push(name.to_string());
        }
        path
    };
    match tree {
        UseTree::Path(inside) => {
            path.push(inside.ident.to_string());
            flatten(&inside.tree, path, found);
            path.pop();
        }
        UseTree::Group(group) => group.items.iter().for_each(|it| flatten(it, path, found)),
        UseTree::Name(name) => {
            let path = with(path, &name.ident);
            found.push((path.last().cloned().unwrap_or_default(), Kind::Use(path)));
        }
        UseTree::Rename(name) => {
            found.push((name.rename.to_string(), Kind::Use(with(path, &name.ident))));
        }
        UseTree::Glob(_) => found.push(("*".to_owned(), Kind::Glob(path.clone()))),
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(it) => &it.attrs,
        Item::Enum(it) => &it.attrs,
        Item::Fn(it) => &it.attrs,
        Item::Impl(it) => &it.attrs,
        Item::Macro(it) => &it.attrs,
        Item::Mod(it) => &it.attrs,
        Item::Static(it) => &it.attrs,
        Item::Struct(it) => &it.attrs,
        Item::Trait(it) => &it.attrs,
        Item::Type(it) => &it.attrs,
        Item::Union(it) => &it.attrs,
        Item::Use(it) => &it.attrs,
        _ => &[],
    }
}

fn head(item: &Item) -> Option<(&Visibility, &Ident)> {
    match item {
        Item::Const(it) => Some((&it.vis, &it.ident)),
        Item::Enum(it) => Some((&it.vis, &it.ident)),
        Item::Fn(it) => Some((&it.vis, &it.sig.ident)),
        Item::Static(it) => Some((&it.vis, &it.ident)),
        Item::Struct(it) => Some((&it.vis, &it.ident)),
        Item::Trait(it) => Some((&it.vis, &it.ident)),
        Item::Type(it) => Some((&it.vis, &it.ident)),
        Item::Union(it) => Some((&it.vis, &it.ident)),
        _ => None,
    }
}

pub(crate) fn joined(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") }
}

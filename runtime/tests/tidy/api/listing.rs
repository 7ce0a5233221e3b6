//! Lists what is reachable from the root of a crate, each item under its shortest public path.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Item, TraitItem, Type};

use super::items::{Part, implementation, inherent, parts};
use super::notes::{Notes, is_hidden, is_never};
use super::scope::{Found, Id, Target};
use super::tree::{Impl, Kind, Tree};

/// What users of a crate see.
pub(crate) struct Listing<'a> {
    tree: &'a Tree,
    /// The public path of each item, and the conditions of this path.
    names: BTreeMap<Id, (String, Notes)>,
    lines: BTreeSet<String>,
    /// Types and traits that a line names but users cannot.
    unnamed: BTreeSet<String>,
}

/// A public path that was not followed yet. The first in order is the path of its item.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Open {
    depth: usize,
    hops: usize,
    conditions: usize,
    path: String,
    notes: Notes,
    target: Target,
}

impl<'a> Listing<'a> {
    pub(crate) fn of(tree: &'a Tree) -> Self {
        let (names, lines, unnamed) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        let mut listing = Self { tree, names, lines, unnamed };
        listing.find_names();
        for (id, (path, notes)) in listing.names.clone() {
            if let Kind::Item(item) = &tree.entry(&id).kind {
                listing.add_parts(&id.0, &path, &notes, parts(item));
            }
        }
        tree.impls.iter().for_each(|block| listing.add_impl(block));
        listing
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }

    pub(crate) fn unnamed(&self) -> Vec<String> {
        self.unnamed.iter().cloned().collect()
    }

    fn find_names(&mut self) {
        let mut open = BTreeSet::new();
        self.open("", &self.tree.name, &Notes::new(), &mut open);
        while let Some(Open { path, notes, target, .. }) = open.pop_first() {
            let id = match target {
                Target::Outside(of) => {
                    self.add(&path, &format!("use {of}"), &notes);
                    continue;
                }
                Target::Item(id) => id,
            };
            if let Some((known, _)) = self.names.get(&id) {
                if *known != path {
                    self.add(&path, &format!("use {}", known.clone()), &notes);
                }
                continue;
            }
            self.names.insert(id.clone(), (path.clone(), notes.clone()));
            if let Kind::Module(module) = &self.tree.entry(&id).kind {
                self.add(&path, "mod", &notes);
                self.open(module, &path, &notes, &mut open);
            }
        }
    }

    /// Opens the public names of a module.
    fn open(&self, module: &str, path: &str, notes: &Notes, open: &mut BTreeSet<Open>) {
        for (index, entry) in self.tree.modules[module].iter().enumerate() {
            if !entry.is_public || entry.is_hidden {
                continue;
            }
            let notes: Notes = notes.union(&entry.notes).cloned().collect();
            let found = match &entry.kind {
                Kind::Use(of) => self.tree.resolve(module, of),
                Kind::Glob(of) => {
                    self.open_glob(module, of, path, &notes, open);
                    continue;
                }
                Kind::Module(_) | Kind::Item(_) => {
                    let target = Target::Item((module.to_owned(), index));
                    vec![Found { target, notes: Notes::new(), hops: 0 }]
                }
            };
            for it in found.into_iter().filter(|it| self.is_shown(&it.target)) {
                let path = format!("{path}::{}", entry.name);
                open.extend(opened(path, &notes, it));
            }
        }
    }

    fn open_glob(
        &self,
        module: &str,
        of: &[String],
        path: &str,
        notes: &Notes,
        open: &mut BTreeSet<Open>,
    ) {
        for it in self.tree.resolve(module, of) {
            if let Target::Item(id) = &it.target {
                if let Kind::Module(module) = &self.tree.entry(id).kind {
                    self.open(module, path, notes, open);
                }
            } else {
                open.extend(opened(format!("{path}::*"), notes, it));
            }
        }
    }

    fn is_shown(&self, target: &Target) -> bool {
        match target {
            Target::Item(id) => {
                let entry = self.tree.entry(id);
                entry.is_public && !entry.is_hidden
            }
            Target::Outside(_) => true,
        }
    }

    fn add_impl(&mut self, block: &Impl) {
        if is_hidden(&block.item.attrs) {
            return;
        }
        let owners = self.owners(block);
        let Some((of, _)) = &block.item.trait_ else {
            for (path, notes) in owners {
                self.add_parts(&block.module, &path, &notes, inherent(&block.item));
            }
            return;
        };
        let self_ty = &block.item.self_ty;
        let all = self.tree.types_in(&block.module, quote!(#self_ty #of));
        if all.iter().all(|id| self.names.contains_key(id)) {
            let line = implementation(&block.item, &self.hidden_types(block));
            for (path, notes) in owners {
                let part = (String::new(), line.clone(), Notes::new());
                self.add_parts(&block.module, &path, &notes, vec![part]);
            }
        }
    }

    /// Returns the public paths of the type of a block, or else of its trait.
    fn owners(&self, block: &Impl) -> Vec<(String, Notes)> {
        let of_type = match &*block.item.self_ty {
            Type::Path(path) => self.tree.types_of(&block.module, &names(&path.path)),
            other => self.tree.types_in(&block.module, other.to_token_stream()),
        };
        let of_trait = block.item.trait_.iter();
        let of_trait =
            of_trait.flat_map(|(path, _)| self.tree.types_of(&block.module, &names(path)));
        let owners = if of_type.is_empty() { of_trait.collect() } else { of_type };
        let known = owners.iter().filter_map(|id| self.names.get(id));
        let with = |notes: &Notes| notes.union(&block.notes).cloned().collect();
        known.map(|(path, notes)| (path.clone(), with(notes))).collect()
    }

    /// Returns the associated types of a trait of this crate that its documentation leaves out.
    fn hidden_types(&self, block: &Impl) -> BTreeSet<String> {
        let (path, _) = block.item.trait_.as_ref().expect("an implementation of a trait");
        let traits = self.tree.types_of(&block.module, &names(path)).into_iter();
        let items = traits.filter_map(|id| match &self.tree.entry(&id).kind {
            Kind::Item(item) => Some(&**item),
            _ => None,
        });
        let items = items.filter_map(|item| match item {
            Item::Trait(item) => Some(&item.items),
            _ => None,
        });
        let hidden = items.flatten().filter_map(|item| match item {
            TraitItem::Type(it) if is_hidden(&it.attrs) => Some(it.ident.to_string()),
            _ => None,
        });
        hidden.collect()
    }

    fn add_parts(&mut self, module: &str, path: &str, notes: &Notes, parts: Vec<Part>) {
        for (name, text, more) in parts {
            let notes = notes.union(&more).cloned().collect();
            let path = if name.is_empty() { path.to_owned() } else { format!("{path}::{name}") };
            self.add(&path, &text, &notes);
            // The name of a field or a variant is no type.
            let code = text.strip_prefix(&name).unwrap_or(&text);
            let code: TokenStream = code.parse().expect("what was code");
            for id in self.tree.types_in(module, code) {
                let entry = self.tree.entry(&id);
                if !self.names.contains_key(&id) && !entry.is_hidden && !is_never(&notes) {
                    self.unnamed.insert(format!("{path} names {}::{}", id.0, entry.name));
                }
            }
        }
    }

    fn add(&mut self, path: &str, text: &str, notes: &Notes) {
        if is_never(notes) {
            return;
        }
        let notes: Vec<_> = notes.iter().map(String::as_str).collect();
        let notes =
            if notes.is_empty() { String::new() } else { format!(" [{}]", notes.join(", ")) };
        self.lines.insert(format!("{path}: {text}{notes}"));
    }
}

fn names(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|it| it.ident.to_string()).collect()
}

fn opened(path: String, notes: &Notes, found: Found) -> Option<Open> {
    let notes: Notes = notes.union(&found.notes).cloned().collect();
    let (depth, conditions) = (path.matches("::").count(), notes.len());
    (!is_never(&notes)).then_some(Open {
        depth,
        hops: found.hops,
        conditions,
        path,
        notes,
        target: found.target,
    })
}

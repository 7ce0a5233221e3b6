//! Finds what a path means in a module: the item that defines it, with re-exports followed.

use proc_macro2::{TokenStream, TokenTree};

use super::notes::Notes;
use super::tree::{Kind, Tree};

/// An entry of a module: its path, and the index of the entry.
pub(crate) type Id = (String, usize);

/// The names that are being looked up: re-exports may lead to each other.
type Trail = Vec<(String, String)>;

/// What a path means.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    Item(Id),
    /// A path in another crate.
    Outside(String),
}

/// A meaning of a path: names of modules, types, functions and macros do not exclude each other.
pub(crate) struct Found {
    pub(crate) target: Target,
    pub(crate) notes: Notes,
    /// How many re-exports were followed.
    pub(crate) hops: usize,
}

impl Tree {
    pub(crate) fn resolve(&self, from: &str, path: &[String]) -> Vec<Found> {
        self.walk(from, path, &mut Trail::new())
    }

    fn walk(&self, from: &str, path: &[String], trail: &mut Trail) -> Vec<Found> {
        let (module, rest) = start(from, path);
        let is_relative = rest.len() < path.len();
        let [names @ .., last] = rest else { return Vec::new() };
        let mut notes = Notes::new();
        let mut module = module.to_owned();
        for (at, name) in names.iter().enumerate() {
            match self.inner(&module, name, trail) {
                Some((Inner::Module(next), more)) => {
                    module = next;
                    notes.extend(more);
                }
                Some((Inner::Outside(path), more)) => {
                    notes.extend(more);
                    let path = format!("{path}::{}", rest[at + 1..].join("::"));
                    return vec![Found { target: Target::Outside(path), notes, hops: trail.len() }];
                }
                None if at == 0 && !is_relative => return outside(path, trail.len()),
                // An item of a type or a trait: the type is what is meant.
                None => return self.lookup(&module, name, trail),
            }
        }
        let mut found = self.lookup(&module, last, trail);
        if found.is_empty() && names.is_empty() && !is_relative {
            return outside(path, trail.len());
        }
        found.iter_mut().for_each(|it| it.notes.extend(notes.iter().cloned()));
        found
    }

    /// Returns the module that a name within a path means.
    fn inner(&self, module: &str, name: &str, trail: &mut Trail) -> Option<(Inner, Notes)> {
        let child = self.modules[module].iter().find_map(|entry| match &entry.kind {
            // Its entries have its conditions already.
            Kind::Module(path) if entry.name == name => {
                Some((Inner::Module(path.clone()), Notes::new()))
            }
            _ => None,
        });
        child.or_else(|| {
            self.lookup(module, name, trail).into_iter().find_map(|it| match it.target {
                Target::Item(id) => match &self.entry(&id).kind {
                    Kind::Module(path) => Some((Inner::Module(path.clone()), it.notes)),
                    _ => None,
                },
                Target::Outside(path) => Some((Inner::Outside(path), it.notes)),
            })
        })
    }

    /// Returns what a name in a module means.
    fn lookup(&self, module: &str, name: &str, trail: &mut Trail) -> Vec<Found> {
        let step = (module.to_owned(), name.to_owned());
        if trail.contains(&step) {
            return Vec::new();
        }
        trail.push(step);
        let mut found = self.named(module, name, trail);
        if found.is_empty() {
            found = self.globbed(module, name, trail);
        }
        trail.pop();
        found
    }

    /// Returns what has the name in the module itself.
    fn named(&self, module: &str, name: &str, trail: &mut Trail) -> Vec<Found> {
        let mut found = Vec::new();
        for (index, entry) in self.modules[module].iter().enumerate() {
            let mut meant = match &entry.kind {
                Kind::Use(path) if entry.name == name => self.walk(module, path, trail),
                Kind::Module(_) | Kind::Item(_) if entry.name == name => {
                    let target = Target::Item((module.to_owned(), index));
                    vec![Found { target, notes: Notes::new(), hops: trail.len() }]
                }
                _ => continue,
            };
            meant.iter_mut().for_each(|it| it.notes.extend(entry.notes.iter().cloned()));
            found.extend(meant);
        }
        found
    }

    /// Returns what the globs of a module import under a name.
    fn globbed(&self, module: &str, name: &str, trail: &mut Trail) -> Vec<Found> {
        let mut found = Vec::new();
        for entry in &self.modules[module] {
            let Kind::Glob(path) = &entry.kind else { continue };
            for it in self.walk(module, path, trail) {
                let Target::Item(id) = it.target else { continue };
                if let Kind::Module(inside) = &self.entry(&id).kind {
                    let mut meant = self.lookup(inside, name, trail);
                    meant.iter_mut().for_each(|it| it.notes.extend(entry.notes.iter().cloned()));
                    found.extend(meant);
                }
            }
        }
        found
    }

    pub(crate) fn entry(&self, (module, index): &Id) -> &super::tree::Entry {
        &self.modules[module][*index]
    }

    /// Returns the types and traits of this crate that some code in a module names.
    pub(crate) fn types_in(&self, module: &str, code: TokenStream) -> Vec<Id> {
        let mut paths = Vec::new();
        collect(code, &mut paths);
        paths.iter().flat_map(|path| self.types_of(module, path)).collect()
    }

    /// Returns the types and traits of this crate that a path means: several if each has a condition.
    pub(crate) fn types_of(&self, module: &str, path: &[String]) -> Vec<Id> {
        let found = self.resolve(module, path).into_iter();
        let items = found.filter_map(|it| match it.target {
            Target::Item(id) => Some(id),
            Target::Outside(_) => None,
        });
        items.filter(|id| self.is_type(id)).collect()
    }

    fn is_type(&self, id: &Id) -> bool {
        use syn::Item::{Enum, Struct, Trait, Type, Union};
        matches!(&self.entry(id).kind, Kind::Item(item)
            if matches!(**item, Enum(_) | Struct(_) | Trait(_) | Type(_) | Union(_)))
    }
}

enum Inner {
    Module(String),
    Outside(String),
}

/// Returns the module that a path starts in, and the rest of the path.
fn start<'a>(from: &'a str, path: &'a [String]) -> (&'a str, &'a [String]) {
    let (mut module, mut rest) = (from, path);
    while let [first, inside @ ..] = rest {
        module = match first.as_str() {
            "crate" | "$crate" => "",
            "self" => module,
            "super" => module.rsplit_once("::").map_or("", |(parent, _)| parent),
            _ => break,
        };
        rest = inside;
    }
    (module, rest)
}

fn outside(path: &[String], hops: usize) -> Vec<Found> {
    vec![Found { target: Target::Outside(path.join("::")), notes: Notes::new(), hops }]
}

/// Collects the paths in some code.
fn collect(code: TokenStream, paths: &mut Vec<Vec<String>>) {
    let mut path: Vec<String> = Vec::new();
    let mut colons = 0;
    for token in code {
        match token {
            TokenTree::Ident(name) => {
                if colons < 2 {
                    paths.push(std::mem::take(&mut path));
                }
                path.push(name.to_string());
                colons = 0;
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
            // The name of an associated type or a parameter, with its value.
            TokenTree::Punct(punct) if punct.as_char() == '=' => path.clear(),
            other => {
                paths.push(std::mem::take(&mut path));
                colons = 0;
                if let TokenTree::Group(group) = other {
                    collect(group.stream(), paths);
                }
            }
        }
    }
    paths.push(path);
    paths.retain(|path| !path.is_empty());
}

//! Which modules of a crate import which, with every path followed through re-exports to the file that
//! defines the name.

use std::collections::{BTreeMap, BTreeSet};

use crate::sources::{read, root};

/// The modules of a crate, each with its code.
pub(crate) struct Tree {
    modules: BTreeMap<String, Module>,
}

struct Module {
    code: String,
    /// The names it exports from elsewhere, with their paths.
    exports: BTreeMap<String, String>,
}

impl Tree {
    pub(crate) fn read(folder: &str) -> Self {
        let mut found = Vec::new();
        let mut open = vec![(String::new(), format!("{folder}/lib.rs"), folder.to_owned())];
        while let Some((module, file, children)) = open.pop() {
            let text = read(&root().join(&file));
            for child in text.lines().filter_map(declared) {
                let file = format!("{children}/{child}.rs");
                if root().join(&file).exists() {
                    open.push((joined(&module, child), file, format!("{children}/{child}")));
                }
            }
            found.push((module, text));
        }
        Self::of(found)
    }

    pub(crate) fn of(
        files: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Self {
        let modules = files.into_iter().map(|(module, text)| {
            let code = code(&text.into());
            (module.into(), Module { code, exports: BTreeMap::new() })
        });
        let mut tree = Self { modules: modules.collect() };
        let names: Vec<_> = tree.modules.keys().cloned().collect();
        for name in names {
            let exports = uses(&tree.modules[&name].code).into_iter().filter(|it| it.is_export);
            let exports = exports.flat_map(|it| expand(&it.tree)).filter_map(|path| {
                let path = tree.absolute(&name, &path)?;
                Some((path.rsplit("::").next()?.to_owned(), path))
            });
            let exports = exports.collect();
            tree.modules.get_mut(&name).expect("just listed").exports = exports;
        }
        tree
    }

    /// Returns, for each module, the modules that define what it imports.
    pub(crate) fn imports(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut imports = BTreeMap::new();
        for (name, module) in self.modules.iter().filter(|(name, _)| !name.is_empty()) {
            let (used, mut rest) = (uses(&module.code), module.code.clone());
            used.iter().for_each(|it| rest = rest.replace(&it.text, ""));
            let private = used.iter().filter(|it| !it.is_export).flat_map(|it| expand(&it.tree));
            let paths = private.chain(paths(&rest));
            let known = paths.filter_map(|path| self.definer(&self.absolute(name, &path)?, 0));
            let known: BTreeSet<_> = known.filter(|it| it != name && !it.is_empty()).collect();
            imports.insert(name.clone(), known);
        }
        imports
    }

    /// Returns a path from the root of the crate; `None` for a path into another crate.
    fn absolute(&self, module: &str, path: &str) -> Option<String> {
        let (mut base, mut rest) = (module.to_owned(), path);
        if let Some(inside) = rest.strip_prefix("crate::") {
            return Some(inside.to_owned());
        }
        let mut is_relative = false;
        if let Some(inside) = rest.strip_prefix("self::") {
            (rest, is_relative) = (inside, true);
        }
        while let Some(inside) = rest.strip_prefix("super::") {
            base = parent(&base).to_owned();
            (rest, is_relative) = (inside, true);
        }
        let first = rest.split("::").next().unwrap_or_default();
        let is_child = self.modules.contains_key(&joined(&base, first));
        (is_relative || is_child).then(|| joined(&base, rest))
    }

    /// Returns the module that defines the name at the end of an absolute path.
    fn definer(&self, path: &str, depth: usize) -> Option<String> {
        let mut module = path.to_owned();
        while !self.modules.contains_key(&module) {
            module = parent(&module).to_owned();
        }
        let rest = path[module.len()..].trim_start_matches("::");
        let name = rest.split("::").next().unwrap_or_default();
        match self.modules[&module].exports.get(name) {
            Some(target) if depth < 8 && target != path => self.definer(target, depth + 1),
            _ => Some(module),
        }
    }
}

struct Use {
    text: String,
    tree: String,
    is_export: bool,
}

/// Returns the `use` items of some code.
fn uses(code: &str) -> Vec<Use> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find("use ") {
        let line = rest[..at].rfind('\n').map_or(0, |end| end + 1);
        let visibility = rest[line..at].trim();
        let end = rest[at..].find(';').map_or(rest.len(), |end| at + end + 1);
        if visibility.is_empty() || visibility.starts_with("pub") {
            let tree = rest[at + 4..end].trim_end_matches(';').replace(char::is_whitespace, " ");
            let is_export = !visibility.is_empty();
            found.push(Use { text: rest[line..end].to_owned(), tree, is_export });
        }
        rest = &rest[end..];
    }
    found
}

/// Returns each path of a `use` tree; one that ends in `self` or `*` names its module.
fn expand(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let path = tree.split(" as ").next().unwrap_or_default().trim();
        let path = path.trim_end_matches("::self").trim_end_matches("::*");
        return vec![path.to_owned()];
    };
    let (prefix, inside) = (&tree[..open], tree[open + 1..].trim_end());
    let inside = inside.strip_suffix('}').unwrap_or(inside);
    let (mut depth, mut from, mut parts) = (0, 0, Vec::new());
    for (at, letter) in inside.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inside[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inside[from..]);
    let parts = parts.into_iter().map(str::trim).filter(|part| !part.is_empty());
    parts
        .flat_map(|part| match part {
            "self" => vec![prefix.trim_end_matches("::").to_owned()],
            part => expand(&format!("{prefix}{part}")),
        })
        .collect()
}

/// Returns the paths in code outside of `use` items that name a module of the crate.
fn paths(code: &str) -> Vec<String> {
    let starts = ["crate::", "super::", "self::"];
    let mut found = Vec::new();
    for start in starts {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|it| it == ':' || it == '_' || it.is_alphanumeric()) {
                continue;
            }
            let path: String = code[at..]
                .chars()
                .take_while(|&it| it == ':' || it == '_' || it.is_alphanumeric())
                .collect();
            found.push(path.trim_end_matches(':').to_owned());
        }
    }
    found
}

/// Returns code without comments, and without its unit tests.
fn code(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    let mut text_lines = text.lines().peekable();
    while let Some(line) = text_lines.next() {
        let is_test = line.trim() == "#[cfg(test)]";
        if is_test && text_lines.peek().is_some_and(|next| next.trim_end().ends_with('{')) {
            // The rest of the file is its unit tests.
            break;
        }
        if is_test {
            text_lines.next();
        } else if !line.trim_start().starts_with("//") {
            lines.push(line.split(" // ").next().unwrap_or_default());
        }
    }
    lines.join("\n")
}

/// Returns the module that a line declares, if it does.
fn declared(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub(crate) ").or(line.strip_prefix("pub ")).unwrap_or(line);
    line.strip_prefix("mod ")?.strip_suffix(';').filter(|name| *name != "tests")
}

fn joined(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") }
}

fn parent(module: &str) -> &str {
    module.rsplit_once("::").map_or("", |(parent, _)| parent)
}

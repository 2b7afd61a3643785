//! The modules of a crate by file, and the imports between them.
//!
//! An import leads to the file that defines the name: re-exports are followed, and are no imports themselves unless the
//! file that re-exports a name also uses it. Code for tests alone (`#[cfg(test)]`) does not count.

use crate::rust::{Token, code, tokens};
use crate::tree::Tree;
use std::collections::{BTreeMap, BTreeSet};
use std::slice::from_ref;

/// Words that are followed by the name of an item.
const DEFINING: [&str; 9] = ["fn", "struct", "enum", "union", "trait", "type", "const", "static", "macro"];

/// Most re-exports that are followed from one name.
const LONGEST_CHAIN: usize = 16;

/// One file uses what another defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import<'a> {
    pub from: &'a str,
    pub to: &'a str,
    /// Line in the importing file, from 1.
    pub line: usize,
    /// What is imported, or `*`.
    pub name: String,
}

/// The imports between the files of the crate whose root module is the file `root`.
pub fn imports<'a>(tree: &'a Tree, root: &'a str) -> Vec<Import<'a>> {
    let mut modules = Modules { all: Vec::new() };
    let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
    if let Some(text) = tree.text(root) {
        modules.add(tree, root, text, folder, Vec::new());
    }
    let numbers = 0..modules.all.len();
    numbers.flat_map(|importer| modules.imports_of(importer)).collect()
}

/// A path in the code.
struct Path {
    line: usize,
    /// The modules around it, from the root of the crate; those within the file among them.
    scope: Vec<String>,
    segments: Vec<String>,
}

/// One name that a `use` brings in: a tree of names is as many of these.
struct Use {
    path: Path,
    /// The name in this file; `*` stands for every name of the module `path`.
    name: String,
    public: bool,
}

/// What a file says.
#[derive(Default)]
struct Parsed {
    /// `mod name;`
    declared: Vec<String>,
    /// Names that the file itself defines.
    items: BTreeSet<String>,
    uses: Vec<Use>,
    /// Paths of two parts and more outside `use`.
    paths: Vec<Path>,
    /// Words outside `use` and `mod`.
    words: BTreeSet<String>,
}

struct Module<'a> {
    file: &'a str,
    parsed: Parsed,
    /// Submodules with a file of their own.
    children: BTreeMap<String, usize>,
}

/// Where a path leads.
enum Target {
    /// To something that this module's file defines.
    Item(usize),
    /// To a module.
    Module(usize),
}

/// All modules of a crate; the first is its root.
struct Modules<'a> {
    all: Vec<Module<'a>>,
}

impl<'a> Modules<'a> {
    /// Adds a module and those below it, whose files lie in `folder`; returns its number.
    fn add(&mut self, tree: &'a Tree, file: &'a str, text: &str, folder: &str, scope: Vec<String>) -> usize {
        let parsed = parse(text, &scope);
        let number = self.all.len();
        let declared = parsed.declared.clone();
        self.all.push(Module { file, parsed, children: BTreeMap::new() });
        for name in declared {
            let files = [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")];
            if let Some((file, text)) = files.iter().find_map(|file| tree.entry(file)) {
                let child =
                    self.add(tree, file, text, &format!("{folder}/{name}"), [&scope[..], from_ref(&name)].concat());
                self.all[number].children.insert(name, child);
            }
        }
        number
    }

    fn imports_of(&self, importer: usize) -> Vec<Import<'a>> {
        let Module { file, parsed, .. } = &self.all[importer];
        let uses = parsed.uses.iter().filter(|found| !found.public || parsed.words.contains(&found.name));
        let uses = uses.map(|found| (&found.path, found.name.as_str()));
        let paths = parsed.paths.iter().map(|path| (path, path.segments.last().map_or("", String::as_str)));
        let imports = uses.chain(paths).filter_map(|(path, name)| {
            let to = match self.resolve(importer, path, LONGEST_CHAIN)? {
                Target::Item(to) => to,
                // The name of a module alone is no use of what is in it; all of its names are.
                Target::Module(to) if name == "*" && !self.all[to].parsed.items.is_empty() => to,
                Target::Module(_) => return None,
            };
            let import = Import { from: file, to: self.all[to].file, line: path.line, name: name.to_string() };
            (to != importer).then_some(import)
        });
        imports.collect()
    }

    /// Where a path in the file of module `at` leads; `None` for one into another crate.
    fn resolve(&self, at: usize, path: &Path, chain: usize) -> Option<Target> {
        let (first, rest) = path.segments.split_first()?;
        let supers = path.segments.iter().take_while(|segment| *segment == "super").count();
        let (scope, rest) = match first.as_str() {
            "crate" => (&[][..], rest),
            "self" => (&path.scope[..], rest),
            "super" => (&path.scope[..path.scope.len().checked_sub(supers)?], &path.segments[supers..]),
            name => {
                let known = self.all[at].children.contains_key(name) || self.find_use(at, name).is_some();
                return if known { self.walk(at, &path.segments, chain) } else { None };
            }
        };
        let mut module = 0;
        for name in scope {
            match self.all[module].children.get(name) {
                Some(&child) => module = child,
                // A module within the file.
                None => return Some(Target::Item(module)),
            }
        }
        self.walk(module, rest, chain)
    }

    /// Follows names from a module on.
    fn walk(&self, module: usize, names: &[String], chain: usize) -> Option<Target> {
        let Some((name, rest)) = names.split_first() else { return Some(Target::Module(module)) };
        let Module { parsed, children, .. } = &self.all[module];
        let child = children.get(name);
        if let Some(&child) = child.filter(|_| !rest.is_empty()) {
            return self.walk(child, rest, chain);
        }
        if parsed.items.contains(name) {
            return Some(Target::Item(module));
        }
        if let Some(found) = self.find_use(module, name) {
            return self.follow(module, found, rest, chain);
        }
        if let Some(&child) = child {
            return Some(Target::Module(child));
        }
        let mut globs = parsed.uses.iter().filter(|found| found.name == "*" && found.public);
        let found = globs.find_map(|found| match self.follow(module, found, names, chain)? {
            Target::Item(to) if self.all[to].parsed.items.contains(name) => Some(to),
            _ => None,
        });
        // What no file is seen to define, a macro does.
        Some(Target::Item(found.unwrap_or(module)))
    }

    fn find_use(&self, module: usize, name: &str) -> Option<&Use> {
        self.all[module].parsed.uses.iter().find(|found| found.name == name)
    }

    fn follow(&self, module: usize, found: &Use, rest: &[String], chain: usize) -> Option<Target> {
        let Path { line, scope, segments } = &found.path;
        let path = Path { line: *line, scope: scope.clone(), segments: [segments, rest].concat() };
        self.resolve(module, &path, chain.checked_sub(1)?)
    }
}

/// Reads the file of the module `scope`.
fn parse(source: &str, scope: &[String]) -> Parsed {
    let code = code(source);
    let tokens = without_tests(tokens(&code));
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let mut parsed = Parsed::default();
    // The modules within the file, each with the braces around it.
    let mut inner: Vec<(String, usize)> = Vec::new();
    let (mut depth, mut at) = (0_usize, 0);
    while at < tokens.len() {
        let token = tokens[at];
        let scope = || scope.iter().chain(inner.iter().map(|(name, _)| name)).cloned().collect::<Vec<_>>();
        match token.text {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                inner.pop_if(|(_, outside)| *outside == depth);
            }
            "mod" if text(at + 2) == ";" => {
                parsed.declared.extend(inner.is_empty().then(|| text(at + 1).to_string()));
                at += 2;
            }
            "mod" if text(at + 2) == "{" => {
                parsed.items.insert(text(at + 1).to_string());
                inner.push((text(at + 1).to_string(), depth));
                at += 1;
            }
            "use" if text(at + 1) != "<" => {
                let public = at > 0 && ["pub", ")"].contains(&text(at - 1));
                let end = tokens[at..].iter().position(|token| token.text == ";").map_or(tokens.len(), |end| at + end);
                let mut names = Vec::new();
                use_tree(&tokens[at + 1..end], &[], &mut names);
                let used = names.into_iter().map(|(name, line, segments)| Use {
                    path: Path { line, scope: scope(), segments },
                    name,
                    public,
                });
                parsed.uses.extend(used);
                at = end;
            }
            "macro_rules" => drop(parsed.items.insert(text(at + 2).to_string())),
            // Not `'static T` and `*const T`.
            word if DEFINING.contains(&word) && depth == 0 && (at == 0 || !["'", "*"].contains(&text(at - 1))) => {
                parsed.items.insert(text(at + 1).to_string());
            }
            word if is_name(word) => {
                parsed.words.insert(word.to_string());
                let begins = at == 0 || ![".", "::"].contains(&text(at - 1));
                let visibility = at > 2 && (text(at - 3), text(at - 2), text(at - 1)) == ("pub", "(", "in");
                let mut segments = vec![word.to_string()];
                while text(at + 1) == "::" && is_name(text(at + 2)) {
                    at += 2;
                    segments.push(text(at).to_string());
                    parsed.words.insert(text(at).to_string());
                }
                if begins && !visibility && segments.len() > 1 {
                    parsed.paths.push(Path { line: token.line, scope: scope(), segments });
                }
            }
            _ => {}
        }
        at += 1;
    }
    parsed
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The names of a tree of `use`, each with its line and its path.
fn use_tree(tokens: &[Token], prefix: &[String], names: &mut Vec<(String, usize, Vec<String>)>) {
    let mut path = prefix.to_vec();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token.text {
            "::" => {}
            "{" => {
                // Up to the brace that closes the tree, the last token; commas within deeper braces are of other trees.
                let (mut depth, mut from) = (0, at + 1);
                for (end, token) in tokens.iter().enumerate().skip(at) {
                    match token.text {
                        "{" => depth += 1,
                        "}" => depth -= 1,
                        _ => {}
                    }
                    if depth == 0 || depth == 1 && token.text == "," {
                        use_tree(&tokens[from..end], &path, names);
                        from = end + 1;
                    }
                }
                return;
            }
            "as" => {
                let name = tokens.get(at + 1).map_or("_", |token| token.text);
                return names.push((name.to_string(), token.line, path));
            }
            "*" => return names.push(("*".to_string(), token.line, path)),
            "self" if !path.is_empty() => {}
            name => path.push(name.to_string()),
        }
        at += 1;
    }
    if let (Some(name), Some(token)) = (path.last().cloned(), tokens.last()) {
        names.push((name, token.line, path));
    }
}

/// The tokens but for the items under `#[cfg(test)]`.
fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut rest = &tokens[..];
    while let Some(&token) = rest.first() {
        if is_test(rest) {
            rest = &rest[item_length(rest)..];
        } else {
            kept.push(token);
            rest = &rest[1..];
        }
    }
    kept
}

fn is_test(tokens: &[Token]) -> bool {
    let begins = |words: &[&str]| tokens.len() >= words.len() && tokens.iter().zip(words).all(|(a, b)| a.text == *b);
    begins(&["#", "[", "cfg", "(", "test", ")", "]"]) || begins(&["#", "[", "cfg", "(", "all", "(", "test", ","])
}

/// Tokens of the item that begins with an attribute: up to its semicolon, or to the brace that closes it.
fn item_length(tokens: &[Token]) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return at;
        }
        if depth == 0 && [";", "}"].contains(&token.text) {
            return at + 1;
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `from to name` of every import of a crate.
    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let tree = Tree::of(files.iter().copied());
        let short = |file: &str| file.trim_start_matches("a/src/").trim_end_matches(".rs").to_string();
        let all = imports(&tree, "a/src/lib.rs");
        all.iter().map(|import| format!("{} {} {}", short(import.from), short(import.to), import.name)).collect()
    }

    #[test]
    fn every_spelling_of_an_import_is_found() {
        for (code, expected) in [
            ("use crate::b::X;", "a b X"),
            ("use crate::{b::{self, X as Y}, c};", "a b Y"),
            ("use super::b::X;", "a b X"),
            ("use super::b; fn f() { b::g::<u8>() }", "a b g"),
            ("use crate::b as other; fn f() -> other::X { other::X }", "a b X"),
            ("fn f(x: &crate::b::X) {}", "a b X"),
            ("use crate::b::*;", "a b *"),
            ("use crate::X;", "a b X"),
            ("fn f() { use crate::b::X; }", "a b X"),
            ("mod m { use super::super::b::X; }", "a b X"),
        ] {
            let root = "mod a;\nmod b;\nmod c;\npub use b::X;";
            let files = [
                ("a/src/lib.rs", root),
                ("a/src/a.rs", code),
                ("a/src/b.rs", "struct X; fn g() {}"),
                ("a/src/c.rs", ""),
            ];
            assert_eq!(found(&files).first().map(String::as_str), Some(expected), "{code}");
        }
    }

    #[test]
    fn what_is_no_import_is_not_found() {
        for code in [
            "use std::fmt; use b_other::X; fn f() { fmt::g(); x.b::<X>() }",
            "// use crate::b::X;\nconst T: &str = \"crate::b::X\";",
            "#[cfg(test)]\nmod tests {\n use crate::b::X;\n}\n#[cfg(test)]\nuse crate::b::{X};",
            "pub use crate::b::X;",
            "pub(in crate::b) fn f() {}",
            "use crate::b;",
            "struct X; fn f() { self::X::g(); X::g(); Self::b::g() }",
        ] {
            let files = [("a/src/lib.rs", "mod a; mod b;"), ("a/src/a.rs", code), ("a/src/b.rs", "pub struct X;")];
            assert!(found(&files).is_empty(), "{code}: {:?}", found(&files));
        }
    }

    #[test]
    fn a_parent_that_only_re_exports_is_passed_through() {
        let parent = "mod b; mod c; pub use b::X; pub(crate) use c::*;";
        let files = [
            ("a/src/lib.rs", "mod m;"),
            ("a/src/m/mod.rs", parent),
            ("a/src/m/b.rs", "pub struct X;"),
            ("a/src/m/c.rs", "use super::X; pub fn y() { super::Z; }"),
        ];
        assert_eq!(found(&files)[0], "m/c m/b X");
        assert_eq!(found(&[files[0], ("a/src/m.rs", parent), files[2], files[3]])[0], "m/c m/b X");
    }

    #[test]
    fn a_parent_with_items_of_its_own_imports_and_is_imported() {
        let root = "mod b; pub use b::X; pub struct Y(X);";
        let files = [("a/src/lib.rs", root), ("a/src/b.rs", "pub struct X; fn f() -> crate::Y {}")];
        assert_eq!(found(&files), ["lib b X", "b lib Y"]);
    }
}

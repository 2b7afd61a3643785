//! The dependencies in a crate's manifest.

use crate::tree::Tree;
use toml::{Table, Value};

/// The tables of dependencies, of the package or of a target.
const SECTIONS: [&str; 3] = ["dependencies", "build-dependencies", "dev-dependencies"];

/// A dependency of a crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    pub name: String,
    /// The table: `dependencies`, `build-dependencies` or `dev-dependencies`.
    pub section: &'static str,
    /// Line in the manifest, from 1.
    pub line: usize,
}

/// One crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest<'a> {
    /// Path of the manifest.
    pub path: &'a str,
    /// Name of the crate.
    pub name: String,
    /// Everything it depends on.
    pub dependencies: Vec<Dependency>,
}

/// Every crate of the tree. A manifest that is not TOML is cargo's to report, and is left out.
pub fn manifests(tree: &Tree) -> Vec<Manifest<'_>> {
    let files = tree.files().filter(|(path, _)| path.ends_with("Cargo.toml"));
    files.filter_map(|(path, text)| parse(path, text)).collect()
}

fn parse<'a>(path: &'a str, text: &str) -> Option<Manifest<'a>> {
    let table = text.parse::<Table>().ok()?;
    let name = table.get("package")?.get("name")?.as_str()?.to_string();
    let targets = table.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let mut dependencies = Vec::new();
    for scope in std::iter::once(&table).chain(targets.filter_map(Value::as_table)) {
        for section in SECTIONS {
            for name in scope.get(section).and_then(Value::as_table).into_iter().flat_map(Table::keys) {
                dependencies.push(Dependency { name: name.clone(), section, line: line_of(text, name) });
            }
        }
    }
    Some(Manifest { path, name, dependencies })
}

/// The first line that sets `name`, or the header of its own table.
fn line_of(text: &str, name: &str) -> usize {
    let sets = |line: &str| {
        let line = line.trim_start();
        let rest = line.strip_prefix(name).map(str::trim_start);
        rest.is_some_and(|rest| rest.starts_with(['=', '.'])) || line.ends_with(&format!("dependencies.{name}]"))
    };
    text.lines().position(sets).map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_dependency_is_found_with_its_line() {
        let text = "[package]\nname = \"a\"\n[dependencies]\nb-c.workspace = true\n\
                    [target.'cfg(unix)'.dependencies]\nd = \"1\"\n[dev-dependencies.e]\nversion = \"1\"\n";
        let tree = Tree::of([("crates/a/Cargo.toml", text), ("Cargo.toml", "[workspace.dependencies]\nb-c = \"1\"")]);
        let [manifest] = &manifests(&tree)[..] else { panic!("one crate") };
        assert_eq!(manifest.name, "a");
        let found = manifest.dependencies.iter().map(|found| (found.name.as_str(), found.section, found.line));
        let expected = [("b-c", "dependencies", 4), ("e", "dev-dependencies", 7), ("d", "dependencies", 6)];
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }
}

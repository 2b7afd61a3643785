//! What a crate's manifest says of its dependencies.

use crate::tree::Tree;
use toml::{Table, Value};

/// The tables of dependencies, of the package or of a target.
const SECTIONS: [&str; 3] = ["dependencies", "build-dependencies", "dev-dependencies"];

/// A dependency of a crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The name in the manifest, which is the one in the code but for `-` and `_`.
    pub name: String,
    /// The table: `dependencies`, `build-dependencies` or `dev-dependencies`.
    pub section: &'static str,
    /// Whether version and source are those of the workspace.
    pub workspace: bool,
    /// Line in the manifest, from 1.
    pub line: usize,
}

impl Dependency {
    /// The name in the code.
    pub fn ident(&self) -> String {
        self.name.replace('-', "_")
    }
}

/// One crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest<'a> {
    /// Path of the manifest.
    pub path: &'a str,
    /// Its folder, with a `/` at the end.
    pub folder: &'a str,
    /// Name of the crate.
    pub name: String,
    /// Everything it depends on.
    pub dependencies: Vec<Dependency>,
}

/// Every crate of the tree. A manifest that is no TOML is cargo's to complain of, and is left out.
pub fn manifests(tree: &Tree) -> Vec<Manifest<'_>> {
    let crates = tree.files().filter_map(|(path, text)| Some((path, path.strip_suffix("Cargo.toml")?, text)));
    crates.filter_map(|(path, folder, text)| parse(path, folder, text)).collect()
}

/// The dependencies that the workspace offers to its members.
pub fn offered(tree: &Tree) -> Vec<(String, usize)> {
    let text = tree.text("Cargo.toml").unwrap_or_default();
    let table = text.parse::<Table>().unwrap_or_default();
    let offered = table.get("workspace").and_then(|workspace| workspace.get("dependencies")).and_then(Value::as_table);
    let names = offered.into_iter().flat_map(Table::keys);
    names.map(|name| (name.clone(), line_of(text, name))).collect()
}

fn parse<'a>(path: &'a str, folder: &'a str, text: &str) -> Option<Manifest<'a>> {
    let table = text.parse::<Table>().ok()?;
    let name = table.get("package")?.get("name")?.as_str()?.to_string();
    let targets = table.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let mut dependencies = Vec::new();
    for scope in std::iter::once(&table).chain(targets.filter_map(Value::as_table)) {
        for section in SECTIONS {
            for (name, value) in scope.get(section).and_then(Value::as_table).into_iter().flatten() {
                dependencies.push(Dependency {
                    name: name.clone(),
                    section,
                    workspace: value.get("workspace").and_then(Value::as_bool) == Some(true),
                    line: line_of(text, name),
                });
            }
        }
    }
    Some(Manifest { path, folder, name, dependencies })
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
        assert_eq!((manifest.name.as_str(), manifest.folder), ("a", "crates/a/"));
        let found: Vec<_> = (manifest.dependencies.iter())
            .map(|found| (found.ident(), found.section, found.workspace, found.line))
            .collect();
        assert_eq!(
            found,
            [
                ("b_c".to_string(), "dependencies", true, 4),
                ("e".to_string(), "dev-dependencies", false, 7),
                ("d".to_string(), "dependencies", false, 6),
            ]
        );
        assert_eq!(offered(&tree), [("b-c".to_string(), 2)]);
    }
}

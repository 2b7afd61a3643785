//! No dependency that nothing uses.

use super::Violation;
use super::manifest::{Dependency, Manifest, manifests, offered};
use crate::rust::{code, has_word};
use crate::tree::Tree;

/// Every dependency of a crate is named in its sources, and every one that the workspace offers is taken by a member.
pub fn check(tree: &Tree) -> Vec<Violation> {
    let manifests = manifests(tree);
    let mut violations = Vec::new();
    for manifest in &manifests {
        for dependency in manifest.dependencies.iter().filter(|found| !is_used(tree, manifest, found)) {
            let what = format!("nothing in {} uses {}: remove it", manifest.folder, dependency.name);
            violations.push(Violation::new(manifest.path, dependency.line, what));
        }
    }
    for (name, line) in offered(tree) {
        let taken = |dependency: &Dependency| dependency.workspace && dependency.name == name;
        if !manifests.iter().flat_map(|manifest| &manifest.dependencies).any(taken) {
            violations.push(Violation::new("Cargo.toml", line, format!("no member uses {name}: remove it")));
        }
    }
    violations
}

fn is_used(tree: &Tree, manifest: &Manifest, dependency: &Dependency) -> bool {
    let ident = dependency.ident();
    let mut sources = tree.rust().filter_map(|(path, text)| Some((path.strip_prefix(manifest.folder)?, text)));
    sources.any(|(path, text)| match dependency.section {
        // The programs of a fuzzed crate lie in a folder of their own.
        "dependencies" => {
            ["src/", "fuzz_targets/"].iter().any(|folder| path.starts_with(folder)) && has_word(&code(text), &ident)
        }
        "build-dependencies" => path == "build.rs" && has_word(&code(text), &ident),
        // Examples in the documentation are tests as well, and stand in comments.
        _ => has_word(text, &ident),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::found;

    const CRATE: (&str, &str) = (
        "a/Cargo.toml",
        "[package]\nname = \"a\"\n[dependencies]\nb-c.workspace = true\n[dev-dependencies]\nd.workspace = true\n",
    );

    #[test]
    fn unused_dependencies_are_found() {
        let unused = [CRATE, ("a/src/lib.rs", "// b_c\nuse b_cd::X;"), ("other/src/lib.rs", "use d::E;")];
        assert_eq!(found(check, &unused), ["a/Cargo.toml:4", "a/Cargo.toml:6"]);
        let used = [CRATE, ("a/src/lib.rs", "use b_c::X;"), ("a/tests/t.rs", "use d::E;")];
        assert!(found(check, &used).is_empty());
        let fuzzed = [CRATE, ("a/fuzz_targets/x.rs", "use b_c::X;"), ("a/tests/t.rs", "use d::E;")];
        assert!(found(check, &fuzzed).is_empty());
    }

    #[test]
    fn tests_do_not_use_what_the_sources_depend_on() {
        let only_tested = [CRATE, ("a/src/lib.rs", ""), ("a/tests/t.rs", "use b_c::X; use d::E;")];
        assert_eq!(found(check, &only_tested), ["a/Cargo.toml:4"]);
    }

    #[test]
    fn what_the_workspace_offers_is_taken() {
        let root = ("Cargo.toml", "[workspace.dependencies]\nb-c = \"1\"\nd = \"1\"\ne = \"1\"\n");
        let sources = ("a/src/lib.rs", "use b_c::X; #[cfg(test)] use d::E;");
        assert_eq!(found(check, &[root, CRATE, sources]), ["Cargo.toml:4"]);
    }
}

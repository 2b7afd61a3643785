//! Which crate may depend on which: the table of docs/architecture.md.

use super::manifest::manifests;
use super::violation::Violation;
use crate::tree::Tree;

/// What a crate may depend on: crates of this workspace, and libraries (`None`: any).
type Row = (&'static str, &'static [&'static str], Option<&'static [&'static str]>);

const ALLOWED: [Row; 16] = [
    ("cvx-linalg", &[], Some(&["cudarc", "faer", "half", "rand", "rand_pcg", "rayon", "thiserror"])),
    ("cvx-model", &["cvx-linalg"], Some(&["chrono", "rand", "rand_distr", "rand_pcg", "serde", "thiserror"])),
    ("cvx-solvers", &["cvx-linalg"], Some(&["rand", "rand_pcg"])),
    (
        "cvx-artifact",
        &["cvx-linalg", "cvx-model"],
        Some(&["bincode", "crc32fast", "rand", "rand_pcg", "serde", "tempfile", "thiserror"]),
    ),
    (
        "cvx-admm",
        &["cvx-linalg", "cvx-model", "cvx-solvers", "cvx-artifact"],
        Some(&["crc32fast", "serde", "thiserror"]),
    ),
    (
        "cvx-data",
        &["cvx-model"],
        Some(&["csv", "flate2", "image", "rand", "rand_distr", "rand_pcg", "rayon", "tempfile", "thiserror", "zip"]),
    ),
    (
        "cvx-export",
        &["cvx-artifact", "cvx-model", "cvx-linalg"],
        Some(&["prost", "safetensors", "serde", "serde_json", "thiserror", "zip"]),
    ),
    ("cvx-prove", &["cvx-artifact", "cvx-model", "cvx-linalg"], Some(&["rayon", "serde", "thiserror"])),
    ("cvx-fetch", &[], Some(&["etcetera", "flate2", "md5", "tar", "tempfile", "thiserror", "ureq"])),
    ("cvx-mpi", &["cvx-linalg"], Some(&["ferrompi"])),
    ("cvx-figures", &[], Some(&["anyhow", "base64", "kuva", "png"])),
    // Of cvx-model and cvx-linalg the front ends use the data types alone: samples, tasks, host matrices.
    (
        "cvx-cli",
        &[
            "cvx-admm",
            "cvx-artifact",
            "cvx-data",
            "cvx-export",
            "cvx-fetch",
            "cvx-figures",
            "cvx-mpi",
            "cvx-model",
            "cvx-linalg",
            "cvx-prove",
        ],
        None,
    ),
    (
        "cvx-python",
        &["cvx-admm", "cvx-artifact", "cvx-model", "cvx-linalg", "cvx-prove"],
        Some(&["numpy", "pyo3", "pyo3-build-config", "pythonize", "serde"]),
    ),
    (
        "cvx-bench",
        &["cvx-admm", "cvx-artifact", "cvx-data", "cvx-figures", "cvx-model", "cvx-linalg", "cvx-solvers"],
        None,
    ),
    ("cvx-fuzz", &["cvx-admm", "cvx-artifact", "cvx-data", "cvx-export", "cvx-model", "cvx-prove"], None),
    ("xtask", &[], None),
];

/// Libraries that only one crate may depend on.
const RESERVED: [(&str, &str); 3] = [("faer", "cvx-linalg"), ("cudarc", "cvx-linalg"), ("bincode", "cvx-artifact")];

/// Every crate depends on what its row allows; its tests may depend on anything.
pub fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for manifest in manifests(tree) {
        let Some((name, allowed, libraries)) = ALLOWED.iter().find(|row| row.0 == manifest.name) else {
            let what =
                format!("the crate {} has no row in the import table of xtask/src/tidy/imports.rs", manifest.name);
            violations.push(Violation::new(manifest.path, 1, what));
            continue;
        };
        for dependency in manifest.dependencies.iter().filter(|found| found.section != "dev-dependencies") {
            let other = dependency.name.as_str();
            let is_ours = ALLOWED.iter().any(|row| row.0 == other);
            let reserved = RESERVED.iter().find(|(library, user)| *library == other && user != name);
            if is_ours && !allowed.contains(&other) {
                let what =
                    format!("{name} may not depend on {other}: of this workspace it may import {}", in_words(allowed));
                violations.push(Violation::new(manifest.path, dependency.line, what));
            } else if let Some((_, user)) = reserved {
                let what = format!("{name} may not depend on {other}: only {user} may");
                violations.push(Violation::new(manifest.path, dependency.line, what));
            } else if let Some(libraries) = libraries.filter(|libraries| !is_ours && !libraries.contains(&other)) {
                let what = format!("{name} may not depend on {other}: its libraries are {}", libraries.join(", "));
                violations.push(Violation::new(manifest.path, dependency.line, what));
            }
        }
    }
    violations
}

fn in_words(allowed: &[&str]) -> String {
    if allowed.is_empty() { "nothing".to_string() } else { allowed.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::violation::found;

    const PATH: &str = "crates/a/Cargo.toml";

    fn manifest(name: &str, rest: &str) -> Vec<String> {
        found(check, &[(PATH, &format!("[package]\nname = \"{name}\"\n{rest}"))])
    }

    #[test]
    fn a_sibling_is_refused_and_tests_are_free() {
        let bad = "[dependencies]\ncvx-linalg.workspace = true\ncvx-model.workspace = true\n";
        assert_eq!(manifest("cvx-solvers", bad), ["crates/a/Cargo.toml:5"]);
        assert!(manifest("cvx-solvers", "[dev-dependencies]\ncvx-model.workspace = true\n").is_empty());
        assert!(manifest("cvx-admm", bad).is_empty());
    }

    #[test]
    fn an_optional_dependency_and_one_of_a_target_count_too() {
        let target = "[target.'cfg(unix)'.dependencies]\ncvx-solvers = { path = \"x\", optional = true }\n";
        assert_eq!(manifest("cvx-data", target).len(), 1);
        assert_eq!(manifest("cvx-data", "[build-dependencies]\nxtask.workspace = true\n").len(), 1);
    }

    #[test]
    fn some_libraries_are_for_one_crate() {
        let wanted = "[dependencies]\nfaer.workspace = true\ncudarc.workspace = true\n";
        assert_eq!(manifest("cvx-model", wanted).len(), 2);
        assert_eq!(manifest("cvx-cli", wanted).len(), 2);
        assert!(manifest("cvx-linalg", wanted).is_empty());
    }

    #[test]
    fn a_library_must_be_in_the_row() {
        assert_eq!(manifest("cvx-linalg", "[dependencies]\nserde.workspace = true\n").len(), 1);
        assert!(manifest("cvx-admm", "[dependencies]\nserde.workspace = true\n").is_empty());
        assert!(manifest("cvx-cli", "[dependencies]\nanything.workspace = true\n").is_empty());
    }

    #[test]
    fn a_new_crate_needs_a_row() {
        assert_eq!(manifest("cvx-new", ""), ["crates/a/Cargo.toml:1"]);
    }
}

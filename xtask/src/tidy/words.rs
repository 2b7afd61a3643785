//! Words that may not be in a file.
//!
//! They are put together from parts here, so that this file does not have them.

use super::violation::{Violation, scan};
use crate::tree::{Tree, is_text};

/// Numerical libraries, each with the folder that may name it.
const LIBRARIES: [(&str, &str); 2] =
    [("faer", "crates/cvx-linalg/src/cpu/"), ("cudarc", "crates/cvx-linalg/src/cuda/")];

/// The compiler of the kernels: an example, no part of a program.
const COMPILER: &str = "crates/cvx-linalg/examples/nvrtc.rs";

/// Roots of paths that exist on one machine only.
const ROOTS: [&str; 9] = ["home", "root", "tmp", "work", "workspace", "mnt", "media", "Users", "scratch"];

/// Marks of unfinished work and of disabled tests.
const UNFINISHED: [&str; 6] = [
    concat!("to", "do!("),
    concat!("unimpl", "emented!("),
    concat!("db", "g!("),
    concat!("#[ign", "ore"),
    concat!("FIX", "ME"),
    concat!("X", "XX"),
];

/// faer and cudarc are named in their back ends only, comments aside.
pub fn check_libraries(tree: &Tree) -> Vec<Violation> {
    scan(
        tree,
        |_| true,
        |path, tokens| {
            let strangers = tokens.iter().filter_map(|token| {
                let (library, folder) = LIBRARIES.iter().find(|(library, _)| *library == token.text)?;
                let what = format!("{library} is named outside {folder}: use the trait Backend");
                let compiler = *library == "cudarc" && path == COMPILER;
                (!path.starts_with(folder) && !compiler).then(|| Violation::new(path, token.line, what))
            });
            strangers.collect()
        },
    )
}

/// No path of the machine that something was written on.
pub fn check_machine_paths(tree: &Tree) -> Vec<Violation> {
    lines(tree, is_text)
        .filter(|(_, _, text)| ROOTS.iter().any(|root| names_root(text, root)))
        .map(|(path, line, _)| Violation::new(path, line, "a path of one machine: make it relative to the workspace"))
        .collect()
}

/// No unfinished work in a source.
pub fn check_unfinished(tree: &Tree) -> Vec<Violation> {
    let sources = lines(tree, |path| [".rs", ".cu", ".py", ".sh", ".ci/run"].iter().any(|end| path.ends_with(end)));
    sources
        .filter_map(|(path, line, text)| {
            let word = UNFINISHED.iter().find(|word| text.contains(*word))?;
            Some(Violation::new(path, line, format!("{word} is left in the source: finish it or remove it")))
        })
        .collect()
}

/// Path, line and text of every line of the files that are `wanted`.
fn lines(tree: &Tree, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = (&str, usize, &str)> {
    let files = tree.files().filter(move |(path, _)| wanted(path));
    files.flat_map(|(path, text)| text.lines().enumerate().map(move |(index, line)| (path, index + 1, line)))
}

/// Whether `text` has a path that begins with the folder `root` of the file system.
fn names_root(text: &str, root: &str) -> bool {
    let begins = |at: usize| {
        let before = text[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    };
    text.match_indices(&format!("/{root}/")).any(|(at, _)| begins(at)) || text.contains(&format!(":\\{root}\\"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::violation::found;

    #[test]
    fn libraries_are_named_in_their_back_ends_only() {
        let code = "// faer\nuse faer::Mat;\nuse cudarc::driver;\nlet text = \"faer\";";
        assert_eq!(
            found(check_libraries, &[("crates/cvx-linalg/src/cpu/blas.rs", code)]),
            ["crates/cvx-linalg/src/cpu/blas.rs:3"]
        );
        assert_eq!(
            found(check_libraries, &[("crates/cvx-linalg/src/cuda/blas.rs", code)]),
            ["crates/cvx-linalg/src/cuda/blas.rs:2"]
        );
        assert_eq!(found(check_libraries, &[("crates/cvx-model/src/a.rs", code)]).len(), 2);
    }

    #[test]
    fn machine_paths_are_found_in_every_kind_of_text() {
        for path in ["a.rs", "docs/a.md", ".ci/run", "a/Cargo.toml"] {
            for root in ["home", "tmp", "work", "Users"] {
                let text = format!("fine\nsee \"/{root}/somebody/x\"");
                assert_eq!(found(check_machine_paths, &[(path, &text)]), [format!("{path}:2")]);
            }
        }
        assert_eq!(found(check_machine_paths, &[("a.rs", concat!("C:", "\\Users", "\\x"))]).len(), 1);
    }

    #[test]
    fn relative_paths_and_addresses_are_fine() {
        let text = "src/tmp/x a/work/x https://example.org/home/x /proc/self /usr/bin/env /tmp";
        assert!(found(check_machine_paths, &[("a.rs", text)]).is_empty());
        assert!(found(check_machine_paths, &[("a.png", concat!("/", "tmp/x"))]).is_empty());
    }

    #[test]
    fn unfinished_work_is_found() {
        for word in UNFINISHED {
            assert_eq!(found(check_unfinished, &[("a.rs", &format!("\n    {word}"))]), ["a.rs:2"]);
        }
        assert!(found(check_unfinished, &[("a.rs", "let todo = 1; debug!()"), ("a.md", UNFINISHED[4])]).is_empty());
    }
}

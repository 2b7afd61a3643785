//! Crates below the program `cvx` do not speak of its options: errors carry data, and front ends phrase them.

use super::violation::Violation;
use crate::rust::{Kind, parts};
use crate::tree::Tree;

/// Crates that are used without the program.
const CRATES: [&str; 9] = [
    "cvx-linalg",
    "cvx-model",
    "cvx-solvers",
    "cvx-artifact",
    "cvx-admm",
    "cvx-data",
    "cvx-fetch",
    "cvx-export",
    "cvx-prove",
];

/// No option of a command line in a literal or a documentation comment of their sources.
pub fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (path, text) in tree.rust().filter(|(path, _)| is_checked(path)) {
        for part in parts(text).iter().filter(|part| part.kind == Kind::Literal || is_documentation(part.text)) {
            for (offset, line) in part.text.lines().enumerate() {
                if let Some(option) = option(line) {
                    let what = format!("{option} is a word of the command line: name the setting");
                    violations.push(Violation::new(path, part.line + offset, what));
                }
            }
        }
    }
    violations
}

fn is_checked(path: &str) -> bool {
    CRATES.iter().any(|name| path.starts_with(&format!("crates/{name}/src/")))
}

fn is_documentation(text: &str) -> bool {
    ["///", "//!", "/**", "/*!"].iter().any(|start| text.starts_with(start))
}

/// The first option of a line, as in `--gap`.
fn option(line: &str) -> Option<&str> {
    let starts = line.match_indices("--").map(|(at, _)| (&line[..at], &line[at..]));
    let mut options = starts
        .filter(|(before, rest)| !before.ends_with('-') && rest[2..].starts_with(|c: char| c.is_ascii_lowercase()));
    let (_, rest) = options.next()?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(rest.len());
    Some(&rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::violation::found;

    const FILE: &str = "crates/cvx-admm/src/a/b.rs";

    #[test]
    fn options_in_literals_and_documentation_are_found() {
        let code =
            "//! See --gap.\nlet a = \"raise\n --max-iterations\";\n/// `--device cpu`\nfn f() {}\nlet b = r\"--x\";";
        let lines = [1, 3, 4, 6].map(|line| format!("{FILE}:{line}"));
        assert_eq!(found(check, &[(FILE, code)]), lines);
        assert!(check(&Tree::of([(FILE, code)]))[1].what.starts_with("--max-iterations is"));
    }

    #[test]
    fn code_plain_comments_and_dashes_are_fine() {
        let code = "// --gap\nlet a = b--c;\nlet d = \"a -- b, ---x, --0, -a\";\n/// | --- |";
        assert!(found(check, &[(FILE, code)]).is_empty());
        for path in ["crates/cvx-cli/src/a.rs", "crates/cvx-admm/tests/a.rs", "crates/cvx-figures/src/a.rs"] {
            assert!(found(check, &[(path, "let a = \"--gap\";")]).is_empty());
        }
    }
}

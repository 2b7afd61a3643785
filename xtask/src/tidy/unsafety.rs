//! `unsafe` is rare, in one folder, and says why it is sound.

use super::{Violation, is_shipped, scan};
use crate::rows::PAGE;
use crate::rust::{code, tokens};
use crate::tree::Tree;
use std::collections::BTreeMap;

/// The folders that may need it: kernels, and calls into the libraries of a GPU.
const ALLOWED: [&str; 3] =
    ["crates/cvx-linalg/src/cpu/", "crates/cvx-linalg/src/cuda/", "crates/cvx-linalg/examples/nvrtc.rs"];

/// `unsafe` blocks and impls of what is shipped lie in few folders; everywhere a comment says why each is sound.
pub fn check(tree: &Tree) -> Vec<Violation> {
    scan(
        tree,
        |_| true,
        |path, tokens| {
            let source: Vec<&str> = tree.text(path).unwrap_or_default().lines().collect();
            let lines = tokens.windows(2).filter(|two| is_use(two[0].text, two[1].text)).map(|two| two[0].line);
            lines
                .flat_map(|line| {
                    let stray = is_shipped(path) && !ALLOWED.iter().any(|allowed| path.starts_with(allowed));
                    let silent = !is_explained(&source, line);
                    [
                        (stray, format!("unsafe outside {}", ALLOWED.join(", "))),
                        (silent, "unsafe without a SAFETY comment".to_string()),
                    ]
                    .into_iter()
                    .filter_map(move |(broken, what)| broken.then(|| Violation::new(path, line, what)))
                })
                .collect()
        },
    )
}

/// The audit's table on the page says of every file with `unsafe` how often it is used, and of no other.
pub fn check_audit(tree: &Tree) -> Vec<Violation> {
    let mut uses = by_file(tree);
    let page = tree.text(PAGE).unwrap_or_default();
    let mut violations = Vec::new();
    for (index, line) in page.lines().enumerate() {
        let Some((file, count)) = audited(line) else { continue };
        let found = uses.remove(file).unwrap_or(0);
        if found != count || count == 0 {
            let what = format!("{file} uses unsafe {found} times, not {count}: look at it and say so here");
            violations.push(Violation::new(PAGE, index + 1, what));
        }
    }
    let missing = uses.into_iter().map(|(file, count)| {
        Violation::new(&file, 1, format!("{count} uses of unsafe that the audit in {PAGE} does not speak of"))
    });
    violations.extend(missing);
    violations
}

/// File and count of a line of the audit's table: ``| `path.rs` | 2 | why |``.
fn audited(line: &str) -> Option<(&str, usize)> {
    let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
    let file = cells.next()?.strip_suffix('`').filter(|file| file.ends_with(".rs"))?;
    Some((file, cells.next()?.parse().ok()?))
}

/// Number of `unsafe` blocks and impls, those of the tests included.
pub fn count(tree: &Tree) -> usize {
    by_file(tree).values().sum()
}

/// That number for every file that has any.
fn by_file(tree: &Tree) -> BTreeMap<String, usize> {
    let uses = |text: &str| tokens(&code(text)).windows(2).filter(|two| is_use(two[0].text, two[1].text)).count();
    let files = tree.rust().map(|(path, text)| (path.to_string(), uses(text)));
    files.filter(|(_, count)| *count > 0).collect()
}

/// A block or an impl; a function only passes the duty on to its caller.
fn is_use(word: &str, next: &str) -> bool {
    word == "unsafe" && ["{", "impl", "extern"].contains(&next)
}

/// Whether a comment with the word stands on the line, or above the statement that the line belongs to.
fn is_explained(source: &[&str], line: usize) -> bool {
    let explains = |text: &str| text.contains("// SAFETY:");
    let above = source[..line - 1].iter().rev().map(|text| text.trim()).take_while(|text| {
        text.starts_with("//") || text.starts_with('#') || !(text.is_empty() || text.ends_with([';', '{', '}', ',']))
    });
    explains(source[line - 1]) || above.into_iter().any(explains)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::found;

    const HOME: &str = "crates/cvx-linalg/src/cpu/masks.rs";

    #[test]
    fn unsafe_without_a_reason_is_found() {
        assert_eq!(found(check, &[(HOME, "fn f() {\n    unsafe { g() }\n}")]), [format!("{HOME}:2")]);
        assert_eq!(found(check, &[(HOME, "// SAFETY: of the other.\nlet a = b;\nunsafe impl Send for A {}")]).len(), 1);
        for explained in [
            "// SAFETY: checked\n// above.\nreturn unsafe { g() };",
            "// SAFETY: checked.\n#[allow(x)]\nlet a =\n    unsafe { g() };",
            "unsafe { g() } // SAFETY: checked.",
            "// unsafe { }\nunsafe fn f() {}",
        ] {
            assert!(found(check, &[(HOME, explained)]).is_empty(), "{explained}");
        }
    }

    #[test]
    fn unsafe_elsewhere_is_found_but_tests_may() {
        let code = "// SAFETY: checked.\nunsafe { g() }";
        assert_eq!(found(check, &[("crates/cvx-model/src/a.rs", code)]), ["crates/cvx-model/src/a.rs:2"]);
        assert!(found(check, &[("crates/cvx-data/tests/a.rs", code)]).is_empty());
        assert_eq!(count(&Tree::of([(HOME, code), ("crates/a/tests/b.rs", code)])), 2);
    }
    #[test]
    fn an_audit_that_is_out_of_date_is_found() {
        let code = "// SAFETY: checked.\nunsafe { g() }\n// SAFETY: too.\nunsafe impl Send for A {}";
        let with = |page: &str| found(check_audit, &[(PAGE, page), (HOME, code)]);
        assert!(with(&format!("| file | uses |\n| `{HOME}` | 2 | why |")).is_empty());
        assert_eq!(with(&format!("| `{HOME}` | 3 | why |")), [format!("{PAGE}:1")]);
        assert_eq!(with("nothing"), [format!("{HOME}:1")]);
        assert_eq!(with(&format!("| `{HOME}` | 2 | why |\n| `crates/a.rs` | 1 | gone |")), [format!("{PAGE}:2")]);
    }
}

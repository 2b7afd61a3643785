//! `unsafe` is rare, in one folder, and says why it is sound.

use super::{Violation, is_shipped, scan};
use crate::tree::Tree;

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

/// Number of `unsafe` blocks and impls, those of the tests included.
pub fn count(tree: &Tree) -> usize {
    let mut count = 0;
    scan(
        tree,
        |_| true,
        |_, tokens| {
            count += tokens.windows(2).filter(|two| is_use(two[0].text, two[1].text)).count();
            Vec::new()
        },
    );
    count
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
}

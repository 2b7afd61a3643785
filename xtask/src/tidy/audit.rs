//! Every use of `unsafe` is in the audit of docs/reliability.md.
//!
//! Where `unsafe` is allowed and that each use has its reason are for the lints `unsafe_code` and
//! `undocumented_unsafe_blocks`.

use super::violation::Violation;
use crate::rows::PAGE;
use crate::rust::{code, tokens};
use crate::tree::Tree;
use std::collections::BTreeMap;

/// The audit's table has every file with `unsafe`, with the number of its uses, and no other file.
pub fn check(tree: &Tree) -> Vec<Violation> {
    let mut uses = by_file(tree);
    let page = tree.text(PAGE).unwrap_or_default();
    let mut violations = Vec::new();
    for (index, line) in page.lines().enumerate() {
        let Some((file, count)) = audited(line) else { continue };
        let found = uses.remove(file).unwrap_or(0);
        if found != count || count == 0 {
            let what = format!("{file} uses unsafe {found} times, not {count}: review it and correct the number");
            violations.push(Violation::new(PAGE, index + 1, what));
        }
    }
    let missing = uses.into_iter().map(|(file, count)| {
        Violation::new(&file, 1, format!("{count} uses of unsafe that the audit in {PAGE} does not list"))
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

/// A block or an impl; an unsafe function leaves the proof to its callers.
fn is_use(word: &str, next: &str) -> bool {
    word == "unsafe" && ["{", "impl", "extern"].contains(&next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::violation::found;

    const FILE: &str = "crates/a/src/b.rs";

    #[test]
    fn an_audit_that_is_out_of_date_is_found() {
        let code = "unsafe { g() }\nunsafe impl Send for A {}\n// unsafe { }\nunsafe fn f() {}";
        let with = |page: &str| found(check, &[(PAGE, page), (FILE, code)]);
        assert!(with(&format!("| file | uses |\n| `{FILE}` | 2 | why |")).is_empty());
        assert_eq!(with(&format!("| `{FILE}` | 3 | why |")), [format!("{PAGE}:1")]);
        assert_eq!(with("nothing"), [format!("{FILE}:1")]);
        assert_eq!(with(&format!("| `{FILE}` | 2 | why |\n| `crates/a.rs` | 1 | gone |")), [format!("{PAGE}:2")]);
    }
}

//! No source is too long: one noun per file.

use super::violation::Violation;
use crate::tree::Tree;

/// Most lines of a source.
const LONGEST: usize = 600;

/// No source has more lines than that.
pub fn check(tree: &Tree) -> Vec<Violation> {
    let sources = tree.files().filter(|(path, _)| [".rs", ".cu", ".py", ".sh"].iter().any(|end| path.ends_with(end)));
    sources
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|&(_, lines)| lines > LONGEST)
        .map(|(path, lines)| Violation::new(path, LONGEST + 1, format!("{lines} lines, at most {LONGEST}: split it")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::violation::found;

    #[test]
    fn the_limit_is_six_hundred() {
        let text = "x\n".repeat(600);
        assert!(found(check, &[("a.rs", &text), ("a.md", &text.repeat(2))]).is_empty());
        assert_eq!(found(check, &[("a.rs", &format!("{text}y"))]), ["a.rs:601"]);
    }
}

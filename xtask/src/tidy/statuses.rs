//! Every way in which a run can end is produced by a test.

use super::Violation;
use crate::rust::{code, has_word, tokens};
use crate::tree::Tree;

/// Where the statuses are defined.
const DEFINITION: &str = "crates/cvx-admm/src/status.rs";

/// Every variant of `Status` is named in an integration test.
pub fn check(tree: &Tree) -> Vec<Violation> {
    let Some(definition) = tree.text(DEFINITION) else {
        return vec![Violation::new(DEFINITION, 1, "there is no such file, and it should define Status")];
    };
    let variants = variants(definition);
    if variants.is_empty() {
        return vec![Violation::new(DEFINITION, 1, "there is no `enum Status` with variants in it")];
    }
    let tests: Vec<&str> = (tree.rust())
        .filter(|(path, _)| path.starts_with("crates/") && path.contains("/tests/"))
        .map(|(_, text)| text)
        .collect();
    let untested = variants.into_iter().filter(|(name, _)| !tests.iter().any(|text| has_word(text, name)));
    untested
        .map(|(name, line)| Violation::new(DEFINITION, line, format!("no test under crates/*/tests names {name}")))
        .collect()
}

/// Names and lines of the variants.
fn variants(definition: &str) -> Vec<(String, usize)> {
    let code = code(definition);
    let tokens = tokens(&code);
    let start =
        tokens.windows(3).position(|three| (three[0].text, three[1].text, three[2].text) == ("enum", "Status", "{"));
    let body = start.map_or(&[][..], |start| &tokens[start + 3..]);
    let names = body.iter().take_while(|token| token.text != "}");
    names
        .filter(|token| token.text.starts_with(char::is_uppercase))
        .map(|token| (token.text.to_string(), token.line))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::found;

    const STATUS: (&str, &str) =
        (DEFINITION, "pub enum Status {\n    /// Good.\n    Optimal,\n    TimeLimit,\n}\nfn Other() {}");

    #[test]
    fn a_status_without_a_test_is_found() {
        let half = ("crates/a/tests/t.rs", "assert_eq!(status, Status::Optimal); NoTimeLimit");
        assert_eq!(found(check, &[STATUS, half]), [format!("{DEFINITION}:4")]);
        let rest = ("crates/b/tests/deep/t.rs", "\"TimeLimit\"");
        assert!(found(check, &[STATUS, half, rest]).is_empty());
        let elsewhere = ("crates/b/src/t.rs", "TimeLimit");
        assert_eq!(found(check, &[STATUS, half, elsewhere]).len(), 1);
    }

    #[test]
    fn a_rule_that_looks_at_nothing_fails() {
        assert_eq!(found(check, &[]).len(), 1);
        assert_eq!(found(check, &[(DEFINITION, "enum Other { A }")]).len(), 1);
    }
}

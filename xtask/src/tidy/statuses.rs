//! A test produces every way in which a run can end.

use super::violation::Violation;
use crate::rust::{code, has_word, tokens};
use crate::tree::Tree;

/// The file that defines the statuses, in whatever crate and folder.
const DEFINITION: &str = "/status.rs";

/// Every variant of `Status` is named in an integration test.
pub fn check(tree: &Tree) -> Vec<Violation> {
    let candidates = tree.rust().filter(|(path, _)| path.starts_with("crates/") && path.ends_with(DEFINITION));
    let defined: Vec<_> =
        candidates.flat_map(|(path, text)| variants(text).map(move |(name, line)| (path, name, line))).collect();
    if defined.is_empty() {
        return vec![Violation::new("crates", 1, "no file status.rs has an `enum Status` with variants in it")];
    }
    let tests = tree.rust().filter(|(path, _)| path.starts_with("crates/") && path.contains("/tests/"));
    let tests: Vec<&str> = tests.map(|(_, text)| text).collect();
    let untested = defined.into_iter().filter(|(_, name, _)| !tests.iter().any(|text| has_word(text, name)));
    untested
        .map(|(path, name, line)| Violation::new(path, line, format!("no test under crates/*/tests names {name}")))
        .collect()
}

/// Names and lines of the variants.
fn variants(definition: &str) -> impl Iterator<Item = (String, usize)> + use<> {
    let code = code(definition);
    let tokens = tokens(&code);
    let start =
        tokens.windows(3).position(|three| (three[0].text, three[1].text, three[2].text) == ("enum", "Status", "{"));
    let body = start.map_or(&[][..], |start| &tokens[start + 3..]);
    let names = body.iter().take_while(|token| token.text != "}");
    let names = names.filter(|token| token.text.starts_with(char::is_uppercase));
    let names: Vec<_> = names.map(|token| (token.text.to_string(), token.line)).collect();
    names.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::violation::found;

    const FILE: &str = "crates/b/src/deep/status.rs";
    const STATUS: (&str, &str) =
        (FILE, "pub enum Status {\n    /// Good.\n    Optimal,\n    TimeLimit,\n}\nfn Other() {}");

    #[test]
    fn a_status_without_a_test_is_found() {
        let half = ("crates/a/tests/t.rs", "assert_eq!(status, Status::Optimal); NoTimeLimit");
        assert_eq!(found(check, &[STATUS, half]), [format!("{FILE}:4")]);
        let rest = ("crates/b/tests/deep/t.rs", "\"TimeLimit\"");
        assert!(found(check, &[STATUS, half, rest]).is_empty());
        let elsewhere = ("crates/b/src/t.rs", "TimeLimit");
        assert_eq!(found(check, &[STATUS, half, elsewhere]).len(), 1);
    }

    #[test]
    fn a_rule_that_looks_at_nothing_fails() {
        assert_eq!(found(check, &[]).len(), 1);
        assert_eq!(found(check, &[(FILE, "enum Other { A }")]).len(), 1);
    }
}

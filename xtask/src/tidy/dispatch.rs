//! Device and precision are matched in one file.

use super::violation::{Violation, scan};
use crate::rust::Token;
use crate::tree::Tree;

/// The enums of the choice.
const CHOICES: [&str; 2] = ["Device", "Precision"];

/// The sources that have the enums, and the file there that makes the choice.
const SOURCES: &str = "crates/cvx-admm/src/";
const DISPATCH: &str = "dispatch.rs";

/// The file there that defines the enums, and its functions that name and check them.
const DEFINITION: (&str, [&str; 3]) = ("settings.rs", ["name", "validate", "fmt"]);

/// No pattern and no comparison on a device or a precision outside dispatch; to construct one is fine.
pub fn check(tree: &Tree) -> Vec<Violation> {
    scan(
        tree,
        |path| is_shipped(path) && !is_source(path, DISPATCH),
        |path, tokens| {
            let choices = (0..tokens.len()).filter(|&at| is_variant(tokens, at) && is_matched(tokens, at));
            let matched = choices.filter(|&at| !(is_source(path, DEFINITION.0) && is_defining(tokens, at)));
            matched
                .map(|at| {
                    let what = format!("a match on {} outside {DISPATCH} of {SOURCES}", tokens[at].text);
                    Violation::new(path, tokens[at].line, what)
                })
                .collect()
        },
    )
}

/// Whether a source is part of a library or a program, not of its tests.
fn is_shipped(path: &str) -> bool {
    path.contains("/src/") || path.ends_with("/build.rs")
}

/// Whether a path is that of the file `name`, in whatever folder of the sources.
fn is_source(path: &str, name: &str) -> bool {
    path.strip_prefix(SOURCES).is_some_and(|path| path.rsplit('/').next() == Some(name))
}

fn text<'a>(tokens: &[Token<'a>], at: usize) -> &'a str {
    tokens.get(at).map_or("", |token| token.text)
}

/// `Device::Cpu`, not `Device::default()`.
fn is_variant(tokens: &[Token], at: usize) -> bool {
    CHOICES.contains(&tokens[at].text)
        && text(tokens, at + 1) == "::"
        && text(tokens, at + 2).starts_with(char::is_uppercase)
}

/// Whether the function around a token is one of the definition's.
fn is_defining(tokens: &[Token], at: usize) -> bool {
    let name = (0..at).rev().find(|&before| tokens[before].text == "fn").map(|before| text(tokens, before + 1));
    name.is_some_and(|name| DEFINITION.1.contains(&name))
}

/// Whether the variant at `at` is a pattern or is compared with something.
fn is_matched(tokens: &[Token], at: usize) -> bool {
    is_compared(tokens, at) || is_in_matches(tokens, at) || is_pattern(tokens, at)
}

/// `x == Device::Cpu`, `Device::Cpu != x`.
fn is_compared(tokens: &[Token], at: usize) -> bool {
    // Back over `cvx_admm::` and a reference.
    let mut before = at;
    while before >= 2 && tokens[before - 1].text == "::" {
        before -= 2;
    }
    let before = before.checked_sub(1).map_or("", |before| tokens[before].text);
    let is_comparison = |text| text == "==" || text == "!=";
    is_comparison(before) || is_comparison(text(tokens, skip_payload(tokens, at + 3)))
}

/// Within the parentheses of `matches!(..)`.
fn is_in_matches(tokens: &[Token], at: usize) -> bool {
    let mut depth = 0;
    for before in (0..at).rev() {
        match tokens[before].text {
            ")" => depth += 1,
            "(" if depth > 0 => depth -= 1,
            "(" if before >= 2 && tokens[before - 1].text == "!" && tokens[before - 2].text == "matches" => {
                return true;
            }
            ";" | "{" | "}" => return false,
            _ => {}
        }
    }
    false
}

/// Past the parentheses or braces that a variant may carry.
fn skip_payload(tokens: &[Token], at: usize) -> usize {
    if !["(", "{"].contains(&text(tokens, at)) {
        return at;
    }
    let mut depth = 0;
    for (offset, token) in tokens[at..].iter().enumerate() {
        match token.text {
            "(" | "{" => depth += 1,
            ")" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + offset + 1;
        }
    }
    tokens.len()
}

/// A pattern is followed, outside all brackets that it stands in, by `=>` (of an arm) or `=` (of a `let`); a comma on
/// that level would end the arm that the variant is the value of.
fn is_pattern(tokens: &[Token], at: usize) -> bool {
    let (mut depth, mut lowest_with_comma) = (0, 1);
    // Braces may open a block instead of a payload: that of an `if`, whose comparison is found in any case.
    let mut next = if text(tokens, at + 3) == "(" { skip_payload(tokens, at + 3) } else { at + 3 };
    while next < tokens.len() {
        match tokens[next].text {
            "=>" | "=" => return depth < lowest_with_comma,
            "," => lowest_with_comma = lowest_with_comma.min(depth),
            "(" | "[" => depth += 1,
            ")" | "]" => depth -= 1,
            // After a struct pattern comes the rest of the pattern; after a block, something else.
            "}" => {
                depth -= 1;
                if !["=>", "=", "|", ")", "]", "}", ",", "if"].contains(&text(tokens, next + 1)) {
                    return false;
                }
            }
            "{" | ";" => return false,
            _ => {}
        }
        next += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::violation::found;

    const FILE: &str = "crates/cvx-model/src/a.rs";

    fn lines(code: &str) -> Vec<String> {
        found(check, &[(FILE, code)])
    }

    #[test]
    fn every_spelling_of_a_match_is_found() {
        for code in [
            "match device { Device::Cpu => 1, _ => 2 }",
            "match device { Device::Auto | Device::Cpu => 1, Device::Cuda(i) => i }",
            "match device { cvx_admm::Device::Cuda(i) if i > 0 => 1, _ => 2 }",
            "match pair { (Device::Cpu, Precision::F32) => 1, _ => 2 }",
            "match pair { (_, Precision::F32) | (_, Precision::F64) => 1 }",
            "match settings { Settings { device: Device::Cpu, .. } => 1, _ => 2 }",
            "match some { Some(Precision::F32) => 1, _ => 2 }",
            "if let Device::Cuda(ordinal) = device { ordinal }",
            "let Some(Device::Cuda(ordinal)) = device else { return };",
            "if device == Device::Cpu { 1 }",
            "if cvx_admm::Device::Cuda(0) != device { 1 }",
            "let gpu = matches!(settings.device, Device::Cuda(_));",
        ] {
            assert!(!lines(code).is_empty(), "{code}");
        }
        assert_eq!(lines("match device {\n    Device::Cpu => 1,\n}"), [format!("{FILE}:2")]);
    }

    #[test]
    fn to_construct_one_is_fine() {
        for code in [
            "match text { \"cpu\" => Ok(Device::Cpu), \"cuda\" => Ok(Device::Cuda(0)), _ => Err(()) }",
            "match arg { PrecisionArg::F32 => Precision::F32, PrecisionArg::F64 => Precision::F64 }",
            "match arg { A => { Device::Cpu } B => Device::Auto }",
            "Settings { device: Device::Auto, precision: Precision::F32, ..base }; match x { y => z }",
            "train(Device::Cpu, f(Precision::F64)); let x = 3;",
            "let device = Device::Cpu;",
            "impl Default for Precision { fn default() -> Self { Precision::F32 } }",
            "match x { A => device(Device::default()), B => Device::ALL }",
            "(text.parse().ok()).map(cvx_admm::Device::Cuda).ok_or_else(|| match x { y => z })",
        ] {
            assert!(lines(code).is_empty(), "{code}");
        }
    }

    #[test]
    fn the_dispatcher_and_the_definition_may_match() {
        let code = "fn name(self) { match self { Precision::F32 => 1 } }\nfn run() { match x { Precision::F32 => 1 } }";
        for folder in ["", "api/", "a/b/"] {
            let definition = format!("{SOURCES}{folder}settings.rs");
            assert_eq!(found(check, &[(&definition, code)]), [format!("{definition}:2")]);
            assert!(found(check, &[(&format!("{SOURCES}{folder}dispatch.rs"), code)]).is_empty());
            assert_eq!(found(check, &[(&format!("{SOURCES}{folder}no_dispatch.rs"), code)]).len(), 2);
        }
        assert!(found(check, &[("crates/cvx-admm/tests/a.rs", code)]).is_empty());
    }
}

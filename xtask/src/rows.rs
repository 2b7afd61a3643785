//! The rows of docs/reliability.md, and the tests that are named by their numbers.

use crate::rust::{code, tokens};
use crate::tree::Tree;
use std::collections::BTreeMap;

/// The page with the rows.
pub const PAGE: &str = "docs/reliability.md";

/// The note of a row without a test begins so.
pub const NO_TEST: &str = "No test:";

/// Names of precisions, which look like numbers of rows.
const PRECISIONS: [&str; 2] = ["f32", "f64"];

/// One row of the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Line on the page, from 1.
    pub line: usize,
    /// As in `R4`.
    pub number: String,
    pub case: String,
    pub expected: String,
    /// What a reader has to know; for a row without a test, the reason.
    pub note: String,
}

/// A test whose name begins with numbers, as in `r4_` or `e1_e2_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberedTest {
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    pub name: String,
    /// As in `R4`.
    pub numbers: Vec<String>,
}

/// The rows in their order.
pub fn rows(page: &str) -> Vec<Row> {
    let lines = page.lines().enumerate().filter_map(|(index, line)| {
        let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
        let [number, case, expected, note] = cells.try_into().ok()?;
        let [number, case, expected, note] = [number, case, expected, note].map(str::to_string);
        is_number(&number).then_some(Row { line: index + 1, number, case, expected, note })
    });
    lines.collect()
}

/// The numbered tests of all sources but those of xtask.
pub fn tests(tree: &Tree) -> Vec<NumberedTest> {
    let mut tests = Vec::new();
    for (path, text) in tree.rust().filter(|(path, _)| !path.starts_with("xtask/")) {
        let code = code(text);
        for two in tokens(&code).windows(2).filter(|two| two[0].text == "fn") {
            let numbers = numbers(two[1].text);
            if !numbers.is_empty() {
                let (file, name) = (path.to_string(), two[1].text.to_string());
                tests.push(NumberedTest { file, line: two[1].line, name, numbers });
            }
        }
    }
    tests
}

/// The tests of each row.
pub fn by_number(tests: &[NumberedTest]) -> BTreeMap<&str, Vec<&NumberedTest>> {
    let mut map: BTreeMap<&str, Vec<&NumberedTest>> = BTreeMap::new();
    for test in tests {
        for number in &test.numbers {
            map.entry(number).or_default().push(test);
        }
    }
    map
}

/// The numbers that a name begins with.
fn numbers(name: &str) -> Vec<String> {
    let parts = name.split('_').take_while(|part| !PRECISIONS.contains(part)).map(str::to_uppercase);
    parts.take_while(|part| is_number(part)).collect()
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['R', 'M', 'E', 'F']);
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_the_lines_of_tables_that_begin_with_a_number() {
        let page = "# Page\n| # | case | expected | note |\n|---|---|---|---|\n| R1 | a NaN | an error | |\n\
                    | X2 | a | b | c |\n| F10 | a | b | No test: because |\nR3 | a | b | c |\n";
        let found = rows(page);
        let short: Vec<_> = found.iter().map(|row| (row.line, row.number.as_str(), row.note.as_str())).collect();
        assert_eq!(short, [(4, "R1", ""), (6, "F10", "No test: because")]);
    }

    #[test]
    fn numbers_are_read_from_the_front_of_a_name() {
        assert_eq!(numbers("e1_e2_same_bits"), ["E1", "E2"]);
        assert_eq!(numbers("m13_permutations_r4"), ["M13"]);
        assert!(numbers("f32_and_f64_agree").is_empty() && numbers("r_1").is_empty() && numbers("run1_x").is_empty());
    }

    #[test]
    fn tests_are_found_in_code_and_not_in_comments() {
        let source =
            "#[test]\nfn r4_zero() {}\n// fn r5_no() {}\nfn helper() {}\nproptest! { #[test] fn m9_any(x in 0..3) {} }";
        let tree = Tree::of([("crates/a/tests/t.rs", source), ("xtask/src/a.rs", "fn r1_own() {}")]);
        let found = tests(&tree);
        let short: Vec<_> = found.iter().map(|test| (test.line, test.name.as_str())).collect();
        assert_eq!(short, [(2, "r4_zero"), (5, "m9_any")]);
        assert_eq!(by_number(&found)["R4"][0].name, "r4_zero");
    }
}

//! docs/reliability.md agrees with the tests.

use super::violation::Violation;
use crate::rows::{NO_TEST, PAGE, by_number, rows, tests};
use crate::tree::Tree;

/// Every row has a test or says why not, and every numbered test has a row.
pub fn check(tree: &Tree) -> Vec<Violation> {
    let rows = rows(tree.text(PAGE).unwrap_or_default());
    if rows.is_empty() {
        return vec![Violation::new(PAGE, 1, "no rows: a table of number, case, expected and note")];
    }
    let tests = tests(tree);
    let tested = by_number(&tests);
    let mut violations = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let number = &row.number;
        let what = match (tested.contains_key(number.as_str()), row.note.starts_with(NO_TEST)) {
            _ if rows[..index].iter().any(|other| other.number == *number) => format!("{number} is here twice"),
            (false, false) => {
                format!("no test is named {}_*: write one, or a note `{NO_TEST} reason`", number.to_lowercase())
            }
            (true, true) => format!("{number} has tests, and its note says that it has none"),
            _ => continue,
        };
        violations.push(Violation::new(PAGE, row.line, what));
    }
    for test in &tests {
        for number in test.numbers.iter().filter(|number| rows.iter().all(|row| row.number != **number)) {
            let what = format!("{} is named by {number}, and {PAGE} has no such row", test.name);
            violations.push(Violation::new(&test.file, test.line, what));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::violation::found;

    const TESTS: &str = "crates/a/tests/t.rs";

    #[test]
    fn a_row_has_a_test_or_a_reason_and_not_both() {
        let page = "| R1 | a | b | |\n| R2 | a | b | No test: so. |\n| R3 | a | b | |\n\
                    | R4 | a | b | No test: so. |\n| R1 | a | b | |";
        let code = "#[test]\nfn r1_a() {}\nfn r4_b() {}\nfn m7_c() {}";
        let places = found(check, &[(PAGE, page), (TESTS, code)]);
        assert_eq!(
            places,
            ["docs/reliability.md:3", "docs/reliability.md:4", "docs/reliability.md:5", "crates/a/tests/t.rs:4"]
        );
        assert!(found(check, &[(PAGE, "| R1 | a | b | on a stand-in |"), (TESTS, "fn r1_a() {}")]).is_empty());
    }

    #[test]
    fn a_rule_that_looks_at_nothing_fails() {
        assert_eq!(found(check, &[(TESTS, "fn r1_a() {}")]).len(), 1);
    }
}

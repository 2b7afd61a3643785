//! rho is assigned in one file, where the duals are rescaled with it.

use super::{Violation, scan};
use crate::tree::Tree;

/// The sources that have a rho to assign, and the file that may.
const SOURCES: &str = "crates/cvx-admm/src/";
const PENALTY: &str = "crates/cvx-admm/src/penalty.rs";

const ASSIGNMENTS: [&str; 5] = ["=", "*=", "/=", "+=", "-="];

/// No `.rho = ..` outside the penalty; a struct literal is a beginning, not a change.
pub fn check(tree: &Tree) -> Vec<Violation> {
    scan(
        tree,
        |path| path.starts_with(SOURCES) && path != PENALTY,
        |path, tokens| {
            let triples = tokens
                .windows(3)
                .filter(|three| three[0].text == "." && three[1].text == "rho" && ASSIGNMENTS.contains(&three[2].text));
            triples
                .map(|three| Violation::new(path, three[1].line, format!("rho is assigned outside {PENALTY}")))
                .collect()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::found;

    #[test]
    fn an_assignment_is_found_wherever_it_hides() {
        let code =
            "self.penalty.rho = 1.0;\nrun.rho\n    *= 2.0;\nif x.rho == y.rho { let rho = 1.0; }\nS { rho: x.rho };";
        let file = "crates/cvx-admm/src/admm.rs";
        assert_eq!(found(check, &[(file, code)]), [format!("{file}:1"), format!("{file}:2")]);
        assert!(found(check, &[(PENALTY, code), ("crates/cvx-admm/tests/a.rs", code)]).is_empty());
    }
}

//! How fast the outputs of a model can change, in words.

use crate::number::short;
use cvx_admm::{Lipschitz, Slopes};

/// The header of a table of columns with their slopes.
pub const HEADER: [&str; 3] = ["column", "lowest slope", "highest slope"];

/// Most columns that are listed one by one.
const MOST_LISTED: usize = 20;

/// The largest of the bounds, each with its output if there are several.
pub fn lipschitz(slopes: &[Slopes]) -> (&'static str, String) {
    let bounds: Option<Vec<(&str, Lipschitz)>> =
        slopes.iter().map(|slopes| Some((slopes.output.as_str(), slopes.lipschitz?))).collect();
    let Some(bounds) = bounds else {
        return ("Lipschitz bound", "none: the prediction jumps where a gate switches".to_string());
    };
    let largest = |of: fn(&Lipschitz) -> f64| {
        let largest = bounds.iter().max_by(|(_, a), (_, b)| of(a).total_cmp(&of(b)));
        let output = |name: &str| if bounds.len() > 1 { format!(", {}", name.escape_debug()) } else { String::new() };
        largest.map_or(String::new(), |(name, bound)| format!("{}{}", short(of(bound)), output(name)))
    };
    let (l2, l_infinity) = (largest(|bound| bound.l2), largest(|bound| bound.l_infinity));
    let semidefinite = bounds.iter().all(|(_, bound)| bound.semidefinite.is_some());
    let tighter = if semidefinite {
        format!("; {} (l2, semidefinite)", largest(|bound| bound.semidefinite.unwrap_or(bound.l2)))
    } else {
        String::new()
    };
    ("Lipschitz bounds", format!("{l2} (l2); {l_infinity} (l-infinity){tighter}"))
}

/// The columns of the only output one by one; `None` for several outputs, no columns, and too many to list.
pub fn rows(slopes: &[Slopes]) -> Option<Vec<Vec<String>>> {
    let [Slopes { columns, .. }] = slopes else { return None };
    let signed = |slope: f64| if slope < 0.0 { format!("-{}", short(-slope)) } else { short(slope) };
    let row = |found: &cvx_admm::ColumnSlopes| {
        vec![found.column.escape_debug().to_string(), signed(found.low), signed(found.high)]
    };
    (1..=MOST_LISTED).contains(&columns.len()).then(|| columns.iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cvx_admm::ColumnSlopes;

    fn slopes(output: &str, l2: f64, columns: usize) -> Slopes {
        let column = ColumnSlopes { column: "age".to_string(), low: -0.5, high: 0.0 };
        let lipschitz = Some(Lipschitz { l2, l_infinity: 10.0 - l2, semidefinite: None });
        Slopes { output: output.to_string(), lipschitz, columns: vec![column; columns] }
    }

    #[test]
    fn of_several_outputs_the_largest_bounds_are_named() {
        assert_eq!(lipschitz(&[slopes("rent", 1.0, 1)]).1, "1.0000 (l2); 9.0000 (l-infinity)");
        let several = [slopes("cat", 1.0, 1), slopes("dog", 2.0, 1)];
        assert_eq!(lipschitz(&several).1, "2.0000, dog (l2); 9.0000, cat (l-infinity)");
        let tighter = Lipschitz { l2: 1.0, l_infinity: 2.0, semidefinite: Some(0.5) };
        let tighter = Slopes { lipschitz: Some(tighter), ..slopes("rent", 1.0, 1) };
        assert!(lipschitz(&[tighter]).1.ends_with("; 0.5000 (l2, semidefinite)"));
        let gated = Slopes { lipschitz: None, ..slopes("rent", 1.0, 1) };
        assert!(lipschitz(&[gated]).1.starts_with("none: "));
    }

    #[test]
    fn few_columns_of_one_output_are_listed() {
        assert_eq!(rows(&[slopes("rent", 1.0, 1)]).unwrap(), [["age", "-0.5000", "0.0000"]]);
        let left_out = [vec![slopes("rent", 1.0, 0)], vec![slopes("rent", 1.0, 21)], vec![slopes("a", 1.0, 1); 2]];
        assert!(left_out.iter().all(|slopes| rows(slopes).is_none()));
    }
}

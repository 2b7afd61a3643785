//! `--verbose`.

use crate::lab::{Lab, ONCE, cats_and_dogs};

/// The lines of stderr that are rows of the table, in cells of the header's width.
fn rows(stderr: &str) -> Vec<&str> {
    let header = stderr.lines().find(|line| line.starts_with("iteration")).expect("a header");
    let is_row =
        |line: &&str| line.len() == header.len() && line.trim_start().starts_with(|c: char| c.is_ascii_digit());
    stderr.lines().filter(is_row).collect()
}

#[test]
fn a_run_has_its_sizes_a_row_per_iteration_and_a_closing_line() {
    let lab = Lab::new();
    for (arguments, unknowns) in [("--precision f64", 2 * 5 * 6), ("--activation gated --no-bias --refine 1", 4 * 6)] {
        let train = format!("{ONCE} --data planted:300x4 --patterns 6 --seed 1 {arguments} --json r.json");
        let run = lab.done(&format!("{train} --verbose"));
        let report = lab.json("r.json");
        let fact = |name: &str| {
            let line = run.stderr.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name} in {}", run.stderr)).trim()
        };
        assert_eq!((fact("samples n"), fact("patterns P"), fact("targets C")), ("300", "6", "1"));
        assert_eq!(fact("unknowns"), unknowns.to_string());
        assert!(fact("features d").starts_with(if arguments.contains("no-bias") { "4" } else { "5, " }));
        assert!(fact("solver").ends_with(report["precision"].as_str().unwrap()), "{}", run.stderr);
        assert!(fact("device").contains("threads") && fact("memory").contains("MB") && !fact("beta").is_empty());

        let history = report["history"].as_array().unwrap();
        let rows = rows(&run.stderr);
        assert_eq!(rows.len(), history.len(), "{}", run.stderr);
        for (row, record) in rows.iter().zip(history) {
            let cells: Vec<&str> = row.split_whitespace().collect();
            // Objective, bound and gap are blank where the certificate was not evaluated.
            assert_eq!(cells.len(), if record["network"].is_null() { 6 } else { 9 }, "{row}");
            assert_eq!(cells[0], record["iteration"].to_string());
            let number = |cell: &str| cell.parse::<f64>().unwrap();
            let shown = [&record["rho"], &record["inner_iterations"]].map(|value| value.as_f64().unwrap());
            assert!((number(cells[cells.len() - 3]) / shown[0] - 1.0).abs() < 0.01, "{row}");
            assert_eq!(number(cells[cells.len() - 2]), shown[1]);
        }
        // A header before every forty rows.
        let headers = run.stderr.lines().filter(|line| line.starts_with("iteration")).count();
        assert_eq!(headers, rows.len().div_ceil(40), "{}", run.stderr);
        let last = run.stderr.lines().last().unwrap();
        assert!(last.starts_with(&format!("status {}", report["status"].as_str().unwrap())), "{last}");

        // The same results as without.
        let silent = lab.done(&train);
        let objective = |text: &str| text.lines().find(|line| line.contains("network objective")).map(str::to_string);
        assert_eq!(objective(&run.stdout), objective(&silent.stdout));
    }
}

#[test]
fn a_long_run_repeats_the_header_and_a_path_has_its_betas() {
    let lab = Lab::new();
    let run = lab.train_once("--max-iterations 100 --gap 1e-9 --certify sampled --verbose");
    assert_eq!(rows(&run.stderr).len(), 100);
    assert_eq!(run.stderr.lines().filter(|line| line.starts_with("iteration")).count(), 3);
    assert!(run.stderr.contains("\nstatus IterationLimit after 100 iterations"), "{}", run.stderr);

    lab.write("t.csv", cats_and_dogs(60, 1));
    let run = lab.done("path --data t.csv --betas 3 --patterns 5 --verbose");
    assert_eq!(run.stderr.lines().filter(|line| line.starts_with("beta at ")).count(), 3);
    // One banner for the path, one for the run on all samples.
    assert_eq!(run.stderr.lines().filter(|line| line.starts_with("samples n")).count(), 2);
    assert!(run.stderr.lines().last().unwrap().starts_with("status "));
}

//! What a look at the terminal should tell of choices.

use super::outcome::{Candidate, Outcome, Score};
use super::row::Row;
use crate::report::Spread;
use comfy_table::{Table, presets};

/// Every row, then, of several seeds, the means.
pub fn print(rows: &[Row]) {
    let mut table = new_table(&[
        "contender",
        "seed",
        "status",
        "verified",
        "chosen",
        "held out",
        "test",
        "best on the way",
        "neurons",
        "objective",
        "bound",
        "s choosing",
        "s closing",
    ]);
    for Row { contender, seed, outcome, .. } in rows {
        table.add_row([
            contender.clone(),
            seed.to_string(),
            outcome.status.clone(),
            outcome.verified.to_string(),
            outcome.chosen.as_ref().map_or("-".to_string(), |chosen| chosen.choice.to_string()),
            outcome.chosen.as_ref().map_or("-".to_string(), held_out),
            number(outcome.test_accuracy, 4),
            number(outcome.best_test_accuracy, 4),
            outcome.neurons.map_or("-".to_string(), |neurons| neurons.to_string()),
            number(outcome.objective, 3),
            number(outcome.dual_bound, 3),
            format!("{:.1}", outcome.choosing_seconds),
            format!("{:.1}", outcome.closing_seconds),
        ]);
    }
    println!("{table}");
    for Row { contender, seed, outcome, .. } in rows {
        if let Some(error) = &outcome.error {
            println!("{contender}, seed {seed}: {error}");
        }
    }
    if rows.iter().any(|row| row.seed != rows[0].seed) {
        println!("{}", means(rows));
    }
}

/// Mean and range over the seeds, of the runs that were not cut short.
fn means(rows: &[Row]) -> Table {
    let mut table =
        new_table(&["contender", "seeds", "held out", "test", "best on the way", "neurons", "s choosing", "s closing"]);
    let mut names: Vec<&String> = rows.iter().map(|row| &row.contender).collect();
    names.dedup();
    for name in names {
        let own: Vec<&Outcome> = rows.iter().filter(|row| row.contender == *name).map(|row| &row.outcome).collect();
        let ended: Vec<&Outcome> = own.iter().copied().filter(|outcome| outcome.is_whole()).collect();
        let spread = |digits: usize, value: &dyn Fn(&Outcome) -> Option<f64>| {
            let spread = Spread::of(ended.iter().filter_map(|outcome| value(outcome)));
            spread.map_or("-".to_string(), |spread| spread.text(digits))
        };
        table.add_row([
            name.clone(),
            format!("{} of {}", ended.len(), own.len()),
            spread(4, &|outcome| outcome.chosen.as_ref()?.held_out.accuracy),
            spread(4, &|outcome| outcome.test_accuracy),
            spread(4, &|outcome| outcome.best_test_accuracy),
            spread(0, &|outcome| outcome.neurons.map(|neurons| neurons as f64)),
            spread(1, &|outcome| Some(outcome.choosing_seconds)),
            spread(1, &|outcome| Some(outcome.closing_seconds)),
        ]);
    }
    table
}

fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(header);
    table
}

/// The accuracy, or the error of a regression, with its standard error.
fn held_out(candidate: &Candidate) -> String {
    let Score { accuracy, error, standard_error, .. } = candidate.held_out;
    let value = format!("{:.4}", accuracy.unwrap_or(error));
    standard_error.map_or(value.clone(), |standard_error| format!("{value} ± {standard_error:.4}"))
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or("-".to_string(), |value| format!("{value:.digits$}"))
}

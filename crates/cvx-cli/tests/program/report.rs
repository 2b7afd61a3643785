//! What `--json` writes.

use crate::lab::Lab;
use serde_json::Value;

/// The documented keys with their types; `?` marks those that may be null, with all keys below them. They are those of
/// a classification.
const KEYS: &str = include_str!("../report_keys.txt");

/// A run to a small gap of the sampled programme: the slow certificate needs an easy problem.
const SAMPLED: &str = "train --data planted:100x4 --patterns 5 --beta-fraction 0.1 --certify sampled";

/// The values of a key, one for each item of the arrays on its path; what is null has no keys.
fn values<'a>(report: &'a Value, key: &str) -> Vec<&'a Value> {
    key.split('.').fold(vec![report], |found, name| {
        let items = found.into_iter().flat_map(|value| match value {
            Value::Array(items) => items.iter().collect(),
            Value::Null => Vec::new(),
            value => vec![value],
        });
        items.map(|item| item.get(name).unwrap_or_else(|| panic!("the report lacks {key}: {item}"))).collect()
    })
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "text" => value.is_string(),
        "flag" => value.is_boolean(),
        "list" => value.is_array(),
        "object" => value.is_object(),
        "count" => value.is_u64(),
        "number" => value.is_f64() || value.is_u64(),
        _ => value.is_null() || kind.strip_suffix('?').is_some_and(|kind| is_of(value, kind)),
    }
}

fn number(report: &Value, key: &str) -> f64 {
    values(report, key)[0].as_f64().unwrap()
}

/// The report without the times and the memory, which differ from run to run.
fn without_clocks(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, _)| !name.starts_with("seconds") && *name != "peak_memory_bytes");
            Value::Object(kept.map(|(name, value)| (name.clone(), without_clocks(value))).collect())
        }
        Value::Array(items) => items.iter().map(without_clocks).collect(),
        value => value.clone(),
    }
}

/// Every line of [`KEYS`] has a key of the report and its type.
pub fn assert_keys(report: &Value) {
    let mut optional: Vec<String> = Vec::new();
    for line in KEYS.lines() {
        let (key, kind) = line.split_once(' ').unwrap();
        let values = values(report, key);
        assert!(values.iter().all(|value| is_of(value, kind)), "{key} is no {kind}: {values:?}");
        assert!(!values.is_empty() || optional.iter().any(|parent| key.starts_with(parent)), "no {key}");
        if kind.ends_with('?') {
            optional.push(format!("{key}."));
        }
    }
}

#[test]
fn every_documented_key_is_there_with_its_type() {
    let lab = Lab::new();
    for arguments in ["", "--precision f64 --max-iterations 2", "--activation gated"] {
        let report = lab.report_once(arguments);
        assert_keys(&report);
        assert!(report["choice"].is_null() && report["parts"].as_array().unwrap().len() == 1);
    }
    assert_keys(&lab.report(SAMPLED));
    // With a choice of beta there are probabilities, so that nothing is left out.
    let report = lab.report("train --data planted:200x4 --patterns 5");
    assert_keys(&report);
    for part in ["train", "test", "choice"] {
        assert!(report[part]["quality"]["log_loss"].is_f64(), "{part}");
    }
}

#[test]
fn the_numbers_of_a_report_agree_with_each_other() {
    let report = Lab::new().report(&format!("{SAMPLED} --threads 1 --seed 7"));
    assert_eq!(report["status"], "Optimal");
    assert_eq!((report["threads"].as_u64(), report["seed"].as_u64()), (Some(1), Some(7)));
    // 4 features and the bias; two blocks of weights for each pattern.
    assert_eq!((report["n_samples"].as_u64(), report["n_features"].as_u64()), (Some(100), Some(5)));
    assert!(number(&report, "network.neurons") <= 2.0 * number(&report, "n_patterns"));

    let history = report["history"].as_array().unwrap();
    assert_eq!(report["iterations"].as_u64(), Some(history.len() as u64));
    for (index, pair) in history.windows(2).enumerate() {
        assert_eq!(pair[0]["iteration"].as_u64(), Some(index as u64 + 1));
        assert!(pair[0]["seconds"].as_f64() <= pair[1]["seconds"].as_f64());
    }

    let (primal, bound) = (number(&report, "objective.sampled_primal"), number(&report, "objective.dual_bound"));
    assert!(bound <= primal);
    let gap = number(&report, "objective.relative_gap");
    assert!(gap <= 1e-3 && (gap - (primal - bound) / primal).abs() <= 1e-3 * gap, "{gap}");
    assert_eq!(history.last().unwrap()["relative_gap"].as_f64(), Some(gap));
    let accuracy = number(&report, "train.accuracy");
    assert!((0.5..=1.0).contains(&accuracy));
}

#[test]
fn the_phases_make_up_the_total() {
    // Large enough for the phases to outweigh the time between them.
    let report = Lab::new().report_once("--data planted:2000x100 --max-iterations 40 --gap 1e-9");
    let phases = ["setup", "u", "v", "s", "dual", "certificate"].map(|phase| number(&report["seconds"], phase));
    let total = number(&report, "seconds.total");
    assert!(phases.iter().all(|&seconds| seconds >= 0.0) && phases[0] > 0.0 && phases[1] > 0.0, "{phases:?}");
    let sum: f64 = phases.iter().sum();
    assert!((0.5 * total..=1.001 * total).contains(&sum), "{phases:?} of {total}");
}

#[test]
fn e1_e2_one_seed_gives_the_same_bits_on_any_number_of_threads() {
    let lab = Lab::new();
    for precision in ["f32", "f64"] {
        let train = |threads: usize| {
            let mut report = lab.report_once(&format!("--precision {precision} --threads {threads} --seed 3"));
            assert_eq!(report["threads"].as_u64(), Some(threads as u64));
            report["threads"] = Value::Null;
            without_clocks(&report)
        };
        let one = train(1);
        for threads in [1, 2, 7] {
            assert_eq!(train(threads), one, "{threads} threads in {precision}");
        }
    }
    let other = lab.report_once("--precision f64 --threads 1 --seed 4");
    let this = lab.report_once("--precision f64 --threads 1 --seed 3");
    assert_ne!(other["objective"], this["objective"], "the seed changes nothing");
}

#[test]
fn test_samples_are_scored_where_there_are_any() {
    let lab = Lab::new();
    lab.write("a.csv", crate::lab::cats_and_dogs(80, 1));
    lab.write("b.csv", crate::lab::cats_and_dogs(40, 2));
    assert!(lab.report_once("--data a.csv --patterns 10")["test"].is_null());
    let report = lab.report_once("--data a.csv --patterns 10 --test b.csv");
    assert!(number(&report, "test.accuracy") > 0.7);
    assert!(number(&report, "test.loss") > 0.0);
}

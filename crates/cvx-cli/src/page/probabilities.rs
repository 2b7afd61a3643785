//! Probabilities of classes on the page: how well they hold, and how well they separate the classes.

use super::html::{paragraph, table};
use super::picture::Picture;
use super::subject::Subject;
use crate::number::{counted, share};
use crate::summary::run::held_out_scores;
use anyhow::Result;
use cvx_admm::Quality;
use cvx_figures::{Panel, Point, Scale, Series};
use cvx_model::{ProbabilityScores, ReliabilityBin};

/// Standard errors at each side of a share: 1.96 of them make an interval of 95 %.
const SIDES: f64 = 1.96;

/// Samples with the scores of their probabilities.
struct Row<'a> {
    name: &'static str,
    n_samples: usize,
    accuracy: Option<f64>,
    scores: &'a ProbabilityScores,
}

/// The section about probabilities and its pictures; `None` where they are unknown.
pub fn probabilities(subject: &Subject) -> Result<Option<(String, Vec<Picture>)>> {
    let rows = rows(subject);
    if rows.is_empty() {
        return Ok(None);
    }
    let cells = |row: &Row| {
        let ProbabilityScores { log_loss, brier, calibration_error, auc, .. } = row.scores;
        vec![
            row.name.to_string(),
            row.n_samples.to_string(),
            share(row.accuracy),
            format!("{log_loss:.4}"),
            format!("{brier:.4}"),
            format!("{calibration_error:.4}"),
            auc.map_or("-".to_string(), |auc| format!("{auc:.4}")),
        ]
    };
    let header = ["", "samples", "accuracy", "log loss", "Brier score", "calibration error", "ROC AUC"];
    let mut body = table(&header.map(String::from), &rows.iter().map(cells).collect::<Vec<_>>(), None);
    body.push_str(&paragraph(words(subject, &rows)));
    body.push_str(&paragraph(
        "Smaller is better for log loss, Brier score (0 to 2) and calibration error, larger for accuracy and ROC AUC \
         (0.5 by chance).",
    ));
    // What the network knows of its training samples says little about others.
    let few = rows.len() > 1;
    let drawn: Vec<&Row> = rows.iter().filter(|row| !few || row.name != "training").collect();
    let pictures = [Some(calibration(subject, &drawn)?), roc(subject, &drawn)?].into_iter().flatten().collect();
    body.push_str(&bins(&drawn));
    Ok(Some((body, pictures)))
}

fn rows<'a>(subject: &'a Subject) -> Vec<Row<'a>> {
    let Subject { solution, path, qualities, .. } = subject;
    let held_out = path.and_then(|path| held_out_scores(solution, path).accuracy);
    let (train, test) = (&solution.train_predictions, solution.test_predictions.as_ref());
    let found = [
        ("training", Some(train), &qualities.train, solution.train.accuracy),
        ("held out", path.map(|path| &path.held_out.predictions), &qualities.held_out, held_out),
        ("test", test, &qualities.test, solution.test.and_then(|scores| scores.accuracy)),
    ];
    let row = |(name, predictions, quality, accuracy): (_, Option<&cvx_admm::Predictions>, &'a Option<Quality>, _)| {
        let Some(Quality::Classes(scores)) = quality else { return None };
        Some(Row { name, n_samples: predictions?.outputs.rows(), accuracy, scores })
    };
    found.into_iter().filter_map(row).collect()
}

/// Which networks and samples the numbers are from.
fn words(subject: &Subject, rows: &[Row]) -> String {
    let has = |name: &str| rows.iter().any(|row| row.name == name);
    let mut words = "Training samples are predicted by the network that was trained on them".to_string();
    words.push_str(match (has("held out"), has("test")) {
        (true, true) => {
            ", held-out samples by the networks of the folds that did not see them, test samples by the \
                         final network. "
        }
        (true, false) => ", held-out samples by the networks of the folds that did not see them. ",
        (false, true) => ", test samples by the same network. ",
        (false, false) => ": expect less of other samples. ",
    });
    words.push_str(match (has("held out"), subject.solution.model.calibration.is_some()) {
        (true, _) => {
            "The probabilities were calibrated on the held-out samples, by one scale: on these samples they \
             are a little too good."
        }
        _ => "The network was trained with the logistic loss: its outputs are log-odds, which nothing calibrates.",
    });
    words
}

/// What the horizontal axis of the calibration is.
fn event(subject: &Subject) -> (String, String) {
    match subject.solution.model.task.classes() {
        [_, second] => (format!("probability of {second}"), format!("share that is {second}")),
        _ => ("probability of the predicted class".to_string(), "share of right predictions".to_string()),
    }
}

/// Both axes from 0 to 1, with the diagonal.
fn square(title: &str, x_label: String, y_label: String, diagonal: &str, mut series: Vec<Series>) -> Panel {
    let ends = [0.0, 1.0].map(|end| Point { x: end, y: end, error: None });
    series.insert(0, Series::Faint { label: diagonal.to_string(), curves: vec![ends.to_vec()] });
    let (x_scale, y_scale) = (Scale::Linear, Scale::Linear);
    Panel { title: title.to_string(), x_label, y_label, x_scale, y_scale, bars: Vec::new(), series }
}

fn calibration(subject: &Subject, rows: &[&Row]) -> Result<Picture> {
    let point = |bin: &ReliabilityBin| Point { x: bin.predicted, y: bin.observed, error: Some(interval(bin)) };
    let series = rows.iter().map(|row| Series::Curve {
        label: row.name.to_string(),
        points: row.scores.reliability.iter().map(point).collect(),
    });
    let (x_label, y_label) = event(subject);
    let panel = square("Calibration", x_label, y_label, "perfect", series.collect());
    let counts = || rows.iter().flat_map(|row| row.scores.reliability.iter().map(|bin| bin.count));
    let (least, most) = (counts().min().unwrap_or(0), counts().max().unwrap_or(0));
    let samples = if least == most { counted(least, "sample") } else { format!("{least} to {most} samples") };
    let caption = format!(
        "Samples in bins of increasing probability: a marker is the mean of {samples}, with a 95 % interval. On the \
         diagonal, what is said to be probable to p per cent happens in p per cent of the cases; below it the \
         probabilities are too large, above it too small."
    );
    Picture::of_panels("calibration", &caption, &[panel], 1)
}

/// Wilson's interval of 95 % for the share of a bin.
fn interval(bin: &ReliabilityBin) -> (f64, f64) {
    let (n, p, z2) = (bin.count as f64, bin.observed, SIDES * SIDES);
    let middle = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = SIDES / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    ((middle - half).max(0.0).min(p), (middle + half).min(1.0).max(p))
}

fn roc(subject: &Subject, rows: &[&Row]) -> Result<Option<Picture>> {
    let [first, second] = subject.solution.model.task.classes() else { return Ok(None) };
    let steps = |row: &&Row| {
        let roc = row.scores.roc.as_ref()?;
        let points = roc.iter().map(|point| Point { x: point.false_positive, y: point.true_positive, error: None });
        Some(Series::Curve { label: row.name.to_string(), points: points.collect() })
    };
    let series: Vec<Series> = rows.iter().filter_map(steps).collect();
    if series.is_empty() {
        return Ok(None);
    }
    let (x_label, y_label) = (format!("share of {first} called {second}"), format!("share of {second} found"));
    let panel = square("ROC curve", x_label, y_label, "by chance", series);
    let caption = format!(
        "What a lower threshold for {second} finds, and what it costs. The area under the curve is the share of pairs \
         of both classes that the probabilities put in the right order."
    );
    Ok(Some(Picture::of_panels("roc", &caption, &[panel], 1)?))
}

/// The bins as numbers.
fn bins(rows: &[&Row]) -> String {
    let header = ["", "mean probability", "observed share", "samples"].map(String::from);
    let cells = rows.iter().flat_map(|row| {
        row.scores.reliability.iter().map(|bin| {
            let share = |share: f64| format!("{share:.3}");
            vec![row.name.to_string(), share(bin.predicted), share(bin.observed), bin.count.to_string()]
        })
    });
    let rows = table(&header, &cells.collect::<Vec<_>>(), None);
    format!("<details><summary>The bins of the calibration</summary>\n{rows}</details>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_contain_the_share_and_narrow_with_the_count() {
        let at = |observed: f64, count: usize| interval(&ReliabilityBin { predicted: 0.5, observed, count });
        let (low, high) = at(0.5, 100);
        // Wilson (1927) for 50 of 100.
        assert!((low - 0.4038).abs() < 1e-4 && (high - 0.5962).abs() < 1e-4, "{low} {high}");
        assert_eq!(at(0.0, 10).0, 0.0);
        assert_eq!(at(1.0, 10).1, 1.0);
        assert!(at(0.0, 10).1 > at(0.0, 1000).1 && at(0.0, 1000).1 > 0.0);
    }
}

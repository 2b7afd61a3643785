//! Which classes are taken for which: for people and for scripts.

use crate::table::{facts, percent};
use comfy_table::{CellAlignment, Table, presets};
use cvx_model::{ClassScores, Confusion};
use serde::Serialize;

/// Most classes whose table of confusions fits a terminal, and that are all listed.
const MOST_CLASSES: usize = 12;

/// Most of the pairs that are listed where the table does not fit.
const MOST_MISTAKES: usize = 8;

/// The confusions in JSON: every list in the order of the classes; what would be 0/0 is null.
#[derive(Serialize)]
pub struct ConfusionReport {
    classes: Vec<String>,
    counts: Vec<Vec<usize>>,
    precision: Vec<Option<f64>>,
    recall: Vec<Option<f64>>,
    f1: Vec<Option<f64>>,
    support: Vec<usize>,
    mean_precision: Option<f64>,
    mean_recall: Option<f64>,
    mean_f1: Option<f64>,
}

impl ConfusionReport {
    /// The report of a count.
    pub fn new(confusion: &Confusion) -> Self {
        let scores: Vec<ClassScores> = (0..confusion.classes.len()).map(|class| confusion.scores(class)).collect();
        let means = confusion.means();
        ConfusionReport {
            classes: confusion.classes.clone(),
            counts: confusion.counts.clone(),
            precision: scores.iter().map(|scores| scores.precision).collect(),
            recall: scores.iter().map(|scores| scores.recall).collect(),
            f1: scores.iter().map(|scores| scores.f1).collect(),
            support: scores.iter().map(|scores| scores.support).collect(),
            mean_precision: means.precision,
            mean_recall: means.recall,
            mean_f1: means.f1,
        }
    }
}

/// The confusions of `samples` as text: one line for each of two classes; for a dozen the table with the scores of each class;
/// for more the classes that are told worst and the most frequent mistakes.
pub fn by_class(samples: &str, confusion: &Confusion) -> String {
    match confusion.classes.len() {
        2 => two_lines(samples, confusion),
        classes if classes <= MOST_CLASSES => {
            format!("{}\n{}", counts(samples, confusion), scores(samples, confusion, &all(confusion)))
        }
        _ => {
            let mut worst = all(confusion);
            // Undefined scores are those of absent classes, which nothing can be said of.
            worst.sort_by(|&a, &b| {
                let f1 = |class| confusion.scores(class).f1.unwrap_or(f64::INFINITY);
                f1(a).total_cmp(&f1(b))
            });
            worst.truncate(MOST_CLASSES);
            let title = format!("{samples}, the {MOST_CLASSES} classes of least F1");
            format!("{}{}", scores(&title, confusion, &worst), mistakes(samples, confusion))
        }
    }
}

fn all(confusion: &Confusion) -> Vec<usize> {
    (0..confusion.classes.len()).collect()
}

/// A share in per cent; what would be 0/0 is a dash.
pub fn share(share: Option<f64>) -> String {
    share.map_or("-".to_string(), percent)
}

fn two_lines(samples: &str, confusion: &Confusion) -> String {
    let rows: Vec<(String, String)> = (0..2)
        .map(|class| {
            let ClassScores { precision, recall, f1, support } = confusion.scores(class);
            let right = confusion.counts[class][class];
            let text = format!(
                "{right} of {support} recognised; precision {}, recall {}, F1 {}",
                share(precision),
                share(recall),
                share(f1)
            );
            (format!("{samples}, {}", confusion.classes[class]), text)
        })
        .collect();
    facts(&rows)
}

/// A table with numbers to the right under `header`.
fn numbers(header: Vec<String>, rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(header);
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

fn counts(samples: &str, confusion: &Confusion) -> String {
    // Numbered columns stay as narrow as the counts, whatever the classes are called.
    let numbered = (1..=confusion.classes.len()).map(|class| class.to_string());
    let header = std::iter::once(format!("{samples}, predicted as")).chain(numbered).collect();
    let mut rows = Vec::new();
    for (class, row) in confusion.counts.iter().enumerate() {
        let name = format!("{} {}", class + 1, confusion.classes[class]);
        rows.push(std::iter::once(name).chain(row.iter().map(usize::to_string)).collect());
    }
    numbers(header, rows)
}

fn scores(title: &str, confusion: &Confusion, classes: &[usize]) -> String {
    let row = |name: String, scores: ClassScores| {
        vec![name, scores.support.to_string(), share(scores.precision), share(scores.recall), share(scores.f1)]
    };
    let header = [title, "samples", "precision", "recall", "F1"].map(String::from).into();
    let mut rows: Vec<_> = (classes.iter())
        .map(|&class| row(format!("{} {}", class + 1, confusion.classes[class]), confusion.scores(class)))
        .collect();
    rows.push(row(format!("mean of {}", confusion.classes.len()), confusion.means()));
    numbers(header, rows)
}

/// The most frequent mistakes, a line each.
fn mistakes(samples: &str, confusion: &Confusion) -> String {
    let name = |class: usize| &confusion.classes[class];
    let lines = confusion.mistakes().into_iter().take(MOST_MISTAKES).map(|(truth, predicted)| {
        format!(
            "\n{samples}: {} of {} predicted as {}",
            confusion.counts[truth][predicted],
            name(truth),
            name(predicted)
        )
    });
    lines.collect()
}

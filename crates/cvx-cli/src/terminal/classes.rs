//! Scores by class, and which classes are confused.

use super::table::{facts, numbers};
use crate::number::share;
use cvx_model::{ClassScores, Confusion};

/// Most classes whose table of confusions fits a terminal; of more classes the worst of this number are listed.
const MOST_CLASSES: usize = 12;

/// Most characters of a class whose name is a column.
const LONGEST_COLUMN: usize = 5;

/// Most mistakes that are listed if the table does not fit.
const MOST_MISTAKES: usize = 8;

/// The confusions of `samples` as text: a line for each of two classes; up to [`MOST_CLASSES`] the table with the
/// scores of each class; for more the classes of least F1 and the most frequent mistakes.
pub fn by_class(samples: &str, confusion: &Confusion) -> String {
    match confusion.classes.len() {
        2 => two_lines(samples, confusion),
        classes if classes <= MOST_CLASSES => {
            format!("{}\n{}", counts(samples, confusion), scores(samples, confusion, &all(confusion)))
        }
        _ => {
            let mut worst = all(confusion);
            // Absent classes have no scores and come last.
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
            (format!("{samples} of class {}", confusion.classes[class]), text)
        })
        .collect();
    facts(&rows)
}

fn counts(samples: &str, confusion: &Confusion) -> String {
    let columns = (0..confusion.classes.len()).map(|class| match are_short(confusion) {
        true => confusion.classes[class].clone(),
        false => (class + 1).to_string(),
    });
    let header: Vec<String> = std::iter::once(format!("{samples}, predicted as")).chain(columns).collect();
    let mut rows = Vec::new();
    for (class, row) in confusion.counts.iter().enumerate() {
        let name = label(confusion, class);
        rows.push(std::iter::once(name).chain(row.iter().map(usize::to_string)).collect());
    }
    numbers(&header, rows)
}

/// Whether the names of the classes are columns of the table; longer ones are numbered.
fn are_short(confusion: &Confusion) -> bool {
    confusion.classes.iter().all(|name| name.chars().count() <= LONGEST_COLUMN)
}

/// The name of a class in the first column, after its number where columns are numbered.
fn label(confusion: &Confusion, class: usize) -> String {
    match are_short(confusion) {
        true => confusion.classes[class].clone(),
        false => format!("{} {}", class + 1, confusion.classes[class]),
    }
}

fn scores(title: &str, confusion: &Confusion, classes: &[usize]) -> String {
    let row = |name: String, scores: ClassScores| {
        vec![name, scores.support.to_string(), share(scores.precision), share(scores.recall), share(scores.f1)]
    };
    let header = [title, "samples", "precision", "recall", "F1"];
    let mut rows: Vec<_> =
        (classes.iter()).map(|&class| row(label(confusion, class), confusion.scores(class))).collect();
    rows.push(row(format!("mean of {}", confusion.classes.len()), confusion.means()));
    numbers(&header, rows)
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

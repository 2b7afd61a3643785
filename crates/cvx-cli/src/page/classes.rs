//! Classes on the page, and which are confused.

use super::html::{escape, paragraph, table};
use super::subject::Subject;
use crate::number::share;
use crate::summary::run::confusion;
use cvx_admm::Predictions;
use cvx_model::{ClassScores, Confusion};

/// Most classes whose table of confusions is readable.
const MOST_CLASSES: usize = 25;

/// Most mistakes that are listed for more classes.
const MOST_MISTAKES: usize = 20;

/// The confusions and the scores of every class, on test samples or held-out samples if there are any; `None` for a
/// regression.
pub fn classes(subject: &Subject) -> Option<String> {
    let Subject { solution, path, .. } = subject;
    let held_out = path.filter(|path| solution.test.is_none() && !path.held_out.rows.is_empty()).and_then(|path| {
        let Predictions { outputs, targets } = &path.held_out.predictions;
        Confusion::new(&solution.model.task, outputs, targets)
    });
    match (&held_out, confusion(solution)) {
        (Some(held_out), _) => Some(tables("held-out samples", held_out)),
        (None, found) => found.map(|(samples, confusion)| tables(samples, confusion)),
    }
}

/// The confusions of `samples`, and the scores of every class.
fn tables(samples: &str, confusion: &Confusion) -> String {
    let name = |class: usize| confusion.classes[class].clone();
    let counted = if confusion.classes.len() <= MOST_CLASSES {
        counts(samples, confusion)
    } else {
        let mistakes = confusion.mistakes().into_iter().take(MOST_MISTAKES);
        let rows: Vec<Vec<String>> = mistakes
            .map(|(truth, predicted)| {
                vec![name(truth), name(predicted), confusion.counts[truth][predicted].to_string()]
            })
            .collect();
        let header = [&format!("{samples}, the most frequent mistakes"), "predicted as", "samples"].map(String::from);
        table(&header, &rows, None)
    };
    let row = |name: String, scores: ClassScores| {
        vec![name, scores.support.to_string(), share(scores.precision), share(scores.recall), share(scores.f1)]
    };
    let mut rows: Vec<Vec<String>> =
        (0..confusion.classes.len()).map(|class| row(name(class), confusion.scores(class))).collect();
    rows.push(row(format!("mean of {}", confusion.classes.len()), confusion.means()));
    let header = [samples, "samples", "precision", "recall", "F1"].map(String::from);
    let scores = table(&header, &rows, Some(rows.len() - 1));
    let words = paragraph(
        "A row for each true class, a column for each predicted one; the larger its share of the row, the stronger a \
         cell's colour.",
    );
    if confusion.classes.len() <= MOST_CLASSES {
        format!("{counted}{words}{scores}")
    } else {
        format!("{counted}{scores}")
    }
}

/// The table of confusions, each cell shaded by its share of the row.
fn counts(samples: &str, confusion: &Confusion) -> String {
    let head: String =
        confusion.classes.iter().map(|class| format!("<th scope=\"col\">{}</th>", escape(class))).collect();
    let rows: String = (confusion.counts.iter().enumerate())
        .map(|(truth, row)| {
            let all = row.iter().sum::<usize>().max(1) as f64;
            let cells = row.iter().enumerate().map(|(predicted, &count)| {
                let class = if truth == predicted { "right" } else { "wrong" };
                format!("<td class=\"{class}\" style=\"--share:{:.3}\">{count}</td>", count as f64 / all)
            });
            let name = escape(&confusion.classes[truth]);
            format!("<tr><th scope=\"row\">{name}</th>{}</tr>\n", cells.collect::<String>())
        })
        .collect();
    format!(
        "<div class=\"wide\"><table class=\"numbers confusion\">\n\
         <tr><th scope=\"col\">{}, predicted as</th>{head}</tr>\n{rows}</table></div>\n",
        escape(samples)
    )
}

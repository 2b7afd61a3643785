//! Events of a run as lines of text, for the progress bar and the table of iterations alike.

use crate::number::{counted, percent, short};
use crate::summary::patches::Layout;
use crate::summary::path::neurons;
use cvx_admm::{FileError, Round, Scores, Settings, Summary};

/// The task, with the number of classes or targets.
pub fn task(summary: &Summary) -> String {
    match summary.shape.n_targets {
        1 => summary.task.to_string(),
        // Whole numbers with few values are taken for classes, which may not be meant.
        targets if summary.task == "multiclass" => {
            format!("multiclass with {targets} classes (--task regression for numbers)")
        }
        targets => format!("{} with {targets} targets", summary.task),
    }
}

/// The sizes of the problem. One of the features may be a bias; gates may look at patches.
pub fn sizes(summary: &Summary, bias: bool, layout: Option<&Layout>) -> String {
    let (shape, merged) = (&summary.shape, merged(summary));
    match layout {
        Some(layout) => format!(
            "{}{} of {}, {}{merged} of patches ({})",
            counted(shape.n_samples, "image"),
            folds(summary),
            layout.size(),
            counted(shape.n_patterns, "gate"),
            layout.words()
        ),
        None => format!(
            "{}{}, {}{}, {}{merged}",
            counted(shape.n_samples, "sample"),
            folds(summary),
            counted(shape.n_features - usize::from(bias), "feature"),
            if bias { " and a bias" } else { "" },
            counted(shape.n_patterns, "pattern")
        ),
    }
}

/// That some samples are held out, in a run of a path; empty for a run on all samples.
pub fn folds(summary: &Summary) -> String {
    match summary.folds {
        None => String::new(),
        Some(1) => " (others are held out)".to_string(),
        Some(folds) => format!(" in each of {folds} folds"),
    }
}

/// A network that is tried.
pub fn candidate(settings: &Settings) -> String {
    format!("trying {}", neurons(settings))
}

/// Gates that were merged into others; empty if there are none.
pub fn merged(summary: &Summary) -> String {
    match summary.merged_patterns {
        0 => String::new(),
        merged => format!(" ({merged} more were duplicates)"),
    }
}

/// Why a GPU was not used; `None` if there is no such GPU.
pub fn passed_over(summary: &Summary) -> Option<String> {
    summary.passed_over.as_ref().map(|reason| format!("cuda:0 was passed over: {reason}"))
}

/// The end of a round of refinement.
pub fn round(round: &Round) -> String {
    let Round { patterns, neurons, network, dual_bound, seconds, .. } = round;
    let (patterns, neurons) = (counted(*patterns, "pattern"), counted(*neurons, "neuron"));
    format!("{patterns}, {seconds:.1} s: objective {network:.5}, bound {dual_bound:.5}, {neurons}")
}

/// The end of a beta of a path.
pub fn point(fraction: f64, relative_gap: f64, validation: &Scores) -> String {
    let held_out = match validation.accuracy {
        Some(accuracy) => format!("accuracy {}", percent(accuracy)),
        None => format!("loss {}", short(validation.loss)),
    };
    let fraction = format!("beta at {fraction:.2e} of its largest value");
    format!("{fraction}: gap {relative_gap:.1e}, {held_out} on the held-out samples")
}

/// A checkpoint that was not written.
pub fn no_checkpoint(error: &FileError) -> String {
    let cause = std::error::Error::source(error).map_or_else(String::new, |cause| format!(": {cause}"));
    format!("warning: no checkpoint: {error}{cause}; the run continues")
}

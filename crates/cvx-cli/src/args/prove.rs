//! `cvx prove`.

use super::constraints::monotone;
use super::data::SourceArgs;
use super::values::{by_name, seconds};
use clap::{ArgGroup, Args};
use cvx_model::Trend;
use cvx_prove::{Deployed, Norm};
use std::path::PathBuf;

/// `cvx prove`.
#[derive(Args)]
#[command(group(ArgGroup::new("question").required(true).args(["robust", "radius", "range", "monotone", "same_as", "spec"])))]
#[command(after_help = "\
Examples:
  cvx prove planes.cvx --robust linf:2/255 --values 0,1 --data cifar-10-batches-bin --proof robust.proof
  cvx prove model.cvx --radius linf --data table.csv
  cvx prove model.cvx --monotone age:+ --data table.csv
  cvx prove model.cvx --same-as smaller.cvx --within 0.01 --data table.csv
  cvx prove --network net.onnx --spec property.vnnlib --time-limit 60")]
pub struct ProveArgs {
    /// A trained model.
    #[arg(required_unless_present = "network")]
    pub model: Option<PathBuf>,
    /// A network of two layers as ONNX instead, for --spec.
    #[arg(long, value_name = "FILE.onnx", conflicts_with = "model", requires = "spec")]
    pub network: Option<PathBuf>,
    /// No input within EPS of a sample has another class: linf:EPS or l2:EPS, as 0.01 or 2/255.
    #[arg(long, value_name = "NORM:EPS", value_parser = epsilon, help_heading = "Question")]
    pub robust: Option<Epsilon>,
    /// The largest such EPS of each sample: linf or l2.
    #[arg(long, value_name = "NORM", value_parser = by_name::<Norm>(), hide_possible_values = true, help_heading = "Question")]
    pub radius: Option<Norm>,
    /// The range of each output on a box: data, or COLUMN=LO:HI,.. and the range of the data otherwise.
    #[arg(long, value_name = "BOX", value_parser = intervals, help_heading = "Question")]
    pub range: Option<BoxArg>,
    /// Outputs only rise (+) or fall (-) along a column, on --box.
    #[arg(long, value_name = "COLUMN:+|-", value_parser = monotone, help_heading = "Question")]
    pub monotone: Option<(String, Trend)>,
    /// No output differs from that of another model by --within, on --box.
    #[arg(long, value_name = "OTHER", requires = "within", help_heading = "Question")]
    pub same_as: Option<PathBuf>,
    /// The difference of --same-as.
    #[arg(long, value_name = "TOL", requires = "same_as", help_heading = "Question")]
    pub within: Option<f64>,
    /// A property in VNN-LIB: prints sat with an input, unsat, unknown or timeout.
    #[arg(long, value_name = "FILE.vnnlib", help_heading = "Question")]
    pub spec: Option<PathBuf>,
    /// The box of --monotone and --same-as, as that of --range.
    #[arg(long = "box", value_name = "BOX", value_parser = intervals, default_value = "data", help_heading = "Question")]
    pub on: BoxArg,
    /// Perturbed values stay in this interval, as pixels in 0,1 (linf).
    #[arg(long, value_name = "LO,HI", value_parser = values, allow_hyphen_values = true, help_heading = "Question")]
    pub values: Option<(f64, f64)>,
    /// Arithmetic that the claims are about: f64, f32, or exact.
    #[arg(long, value_name = "WHERE", value_parser = by_name::<Deployed>(), default_value = "f64", hide_possible_values = true, help_heading = "Question")]
    pub deployed: Deployed,
    /// The samples and the data whose range is a box; the test samples, if the source has some.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Seconds for each sample, end of a range, or question [default: 60].
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Stopping")]
    pub time_limit: Option<f64>,
    /// Most nodes for each of them.
    #[arg(long, value_name = "N", default_value_t = 100_000, help_heading = "Stopping")]
    pub nodes: usize,
    /// Write the proofs here; cvx verify checks them.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub proof: Option<PathBuf>,
    /// Write all results here, as JSON; - is standard output.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub json: Option<PathBuf>,
    /// Print only errors.
    #[arg(long, help_heading = "Output")]
    pub quiet: bool,
}

/// A norm and a radius.
#[derive(Clone, Copy, Debug)]
pub struct Epsilon {
    /// The norm.
    pub norm: Norm,
    /// The radius, in the units of the features.
    pub radius: f64,
}

/// Intervals of columns; the others have the range of the data.
#[derive(Clone, Debug, Default)]
pub struct BoxArg(pub Vec<Interval>);

/// A column and its interval.
#[derive(Clone, Debug)]
pub struct Interval {
    /// The column.
    pub column: String,
    /// The smallest value.
    pub low: f64,
    /// The largest value.
    pub high: f64,
}

/// A number, or a fraction such as 2/255.
fn number(text: &str) -> Option<f64> {
    let parse = |text: &str| text.trim().parse::<f64>().ok();
    match text.split_once('/') {
        Some((above, below)) => Some(parse(above)? / parse(below)?),
        None => parse(text),
    }
}

fn epsilon(text: &str) -> Result<Epsilon, &'static str> {
    let expected = "expected linf:EPS or l2:EPS, with a number such as 0.01 or 2/255";
    let (name, radius) = text.split_once(':').ok_or(expected)?;
    let norm = name.trim().parse().map_err(|_| expected)?;
    let radius = number(radius).filter(|radius| radius.is_finite() && *radius >= 0.0).ok_or(expected)?;
    Ok(Epsilon { norm, radius })
}

fn values(text: &str) -> Result<(f64, f64), &'static str> {
    let ends = text.split_once(',').and_then(|(low, high)| Some((number(low)?, number(high)?)));
    ends.filter(|(low, high)| low < high).ok_or("expected two numbers, LO,HI, the smaller one first")
}

fn intervals(text: &str) -> Result<BoxArg, &'static str> {
    let expected = "expected data, or COLUMN=LO:HI for one column or more, separated by commas";
    if text.trim() == "data" {
        return Ok(BoxArg::default());
    }
    let interval = |part: &str| {
        let (column, ends) = part.rsplit_once('=')?;
        let (low, high) = ends.split_once(':')?;
        let (low, high) = (number(low)?, number(high)?);
        (low <= high).then(|| Interval { column: column.trim().to_string(), low, high })
    };
    text.split(',').map(interval).collect::<Option<Vec<_>>>().map(BoxArg).ok_or(expected)
}

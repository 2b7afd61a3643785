//! Options under "Constraints".

use clap::Args;
use cvx_model::{Constraints, Curvature, OutputRange, Trend};

/// What predictions must obey. Columns by name, or by number from 1.
#[derive(Args)]
#[command(next_help_heading = "Constraints")]
pub struct ConstraintArgs {
    /// Columns along which predictions only rise (+) or only fall (-).
    #[arg(long, value_name = "A:+,B:-,..", value_delimiter = ',', value_parser = monotone)]
    pub monotone: Vec<(String, Trend)>,
    /// Columns along which, together, predictions are convex.
    #[arg(long, value_name = "A,B,..", value_delimiter = ',')]
    pub convex: Vec<String>,
    /// Columns along which, together, predictions are concave.
    #[arg(long, value_name = "A,B,..", value_delimiter = ',')]
    pub concave: Vec<String>,
    /// Sets of columns that may interact; the other columns are one more set.
    #[arg(long, value_name = "[[A,B],[C],..]", value_parser = sets)]
    pub interact: Option<Sets>,
    /// No prediction is negative (relu neurons, no output bias).
    #[arg(long)]
    pub nonnegative: bool,
    /// Clip predictions of a regression to this interval.
    #[arg(long, value_name = "LO,HI", value_parser = range, allow_hyphen_values = true)]
    pub output_range: Option<OutputRange>,
}

/// Sets of columns.
#[derive(Clone)]
pub struct Sets(Vec<Vec<String>>);

impl ConstraintArgs {
    /// The arguments as the library takes them.
    pub fn constraints(&self) -> Constraints {
        let bent =
            |columns: &[String], curvature| columns.iter().map(move |column| (column.clone(), curvature)).collect();
        let curvatures: [Vec<_>; 2] = [bent(&self.convex, Curvature::Convex), bent(&self.concave, Curvature::Concave)];
        Constraints {
            trends: self.monotone.clone(),
            curvatures: curvatures.concat(),
            interactions: self.interact.clone().map(|Sets(sets)| sets),
            nonnegative: self.nonnegative,
        }
    }
}

/// A column with its trend.
pub fn monotone(text: &str) -> Result<(String, Trend), &'static str> {
    let expected = "expected COLUMN:+ or COLUMN:-";
    let (column, sign) = text.rsplit_once(':').ok_or(expected)?;
    match sign.trim() {
        "+" => Ok((column.to_string(), Trend::Increasing)),
        "-" => Ok((column.to_string(), Trend::Decreasing)),
        _ => Err(expected),
    }
}

/// Sets in brackets, within brackets.
fn sets(text: &str) -> Result<Sets, &'static str> {
    let expected = "expected sets of columns in brackets, such as [[age,price],[town]]";
    let inside = text.trim().strip_prefix('[').and_then(|text| text.trim_end().strip_suffix(']')).ok_or(expected)?;
    let mut sets = Vec::new();
    let mut rest = inside.trim();
    while !rest.is_empty() {
        let (set, after) = rest.strip_prefix('[').and_then(|text| text.split_once(']')).ok_or(expected)?;
        let columns: Vec<String> = set.split(',').map(|column| column.trim().trim_matches('"').to_string()).collect();
        if columns.iter().any(String::is_empty) {
            return Err(expected);
        }
        sets.push(columns);
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(next) if !next.trim().is_empty() => next.trim_start(),
            None if after.is_empty() => after,
            _ => return Err(expected),
        };
    }
    if sets.is_empty() { Err(expected) } else { Ok(Sets(sets)) }
}

fn range(text: &str) -> Result<OutputRange, String> {
    let ends = text.split_once(',').and_then(|(low, high)| Some((low.trim().parse().ok()?, high.trim().parse().ok()?)));
    let (low, high) = ends.ok_or("expected two numbers, LO,HI")?;
    OutputRange::new(low, high).map_err(|error| error.to_string())
}

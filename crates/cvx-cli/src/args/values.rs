//! The values of options, parsed into the types of the library.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use cvx_admm::{ClassWeights, Device};
use cvx_data::Header;
use cvx_linalg::Named;

/// A value by its name: `--help` lists the names, and no other is accepted.
pub fn by_name<T: Named + Clone + Send + Sync + 'static>() -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(T::names()).try_map(|name| name.parse::<T>())
}

/// A number of things; the settings check its range.
pub fn whole(text: &str) -> Result<usize, &'static str> {
    text.parse().map_err(|_| "expected a whole number that is 0 or larger")
}

/// A number of seconds.
pub fn seconds(text: &str) -> Result<f64, &'static str> {
    let seconds: Option<f64> = text.parse().ok().filter(|seconds| (0.0..=4e9).contains(seconds));
    seconds.ok_or("expected a number of seconds that is 0 or larger")
}

/// `--class-weight`; the settings check the numbers.
pub fn class_weights(text: &str) -> Result<ClassWeights, String> {
    if text == "balanced" {
        return Ok(ClassWeights::Balanced);
    }
    let named = text.split(',').map(|part| {
        let (class, weight) = part.rsplit_once('=')?;
        Some((class.to_string(), weight.parse().ok()?))
    });
    (named.collect::<Option<Vec<(String, f64)>>>().map(ClassWeights::Named))
        .ok_or_else(|| "expected balanced, or CLASS=WEIGHT for one class or more, separated by commas".to_string())
}

/// `--header`.
pub fn header() -> impl TypedValueParser<Value = Header> {
    PossibleValuesParser::new(["auto", "yes", "no"]).map(|name| match name.as_str() {
        "yes" => Header::Yes,
        "no" => Header::No,
        _ => Header::Auto,
    })
}

/// `--device`.
pub fn device(text: &str) -> Result<Device, &'static str> {
    text.parse().map_err(|_| "expected auto, cpu, cuda or cuda:I with a number I")
}

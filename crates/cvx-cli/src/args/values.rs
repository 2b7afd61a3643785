//! The values of options, parsed into the types of the library.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use cvx_admm::{ClassWeights, Device};

/// A value by its name: `--help` lists the names, and no other is accepted.
pub fn one_of<T: Clone + Send + Sync + 'static>(
    values: impl IntoIterator<Item = (&'static str, T)>,
) -> impl TypedValueParser<Value = T> {
    let values: Vec<(&str, T)> = values.into_iter().collect();
    let names = values.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    PossibleValuesParser::new(names).try_map(move |given| {
        let found = values.iter().find(|(name, _)| *name == given);
        found.map(|(_, value)| value.clone()).ok_or("unknown name")
    })
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

/// `--device`.
pub fn device(text: &str) -> Result<Device, String> {
    match text {
        "auto" => Ok(Device::Auto),
        "cpu" => Ok(Device::Cpu),
        "cuda" => Ok(Device::Cuda(0)),
        _ => (text.strip_prefix("cuda:").and_then(|ordinal| ordinal.parse().ok()))
            .map(Device::Cuda)
            .ok_or_else(|| "expected auto, cpu, cuda or cuda:I with a number I".to_string()),
    }
}

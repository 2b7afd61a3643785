//! Linear and logarithmic axes.

use kuva::render::layout::TickFormat;
use std::sync::Arc;

/// Scale of an axis. It cannot show values that are not finite or whose absolute value exceeds 1e100.
#[derive(Clone, Copy, PartialEq)]
pub enum Scale {
    /// Equal differences have equal lengths.
    Linear,
    /// Equal ratios have equal lengths. Values below 1e-10 cannot be shown.
    Log,
}

impl Scale {
    /// Whether the axis can show a value. On a log axis, kuva draws values below 1e-10 at 1e-10; it panics if padding
    /// makes an end infinite.
    pub(crate) fn shows(self, value: f64) -> bool {
        value.abs() <= 1e100 && (self == Self::Linear || value >= 1e-10)
    }

    /// Ends of an axis, a little outside the values.
    pub(crate) fn range(self, values: impl Iterator<Item = f64>) -> (f64, f64) {
        const MARGIN: f64 = 0.04;
        let (low, high) = values
            .filter(|&value| self.shows(value))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return (1.0, 10.0);
        }
        if self == Self::Linear {
            let pad = if low < high { MARGIN * (high - low) } else { 0.5 * low.abs() + 1e-3 };
            return (if low < 0.0 { low - pad } else { (low - pad).max(0.0) }, high + pad);
        }
        // Ends at a ratio of six contain two of the ticks 1, 2, 5.
        let pad = (high / low).powf(MARGIN).max((6.0 * low / high).sqrt());
        let padded = (low / pad, high * pad);
        // kuva draws ticks at 2 and 5 in at most three decades. They matter more than the margin.
        let (floor, ceiling) = (low.log10().floor(), high.log10().ceil());
        if ceiling - floor <= 3.0 && padded.1.log10().ceil() - padded.0.log10().floor() > 3.0 {
            return (padded.0.max(10f64.powf(floor)), padded.1.min(10f64.powf(ceiling)));
        }
        padded
    }

    pub(crate) fn tick_format(self, (low, high): (f64, f64)) -> TickFormat {
        // On three decades, the digits of longer numbers would touch.
        let plain = low >= 0.01 && high < 1e4;
        match self {
            Self::Linear if (1e-3..1e5).contains(&low.abs().max(high.abs())) => TickFormat::Auto,
            // Other numbers have too many digits.
            Self::Linear => TickFormat::Custom(Arc::new(linear_label)),
            // Only powers of ten have labels: others would overlap them.
            Self::Log if !plain && high > 100.0 * low => {
                TickFormat::Custom(Arc::new(|value| match log_label(value, false) {
                    label if label.contains('·') => String::new(),
                    label => label,
                }))
            }
            Self::Log => TickFormat::Custom(Arc::new(move |value| log_label(value, plain))),
        }
    }
}

/// The label of a tick at 1, 2 or 5 times a power of ten: in decimal digits if `plain`.
fn log_label(value: f64, plain: bool) -> String {
    // Rounding may have left the tick just below its power of ten.
    let exponent = (value.log10() + 1e-9).floor() as i32;
    if plain {
        return format!("{value:.*}", usize::try_from(-exponent).unwrap_or(0));
    }
    match (value / 10f64.powi(exponent)).round() {
        1.0 => power(exponent),
        factor => format!("{factor}·{}", power(exponent)),
    }
}

/// A number in up to four digits and a power of ten.
fn linear_label(value: f64) -> String {
    let text = format!("{value:.3e}");
    match text.split_once('e').and_then(|(factor, exponent)| Some((factor, exponent.parse().ok()?))) {
        Some((factor, exponent)) if value != 0.0 => {
            format!("{}·{}", factor.trim_end_matches('0').trim_end_matches('.'), power(exponent))
        }
        _ => "0".to_string(),
    }
}

/// 10 with a raised exponent.
fn power(exponent: i32) -> String {
    // The only character of an integer that is not a digit is its sign.
    let raised = |c: char| c.to_digit(10).and_then(|digit| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(digit as usize)).unwrap_or('⁻');
    "10".chars().chain(exponent.to_string().chars().map(raised)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_ticks_are_written_out_or_as_powers() {
        let plain = [0.01, 0.5, 1.0, 2000.0].map(|value| log_label(value, true));
        assert_eq!(plain, ["0.01", "0.5", "1", "2000"]);
        let powers = [1e-12, 5e-4, 1.0, 2e7].map(|value| log_label(value, false));
        assert_eq!(powers, ["10⁻¹²", "5·10⁻⁴", "10⁰", "2·10⁷"]);
    }

    #[test]
    fn long_linear_ticks_have_four_digits_and_a_power() {
        let labels = [0.0, 824_999_999_999.999_9, -1.5e5, 2e-7, 1e6].map(linear_label);
        assert_eq!(labels, ["0", "8.25·10¹¹", "-1.5·10⁵", "2·10⁻⁷", "1·10⁶"]);
    }
}

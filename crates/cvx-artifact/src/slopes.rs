//! How fast the outputs of a model can change with its inputs: Lipschitz bounds, and a range of slopes for each column.

use crate::model::Model;
use crate::named_constraints::column_names;
use crate::signed_sums::{MOST_VECTORS, longest, power_of_two};
use cvx_model::{ColumnKind, FeatureKind, Network, Part, Transform};
use serde::Serialize;
use std::time::{Duration, Instant};

/// How fast one output can change. Everything is in the units of the inputs and of the output (the prediction or the
/// score) before any transform, and holds for all inputs. The fields are the keys of its JSON, which are stable.
///
/// Let v_j = w2_j w1_j / scale be the slope of neuron j where it is on, without the entry of the bias. Since z -> z_+
/// never falls and has slopes of at most 1, (x'w)_+ - (y'w)_+ = s (x - y)'w with an s in \[0, 1\], so that for any x, y
///
/// $$ f(x) - f(y) = (x - y)^\top \sum_j s_j v_j, \qquad s \in [0, 1]^m . $$
///
/// Entry k of the sum lies in \[low_k, high_k\] with low_k = sum_j min(0, v_jk) and high_k = sum_j max(0, v_jk). With
/// s_j = (1 + t_j) / 2, the sum is c + sum_j t_j v_j / 2 around its centre c = sum_j v_j / 2, where |t_j| <= 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Slopes {
    /// The output: the class of a score, or the target.
    pub output: String,
    /// Bounds for changes of all inputs together; `None` where gates switch, because the output jumps there.
    pub lipschitz: Option<Lipschitz>,
    /// The slopes along each column of numbers of a table, unless a gate sees the column.
    pub columns: Vec<ColumnSlopes>,
}

/// |f(x) - f(y)| is at most `l2` times the Euclidean norm of x - y, and at most `l_infinity` times its largest entry.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Lipschitz {
    /// The smaller of ||c|| + sum_j ||v_j|| / 2 and the norm of the entries max(-low_k, high_k). Both bound the norm of
    /// the sum; the first is at most sum_j ||v_j|| by the triangle inequality.
    pub l2: f64,
    /// sum_k max(-low_k, high_k), which bounds the sum of the absolute entries and is at most sum_j ||v_j||_1.
    pub l_infinity: f64,
    /// A bound like `l2`, by a semidefinite programme (docs/math.md, section 16). It is rounded up, and never larger
    /// than `l2` but for that; `None` unless [`tighten`](Slopes::tighten) found it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub semidefinite: Option<f64>,
}

/// The change of the output per unit of a column, the others as they are, lies in this range.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnSlopes {
    /// The column.
    pub column: String,
    /// low_k, at most 0.
    pub low: f64,
    /// high_k, at least 0.
    pub high: f64,
}

impl Slopes {
    /// Most neurons of a network that [`tighten`](Slopes::tighten) bounds: their centre is one more vector.
    pub const MOST_NEURONS: usize = MOST_VECTORS - 1;

    /// Those of each output of a model, in their order.
    ///
    /// A column that no gate sees leaves all gates as they are, so that its range holds for gated neurons, too; an
    /// output range only makes changes smaller.
    pub fn of(model: &Model) -> Vec<Self> {
        let Model { network, transform, kind, .. } = model;
        let sees = |k: usize| {
            network.patches.is_some()
                || network.gates.iter().any(|gates| (0..gates.cols()).any(|neuron| gates[(k, neuron)] != 0.0))
        };
        let seen: Vec<bool> = (0..transform.n_inputs()).map(sees).collect();
        let listed = |&k: &usize| *kind == FeatureKind::Table && !seen[k] && is_number(transform, k);
        let listed: Vec<usize> = (0..seen.len()).filter(listed).collect();
        let (names, jumps) = (column_names(model), seen.contains(&true));
        let slopes = |(c, output): (usize, String)| {
            if network.patches.is_some() {
                return Slopes { output, lipschitz: None, columns: Vec::new() };
            }
            let sums = Sums::new(network, &transform.scale, c);
            let column = |&k: &usize| ColumnSlopes { column: names[k].clone(), low: sums.low[k], high: sums.high[k] };
            let columns = listed.iter().map(column).collect();
            Slopes { output, lipschitz: (!jumps).then(|| sums.lipschitz()), columns }
        };
        model.outputs().into_iter().enumerate().map(slopes).collect()
    }

    /// Adds the semidefinite bounds to the `slopes` of a model, those of its outputs, where networks have at most
    /// [`MOST_NEURONS`](Slopes::MOST_NEURONS). After the `limit`, bounds are those of the multipliers found by then.
    pub fn tighten(slopes: &mut [Self], model: &Model, limit: Duration) {
        let until = after(limit);
        for (output, slopes) in slopes.iter_mut().enumerate() {
            if let Some(lipschitz) = &mut slopes.lipschitz {
                lipschitz.semidefinite =
                    semidefinite(&model.network, &model.transform.scale, output, lipschitz.l2, until);
            }
        }
    }
}

/// The time after a limit; a limit beyond a century is one of a century, which every clock holds.
fn after(limit: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    Instant::now() + limit.min(CENTURY)
}

/// An upper bound of ||c + sum_j t_j v_j / 2|| over |t_j| <= 1: the sign of c is free, too, as that of all together is.
/// `l2` is another one before rounding.
fn semidefinite(network: &Network, scale: &[f64], output: usize, l2: f64, until: Instant) -> Option<f64> {
    let half = |neuron: usize| -> Vec<f64> {
        let second = 0.5 * network.w2[(neuron, output)];
        network.w1.col(neuron).iter().zip(scale).map(|(first, scale)| second * first / scale).collect()
    };
    let mut vectors: Vec<Vec<f64>> = (0..network.n_neurons()).map(half).collect();
    let centre = (0..scale.len()).map(|k| vectors.iter().map(|vector| vector[k]).sum()).collect();
    // Products, quotients, the sum of the centre and those of `l2` are rounded, also to subnormal numbers.
    let entries: f64 = vectors.iter().flatten().map(|entry| entry.abs()).sum();
    let least: f64 = scale.iter().map(|scale| f64::MIN_POSITIVE * (1.0 + 1.0 / scale.abs())).sum();
    let terms = (vectors.len() + scale.len() + 8) as f64;
    let doubt = f64::EPSILON * terms * 2.0 * entries + terms * least;
    vectors.push(centre);
    longest(&vectors, until).map(|longest| longest.min(l2) + doubt)
}

/// Whether a feature is the value of a column of numbers.
fn is_number(transform: &Transform, feature: usize) -> bool {
    transform.recipe.as_ref().is_none_or(|recipe| {
        let feature = &recipe.features()[feature];
        feature.part == Part::Value && matches!(recipe.columns()[feature.source].kind, ColumnKind::Numbers(_))
    })
}

/// Sums over the slopes v_j of the neurons, for one output.
struct Sums {
    /// Of the negative entries, for each input (d).
    low: Vec<f64>,
    /// Of the positive entries, for each input (d).
    high: Vec<f64>,
    /// Of the Euclidean norms.
    norms: f64,
}

impl Sums {
    /// Those of a network on whole samples, for inputs that are divided by `scale` (d).
    fn new(network: &Network, scale: &[f64], output: usize) -> Self {
        let mut sums = Sums { low: vec![0.0; scale.len()], high: vec![0.0; scale.len()], norms: 0.0 };
        let neurons = network.w2.col(output).iter().enumerate().filter(|(_, weight)| **weight != 0.0);
        for (neuron, second) in neurons {
            let slopes = network.w1.col(neuron).iter().zip(scale).map(|(first, scale)| second * first / scale);
            for (k, slope) in slopes.clone().enumerate() {
                sums.low[k] += slope.min(0.0);
                sums.high[k] += slope.max(0.0);
            }
            sums.norms += norm(slopes);
        }
        sums
    }

    fn lipschitz(&self) -> Lipschitz {
        let ranges = || self.low.iter().zip(&self.high);
        let largest = || ranges().map(|(low, high)| high.max(-low));
        let around_centre = 0.5 * (norm(ranges().map(|(low, high)| low + high)) + self.norms);
        Lipschitz {
            l2: around_centre.min(norm(largest())),
            l_infinity: largest().fold(0.0, |sum, x| sum + x),
            semidefinite: None,
        }
    }
}

/// The Euclidean norm, also where squares overflow or are subnormal.
fn norm(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = values.clone().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    let unit = power_of_two(largest);
    if largest == 0.0 || largest.is_infinite() {
        largest
    } else {
        unit * values.map(|value| (value / unit).powi(2)).sum::<f64>().sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cvx_linalg::HostMatrix;
    use cvx_model::PatternSet;

    /// A network of m neurons on d inputs, of quite different scales, and a bias, with two outputs.
    fn network(d: usize, m: usize, seed: u64) -> (Network, Vec<f64>) {
        let (w1, w2) = (PatternSet::sample_gates(d + 1, m, seed), PatternSet::sample_gates(m, 2, seed + 1));
        (Network::new(w1, w2, None), (0..d).map(|k| 10f64.powi(k as i32 % 5 - 2)).collect())
    }

    #[test]
    fn a_limit_that_no_clock_holds_is_a_long_one() {
        assert!(after(Duration::MAX) > after(Duration::from_secs(4_000_000)));
    }

    /// The outputs at inputs (d x n) before they are divided by the scale.
    fn outputs(network: &Network, scale: &[f64], x: &HostMatrix) -> HostMatrix {
        network.predict_in_order(&HostMatrix::from_fn(scale.len() + 1, x.cols(), |k, a| {
            scale.get(k).map_or(1.0, |scale| x[(k, a)] / scale)
        }))
    }

    #[test]
    fn no_two_points_differ_by_more() {
        for (d, m, seed) in [(1, 1, 1), (1, 7, 2), (2, 3, 3), (3, 40, 4), (6, 2, 5), (9, 20, 6)] {
            let (network, scale) = network(d, m, seed);
            let bounds = [0, 1].map(|c| Sums::new(&network, &scale, c));
            for reach in [0.01, 1.0, 100.0] {
                let x = PatternSet::sample_gates(d, 400, seed + 7);
                let x = HostMatrix::from_fn(d, 400, |k, a| reach * scale[k] * x[(k, a)]);
                let f = outputs(&network, &scale, &x);
                for (a, c) in (1..400).flat_map(|a| [(a, 0), (a, 1)]) {
                    let Lipschitz { l2, l_infinity, .. } = bounds[c].lipschitz();
                    let change = (f[(a, c)] - f[(a - 1, c)]).abs();
                    let differences = || (0..d).map(|k| x[(k, a)] - x[(k, a - 1)]);
                    let length = differences().map(|step| step * step).sum::<f64>().sqrt();
                    let largest = differences().fold(0f64, |largest, step| largest.max(step.abs()));
                    assert!(change <= l2 * length * (1.0 + 1e-9), "{d} {m}");
                    assert!(change <= l_infinity * largest * (1.0 + 1e-9), "{d} {m}");
                }
                for k in 0..d {
                    let step = 0.3 * reach * scale[k];
                    let moved = HostMatrix::from_fn(d, 400, |row, a| x[(row, a)] + if row == k { step } else { 0.0 });
                    let moved = outputs(&network, &scale, &moved);
                    for (a, c) in (0..400).flat_map(|a| [(a, 0), (a, 1)]) {
                        let slope = (moved[(a, c)] - f[(a, c)]) / step;
                        let (low, high) = (bounds[c].low[k], bounds[c].high[k]);
                        let rounding = 1e-9 * (high - low);
                        assert!(low - rounding <= slope && slope <= high + rounding, "{low} {slope} {high}");
                    }
                }
            }
        }
    }

    /// On pairs of points, and beside the other bound.
    #[test]
    fn no_two_points_differ_by_more_than_the_semidefinite_bound() {
        let until = Instant::now() + Duration::from_secs(30);
        for (d, m, seed) in [(1, 1, 1), (2, 3, 3), (3, 40, 4), (6, 2, 5)] {
            let (network, scale) = network(d, m, seed);
            let x = PatternSet::sample_gates(d, 400, seed + 7);
            let x = HostMatrix::from_fn(d, 400, |k, a| scale[k] * x[(k, a)]);
            let f = outputs(&network, &scale, &x);
            for c in 0..2 {
                let l2 = Sums::new(&network, &scale, c).lipschitz().l2;
                let bound = semidefinite(&network, &scale, c, l2, until).unwrap();
                assert!(bound <= l2 * (1.0 + 1e-11), "{d} {m}");
                for a in 1..400 {
                    let squares = (0..d).map(|k| (x[(k, a)] - x[(k, a - 1)]).powi(2));
                    let change = (f[(a, c)] - f[(a - 1, c)]).abs();
                    assert!(change <= bound * squares.sum::<f64>().sqrt() * (1.0 + 1e-9), "{d} {m}");
                }
            }
        }
    }

    /// Of one neuron the slope is the bound: a value below it would be false, whatever the unit of the inputs is.
    #[test]
    fn bounds_hold_for_slopes_of_any_size_and_the_semidefinite_one_is_rounded_up() {
        let until = Instant::now() + Duration::from_secs(30);
        for size in [1e-320, 1e-200, 1e-80, 1.0, 1e80, 1e200] {
            // A third and its multiples are rounded.
            let w1 = HostMatrix::from_vec(3, 2, vec![1.0 / 3.0, 0.0, 0.5, -2.0 / 3.0, 0.0, 0.5]);
            let network = Network::new(w1, HostMatrix::from_vec(2, 1, vec![size, -size]), None);
            let l2 = Sums::new(&network, &[1.0, 1.0], 0).lipschitz().l2;
            assert!((l2 / size - 1.0).abs() <= 1e-2, "{size:e}: {l2}");
            let bound = semidefinite(&network, &[1.0, 1.0], 0, l2, until).unwrap();
            assert!(bound > l2 && bound <= l2 * (1.0 + 1e-12) + 1e-300, "{size:e}: {bound} {l2}");
        }
    }

    #[test]
    fn bounds_are_at_most_the_sums_over_neurons() {
        for (d, m, seed) in [(1, 5, 1), (4, 30, 2), (20, 3, 3)] {
            let (network, scale) = network(d, m, seed);
            let slope = |j: usize, k: usize| network.w2[(j, 0)] * network.w1[(k, j)] / scale[k];
            let Lipschitz { l2, l_infinity, .. } = Sums::new(&network, &scale, 0).lipschitz();
            let norm = |j: usize| (0..d).map(|k| slope(j, k).powi(2)).sum::<f64>().sqrt();
            assert!(l2 <= (0..m).map(norm).sum::<f64>() * (1.0 + 1e-12));
            let all: f64 = (0..m).flat_map(|j| (0..d).map(move |k| (j, k))).map(|(j, k)| slope(j, k).abs()).sum();
            assert!(l_infinity <= all * (1.0 + 1e-12) && l2 <= l_infinity * (1.0 + 1e-12));
        }
    }

    #[test]
    fn one_neuron_and_an_absolute_value_are_exact() {
        let weights = |values: &[f64]| HostMatrix::from_vec(3, values.len() / 3, values.to_vec());
        let one = Network::new(weights(&[3.0, 8.0, 5.0]), HostMatrix::from_vec(1, 1, vec![-2.0]), None);
        let sums = Sums::new(&one, &[1.0, 2.0], 0);
        assert_eq!((&sums.low[..], &sums.high[..]), (&[-6.0, -8.0][..], &[0.0, 0.0][..]));
        let exactly = |l2, l_infinity| Lipschitz { l2, l_infinity, semidefinite: None };
        assert_eq!(sums.lipschitz(), exactly(10.0, 14.0));
        // |3 x + 4 y|: half of the sum over neurons.
        let both = weights(&[3.0, 4.0, 0.0, -3.0, -4.0, 0.0]);
        let both = Network::new(both, HostMatrix::from_vec(2, 1, vec![1.0, 1.0]), None);
        assert_eq!(Sums::new(&both, &[1.0, 1.0], 0).lipschitz(), exactly(5.0, 7.0));
        let none = Network::new(HostMatrix::zeros(3, 0), HostMatrix::zeros(0, 1), None);
        assert_eq!(Sums::new(&none, &[1.0, 1.0], 0).lipschitz(), exactly(0.0, 0.0));
    }

    #[test]
    fn the_scale_of_a_neuron_changes_nothing_and_that_of_the_inputs_divides() {
        let (mut network, scale) = network(4, 9, 3);
        let before = Sums::new(&network, &scale, 1).lipschitz();
        // Powers of two, so that nothing is rounded.
        for j in 0..9 {
            let factor = 2f64.powi(j as i32 - 4);
            network.w1.col_mut(j).iter_mut().for_each(|weight| *weight *= factor);
            (0..2).for_each(|c| network.w2[(j, c)] /= factor);
        }
        assert_eq!(Sums::new(&network, &scale, 1).lipschitz(), before);
        let wider: Vec<f64> = scale.iter().map(|scale| 8.0 * scale).collect();
        let Lipschitz { l2, l_infinity, .. } = Sums::new(&network, &wider, 1).lipschitz();
        assert_eq!((8.0 * l2, 8.0 * l_infinity), (before.l2, before.l_infinity));
    }
}

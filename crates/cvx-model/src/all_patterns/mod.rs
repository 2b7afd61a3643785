//! A lower bound over all activation patterns and widths, for samples of few features (docs/math.md, section 15).
//!
//! [`ConvexProgram`](crate::ConvexProgram) bounds networks over its own patterns. Here every direction w of a neuron is
//! searched, so that the bound holds for every network of neurons with one output each.

mod ascent;
mod cone;
mod dual_point;
mod dual_value;
mod peak;
mod search;

use crate::activation::Activation;
use crate::block_cones::{BlockCones, BlockRole};
use crate::error::ModelError;
use crate::weighted::{TargetSum, WeightedLoss};
use cone::Cone;
pub use cone::MOST_ROWS;
use cvx_linalg::{HostMatrix, StopToken};
pub use peak::Peak;
use search::Search;
use std::collections::HashSet;

/// Cones that one maximum may take.
const MOST_CONES: u64 = 20_000_000;

/// The training problem (1.1) of all networks of ReLU neurons with one output each.
#[derive(Clone, Copy)]
pub struct AllPatterns<'a> {
    xt: &'a HostMatrix,
    y: &'a HostMatrix,
    loss: &'a WeightedLoss,
    cones: Option<&'a BlockCones>,
    beta: f64,
}

/// A lower bound of the objective of every network of neurons with one output each, with its proof.
#[derive(Clone, Debug, PartialEq)]
pub struct GlobalBound {
    /// The bound, rounded down.
    pub value: f64,
    /// The bound of each target (C); empty for a loss of rows.
    pub targets: Vec<f64>,
    /// xi (n x C), a point of the domain of the conjugate; with an output bias its columns sum to exactly zero.
    pub xi: HostMatrix,
    /// For each target an upper bound of max |xi'(Xw)+| over ||w|| <= 1 (C).
    pub maxima: Vec<f64>,
    /// Directions that attain nearly as much, for the patterns of another round (d x any).
    pub directions: HostMatrix,
    /// Cones that were looked at.
    pub cones: u64,
}

impl<'a> AllPatterns<'a> {
    /// The problem of samples `xt` (d x n) with targets `y` (n x C), a loss with its weights, what the weights of the
    /// neurons obey, and the weight `beta` of the norms.
    ///
    /// # Errors
    /// [`ModelError::Shape`] for samples of more than [`MOST_ROWS`] rows or none, and for another number of targets or
    /// weights than samples; [`ModelError::OutOfRange`] for a beta that is not positive and finite.
    pub fn new(
        xt: &'a HostMatrix,
        y: &'a HostMatrix,
        loss: &'a WeightedLoss,
        cones: Option<&'a BlockCones>,
        beta: f64,
    ) -> Result<Self, ModelError> {
        let n = xt.cols();
        let fits = |what, expected: usize, found: usize| match expected == found {
            true => Ok(()),
            false => Err(ModelError::Shape { what, expected: expected.to_string(), found: found.to_string() }),
        };
        if !(1..=MOST_ROWS).contains(&xt.rows()) {
            let expected = format!("samples of 1 to {MOST_ROWS} rows");
            return Err(ModelError::Shape { what: "x", expected, found: xt.rows().to_string() });
        }
        fits("y", n, y.rows())?;
        fits("the weights", n, loss.weights().map_or(n, <[f64]>::len))?;
        if !(beta > 0.0 && beta.is_finite()) {
            return Err(ModelError::OutOfRange { name: "beta", value: beta, range: "a positive number" });
        }
        Ok(AllPatterns { xt, y, loss, cones, beta })
    }

    /// The weight of the norms.
    pub fn beta(&self) -> f64 {
        self.beta
    }

    /// Local maxima of +-xi'(Xw)+ over ||w|| <= 1 for each target (C), the largest first and one of each pattern.
    ///
    /// # Panics
    /// For a `xi` that is not n x C.
    pub fn peaks(&self, xi: &HostMatrix, seed: u64) -> Vec<Vec<Peak>> {
        self.check(xi);
        let of_target = |c: usize| {
            let sides = self.roles().into_iter().map(|role| {
                let signed = signed(xi.col(c), role.negative);
                ascent::peaks(self.xt, &signed, &self.signs(role), seed)
            });
            let mut peaks: Vec<Peak> = sides.flatten().collect();
            peaks.sort_by(|a, b| b.value.total_cmp(&a.value));
            let mut seen = HashSet::new();
            peaks.retain(|peak| seen.insert(self.pattern(&peak.direction)));
            peaks
        };
        (0..xi.cols()).map(of_target).collect()
    }

    /// The bound that a dual point `xi` (n x C) would prove if the maxima of its targets were `maxima` (C). A maximum
    /// that is no number, or negative, proves nothing.
    ///
    /// # Panics
    /// For a `xi` that is not n x C, or another number of maxima than C.
    pub fn value(&self, xi: &HostMatrix, maxima: &[f64]) -> TargetSum {
        self.check(xi);
        assert_eq!(maxima.len(), xi.cols(), "maxima, one for each target");
        let limit = |maximum: &f64| if *maximum >= 0.0 { self.beta / maximum } else { 0.0 };
        let limits: Vec<f64> = maxima.iter().map(limit).collect();
        dual_value::lower(self.loss, xi, self.y, &limits)
    }

    /// The lower bound that `xi` (n x C) proves. `peaks` are those of the point; a maximum is found up to the relative
    /// `tolerance`. When the `stop` is due or the limit of cones is reached, the bound is what has been proved by then.
    ///
    /// # Panics
    /// For a `xi` that is not n x C, or peaks of another number of targets.
    pub fn bound(&self, xi: &HostMatrix, peaks: &[Vec<Peak>], tolerance: f64, stop: &StopToken) -> GlobalBound {
        self.check(xi);
        assert_eq!(peaks.len(), xi.cols(), "peaks, those of each target");
        let mut cones = 0;
        let mut directions = Vec::new();
        let maxima: Vec<f64> = (0..xi.cols())
            .map(|c| {
                let found = [false, true].map(|negative| {
                    let signed = signed(xi.col(c), negative);
                    let mut search = Search::new(self.xt, &signed, self.starts(negative), MOST_CONES, stop);
                    peaks[c].iter().for_each(|peak| search.try_direction(&peak.direction));
                    let upper = search.upper(self.beta, tolerance);
                    cones += search.cones();
                    directions.extend_from_slice(search.best().unwrap_or_default());
                    upper
                });
                // Neither a NaN of an overflow nor the other side's maximum is to be taken for it.
                if found.iter().any(|upper| upper.is_nan()) { f64::INFINITY } else { found[0].max(found[1]) }
            })
            .collect();
        let rows = self.xt.rows();
        let TargetSum { total: value, targets } = self.value(xi, &maxima);
        GlobalBound {
            value,
            targets,
            xi: xi.clone(),
            maxima,
            directions: HostMatrix::from_vec(rows, directions.len() / rows, directions),
            cones,
        }
    }

    /// The nearest dual point to `xi` (n x C) that is one in exact arithmetic.
    ///
    /// # Panics
    /// For a `xi` that is not n x C.
    pub fn dual_point(&self, xi: &HostMatrix) -> HostMatrix {
        self.check(xi);
        dual_point::exact(self.loss, xi, self.y)
    }

    fn check(&self, xi: &HostMatrix) {
        assert_eq!((xi.rows(), xi.cols()), (self.y.rows(), self.y.cols()), "xi, an entry for each target");
    }

    /// 1[X w >= 0].
    fn pattern(&self, w: &[f64]) -> Vec<bool> {
        let is_on = |a: usize| self.xt.col(a).iter().zip(w).map(|(x, w)| x * w).sum::<f64>() >= 0.0;
        (0..self.xt.cols()).map(is_on).collect()
    }

    /// The roles of neurons: their sides and groups.
    fn roles(&self) -> Vec<BlockRole> {
        let groups = self.cones.map_or(1, BlockCones::n_groups);
        (0..groups).flat_map(|group| [false, true].map(|negative| BlockRole { negative, group })).collect()
    }

    /// Whether each entry of a neuron's weights may be positive, and negative (d).
    fn signs(&self, role: BlockRole) -> Vec<[bool; 2]> {
        let sign = |row| self.cones.map_or([true; 2], |cones| cones.entry(Activation::Relu, role, row));
        (0..self.xt.rows()).map(sign).collect()
    }

    /// The orthants that the neurons of one side may lie in.
    fn starts(&self, negative: bool) -> Vec<Cone> {
        let roles = self.roles().into_iter().filter(|role| role.negative == negative);
        roles.flat_map(|role| Cone::orthants(&self.signs(role))).collect()
    }
}

fn signed(xi: &[f64], negative: bool) -> Vec<f64> {
    xi.iter().map(|xi| if negative { -xi } else { *xi }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::Loss;
    use crate::patterns::PatternSet;
    use proptest::prelude::*;

    fn numbers(rows: usize, cols: usize, seed: u64) -> HostMatrix {
        PatternSet::sample_gates(rows, cols, seed)
    }

    /// Below it a maximum need not be found: one of zero never is, since a cone at its edge has a positive bound.
    const FLOOR: f64 = 1e-6;

    fn maximum(xt: &HostMatrix, xi: &[f64], signs: &[[bool; 2]], most_cones: u64) -> (f64, f64) {
        let stop = StopToken::new();
        let mut search = Search::new(xt, xi, Cone::orthants(signs), most_cones, &stop);
        let upper = search.upper(FLOOR, 1e-3);
        let value = |w: &[f64]| -> f64 {
            (0..xt.cols()).map(|a| xi[a] * xt.col(a).iter().zip(w).map(|(x, w)| x * w).sum::<f64>().max(0.0)).sum()
        };
        (search.best().map_or(0.0, value), upper)
    }

    /// The maximum in the plane: of a sum that is linear between the directions orthogonal to samples.
    fn in_the_plane(xt: &HostMatrix, xi: &[f64]) -> f64 {
        let value = |angle: f64| -> f64 {
            (0..xt.cols()).map(|a| xi[a] * (xt[(0, a)] * angle.cos() + xt[(1, a)] * angle.sin()).max(0.0)).sum()
        };
        let turn = std::f64::consts::FRAC_PI_2;
        let edges = (0..xt.cols()).flat_map(|a| [turn, -turn].map(|turn| xt[(1, a)].atan2(xt[(0, a)]) + turn));
        let mut edges: Vec<f64> = edges.map(|angle| angle.rem_euclid(4.0 * turn)).collect();
        edges.sort_by(f64::total_cmp);
        edges.push(edges[0] + 4.0 * turn);
        let of_arc = |arc: &[f64]| {
            let middle = 0.5 * (arc[0] + arc[1]);
            let (cos, sin) = (middle.cos(), middle.sin());
            let on = |a: usize| xt[(0, a)] * cos + xt[(1, a)] * sin > 0.0;
            let sum = |row: usize| (0..xt.cols()).filter(|&a| on(a)).map(|a| xi[a] * xt[(row, a)]).sum::<f64>();
            let top = sum(1).atan2(sum(0)).rem_euclid(4.0 * turn);
            let inside = [top, top + 4.0 * turn].into_iter().find(|top| (arc[0]..=arc[1]).contains(top));
            inside.map_or(0.0, value).max(value(arc[0]))
        };
        edges.windows(2).map(of_arc).fold(0.0, f64::max)
    }

    /// The maximum is zero, at the edge of a half-plane of zeros.
    #[test]
    fn a_maximum_of_zero_is_bounded_by_the_floor() {
        let (xt, xi) = (numbers(2, 1, 69), numbers(1, 1, 70));
        assert!(xi[(0, 0)] < 0.0);
        let (lower, upper) = maximum(&xt, xi.col(0), &[[true; 2]; 2], u64::MAX);
        assert!(lower == 0.0 && (0.0..1e-5).contains(&upper), "{lower} {upper}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(30))]
        #[test]
        fn in_the_plane_the_search_finds_the_maximum_of_all_arcs(seed in 0u64..1000, n in 1usize..40) {
            let (xt, xi) = (numbers(2, n, seed), numbers(n, 1, seed + 1));
            let expected = in_the_plane(&xt, xi.col(0));
            let (lower, upper) = maximum(&xt, xi.col(0), &[[true; 2]; 2], u64::MAX);
            prop_assert!(lower <= expected * (1.0 + 1e-12) && expected <= upper, "{lower} {expected} {upper}");
            prop_assert!(upper <= lower.max(FLOOR) * (1.0 + 1.001e-3) + 1e-9, "{lower} {upper}");
        }

        /// Also under signs, and where the search ends early.
        #[test]
        fn no_direction_has_more_than_the_bound(
            seed in 0u64..1000, d in 1usize..=MOST_ROWS, cones in 1u64..3000,
            signs in prop::collection::vec(prop::array::uniform2(any::<bool>()), MOST_ROWS),
        ) {
            let (n, signs) = (25, &signs[..d]);
            let (xt, xi) = (numbers(d, n, seed), numbers(n, 1, seed + 1));
            let (lower, upper) = maximum(&xt, xi.col(0), signs, cones);
            let w = numbers(d, 300, seed + 2);
            for j in 0..300 {
                let role = |row: usize| signs[row];
                let w: Vec<f64> = w.col(j).iter().enumerate().map(|(row, w)| match role(row) {
                    [true, true] => *w,
                    [true, false] => w.abs(),
                    [false, true] => -w.abs(),
                    [false, false] => 0.0,
                }).collect();
                let norm = w.iter().map(|w| w * w).sum::<f64>().sqrt();
                let value: f64 = (0..n)
                    .map(|a| xi[(a, 0)] * xt.col(a).iter().zip(&w).map(|(x, w)| x * w).sum::<f64>().max(0.0))
                    .sum();
                prop_assert!(value <= upper * norm + 1e-12);
            }
            prop_assert!(lower <= upper);
        }

        /// In exact arithmetic, which sums of multiples of one unit are in f64.
        #[test]
        fn dual_points_are_feasible_to_the_last_bit(seed in 0u64..1000, number in 0usize..5, output_bias: bool) {
            let loss = [Loss::Squared, Loss::Logistic, Loss::SquaredHinge, Loss::Huber { delta: 0.4 }, Loss::Multinomial];
            let (n, count) = (20, if number == 4 { 3 } else { 2 });
            let label = |a: usize, c: usize| if a % count == c { 1.0 } else { -1.0 };
            let y = HostMatrix::from_fn(n, count, label);
            let weights: Vec<f64> = numbers(n, 1, seed).values().iter().map(|w| 0.1 + w.abs()).collect();
            let loss = WeightedLoss::new(loss[number], Some(weights.clone())).unwrap().with_output_bias(output_bias);
            let (xt, drawn) = (numbers(3, n, 1), numbers(n, count, seed + 1));
            let problem = AllPatterns::new(&xt, &y, &loss, None, 1.0).unwrap();
            let xi = problem.dual_point(&drawn);
            let mut near = drawn.clone();
            loss.clip(&mut near, &y);
            for (found, near) in xi.values().iter().zip(near.values()) {
                prop_assert!((found - near).abs() <= 1e-9);
            }
            if output_bias {
                prop_assert!((0..count).all(|c| xi.col(c).iter().sum::<f64>() == 0.0));
            }
            for a in 0..n {
                let row: Vec<f64> = (0..count).map(|c| xi[(a, c)]).collect();
                let signed: Vec<f64> = (0..count).map(|c| xi[(a, c)] * y[(a, c)]).collect();
                let most = row.iter().fold(0.0, |most: f64, xi| most.max(xi.abs()));
                let fits = match number {
                    0 => true,
                    1 => signed.iter().all(|xi| *xi >= 0.0) && most <= weights[a],
                    2 => signed.iter().all(|xi| *xi >= 0.0),
                    3 => most <= 0.4 * weights[a],
                    _ => signed.iter().all(|xi| *xi >= 0.0)
                        && row.iter().sum::<f64>() == 0.0
                        && most <= weights[a] * (1.0 + 1e-9),
                };
                prop_assert!(fits);
            }
            // And its value is that of the certificate, rounded down.
            let limits = vec![1.0 / 1.3; count];
            let (value, plain) = (problem.value(&xi, &vec![1.3; count]).total, loss.bound(&xi, &y, &limits).total);
            prop_assert!(value <= plain && plain - value <= 1e-8 * plain.max(1.0), "{value} {plain}");
        }
    }

    #[test]
    fn peaks_are_distinct_and_the_first_is_nearly_the_maximum() {
        let (xt, xi) = (numbers(3, 60, 1), numbers(60, 1, 2));
        let (y, loss) = (numbers(60, 1, 3), WeightedLoss::default());
        let problem = AllPatterns::new(&xt, &y, &loss, None, 1.0).unwrap();
        let peaks = problem.peaks(&xi, 0);
        assert!(peaks[0].windows(2).all(|pair| pair[0].value >= pair[1].value));
        let bound = problem.bound(&xi, &peaks, 1e-4, &StopToken::new());
        assert!(peaks[0][0].value <= bound.maxima[0] && bound.maxima[0] <= peaks[0][0].value * (1.0 + 1e-3));
        let patterns: HashSet<Vec<bool>> = peaks[0].iter().map(|peak| problem.pattern(&peak.direction)).collect();
        assert_eq!(patterns.len(), peaks[0].len());
    }

    /// What a stop leaves is a bound, and a worse one.
    #[test]
    fn a_stop_leaves_a_bound() {
        let (xt, xi) = (numbers(4, 60, 1), numbers(60, 1, 2));
        let (y, loss) = (numbers(60, 1, 3), WeightedLoss::default());
        let problem = AllPatterns::new(&xt, &y, &loss, None, 1.0).unwrap();
        let (peaks, stop) = (problem.peaks(&xi, 0), StopToken::new());
        let whole = problem.bound(&xi, &peaks, 1e-3, &stop);
        stop.raise();
        let cut = problem.bound(&xi, &peaks, 1e-3, &stop);
        assert!(cut.maxima[0] > whole.maxima[0] && cut.maxima[0].is_finite() && cut.value <= whole.value);
    }

    /// From every number of starts, and soon: 1024 cones are the pace of looks.
    #[test]
    fn a_stop_is_seen_from_odd_numbers_of_starts_too() {
        let (xt, xi) = (numbers(4, 60, 1), numbers(60, 1, 2));
        let stop = StopToken::new();
        stop.raise();
        for count in [1, 3, 4] {
            let starts = Cone::orthants(&[[true; 2]; 4]).into_iter().take(count).collect();
            let mut search = Search::new(&xt, xi.col(0), starts, MOST_CONES, &stop);
            search.upper(FLOOR, 1e-6);
            assert!(search.cones() <= 1024 + count as u64, "{count}: {}", search.cones());
        }
    }

    /// The maximum of one target may be unknown; of a loss of rows, the multiples of all targets are one.
    #[test]
    fn a_maximum_that_is_no_number_proves_nothing() {
        let (xt, y) = (numbers(2, 20, 1), HostMatrix::from_fn(20, 2, |a, c| if a % 2 == c { 1.0 } else { -1.0 }));
        for loss in [Loss::Squared, Loss::Multinomial] {
            let loss = WeightedLoss::new(loss, None).unwrap();
            let problem = AllPatterns::new(&xt, &y, &loss, None, 1.0).unwrap();
            let xi = problem.dual_point(&HostMatrix::from_fn(20, 2, |a, c| 0.5 * y[(a, c)]));
            let value = |maxima: [f64; 2]| problem.value(&xi, &maxima).total;
            assert!(value([2.0, 2.0]) > 0.0);
            for unknown in [f64::NAN, f64::INFINITY, -1.0] {
                assert_eq!(value([unknown, 2.0]), value([f64::INFINITY, 2.0]), "{unknown}");
                assert_eq!(value([unknown; 2]), 0.0, "{unknown}");
            }
        }
    }

    /// Such a sample has the share 0 of every other class, whose sum may be -0.
    #[test]
    fn a_sample_without_a_pull_leaves_the_bound_of_the_others() {
        let (xt, y) = (numbers(2, 9, 1), HostMatrix::from_fn(9, 3, |a, c| if a % 3 == c { 1.0 } else { -1.0 }));
        let loss = WeightedLoss::new(Loss::Multinomial, None).unwrap();
        let problem = AllPatterns::new(&xt, &y, &loss, None, 1.0).unwrap();
        let xi = HostMatrix::from_fn(9, 3, |a, c| if a == 0 { 0.0 } else { 0.25 * y[(a, c)] });
        assert!(problem.value(&problem.dual_point(&xi), &[2.0; 3]).total > 0.0);
    }

    /// Where sums overflow, every number is too small a maximum.
    #[test]
    fn samples_whose_sums_overflow_have_no_bound() {
        let (xt, y) = (HostMatrix::from_fn(2, 8, |_, a| if a % 2 == 0 { 1e308 } else { -1e308 }), numbers(8, 1, 1));
        let loss = WeightedLoss::default();
        let problem = AllPatterns::new(&xt, &y, &loss, None, 1.0).unwrap();
        let xi = HostMatrix::from_fn(8, 1, |a, _| if a % 3 == 0 { -1.0 } else { 1.0 });
        let bound = problem.bound(&xi, &[Vec::new()], 1e-3, &StopToken::new());
        assert_eq!((bound.maxima[0], bound.value), (f64::INFINITY, 0.0));
    }

    #[test]
    fn problems_that_cannot_be_searched_are_errors() {
        let (xt, y, loss) = (numbers(3, 9, 1), numbers(9, 1, 2), WeightedLoss::default());
        assert!(AllPatterns::new(&xt, &y, &loss, None, 1.0).is_ok());
        let short = WeightedLoss::new(Loss::Squared, Some(vec![1.0; 8])).unwrap();
        for (xt, y, loss) in [
            (&numbers(MOST_ROWS + 1, 9, 1), &y, &loss),
            (&HostMatrix::zeros(0, 9), &y, &loss),
            (&xt, &numbers(8, 1, 2), &loss),
            (&xt, &y, &short),
        ] {
            assert!(matches!(AllPatterns::new(xt, y, loss, None, 1.0), Err(ModelError::Shape { .. })));
        }
        for beta in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let refused = AllPatterns::new(&xt, &y, &loss, None, beta);
            assert!(matches!(refused, Err(ModelError::OutOfRange { name: "beta", .. })), "{beta}");
        }
    }
}

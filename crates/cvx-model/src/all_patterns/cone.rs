//! Simplicial cones: all non-negative combinations of a few unit vectors.

/// Most rows of X, the bias included: halving the size of cones takes 2^(d - 1) times as many of them. The bias is a
/// row as any other to the search.
pub const MOST_ROWS: usize = 5;

/// A vector of at most [`MOST_ROWS`] entries; those beyond are zero.
pub(super) type Vector = [f64; MOST_ROWS];

/// The cone of the combinations sum_i l_i v_i with l >= 0 of its rays v_i, which are linearly independent unit vectors
/// of one orthant. So v_i'v_j >= 0, and sum_i l_i <= sqrt(k) for the unit vectors of a cone of k rays.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cone {
    rays: [Vector; MOST_ROWS],
    count: usize,
}

pub(super) fn dot(a: &Vector, b: &Vector) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &Vector) -> f64 {
    dot(a, a).sqrt()
}

fn plus(a: &Vector, factor: f64, b: &Vector) -> Vector {
    std::array::from_fn(|row| a[row] + factor * b[row])
}

impl Cone {
    /// The orthants of the vectors whose entries may be positive, or negative, as `signs` says; without those of no
    /// entry at all.
    ///
    /// # Panics
    /// For more signs than [`MOST_ROWS`].
    pub fn orthants(signs: &[[bool; 2]]) -> Vec<Cone> {
        let mut cones = vec![Cone { rays: [[0.0; MOST_ROWS]; MOST_ROWS], count: 0 }];
        for (row, [positive, negative]) in signs.iter().enumerate() {
            let ends: Vec<f64> = positive.then_some(1.0).into_iter().chain(negative.then_some(-1.0)).collect();
            if ends.is_empty() {
                continue;
            }
            let with = |cone: &Cone, end: f64| {
                let mut cone = cone.clone();
                cone.rays[cone.count][row] = end;
                cone.count += 1;
                cone
            };
            cones = cones.iter().flat_map(|cone| ends.iter().map(|&end| with(cone, end))).collect();
        }
        cones.retain(|cone| cone.count > 0);
        cones
    }

    pub fn rays(&self) -> &[Vector] {
        &self.rays[..self.count]
    }

    /// The two rays with the largest angle, and the unit vector half way between them; `None` for a single ray.
    pub fn longest_edge(&self) -> Option<(usize, usize, Vector)> {
        let pairs = (0..self.count).flat_map(|i| (0..i).map(move |j| (i, j)));
        let cosine = |&(i, j): &(usize, usize)| dot(&self.rays[i], &self.rays[j]);
        let (i, j) = pairs.min_by(|a, b| cosine(a).total_cmp(&cosine(b)))?;
        let middle = plus(&self.rays[i], 1.0, &self.rays[j]);
        Some((i, j, middle.map(|entry| entry / norm(&middle))))
    }

    /// The cone with another vector in the place of ray `i`.
    pub fn with_ray(&self, i: usize, ray: &Vector) -> Cone {
        let mut cone = self.clone();
        cone.rays[i] = *ray;
        cone
    }

    /// An upper bound of sum_i l_i c_i over the unit vectors of the cone, and 0.
    ///
    /// Of any h it is at most ||h|| + sqrt(k) max_i (c_i - h'v_i)+ (15.4). The smallest h with h'v_i >= c_i is a
    /// combination of some rays with h'v_i = c_i there. And with a unit vector m it is at most max_i c_i+ / min_i m'v_i
    /// (15.5).
    pub fn most(&self, c: &[f64]) -> f64 {
        let largest = c.iter().copied().fold(0.0, f64::max);
        let sum = self.rays().iter().fold([0.0; MOST_ROWS], |sum, ray| plus(&sum, 1.0, ray));
        let least = self.rays().iter().map(|ray| dot(&sum, ray)).fold(f64::INFINITY, f64::min) / norm(&sum);
        let h = self.shortest(c);
        let missing = self.rays().iter().zip(c).map(|(ray, c)| c - dot(&h, ray)).fold(0.0, f64::max);
        // f64::min passes a NaN over, of rays that are dependent to rounding.
        (largest / least).min(norm(&h) + (self.count as f64).sqrt() * missing)
    }

    /// About the shortest h with h'v_i >= c_i: that with equality for all rays, if it lies in the cone; otherwise rays
    /// with a negative part are left out.
    fn shortest(&self, c: &[f64]) -> Vector {
        let mut chosen: Vec<usize> = (0..self.count).collect();
        while !chosen.is_empty() {
            let (h, parts) = self.equal_at(&chosen, c);
            let least = (0..chosen.len()).min_by(|&a, &b| parts[a].total_cmp(&parts[b]));
            match least.filter(|&least| parts[least] < 0.0) {
                Some(least) => chosen.remove(least),
                None => return h,
            };
        }
        [0.0; MOST_ROWS]
    }

    /// The h in the span of the chosen rays with h'v_i = c_i for them, and its parts: h = sum of parts times rays. By
    /// the factors Q R of the rays: R'a = c, h = Q a, R parts = a.
    fn equal_at(&self, chosen: &[usize], c: &[f64]) -> (Vector, Vector) {
        let mut q = [[0.0; MOST_ROWS]; MOST_ROWS];
        let mut r = [[0.0; MOST_ROWS]; MOST_ROWS];
        let (mut a, mut h) = ([0.0; MOST_ROWS], [0.0; MOST_ROWS]);
        for (j, &ray) in chosen.iter().enumerate() {
            let mut rest = self.rays[ray];
            for i in 0..j {
                r[i][j] = dot(&q[i], &rest);
                rest = plus(&rest, -r[i][j], &q[i]);
            }
            r[j][j] = norm(&rest);
            q[j] = rest.map(|entry| entry / r[j][j]);
            a[j] = (c[ray] - (0..j).map(|i| r[i][j] * a[i]).sum::<f64>()) / r[j][j];
            h = plus(&h, a[j], &q[j]);
        }
        let mut parts = [0.0; MOST_ROWS];
        for j in (0..chosen.len()).rev() {
            parts[j] = (a[j] - (j + 1..chosen.len()).map(|k| r[j][k] * parts[k]).sum::<f64>()) / r[j][j];
        }
        (h, parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sign_rows() -> impl Strategy<Value = Vec<[bool; 2]>> {
        prop::collection::vec(prop::array::uniform2(any::<bool>()), 1..=MOST_ROWS)
    }

    /// A cone of the given number of splits, by the numbers, of an orthant of `rows` entries.
    fn narrow(rows: usize, sides: &[bool]) -> Cone {
        let mut cone = Cone::orthants(&vec![[true, false]; rows]).remove(0);
        for &side in sides {
            let Some((i, j, middle)) = cone.longest_edge() else { break };
            cone = cone.with_ray(if side { i } else { j }, &middle);
        }
        cone
    }

    proptest! {
        #[test]
        fn every_allowed_vector_is_in_one_orthant(signs in sign_rows()) {
            let choices: usize = signs.iter().map(|[p, n]| (usize::from(*p) + usize::from(*n)).max(1)).product();
            let none = signs.iter().all(|signs| *signs == [false; 2]);
            let orthants = Cone::orthants(&signs);
            prop_assert_eq!(orthants.len(), if none { 0 } else { choices });
            for ray in orthants.iter().flat_map(Cone::rays) {
                prop_assert!(signs.iter().zip(ray).all(|(s, r)| *r == 0.0 || (*r > 0.0 && s[0]) || (*r < 0.0 && s[1])));
            }
        }

        /// No unit vector of the cone has more, and some have nearly as much where the cone is narrow.
        #[test]
        fn no_vector_exceeds_the_bound(
            rows in 1usize..=MOST_ROWS,
            sides in prop::collection::vec(any::<bool>(), 0..60),
            c in prop::collection::vec(-1.0..1.0f64, MOST_ROWS),
            parts in prop::collection::vec(prop::collection::vec(0.0..1.0f64, MOST_ROWS), 50),
        ) {
            let cone = narrow(rows, &sides);
            let c = &c[..rows];
            let most = cone.most(c);
            for parts in parts {
                let w = cone.rays().iter().zip(&parts).fold([0.0; MOST_ROWS], |w, (ray, part)| plus(&w, *part, ray));
                let value: f64 = parts.iter().zip(c).map(|(part, c)| part * c).sum();
                prop_assert!(value <= most * norm(&w) + 1e-12, "{value} {most}");
            }
            prop_assert!(most >= c.iter().copied().fold(0.0, f64::max) - 1e-12);
        }
    }

    /// The largest norm of a projection onto an orthant is that of the positive part, if that is found exactly.
    #[test]
    fn in_an_orthant_the_bound_is_the_norm_of_the_positive_part() {
        for c in [[1.0, 2.0, 3.0], [1.0, -2.0, 3.0], [-1.0, -2.0, 3.0], [-1.0, -2.0, -3.0]] {
            let cone = Cone::orthants(&[[true, false]; 3]).remove(0);
            let expected = c.iter().map(|c: &f64| c.max(0.0).powi(2)).sum::<f64>().sqrt();
            assert!((cone.most(&c) - expected).abs() <= 1e-14, "{c:?}");
        }
    }
}

//! Whether xi'(Xw)+ stays below a limit for all unit vectors w, by plain loops over cones that are cut in half
//! (docs/math.md, section 15). Nothing here is shared with the search of the trainer.

use super::numbers::dot;
use cvx_linalg::HostMatrix;

/// Most cuts of a cone in a row, and most cones of all.
const DEEPEST: u32 = 200;
const MOST: u64 = 50_000_000;

/// The samples and the vector xi (n) of one target and side.
pub(super) struct Directions<'a> {
    xt: &'a HostMatrix,
    xi: Vec<f64>,
    /// What the bound of a cone may reach: the limit less the rounding errors of all loops.
    most: f64,
    left: u64,
}

/// A cone by its rays, which are unit vectors of one orthant, with the samples that change sign in it.
struct Cone {
    rays: Vec<Vec<f64>>,
    /// sum of xi_a x_a over the samples that are on in all of the cone.
    on: Vec<f64>,
    mixed: Vec<usize>,
    cuts: u32,
}

impl<'a> Directions<'a> {
    pub(super) fn new(xt: &'a HostMatrix, xi: Vec<f64>, limit: f64) -> Self {
        let length = |a: usize| dot(xt.col(a), xt.col(a)).sqrt();
        let size: f64 = xi.iter().enumerate().map(|(a, xi)| xi.abs() * length(a)).sum();
        // Rounding of sums over n samples at each ray, and of a middle in each cut.
        let (n, d) = (xt.cols() as f64, xt.rows() as f64);
        let errors = 8.0 * d.sqrt() * (n + 3.0 * d + 8.0) + 64.0 * d * f64::from(DEEPEST) + 32.0 * d * d;
        let most = limit - 0.5 * f64::EPSILON * errors * size;
        Directions { xt, xi, most, left: MOST }
    }

    /// Whether no unit vector w whose entries have the `signs` (d pairs: may be positive, may be negative) has more
    /// than the limit. A search that would take too many cones fails.
    pub(super) fn hold(&mut self, signs: &[[bool; 2]]) -> bool {
        let d = signs.len();
        // An orthant for each way to give the entries signs that they may have.
        (0..1usize << d).all(|choice| {
            let is_negative = |row: usize| choice >> row & 1 == 1;
            if (0..d).any(|row| is_negative(row) && !signs[row][1]) {
                return true;
            }
            let end = |row: usize| if is_negative(row) { -1.0 } else { 1.0 };
            // An entry that must not have the sign is zero in this orthant.
            let free = (0..d).filter(|&row| signs[row][usize::from(is_negative(row))]);
            let ray = |row: usize| (0..d).map(|k| if k == row { end(row) } else { 0.0 }).collect::<Vec<f64>>();
            let rays: Vec<Vec<f64>> = free.map(ray).collect();
            rays.is_empty()
                || self.is_below(Cone { rays, on: vec![0.0; d], mixed: (0..self.xi.len()).collect(), cuts: 0 })
        })
    }

    fn is_below(&mut self, mut cone: Cone) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        let z: Vec<Vec<f64>> =
            (cone.mixed.iter()).map(|&a| cone.rays.iter().map(|ray| dot(ray, self.xt.col(a))).collect()).collect();
        // The value at each ray, and a bound that is linear on the cone.
        let mut values = vec![0.0; cone.rays.len()];
        let mut bounds = vec![0.0; cone.rays.len()];
        let mut mixed = Vec::new();
        for (&a, z) in cone.mixed.iter().zip(&z) {
            let (up, down) =
                z.iter().fold((0.0, 0.0), |(up, down): (f64, f64), z| (up + z.max(0.0), down - z.min(0.0)));
            let xi = self.xi[a];
            if up > 0.0 && down == 0.0 {
                cone.on.iter_mut().zip(self.xt.col(a)).for_each(|(sum, x)| *sum += xi * x);
            } else if up > 0.0 {
                mixed.push(a);
                for (i, z) in z.iter().enumerate() {
                    values[i] += xi * z.max(0.0);
                    bounds[i] += if xi > 0.0 { xi * z.max(0.0) } else { xi * z * (up / (up + down)) };
                }
            }
        }
        let centre: Vec<f64> = (0..self.xt.rows()).map(|k| cone.rays.iter().map(|ray| ray[k]).sum()).collect();
        let (mut highest, mut least) = (0.0f64, f64::INFINITY);
        for (i, ray) in cone.rays.iter().enumerate() {
            let on = dot(&cone.on, ray);
            if values[i] + on > self.most * dot(ray, ray).sqrt() {
                return false;
            }
            highest = highest.max(bounds[i] + on);
            least = least.min(dot(&centre, ray) / dot(&centre, &centre).sqrt());
        }
        let linear = if mixed.is_empty() { dot(&cone.on, &cone.on).sqrt() } else { f64::INFINITY };
        if (highest / least).min(linear) <= self.most {
            return true;
        }
        cone.mixed = mixed;
        cone.cuts < DEEPEST && cone.rays.len() > 1 && self.halves(&cone).into_iter().all(|half| self.is_below(half))
    }

    /// The two halves of a cone, cut in the middle of its widest side.
    fn halves(&self, cone: &Cone) -> [Cone; 2] {
        let (mut i, mut j, mut least) = (0, 1, f64::INFINITY);
        for first in 0..cone.rays.len() {
            for second in first + 1..cone.rays.len() {
                let cosine = dot(&cone.rays[first], &cone.rays[second]);
                if cosine < least {
                    (i, j, least) = (first, second, cosine);
                }
            }
        }
        let sum: Vec<f64> = cone.rays[i].iter().zip(&cone.rays[j]).map(|(a, b)| a + b).collect();
        let length = dot(&sum, &sum).sqrt();
        [i, j].map(|replaced| {
            let mut rays = cone.rays.clone();
            rays[replaced] = sum.iter().map(|entry| entry / length).collect();
            Cone { rays, on: cone.on.clone(), mixed: cone.mixed.clone(), cuts: cone.cuts + 1 }
        })
    }
}

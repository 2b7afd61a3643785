//! The largest xi'(Xw)+ over unit vectors w of some cones, by branch and bound (docs/math.md, section 15).

use super::cone::{Cone, Vector, dot};
use cvx_linalg::{HostMatrix, StopToken};

/// Most bisections of a cone in a row.
const DEEPEST: usize = 200;

/// The first tolerance, and the ratio to the next one: each pass over the cones proves a smaller upper bound, so that
/// there is one whenever the search ends.
const FIRST_TOLERANCE: f64 = 0.3;
const TOLERANCE_RATIO: f64 = 0.1;

/// The stop is looked at again after this number of cones.
const CONES_AT_A_TIME: u64 = 1024;

/// Unit roundoff.
const ROUNDING: f64 = 0.5 * f64::EPSILON;

/// The samples that have both signs in a cone; of the others, the part of the function is linear.
struct Node {
    cone: Cone,
    /// sum of xi_a x_a over the samples with x_a'w >= 0 in the cone.
    linear: Vector,
    /// The samples with both signs.
    mixed: Vec<u32>,
    /// Their x_a'v_i, those of a sample side by side.
    products: Vec<f64>,
    depth: usize,
    bound: f64,
}

/// A search for one vector xi.
pub(super) struct Search<'a> {
    samples: Vec<Vector>,
    xi: &'a [f64],
    roots: Vec<Node>,
    /// The largest value found, and where (d).
    lower: f64,
    best: Vec<f64>,
    cones: u64,
    most_cones: u64,
    stop: &'a StopToken,
    /// The number of cones at which the stop is looked at next.
    next_look: u64,
    /// By how much rounding may lower a bound (15.6).
    doubt: f64,
}

impl<'a> Search<'a> {
    /// For samples `xt` (d x n) and `xi` (n), over the union of `starts`. The search ends after `most_cones`.
    pub fn new(xt: &HostMatrix, xi: &'a [f64], starts: Vec<Cone>, most_cones: u64, stop: &'a StopToken) -> Self {
        let vector = |column: &[f64]| std::array::from_fn(|row| column.get(row).copied().unwrap_or(0.0));
        let samples: Vec<Vector> = (0..xt.cols()).map(|a| vector(xt.col(a))).collect();
        let size: f64 = samples.iter().zip(xi).map(|(x, xi)| xi.abs() * dot(x, x).sqrt()).sum();
        let (n, d) = (xt.cols() as f64, xt.rows() as f64);
        let counted = 8.0 * d.sqrt() * (n + 3.0 * d + 8.0) + 64.0 * d * DEEPEST as f64 + 32.0 * d * d;
        let mut search = Search {
            samples,
            xi,
            roots: Vec::new(),
            lower: 0.0,
            best: vec![0.0; xt.rows()],
            cones: starts.len() as u64,
            most_cones,
            stop,
            next_look: 0,
            doubt: ROUNDING * counted * size,
        };
        search.roots = starts.into_iter().map(|cone| search.root(cone)).collect();
        // The bound of a single ray is the value there.
        let rays: Vec<Vector> = search.roots.iter().flat_map(|root| root.cone.rays().to_vec()).collect();
        rays.iter().for_each(|ray| search.try_direction(ray));
        search
    }

    /// Looks at a direction (d): the nearer the best value is to the maximum, the fewer cones are split.
    pub fn try_direction(&mut self, direction: &[f64]) {
        let w: Vector = std::array::from_fn(|row| direction.get(row).copied().unwrap_or(0.0));
        let value = self.samples.iter().zip(self.xi).map(|(x, xi)| xi * dot(x, &w).max(0.0)).sum::<f64>();
        self.keep(&w, value / dot(&w, &w).sqrt());
    }

    /// An upper bound of the maximum: the maximum up to the relative `tolerance`, or the `floor` up to it if that is
    /// larger, unless the search is ended before.
    pub fn upper(&mut self, floor: f64, tolerance: f64) -> f64 {
        let mut upper = self.roots.iter().map(|node| node.bound).fold(0.0, f64::max);
        let mut next = FIRST_TOLERANCE.max(tolerance);
        while let Some(level) = self.pass(floor, next) {
            upper = upper.min(level);
            if next <= tolerance {
                break;
            }
            next = (TOLERANCE_RATIO * next).max(tolerance);
        }
        upper + self.doubt
    }

    /// Where the largest value was found (d); `None` if no value is positive.
    pub fn best(&self) -> Option<&[f64]> {
        (self.lower > 0.0).then_some(&self.best)
    }

    /// Number of cones that were looked at.
    pub fn cones(&self) -> u64 {
        self.cones
    }

    /// Splits all cones until their bounds are at most a level just above the largest value found, or above `floor`.
    /// Returns the level; `None` if the search is to end before.
    fn pass(&mut self, floor: f64, tolerance: f64) -> Option<f64> {
        let level = |lower: f64| lower.max(floor) * (1.0 + tolerance);
        let mut open: Vec<Node> = Vec::new();
        for root in 0..self.roots.len() {
            if self.roots[root].bound <= level(self.lower) {
                continue;
            }
            let children = self.split(root, None)?;
            open.extend(children);
            while let Some(node) = open.pop() {
                if node.bound > level(self.lower) {
                    let children = self.split(root, Some(&node))?;
                    open.extend(children);
                }
            }
        }
        Some(level(self.lower))
    }

    /// The two halves of a node, or of a root. `None` if there are none, or the search is to end.
    fn split(&mut self, root: usize, node: Option<&Node>) -> Option<[Node; 2]> {
        let looks = self.cones >= self.next_look;
        if looks {
            self.next_look = self.cones + CONES_AT_A_TIME;
        }
        let node = node.unwrap_or(&self.roots[root]);
        if looks && self.stop.reason().is_some() || self.cones >= self.most_cones || node.depth >= DEEPEST {
            return None;
        }
        let (i, j, middle) = node.cone.longest_edge()?;
        let products: Vec<f64> = node.mixed.iter().map(|&a| dot(&self.samples[a as usize], &middle)).collect();
        let value = dot(&node.linear, &middle)
            + node.mixed.iter().zip(&products).map(|(&a, z)| self.xi[a as usize] * z.max(0.0)).sum::<f64>();
        let halves = [i, j].map(|ray| self.half(node, ray, &middle, &products));
        self.keep(&middle, value);
        self.cones += 2;
        Some(halves)
    }

    fn keep(&mut self, w: &Vector, value: f64) {
        if value > self.lower {
            self.lower = value;
            let size = dot(w, w).sqrt();
            self.best.iter_mut().zip(w).for_each(|(best, w)| *best = w / size);
        }
    }

    fn root(&self, cone: Cone) -> Node {
        let count = cone.rays().len();
        let all: Vec<u32> = (0..self.samples.len() as u32).collect();
        let products = self.samples.iter().flat_map(|x| cone.rays().iter().map(|ray| dot(x, ray))).collect();
        self.sorted(Node { cone, linear: Vector::default(), mixed: all, products, depth: 0, bound: 0.0 }, count)
    }

    /// The part of a node with `middle` in the place of a ray; `products` are the x_a'middle of its mixed samples.
    fn half(&self, node: &Node, ray: usize, middle: &Vector, products: &[f64]) -> Node {
        let count = node.cone.rays().len();
        let mut half = Node {
            cone: node.cone.with_ray(ray, middle),
            linear: node.linear,
            mixed: node.mixed.clone(),
            products: node.products.clone(),
            depth: node.depth + 1,
            bound: 0.0,
        };
        products.iter().enumerate().for_each(|(k, product)| half.products[k * count + ray] = *product);
        let mut half = self.sorted(half, count);
        // The bound of the whole holds for its parts.
        half.bound = half.bound.min(node.bound);
        half
    }

    /// Takes the samples with one sign in the cone out of the mixed ones, and bounds the function on the cone.
    ///
    /// At the rays the bound c_i of a mixed sample is xi_a (x_a'v_i)+ where xi_a > 0 (15.2), and else xi_a s x_a'v_i
    /// with the share s of the positive products (15.3).
    fn sorted(&self, mut node: Node, count: usize) -> Node {
        let mut at_rays = Vector::default();
        let mut kept = 0;
        for k in 0..node.mixed.len() {
            let a = node.mixed[k] as usize;
            let (x, xi) = (&self.samples[a], self.xi[a]);
            let z: Vector = std::array::from_fn(|i| if i < count { node.products[k * count + i] } else { 0.0 });
            let (positive, all) =
                z.iter().fold((0.0, 0.0), |(positive, all), z| (positive + z.max(0.0), all + z.abs()));
            if positive == 0.0 || xi == 0.0 {
                continue;
            }
            if z.iter().all(|z| *z >= 0.0) {
                node.linear.iter_mut().zip(x).for_each(|(sum, x)| *sum += xi * x);
                continue;
            }
            let share = positive / all;
            for (c, z) in at_rays.iter_mut().zip(z) {
                *c += if xi > 0.0 { xi * z.max(0.0) } else { xi * share * z };
            }
            node.mixed[kept] = a as u32;
            node.products.copy_within(k * count..(k + 1) * count, kept * count);
            kept += 1;
        }
        node.mixed.truncate(kept);
        node.products.truncate(kept * count);
        let linear = &node.linear;
        at_rays.iter_mut().zip(node.cone.rays()).for_each(|(c, ray)| *c += dot(linear, ray));
        // A NaN of an overflow is below no level, but would be lost beside another bound.
        let bound = node.cone.most(&at_rays[..count]);
        node.bound = if bound.is_nan() { f64::INFINITY } else { bound };
        node
    }
}

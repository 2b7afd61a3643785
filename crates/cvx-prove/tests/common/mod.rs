//! Models with given weights, and the value of a proof's leaves in rational arithmetic.

// Each test file uses its own part.
#![allow(dead_code)]

use cvx_admm::{Settings, train};
use cvx_artifact::Model;
use cvx_data::Planted;
use cvx_linalg::HostMatrix;
use cvx_model::{Network, Task};
use cvx_prove::{Claim, Shape, Theorem};
use num_rational::BigRational;
use num_traits::{FromPrimitive, Signed, Zero};

/// Pseudo-random numbers in -1 .. 1, the same on every machine.
pub fn numbers(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// A model of d inputs and a bias with this network and the scaling x -> (x - offset) / scale.
pub fn model(d: usize, network: Network, offset: f64, scale: f64) -> Model {
    let planted = Planted { n_train: 20, n_test: 0, n_features: d, n_neurons: 2, noise: 0.1, seed: 1 };
    let settings = Settings { patterns: 2, max_iterations: 2, ..Settings::default() };
    let mut model = train(&planted.generate().unwrap().train, None, &settings).unwrap().model;
    let outputs = network.w2.cols();
    model.task = match outputs {
        1 => model.task,
        _ => Task::Multiclass { classes: (0..outputs).map(|c| c.to_string()).collect(), majority: 0 },
    };
    model.transform.offset = vec![offset; d];
    model.transform.scale = vec![scale; d];
    model.network = network;
    model
}

/// A random network of m neurons on d inputs and a bias.
pub fn network(d: usize, m: usize, outputs: usize, is_gated: bool, seed: u64) -> Network {
    let mut next = numbers(seed);
    let w1 = HostMatrix::from_fn(d + 1, m, |k, _| if k == d { 0.3 * next() } else { next() });
    let w2 = HostMatrix::from_fn(m, outputs, |_, _| next());
    let gates = is_gated.then(|| HostMatrix::from_fn(d + 1, m, |k, _| if k == d { 0.3 * next() } else { next() }));
    Network { output_bias: (0..outputs).map(|_| 0.2 * next()).collect(), ..Network::new(w1, w2, gates) }
}

/// A number as a fraction.
pub fn exact(x: f64) -> BigRational {
    BigRational::from_f64(x).unwrap()
}

/// The least bound of the leaves of a theorem about one network, in rational arithmetic and from the model's own
/// weights: l_0 + c'b + sum k_j + the least of (sum c w)'z on the box.
pub fn exact_bound(model: &Model, theorem: &Theorem) -> BigRational {
    let (network, d) = (&model.network, model.transform.n_inputs());
    let Shape::Box { lower, upper } = &*theorem.shape else { panic!("a box") };
    let scaled = |x: f64, k: usize| (exact(x) - exact(model.transform.offset[k])) / exact(model.transform.scale[k]);
    let ends: Vec<_> = (0..d).map(|k| (scaled(lower[k], k), scaled(upper[k], k))).collect();
    let Claim::Combination { outputs, constant, .. } = &theorem.claim else { panic!("outputs") };
    let column = |matrix: &HostMatrix, j: usize| matrix.col(j).iter().map(|w| exact(*w)).collect::<Vec<_>>();
    // Rows are numbered as the subject does: of gated neurons, the gate comes before the value.
    let mut rows = Vec::new();
    let mut switches = Vec::new();
    for j in 0..network.n_neurons() {
        let alpha: BigRational = outputs.iter().enumerate().map(|(c, q)| exact(*q) * exact(network.w2[(j, c)])).sum();
        let gate = rows.len();
        if let Some(gates) = &network.gates {
            rows.push(column(gates, j));
        }
        rows.push(column(&network.w1, j));
        switches.push((gate, rows.len() - 1, alpha));
    }
    let range = |row: &[BigRational]| {
        let (mut low, mut high) = (row[d].clone(), row[d].clone());
        for (w, (l, u)) in row.iter().zip(&ends) {
            let (a, b) = (w * l, w * u);
            low += a.clone().min(b.clone());
            high += a.max(b);
        }
        (low, high)
    };
    let ranges: Vec<_> = rows.iter().map(|row| range(row)).collect();
    let least = |factor: &BigRational, low: &BigRational, high: &BigRational| (factor * low).min(factor * high);
    let zero = BigRational::zero();
    let bias: BigRational = outputs.iter().zip(&network.output_bias).map(|(q, b)| exact(*q) * exact(*b)).sum();
    let base = bias + exact(*constant);
    let mut sides = vec![0; switches.len()];
    let mut coefficients = vec![zero.clone(); rows.len()];
    for ((gate, value, alpha), on) in switches.iter().zip(&theorem.proof.on) {
        coefficients[if gate == value { *gate } else { *value }] = if *on { alpha.clone() } else { zero.clone() };
    }
    let mut given = theorem.proof.coefficients.chunks(theorem.proof.rows.len().max(1));
    let mut worst: Option<BigRational> = None;
    let mut open: Vec<(usize, bool)> = Vec::new();
    for &step in &theorem.proof.tree {
        if step > 0 {
            sides[step as usize - 1] = 1;
            open.push((step as usize - 1, true));
            continue;
        }
        if !theorem.proof.rows.is_empty() {
            for (row, value) in theorem.proof.rows.iter().zip(given.next().unwrap()) {
                coefficients[*row as usize] = exact(*value);
            }
        }
        let mut bound = Some(base.clone());
        for ((gate, value, alpha), side) in switches.iter().zip(&sides) {
            let ((low, high), c) = (&ranges[*gate], &coefficients[*gate]);
            let of_value = |alpha: BigRational| match gate == value {
                true => zero.clone(),
                false => least(&(alpha - &coefficients[*value]), &ranges[*value].0, &ranges[*value].1),
            };
            let own = if gate == value { alpha - c } else { -c };
            let on = (!high.is_negative())
                .then(|| least(&own, &low.clone().max(zero.clone()), high) + of_value(alpha.clone()));
            let off =
                (!low.is_positive()).then(|| least(&-c, low, &high.clone().min(zero.clone())) + of_value(zero.clone()));
            let k = match side {
                1 => on,
                -1 => off,
                _ => match (on, off) {
                    (Some(on), Some(off)) => Some(on.min(off)),
                    (on, off) => on.or(off),
                },
            };
            bound = bound.zip(k).map(|(bound, k)| bound + k);
        }
        if let Some(mut bound) = bound {
            let slope = |k: usize| rows.iter().zip(&coefficients).map(|(row, c)| c * &row[k]).sum::<BigRational>();
            bound += slope(d);
            for (k, (l, u)) in ends.iter().enumerate() {
                bound += least(&slope(k), l, u);
            }
            worst = Some(worst.map_or(bound.clone(), |worst| worst.min(bound)));
        }
        loop {
            match open.pop() {
                Some((switch, true)) => {
                    sides[switch] = -1;
                    open.push((switch, false));
                    break;
                }
                Some((switch, false)) => sides[switch] = 0,
                None => break,
            }
        }
    }
    worst.unwrap_or(exact(1e300))
}

/// The value of sum_c q_c f_c + constant at an input, in rational arithmetic.
pub fn exact_value(model: &Model, outputs: &[f64], constant: f64, x: &[f64]) -> BigRational {
    let (network, d) = (&model.network, x.len());
    let z = |k: usize| (exact(x[k]) - exact(model.transform.offset[k])) / exact(model.transform.scale[k]);
    let z: Vec<_> = (0..d).map(z).collect();
    let product = |w: &[f64]| w[..d].iter().zip(&z).map(|(w, z)| exact(*w) * z).sum::<BigRational>() + exact(w[d]);
    let mut value = exact(constant);
    for (c, q) in outputs.iter().enumerate() {
        value += exact(*q) * exact(network.output_bias[c]);
    }
    for j in 0..network.n_neurons() {
        let h = product(network.w1.col(j));
        let gate = network.gates.as_ref().map_or(h.clone(), |gates| product(gates.col(j)));
        if !gate.is_negative() {
            let alpha: BigRational =
                outputs.iter().enumerate().map(|(c, q)| exact(*q) * exact(network.w2[(j, c)])).sum();
            value += alpha * h;
        }
    }
    value
}

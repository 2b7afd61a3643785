//! The network of a model, or of two, as rows and functions of them.

use crate::deployed::Deployed;
use crate::error::ProveError;
use crate::function::{Function, Row, Rows, Switch, Term};
use crate::rounding::{absolute_dot, gamma};
use cvx_artifact::Model;
use cvx_model::{Network, Transform};
use std::collections::HashMap;

/// Rows that differ by less than this share of their absolute sum are merged.
const NEAR: f64 = 1e-6;

/// A neuron with its rows.
struct Neuron {
    gate: usize,
    /// The row of its value, if it is gated.
    value: Option<usize>,
    /// Its own row less `gate`, if it was merged with another neuron.
    residual: Option<usize>,
    /// Its weight in each output (C).
    second: Vec<f64>,
}

/// What is proved about: the outputs of a network, or the differences of those of two.
pub struct Subject {
    /// All rows.
    pub rows: Rows,
    neurons: Vec<Neuron>,
    /// What is added to each output (C), a number for each network.
    bias: Vec<Vec<f64>>,
    /// How many networks there are: 1 or 2.
    networks: usize,
    /// Rounded operations that a weight of an output has gone through.
    roundings: usize,
    is_gated: bool,
}

impl Subject {
    /// That of a network on transformed inputs.
    ///
    /// # Errors
    /// [`ProveError::Unsupported`] for networks on patches of images, and for weights that are not finite.
    pub fn new(network: &Network, transform: &Transform) -> Result<Self, ProveError> {
        check(network, transform)?;
        let mut subject = Subject {
            rows: Rows::new(transform.n_inputs()),
            neurons: Vec::new(),
            bias: network.output_bias.iter().map(|bias| vec![*bias]).collect(),
            networks: 1,
            roundings: 0,
            is_gated: network.gates.is_some(),
        };
        subject.add(&Weights { network, bias: transform.bias, scaled: None }, 1.0);
        Ok(subject)
    }

    /// The outputs of a model less those of another, on the inputs of the first one's transform.
    ///
    /// # Errors
    /// [`ProveError::Shape`] for models with other inputs or outputs, and those of [`new`](Self::new).
    pub fn difference(model: &Model, other: &Model) -> Result<Self, ProveError> {
        check(&other.network, &other.transform)?;
        let mut subject = Self::new(&model.network, &model.transform)?;
        let sizes = |model: &Model| (model.transform.n_inputs(), model.network.output_bias.len());
        if sizes(model) != sizes(other) {
            let words = |(inputs, outputs)| format!("{inputs} features and {outputs} outputs");
            let (expected, found) = (words(sizes(model)), words(sizes(other)));
            return Err(ProveError::Shape { what: "the other model", expected, found });
        }
        let (first, second) = (&model.transform, &other.transform);
        let is_same = first.offset == second.offset && first.scale == second.scale;
        let scaled = (!is_same).then_some((first, second));
        subject.add(&Weights { network: &other.network, bias: second.bias, scaled }, -1.0);
        subject.bias.iter_mut().zip(&other.network.output_bias).for_each(|(bias, other)| bias.push(-other));
        subject.networks = 2;
        subject.is_gated |= other.network.gates.is_some();
        subject.rows.roundings = if is_same { 0 } else { 4 };
        Ok(subject)
    }

    /// Says that every weight is the result of this many rounded operations.
    pub fn set_roundings(&mut self, roundings: usize) {
        self.rows.roundings = roundings;
        self.roundings = roundings;
    }

    /// Number of outputs.
    pub fn n_outputs(&self) -> usize {
        self.bias.len()
    }

    /// Adds the neurons of a network, with their outputs times `sign`. Equal rows are one; ReLU neurons whose rows are
    /// almost equal are one and a residual.
    fn add(&mut self, weights: &Weights, sign: f64) {
        let mut known = Known::new(self, weights.scaled.is_none());
        let network = weights.network;
        for j in 0..network.n_neurons() {
            let second = (0..network.w2.cols()).map(|c| sign * network.w2[(j, c)]).collect();
            let row = weights.row(network.w1.col(j));
            let neuron = match &network.gates {
                None => {
                    let (gate, residual) = known.relu(&mut self.rows, &row);
                    Neuron { gate, value: None, residual, second }
                }
                Some(gates) => {
                    let gate = known.gate(&mut self.rows, &weights.row(gates.col(j)));
                    Neuron { gate, value: Some(self.rows.push(&row)), residual: None, second }
                }
            };
            self.neurons.push(neuron);
        }
    }

    /// sum_c q_c f_c + q_0 for the weights q (C).
    pub fn combination(&self, weights: &[f64], constant: f64) -> Function {
        let product = |values: &[f64]| weights.iter().zip(values).map(|(q, w)| q * w).sum::<f64>();
        let absolute = |values: &[f64]| weights.iter().zip(values).map(|(q, w)| (q * w).abs()).sum::<f64>();
        let biases = || weights.iter().zip(&self.bias).flat_map(|(q, bias)| bias.iter().map(move |bias| q * bias));
        let terms = weights.iter().filter(|q| **q != 0.0).count();
        let mut function = Function {
            constant: constant + biases().sum::<f64>(),
            absolute_bias: constant.abs() + biases().map(f64::abs).sum::<f64>(),
            is_gated: self.is_gated,
            ..Function::default()
        };
        let mut switches = Switches::default();
        for neuron in self.neurons.iter() {
            let (alpha, weight) = (product(&neuron.second), absolute(&neuron.second));
            if weight == 0.0 {
                continue;
            }
            let switch = switches.of(&mut function.switches, neuron.gate);
            match neuron.value {
                None => switch.alpha += alpha,
                Some(value) => switch.values.push((value, alpha)),
            }
            let row = neuron.value.unwrap_or(neuron.gate);
            function.absolute.push(Term { row, residual: neuron.residual, weight });
        }
        let merged = switches.most_merged();
        function.roundings = if terms == 1 && merged == 1 && weights.iter().all(|q| [0.0, 1.0, -1.0].contains(q)) {
            if self.networks > 1 || constant != 0.0 { 3 } else { 0 }
        } else {
            terms * self.networks + merged + 4
        };
        function.roundings += self.roundings;
        function
    }

    /// `sign` times the derivative of an output by a transformed feature, where it has one, plus `tolerance` times the
    /// sum of the absolute derivatives of the neurons.
    ///
    /// # Errors
    /// [`ProveError::Unsupported`] where a gate of gated neurons sees the feature: the output jumps along it. Of two
    /// networks, whose neurons may be merged; of rounded weights, and in a rounded arithmetic, where f has no slope.
    pub fn slope(
        &self,
        output: usize,
        feature: usize,
        sign: f64,
        tolerance: f64,
        deployed: Deployed,
    ) -> Result<Function, ProveError> {
        let refused = |why: &str| Err(ProveError::Unsupported { what: "monotonicity", why: why.to_string() });
        if self.networks > 1 {
            return refused("it is about one model, not about the difference of two");
        }
        if self.roundings > 0 {
            return refused("the weights of this network are rounded results: ask for a property of its outputs");
        }
        if deployed != Deployed::Exact {
            return refused("a function in rounded arithmetic has no slopes: the claim is about exact arithmetic");
        }
        let mut function = Function::default();
        let (mut total, mut switches) = (0.0, Switches::default());
        for neuron in &self.neurons {
            let row = neuron.value.unwrap_or(neuron.gate);
            let beta = sign * neuron.second[output] * self.rows.row(row)[feature];
            if neuron.value.is_some() && neuron.second[output] != 0.0 && self.rows.row(neuron.gate)[feature] != 0.0 {
                return refused("a gate of its gated neurons sees the feature, where the output jumps");
            }
            if beta != 0.0 {
                switches.of(&mut function.switches, neuron.gate).beta += beta;
                total += beta.abs();
            }
        }
        function.constant = tolerance * total;
        function.error = gamma(self.neurons.len() + 8) * total;
        // A sum of numbers of one sign has it in any arithmetic.
        if function.switches.iter().all(|switch| switch.beta >= 0.0) {
            function.error = 0.0;
        }
        Ok(function)
    }
}

/// The switch of each gate.
#[derive(Default)]
struct Switches {
    place: HashMap<usize, (usize, usize)>,
}

impl Switches {
    /// The switch of a gate, which is added if there is none.
    fn of<'a>(&mut self, switches: &'a mut Vec<Switch>, gate: usize) -> &'a mut Switch {
        let (place, count) = self.place.entry(gate).or_insert((switches.len(), 0));
        *count += 1;
        if *place == switches.len() {
            switches.push(Switch { gate, alpha: 0.0, beta: 0.0, values: Vec::new() });
        }
        &mut switches[*place]
    }

    /// The largest number of neurons of a switch.
    fn most_merged(&self) -> usize {
        self.place.values().map(|(_, count)| *count).max().unwrap_or(1)
    }
}

/// Rows that are known by their bits, and ReLU rows of the first network in the order of a projection.
struct Known {
    /// Whether rows with equal bits are equal: rows on another transform are rounded, and others may round to them.
    is_exact: bool,
    exact: HashMap<(bool, Vec<u64>), usize>,
    /// Projection of a row over its absolute sum, and the row.
    projected: Vec<(f64, usize)>,
}

impl Known {
    /// Those of the rows that a subject has.
    fn new(subject: &Subject, is_exact: bool) -> Self {
        let mut known = Known { is_exact, exact: HashMap::new(), projected: Vec::new() };
        for neuron in &subject.neurons {
            let row = subject.rows.get(neuron.gate);
            let is_relu = neuron.value.is_none();
            known.exact.insert((is_relu, bits(&row)), neuron.gate);
            if is_relu {
                known.projected.push((projection(&row.weights), neuron.gate));
            }
        }
        known.projected.sort_by(|a, b| a.0.total_cmp(&b.0));
        known
    }

    fn gate(&mut self, rows: &mut Rows, row: &Row) -> usize {
        if !self.is_exact {
            return rows.push(row);
        }
        *self.exact.entry((false, bits(row))).or_insert_with(|| rows.push(row))
    }

    /// The row of a ReLU neuron, and its residual if the row may be another one.
    fn relu(&mut self, rows: &mut Rows, row: &Row) -> (usize, Option<usize>) {
        let key = (true, bits(row));
        if let Some(&known) = self.exact.get(&key).filter(|_| self.is_exact) {
            return (known, None);
        }
        let Row { weights, bias, error, extra } = row;
        let (size, at) = (weights.iter().map(|w| w.abs()).sum::<f64>(), projection(weights));
        let from = self.projected.partition_point(|(other, _)| *other < at - 2.0 * NEAR);
        for &(_, other) in self.projected[from..].iter().take_while(|(other, _)| *other <= at + 2.0 * NEAR) {
            let residual: Vec<f64> = weights.iter().zip(rows.row(other)).map(|(w, other)| w - other).collect();
            let rest = bias - rows.biases[other];
            let left = residual.iter().map(|w| w.abs()).sum::<f64>() + rest.abs();
            if left <= NEAR * (size + bias.abs()) {
                // Each difference is off by one rounding, relative to itself. What both rows are off by their own
                // roundings is for the setting, which knows their reach.
                let error = 1e-15 * rest.abs() + error + rows.errors[other];
                let residual = rows.push(&Row { weights: residual, bias: rest, error, extra: *extra });
                return (other, Some(residual));
            }
        }
        let number = rows.push(row);
        self.exact.insert(key, number);
        (number, None)
    }
}

/// A number in \[-1, 1\] that almost equal rows almost share: the sum of the weights with signs that alternate in an
/// irregular way, over the sum of their absolute values.
fn projection(row: &[f64]) -> f64 {
    let size: f64 = row.iter().map(|w| w.abs()).sum();
    let signed = |(k, w): (usize, &f64)| if (k * k + k / 3) % 7 < 3 { *w } else { -w };
    if size > 0.0 { row.iter().enumerate().map(signed).sum::<f64>() / size } else { 0.0 }
}

/// Everything of a row.
fn bits(row: &Row) -> Vec<u64> {
    row.weights.iter().chain([&row.bias, &row.error, &row.extra]).map(|w| w.to_bits()).collect()
}

/// The first layer of a network, as rows on transformed inputs.
struct Weights<'a> {
    network: &'a Network,
    /// Whether the last weight is the bias.
    bias: bool,
    /// The transform of the region and the network's own, if they differ.
    scaled: Option<(&'a Transform, &'a Transform)>,
}

impl Weights<'_> {
    /// The row of a column of the first layer.
    fn row(&self, column: &[f64]) -> Row {
        let (weights, bias) = match (self.bias, column.split_last()) {
            (true, Some((bias, weights))) => (weights, *bias),
            _ => (column, 0.0),
        };
        let Some((region, own)) = self.scaled else {
            return Row { weights: weights.to_vec(), bias, error: 0.0, extra: 0.0 };
        };
        // (x - o') / s' = (s z + o - o') / s'.
        let scaled = weights.iter().zip(region.scale.iter().zip(&own.scale)).map(|(w, (s, own))| w * s / own).collect();
        let offsets = region.offset.iter().zip(&own.offset).zip(&own.scale);
        let shifts: Vec<f64> = offsets.map(|((offset, own), scale)| (offset - own) / scale).collect();
        let shift: f64 = weights.iter().zip(&shifts).map(|(w, shift)| w * shift).sum();
        let absolute = absolute_dot(weights, &shifts.iter().map(|shift| shift.abs()).collect::<Vec<_>>());
        // The network itself takes (x - o') / s' and adds its own bias: its errors are proportional to
        // |w|'(|x - o'| + |o'|) / s' + |b|, which is at most |w|'(|x| + 2 |o'|) / s' + |b|. The reach of the row covers
        // |w|'|x| / s' alone, since |x| <= s |z| + |o|.
        let offsets: f64 =
            weights.iter().zip(own.offset.iter().zip(&own.scale)).map(|(w, (o, s))| (w * o / s).abs()).sum();
        Row {
            weights: scaled,
            bias: bias + shift,
            error: gamma(weights.len() + 8) * (absolute + bias.abs()),
            extra: 2.0 * offsets + bias.abs(),
        }
    }
}

/// Refuses networks that the method does not cover.
fn check(network: &Network, transform: &Transform) -> Result<(), ProveError> {
    let refused = |why: &str| Err(ProveError::Unsupported { what: "this model", why: why.to_string() });
    if network.patches.is_some() {
        return refused("its neurons look at normalised patches of an image, which is no function of two layers");
    }
    if network.w1.rows() != transform.n_outputs() && network.n_neurons() > 0 {
        return refused("its layers do not fit its inputs");
    }
    let gates = network.gates.iter().flat_map(|gates| gates.values());
    let mut numbers = network.w1.values().iter().chain(network.w2.values()).chain(gates).chain(&network.output_bias);
    let mut of_transform = transform.offset.iter().chain(&transform.scale);
    if !numbers.all(|x| x.is_finite()) || !of_transform.all(|x| x.is_finite()) || transform.scale.contains(&0.0) {
        return refused("a weight of it is not a finite number, or a scale is zero");
    }
    Ok(())
}

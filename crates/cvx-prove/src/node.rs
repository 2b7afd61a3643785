//! A function on a region, prepared for the search: lower bounds of nodes, and points with small values.
//!
//! Inputs are z = c + r o y. Rows of switches that keep their side on the region are summed up; the other rows are the
//! variables: with coefficients v of theirs, D(v) = k + v'(b + W c) - ||r o (l + W'v)||_* is a lower bound for every v
//! that the sides of the node allow (math.md, (14.2)).

use crate::leaf::{Setting, Side};
use crate::region::Norm;
use crate::rounding::dot;

/// A row whose coefficient a node chooses.
struct Variable {
    /// The row.
    row: usize,
    /// The unit of its coefficient.
    unit: f64,
    /// Its value at the centre, in that unit.
    centre: f64,
    /// Step of its coefficient.
    step: f64,
}

/// A switch that the search may decide.
struct Choice {
    /// The switch.
    switch: usize,
    /// The variable of its gate.
    gate: usize,
    /// The variables of its values, in their order.
    values: Vec<usize>,
    /// What is lost while it is free, at most.
    loss: f64,
}

/// What a node lets coefficients be, in their units.
pub struct Limits {
    /// The smallest coefficients.
    pub low: Vec<f64>,
    /// The largest ones.
    pub high: Vec<f64>,
    /// k: what does not depend on them.
    pub constant: f64,
}

/// The function on the region.
pub struct Local<'a> {
    /// The function, its rows and its region.
    pub setting: &'a Setting<'a>,
    variables: Vec<Variable>,
    /// r o w_r times the unit, one variable after the other.
    weights: Vec<f64>,
    choices: Vec<Choice>,
    /// Variables of ReLU neurons that are added: free coefficients between 0 and alpha lose nothing.
    helpful: Vec<(usize, f64)>,
    /// What is linear on the region: its value at the centre, its slopes being in y.
    pub constant: f64,
    /// Those slopes.
    pub slope: Vec<f64>,
    /// Coefficients of all rows of switches that keep their side.
    coefficients: Vec<f64>,
    /// Steps of the inputs.
    pub steps: Vec<f64>,
    /// Whether each switch is on where it keeps its side, or at the centre.
    pub on: Vec<bool>,
}

impl<'a> Local<'a> {
    /// Prepares a function on a region.
    pub fn new(setting: &'a Setting<'a>) -> Self {
        let Setting { function, rows, region, intervals, .. } = *setting;
        let d = rows.inputs;
        let mut local = Local {
            setting,
            variables: Vec::new(),
            weights: Vec::new(),
            choices: Vec::new(),
            helpful: Vec::new(),
            constant: function.constant,
            slope: if function.linear.is_empty() { vec![0.0; d] } else { function.linear.clone() },
            coefficients: vec![0.0; rows.len()],
            steps: Vec::new(),
            on: function.switches.iter().map(|switch| intervals.centre[switch.gate] >= 0.0).collect(),
        };
        for (number, switch) in function.switches.iter().enumerate() {
            let (low, high) = (intervals.low[switch.gate], intervals.high[switch.gate]);
            if low >= 0.0 || high <= 0.0 {
                let is_on = low >= 0.0;
                local.on[number] = is_on;
                if is_on {
                    local.constant += switch.beta;
                    local.coefficients[switch.gate] = switch.alpha;
                    switch.values.iter().for_each(|&(p, alpha)| local.coefficients[p] = alpha);
                    for (r, alpha) in std::iter::once((switch.gate, switch.alpha)).chain(switch.values.iter().copied())
                    {
                        if alpha != 0.0 {
                            local
                                .slope
                                .iter_mut()
                                .zip(rows.row(r))
                                .for_each(|(slope, weight)| *slope += alpha * weight);
                            local.constant += alpha * rows.biases[r];
                        }
                    }
                }
                continue;
            }
            let is_relu = switch.values.is_empty() && switch.beta == 0.0;
            let of_values: f64 = switch.values.iter().map(|&(p, alpha)| alpha.abs() * width(intervals, p)).sum();
            let unit = if is_relu { switch.alpha.abs() } else { (switch.beta.abs() + of_values) / high.max(-low) };
            let gate = local.add(switch.gate, unit);
            if is_relu && switch.alpha > 0.0 {
                local.helpful.push((gate, switch.alpha));
                continue;
            }
            let values = switch.values.iter().map(|&(p, alpha)| local.add(p, alpha.abs())).collect();
            let triangle = -low * high / (high - low);
            let loss = if is_relu { switch.alpha.abs() * triangle } else { switch.beta.abs() + of_values };
            local.choices.push(Choice { switch: number, gate, values, loss });
        }
        // From z to y.
        local.constant += dot(&local.slope, &region.centre);
        local.slope.iter_mut().zip(&region.radii).for_each(|(slope, radius)| *slope *= radius);
        let mut sums = vec![0.0; d];
        for weights in local.weights.chunks_exact(d.max(1)) {
            sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight.abs());
        }
        local.steps = sums.iter().map(|sum| if *sum > 0.0 { 0.99 / sum } else { 0.0 }).collect();
        if region.norm == Norm::L2 {
            // The projection onto a ball needs one step for all inputs.
            let least = local.steps.iter().copied().filter(|step| *step > 0.0).fold(f64::INFINITY, f64::min);
            local.steps.fill(if least.is_finite() { least } else { 0.0 });
        }
        local
    }

    /// Makes a row a variable and returns its number.
    fn add(&mut self, row: usize, unit: f64) -> usize {
        let Setting { rows, region, intervals, .. } = *self.setting;
        let unit = if unit > 0.0 && unit.is_finite() { unit } else { 1.0 };
        let start = self.weights.len();
        self.weights.extend(rows.row(row).iter().zip(&region.radii).map(|(weight, radius)| unit * weight * radius));
        let sum: f64 = self.weights[start..].iter().map(|weight| weight.abs()).sum();
        let step = if sum > 0.0 { 1.0 / sum } else { 1.0 };
        self.variables.push(Variable { row, unit, centre: unit * intervals.centre[row], step });
        self.variables.len() - 1
    }

    /// r o w of a variable, in its unit.
    pub fn weights(&self, variable: usize) -> &[f64] {
        let d = self.slope.len();
        &self.weights[variable * d..(variable + 1) * d]
    }

    /// The rows whose coefficients nodes choose.
    pub fn rows(&self) -> Vec<u32> {
        self.variables.iter().map(|variable| variable.row as u32).collect()
    }

    /// Number of variables.
    pub fn len(&self) -> usize {
        self.variables.len()
    }

    /// The value of a variable at the centre, in its unit.
    pub fn centre(&self, variable: usize) -> f64 {
        self.variables[variable].centre
    }

    /// Step of the coefficient of a variable.
    pub fn step(&self, variable: usize) -> f64 {
        self.variables[variable].step
    }

    /// Coefficients of all rows, from those of the variables in their units.
    pub fn coefficients(&self, v: &[f64]) -> Vec<f64> {
        let mut coefficients = self.coefficients.clone();
        for (variable, value) in self.variables.iter().zip(v) {
            coefficients[variable.row] = value * variable.unit;
        }
        coefficients
    }

    /// The undecided switch with the largest loss.
    pub fn branch(&self, sides: &[Side]) -> Option<usize> {
        let free = self.choices.iter().filter(|choice| sides[choice.switch] == Side::Free);
        free.reduce(|best, other| if other.loss > best.loss { other } else { best }).map(|choice| choice.switch)
    }

    /// What a node lets the coefficients be.
    pub fn limits(&self, sides: &[Side]) -> Limits {
        let Setting { function, intervals, .. } = *self.setting;
        let n = self.variables.len();
        let mut limits = Limits { low: vec![0.0; n], high: vec![0.0; n], constant: 0.0 };
        let mut set = |variable: usize, low: f64, high: f64| {
            let unit = self.variables[variable].unit;
            (limits.low[variable], limits.high[variable]) = (low / unit, high / unit);
        };
        for &(variable, alpha) in &self.helpful {
            set(variable, 0.0, alpha);
        }
        for choice in &self.choices {
            let switch = &function.switches[choice.switch];
            let (low, high) = (intervals.low[switch.gate], intervals.high[switch.gate]);
            match sides[choice.switch] {
                Side::On => {
                    set(choice.gate, f64::NEG_INFINITY, switch.alpha);
                    limits.constant += switch.beta;
                    choice.values.iter().zip(&switch.values).for_each(|(&variable, &(_, alpha))| {
                        set(variable, alpha, alpha);
                    });
                }
                Side::Off => {
                    set(choice.gate, 0.0, f64::INFINITY);
                    choice.values.iter().for_each(|&variable| set(variable, 0.0, 0.0));
                }
                Side::Free if switch.beta > 0.0 => set(choice.gate, 0.0, switch.beta / high),
                Side::Free if switch.beta < 0.0 => {
                    set(choice.gate, switch.beta / -low, 0.0);
                    limits.constant += switch.beta;
                }
                Side::Free if switch.values.is_empty() => {
                    // alpha < 0: the chord.
                    let chord = switch.alpha * high / (high - low);
                    set(choice.gate, chord, chord);
                    limits.constant -= chord * low;
                }
                Side::Free => {
                    set(choice.gate, 0.0, 0.0);
                    for (&variable, &(p, alpha)) in choice.values.iter().zip(&switch.values) {
                        let (chord, at_zero) = chord(alpha, intervals.low[p], intervals.high[p]);
                        set(variable, chord, chord);
                        limits.constant += at_zero;
                    }
                }
            }
        }
        limits
    }

    /// The value of the function at y, where the variables have these values, in their units.
    pub fn value(&self, at: &[f64], y: &[f64]) -> f64 {
        let linear = dot(&self.slope, y);
        let function = self.setting.function;
        let at = |variable: usize| at[variable] / self.variables[variable].unit;
        let helpful: f64 = self.helpful.iter().map(|&(variable, alpha)| alpha * at(variable).max(0.0)).sum();
        let choice = |choice: &Choice| {
            let (switch, gate) = (&function.switches[choice.switch], at(choice.gate));
            if gate < 0.0 {
                return 0.0;
            }
            let values = choice.values.iter().zip(&switch.values).map(|(&variable, &(_, alpha))| alpha * at(variable));
            switch.alpha * gate + switch.beta + values.sum::<f64>()
        };
        self.constant + linear + helpful + self.choices.iter().map(choice).sum::<f64>()
    }

    /// The values of the variables at y, in their units.
    pub fn variables_at(&self, y: &[f64]) -> Vec<f64> {
        let at = |(variable, v): (usize, &Variable)| v.centre + dot(self.weights(variable), y);
        self.variables.iter().enumerate().map(at).collect()
    }

    /// Descent from a point: the best input for the slopes at the last one, as long as the value falls.
    pub fn descend(&self, y: &[f64]) -> (f64, Vec<f64>) {
        let function = self.setting.function;
        let mut at = self.variables_at(y);
        let mut best = (self.value(&at, y), y.to_vec());
        for _ in 0..20 {
            let mut slope = self.slope.clone();
            let mut add = |variable: usize, alpha: f64| {
                let factor = alpha / self.variables[variable].unit;
                slope.iter_mut().zip(self.weights(variable)).for_each(|(slope, weight)| *slope += factor * weight);
            };
            self.helpful.iter().filter(|(variable, _)| at[*variable] > 0.0).for_each(|&(variable, a)| add(variable, a));
            for choice in self.choices.iter().filter(|choice| at[choice.gate] >= 0.0) {
                let switch = &function.switches[choice.switch];
                add(choice.gate, switch.alpha);
                choice.values.iter().zip(&switch.values).for_each(|(&variable, &(_, a))| add(variable, a));
            }
            let y = self.least_input(&slope);
            at = self.variables_at(&y);
            let value = self.value(&at, &y);
            if value >= best.0 {
                break;
            }
            best = (value, y);
        }
        best
    }

    /// The input with the least product with a slope.
    fn least_input(&self, slope: &[f64]) -> Vec<f64> {
        match self.setting.region.norm {
            Norm::Linf => slope.iter().map(|slope| if *slope == 0.0 { 0.0 } else { -slope.signum() }).collect(),
            Norm::L2 => {
                let norm = dot(slope, slope).sqrt();
                slope.iter().map(|slope| if norm > 0.0 { -slope / norm } else { 0.0 }).collect()
            }
        }
    }

    /// -||slope||_*: the least product of an input with a slope.
    pub fn least_product(&self, slope: &[f64]) -> f64 {
        match self.setting.region.norm {
            Norm::Linf => -slope.iter().map(|slope| slope.abs()).sum::<f64>(),
            Norm::L2 => -dot(slope, slope).sqrt(),
        }
    }

    /// The nearest input.
    pub fn project(&self, y: &mut [f64]) {
        match self.setting.region.norm {
            Norm::Linf => y.iter_mut().for_each(|y| *y = y.clamp(-1.0, 1.0)),
            Norm::L2 => {
                let norm = dot(y, y).sqrt();
                if norm > 1.0 {
                    y.iter_mut().for_each(|y| *y /= norm);
                }
            }
        }
    }
}

/// How wide the interval of a row is.
fn width(intervals: &crate::leaf::Intervals, row: usize) -> f64 {
    intervals.high[row].max(-intervals.low[row])
}

/// min(0, alpha p) from below on an interval of p: a coefficient of p, and a constant.
fn chord(alpha: f64, low: f64, high: f64) -> (f64, f64) {
    let (low, high) = if alpha > 0.0 { (alpha * low, alpha * high) } else { (alpha * high, alpha * low) };
    if low >= 0.0 {
        return (0.0, 0.0);
    }
    if high <= 0.0 {
        return (alpha, 0.0);
    }
    let share = -low / (high - low);
    (alpha * share, -share * high)
}

//! A proof: a tree of decisions, and coefficients of the rows at its leaves.

use crate::leaf::{Setting, Side};

/// A tree over the switches of a function. A claim f > threshold on a region is proved if it holds at every leaf.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Proof {
    /// The tree in preorder: 0 is a leaf, j + 1 a decision on switch j, followed by the trees of on and of off.
    pub tree: Vec<u32>,
    /// Whether a switch is taken for on where nothing else is said, which sets the coefficients of its rows.
    pub on: Vec<bool>,
    /// The rows whose coefficients are given at every leaf.
    pub rows: Vec<u32>,
    /// Those coefficients, leaf by leaf.
    pub coefficients: Vec<f64>,
}

impl Proof {
    /// Number of leaves.
    pub fn leaves(&self) -> usize {
        self.tree.iter().filter(|step| **step == 0).count()
    }

    /// The smallest bound over all leaves: the function is above it on the whole region.
    ///
    /// # Errors
    /// A text that names the place for a tree that is no tree, or coefficients that are not its own.
    pub(crate) fn bound(&self, setting: &Setting) -> Result<f64, String> {
        let switches = &setting.function.switches;
        if self.on.len() != switches.len() {
            return Err(format!("it decides {} switches, and the function has {}", self.on.len(), switches.len()));
        }
        let n_rows = setting.rows.len();
        if let Some(row) = self.rows.iter().find(|&&row| row as usize >= n_rows) {
            return Err(format!("row {row} does not exist: there are {n_rows}"));
        }
        if self.coefficients.len() != self.leaves() * self.rows.len() {
            let (leaves, rows) = (self.leaves(), self.rows.len());
            return Err(format!("{} coefficients do not fit {leaves} leaves of {rows} rows", self.coefficients.len()));
        }
        let mut coefficients = self.coefficients_by_default(setting);
        let mut given = self.coefficients.chunks_exact(self.rows.len().max(1));
        let mut sides = vec![Side::Free; switches.len()];
        // Decisions whose off side is still to come, and those whose off side is being read.
        let mut open: Vec<(usize, bool)> = Vec::new();
        let (mut least, mut is_done) = (f64::INFINITY, false);
        for (place, &step) in self.tree.iter().enumerate() {
            if is_done {
                return Err(format!("the tree goes on after its end, at step {place}"));
            }
            if step > 0 {
                let switch = step as usize - 1;
                if switch >= switches.len() || sides[switch] != Side::Free {
                    return Err(format!("step {place} of the tree decides switch {switch}, which it cannot"));
                }
                sides[switch] = Side::On;
                open.push((switch, true));
                continue;
            }
            if !self.rows.is_empty() {
                let values = given.next().ok_or("a leaf has no coefficients")?;
                self.rows.iter().zip(values).for_each(|(&row, value)| coefficients[row as usize] = *value);
            }
            let bound = setting.bound(&sides, &coefficients);
            if bound.is_nan() || bound < least {
                least = bound;
            }
            // Back to the last decision whose off side has not been read.
            loop {
                match open.pop() {
                    Some((switch, true)) => {
                        sides[switch] = Side::Off;
                        open.push((switch, false));
                        break;
                    }
                    Some((switch, false)) => sides[switch] = Side::Free,
                    None => {
                        is_done = true;
                        break;
                    }
                }
            }
        }
        if is_done { Ok(least) } else { Err("the tree ends before all its leaves".to_string()) }
    }

    /// The coefficients of all rows that no leaf gives: those of a switch that is on, or zero.
    fn coefficients_by_default(&self, setting: &Setting) -> Vec<f64> {
        let mut coefficients = vec![0.0; setting.rows.len()];
        for (switch, _) in setting.function.switches.iter().zip(&self.on).filter(|(_, on)| **on) {
            coefficients[switch.gate] = switch.alpha;
            switch.values.iter().for_each(|&(p, alpha)| coefficients[p] = alpha);
        }
        coefficients
    }
}

//! Branch and bound: a claim is proved, refuted by a point, or left open with the bound that was reached.

use crate::ascent::{Bounded, Ends, Start, ascend};
use crate::leaf::{Setting, Side};
use crate::node::Local;
use crate::proof::Proof;
use rayon::prelude::*;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Nodes that are bounded together; a number of its own, so that results do not depend on the number of threads.
const BATCH: usize = 8;

/// Steps of the bound of the root, of another node, and of one whose switches are all decided.
const STEPS: [usize; 3] = [300, 30, 6000];

/// Most ascents of a node that is above its threshold, but not by enough for the check.
const RISES: usize = 4;

/// How far a search may go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Most nodes.
    pub nodes: usize,
    /// When it has to end; `None`: never.
    pub deadline: Option<Instant>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { nodes: 100_000, deadline: None }
    }
}

/// What a search is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// Whether the function is above zero.
    Positive,
    /// Its minimum, up to an absolute tolerance.
    Minimum(f64),
}

/// How a search ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The function is above zero, or its minimum above the bound.
    Proved(Proof),
    /// Not: here is an input (d), in its own units, that was replayed.
    Refuted(Vec<f64>),
    /// A limit was reached, or f64 does not tell.
    Open,
}

/// The result of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// How it ended.
    pub verdict: Verdict,
    /// The function is above this number, rounding included; of an open search, without rounding.
    pub bound: f64,
    /// The smallest value that was found.
    pub best: f64,
    /// Its input (d), with entries in \[-1, 1\] or of norm 1.
    pub y: Vec<f64>,
    /// Nodes that were bounded.
    pub nodes: usize,
}

/// What a candidate is compared with: whether an input y is a counterexample. Returns it in its own units.
pub type Replay<'a> = &'a (dyn Fn(&[f64]) -> Option<Vec<f64>> + Sync);

struct Node {
    bound: f64,
    /// Place in the tree.
    place: usize,
    sides: Vec<Side>,
    start: Start,
}

/// The node with the smallest bound comes first, of equal ones the oldest.
impl Ord for Node {
    fn cmp(&self, other: &Self) -> Ordering {
        other.bound.total_cmp(&self.bound).then(other.place.cmp(&self.place))
    }
}

impl PartialOrd for Node {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Node {}

/// A place in the tree of the search.
enum Place {
    Open,
    Leaf(Vec<f64>),
    Split { switch: usize, on: usize, off: usize },
}

/// Searches for the minimum of a function on a region.
pub fn search(setting: &Setting, goal: Goal, limits: Limits, replay: Replay) -> Found {
    let local = Local::new(setting);
    Search { local, goal, limits, replay, tree: Vec::new(), least: f64::INFINITY }.run()
}

struct Search<'a> {
    local: Local<'a>,
    goal: Goal,
    limits: Limits,
    replay: Replay<'a>,
    tree: Vec<Place>,
    /// The smallest bound of a leaf.
    least: f64,
}

impl Search<'_> {
    fn run(mut self) -> Found {
        let local = &self.local;
        let start = Start::of(local);
        let (mut best, mut y) = local.descend(&vec![0.0; local.setting.region.centre.len()]);
        let mut found = Found { verdict: Verdict::Open, bound: f64::NEG_INFINITY, best, y: y.clone(), nodes: 0 };
        if let Some(point) = self.counterexample(best, &y) {
            found.verdict = Verdict::Refuted(point);
            return found;
        }
        let sides = vec![Side::Free; local.setting.function.switches.len()];
        let mut heap = BinaryHeap::from([Node { bound: f64::NEG_INFINITY, place: 0, sides, start }]);
        self.tree.push(Place::Open);
        // The smallest bound of a node that cannot be closed.
        let mut unresolved = f64::INFINITY;
        while !heap.is_empty() {
            if found.nodes >= self.limits.nodes || self.limits.deadline.is_some_and(|end| Instant::now() >= end) {
                let open = heap.peek().map_or(f64::INFINITY, |node| node.bound);
                found.bound = open.min(unresolved).min(self.least);
                (found.best, found.y) = (best, y);
                return found;
            }
            let batch: Vec<Node> = (0..BATCH).map_while(|_| heap.pop()).collect();
            let threshold = self.threshold(best);
            // A point below zero whose replay did not show it is nothing to stop for.
            let floor = if self.goal == Goal::Positive && best > 0.0 { 0.0 } else { f64::NEG_INFINITY };
            let visit = |node: &Node| self.visit(node, threshold, floor, found.nodes == 0);
            let visited: Vec<Visited> = match &batch[..] {
                [node] => vec![visit(node)],
                _ => batch.par_iter().map(visit).collect(),
            };
            found.nodes += batch.len();
            for (node, visited) in batch.into_iter().zip(visited) {
                let Visited { bounded, closed } = visited;
                let is_better = bounded.point.0 < best;
                if is_better {
                    (best, y) = bounded.point.clone();
                    if let Some(point) = self.counterexample(best, &y) {
                        (found.verdict, found.best, found.y) = (Verdict::Refuted(point), best, y);
                        found.bound = f64::NEG_INFINITY;
                        return found;
                    }
                }
                if let Some((bound, coefficients)) = closed {
                    self.least = self.least.min(bound);
                    self.tree[node.place] = Place::Leaf(coefficients);
                    continue;
                }
                let bound = bounded.bound.max(node.bound);
                let Some(switch) = self.local.branch(&node.sides) else {
                    if is_better && matches!(self.goal, Goal::Minimum(_)) {
                        // The threshold has moved.
                        heap.push(Node { bound, start: bounded.start, ..node });
                        continue;
                    }
                    // A point on the boundary of a piece may have another value than those next to it.
                    let y = bounded.start.y();
                    if let Some(point) = self.counterexample(f64::NEG_INFINITY, y) {
                        found.verdict = Verdict::Refuted(point);
                        (found.best, found.y) = (bounded.bound, y.to_vec());
                        return found;
                    }
                    unresolved = unresolved.min(bound);
                    continue;
                };
                let on = self.tree.len();
                self.tree.extend([Place::Open, Place::Open]);
                self.tree[node.place] = Place::Split { switch, on, off: on + 1 };
                for (place, side) in [(on, Side::On), (on + 1, Side::Off)] {
                    let mut sides = node.sides.clone();
                    sides[switch] = side;
                    heap.push(Node { bound, place, sides, start: bounded.start.clone() });
                }
            }
        }
        (found.best, found.y, found.bound) = (best, y, self.least.min(unresolved));
        if unresolved == f64::INFINITY {
            found.verdict = Verdict::Proved(self.proof());
        }
        found
    }

    /// What the bound of a leaf has to be above.
    fn threshold(&self, best: f64) -> f64 {
        match self.goal {
            Goal::Positive => 0.0,
            Goal::Minimum(tolerance) => {
                let Setting { error, scale, .. } = *self.local.setting;
                // Rounding has to fit in between.
                best - tolerance.max(4.0 * error + 1e-11 * scale)
            }
        }
    }

    /// The input of a candidate, if its replay shows that the claim is wrong.
    fn counterexample(&self, value: f64, y: &[f64]) -> Option<Vec<f64>> {
        let may_be = self.goal == Goal::Positive && value <= self.local.setting.error;
        if may_be { (self.replay)(y) } else { None }
    }

    fn visit(&self, node: &Node, threshold: f64, floor: f64, is_root: bool) -> Visited {
        let local = &self.local;
        let is_decided = local.branch(&node.sides).is_none();
        let steps = STEPS[if is_decided { 2 } else { usize::from(!is_root) }];
        // What the check of a leaf takes off, and a bit.
        let error = local.setting.error;
        let mut target = threshold + error * 1.5 + 1e-13 * threshold.abs();
        let mut rise = |start: &Start, best: Option<(f64, Vec<f64>)>| {
            let mut bounded = ascend(local, &node.sides, start, Ends { steps, target, floor });
            let mut closed = None;
            if bounded.bound > threshold {
                closed = self.close(node, &bounded.coefficients, bounded.bound - threshold, threshold);
            }
            let is_done = closed.is_some() || bounded.bound <= target;
            // Above the target, but not by enough for the check.
            target = bounded.bound + (bounded.bound - threshold).abs();
            if let Some(best) = best.filter(|best| best.0 < bounded.point.0) {
                bounded.point = best;
            }
            (bounded, closed, is_done)
        };
        let (mut bounded, mut closed, mut is_done) = rise(&node.start, None);
        for _ in 1..RISES {
            if is_done {
                break;
            }
            (bounded, closed, is_done) = rise(&bounded.start, Some(bounded.point));
        }
        if closed.is_none() {
            let descent = local.descend(bounded.start.y());
            if descent.0 < bounded.point.0 {
                bounded.point = descent;
            }
        }
        Visited { bounded, closed }
    }

    /// Checks a leaf: its bound, and the coefficients of the variables if it is above the threshold. Coefficients that
    /// are rounded to f32 take half of the place, where the bound allows it.
    fn close(&self, node: &Node, coefficients: &[f64], excess: f64, threshold: f64) -> Option<(f64, Vec<f64>)> {
        let rows = self.local.rows();
        let given = |all: &[f64]| rows.iter().map(|&row| all[row as usize]).collect::<Vec<f64>>();
        if excess > 1e-4 * threshold.abs().max(1e-3) {
            let mut rounded = coefficients.to_vec();
            rows.iter().for_each(|&row| rounded[row as usize] = f64::from(rounded[row as usize] as f32));
            let bound = self.local.setting.bound(&node.sides, &rounded);
            if bound > threshold {
                return Some((bound, given(&rounded)));
            }
        }
        let bound = self.local.setting.bound(&node.sides, coefficients);
        (bound > threshold).then(|| (bound, given(coefficients)))
    }

    /// The tree of a finished search in preorder.
    fn proof(&self) -> Proof {
        let rows = self.local.rows();
        let mut proof = Proof { on: self.local.on.clone(), rows, ..Proof::default() };
        let mut places = vec![0];
        while let Some(place) = places.pop() {
            match &self.tree[place] {
                Place::Open => {}
                Place::Leaf(coefficients) => {
                    proof.tree.push(0);
                    proof.coefficients.extend_from_slice(coefficients);
                }
                Place::Split { switch, on, off } => {
                    proof.tree.push(*switch as u32 + 1);
                    places.extend([*off, *on]);
                }
            }
        }
        proof
    }
}

struct Visited {
    bounded: Bounded,
    /// Bound and coefficients of a leaf that holds.
    closed: Option<(f64, Vec<f64>)>,
}

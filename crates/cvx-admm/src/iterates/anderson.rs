//! Anderson acceleration of the fixed-point variable z = (v + lambda, s + nu), with q + mu where the loss is split off.
//! v, lambda, s, nu, q and mu are functions of z. The method is of type II, safeguarded (Walker & Ni 2011).

use crate::checkpoint::codec::{CheckpointError, Recorder, Replay};
use cvx_linalg::{Backend, HostMatrix, LinalgError};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::ops::Range;

/// Regularisation of the normal equations of the mixing weights, as a share of the trace.
const REGULARISATION: f64 = 1e-10;

/// Mixing weights above this limit show that the differences have become dependent.
const LARGEST_WEIGHTS: f64 = 1e4;

/// A step is undone if the fixed-point residual grows by more than this factor.
const LARGEST_GROWTH: f64 = 2.0;

/// The parts of the fixed-point variable: d x 2PC, n x 2PC if there are cones, and on the host n x C or nothing.
pub(crate) struct Point<B: Backend> {
    pub blocks: B::Matrix,
    pub rows: Option<B::Matrix>,
    pub prediction: HostMatrix,
}

impl<B: Backend> Point<B> {
    /// Zeros of the given shapes.
    pub fn zeros_like(
        backend: &B,
        blocks: &B::Matrix,
        rows: Option<&B::Matrix>,
        prediction: &HostMatrix,
    ) -> Result<Self, LinalgError> {
        Ok(Point {
            blocks: backend.zeros_like(blocks)?,
            rows: rows.map(|rows| backend.zeros_like(rows)).transpose()?,
            prediction: HostMatrix::zeros(prediction.rows(), prediction.cols()),
        })
    }

    fn copy_from(&mut self, backend: &B, other: &Self) -> Result<(), LinalgError> {
        backend.copy(&other.blocks, &mut self.blocks)?;
        self.prediction.values_mut().copy_from_slice(other.prediction.values());
        match (&other.rows, &mut self.rows) {
            (Some(other), Some(own)) => backend.copy(other, own),
            _ => Ok(()),
        }
    }

    /// self = alpha other + beta self.
    pub fn add(&mut self, backend: &B, alpha: f64, other: &Self, beta: f64) -> Result<(), LinalgError> {
        let entries = self.prediction.values_mut().iter_mut().zip(other.prediction.values());
        entries.for_each(|(own, other)| *own = alpha * other + beta * *own);
        backend.axpby(alpha, &other.blocks, beta, &mut self.blocks)?;
        match (&other.rows, &mut self.rows) {
            (Some(other), Some(own)) => backend.axpby(alpha, other, beta, own),
            _ => Ok(()),
        }
    }

    fn save(&self, out: &mut Recorder<'_, B>, name: &str) -> Result<(), CheckpointError> {
        out.matrix(&format!("{name}.blocks"), &self.blocks)?;
        if let Some(rows) = &self.rows {
            out.matrix(&format!("{name}.rows"), rows)?;
        }
        out.host_rows(&format!("{name}.q"), &self.prediction)
    }

    fn restore(&mut self, saved: &mut Replay<'_, B>, name: &str) -> Result<(), CheckpointError> {
        saved.matrix(&format!("{name}.blocks"), &mut self.blocks)?;
        if let Some(rows) = &mut self.rows {
            saved.matrix(&format!("{name}.rows"), rows)?;
        }
        saved.host_rows(&format!("{name}.q"), &mut self.prediction)
    }

    /// self += sum_k weights[k] terms[k].
    fn add_terms(&mut self, backend: &B, weights: &[f64], terms: &[&Self]) -> Result<(), LinalgError> {
        for (weight, term) in weights.iter().zip(terms) {
            let entries = self.prediction.values_mut().iter_mut().zip(term.prediction.values());
            entries.for_each(|(own, term)| *own += weight * term);
        }
        let blocks: Vec<&B::Matrix> = terms.iter().map(|term| &term.blocks).collect();
        backend.add_terms(weights, &blocks, &mut self.blocks)?;
        let rows: Vec<&B::Matrix> = terms.iter().filter_map(|term| term.rows.as_ref()).collect();
        self.rows.as_mut().map_or(Ok(()), |own| backend.add_terms(weights, &rows, own))
    }

    /// The products with each of these points.
    fn dots(&self, backend: &B, others: &[&Self]) -> Result<Vec<f64>, LinalgError> {
        let blocks: Vec<&B::Matrix> = others.iter().map(|other| &other.blocks).collect();
        let mut products = backend.dots(&self.blocks, &blocks)?;
        if let Some(own) = &self.rows {
            let rows: Vec<&B::Matrix> = others.iter().filter_map(|other| other.rows.as_ref()).collect();
            let rows = backend.dots(own, &rows)?;
            products.iter_mut().zip(rows).for_each(|(product, rows)| *product += rows);
        }
        if self.prediction.values().is_empty() {
            return Ok(products);
        }
        let product = |other: &Self, rows: &Range<usize>| {
            let columns = (0..other.prediction.cols()).map(|c| [&self.prediction, &other.prediction].map(|q| q.col(c)));
            let entries = columns.flat_map(|[own, other]| own[rows.clone()].iter().zip(&other[rows.clone()]));
            entries.map(|(own, other)| own * other).sum::<f64>()
        };
        let sums = backend.samples().sums(self.prediction.rows(), others.len(), |rows| {
            others.iter().map(|other| product(other, &rows)).collect()
        });
        products.iter_mut().zip(sums).for_each(|(product, sum)| *product += sum);
        Ok(products)
    }

    fn norm(&self, backend: &B) -> Result<f64, LinalgError> {
        Ok(self.dots(backend, &[self])?.into_iter().sum::<f64>().sqrt())
    }
}

/// Differences of one iteration: of the residual f = g(z) - z and of the image g(z).
struct Difference<B: Backend> {
    residual: Point<B>,
    image: Point<B>,
}

/// The scalars of the history in a checkpoint.
#[derive(Serialize, Deserialize)]
struct History {
    gram: VecDeque<VecDeque<f64>>,
    products: VecDeque<f64>,
    norm: Option<f64>,
}

/// The acceleration with its history.
pub(crate) struct Anderson<B: Backend> {
    backend: B,
    depth: usize,
    differences: VecDeque<Difference<B>>,
    /// Products of the residual differences, `gram[i][j] = <df_i, df_j>`, oldest first.
    gram: VecDeque<VecDeque<f64>>,
    /// Products of the residual with its differences, <f, df_j>. Those with the next residual f + df follow from the
    /// gram: each is computed once.
    products: VecDeque<f64>,
    /// Residual and image of the last step, and the residual's norm.
    last: Option<(Point<B>, Point<B>, f64)>,
    /// f of this step; `None` without acceleration.
    residual: Option<Point<B>>,
}

impl<B: Backend> Anderson<B> {
    /// Acceleration over `depth` differences.
    pub fn new(
        backend: &B,
        depth: usize,
        blocks: &B::Matrix,
        rows: Option<&B::Matrix>,
        prediction: &HostMatrix,
    ) -> Result<Self, LinalgError> {
        Ok(Anderson {
            backend: backend.clone(),
            depth,
            differences: VecDeque::new(),
            gram: VecDeque::new(),
            products: VecDeque::new(),
            last: None,
            residual: (depth > 0).then(|| Point::zeros_like(backend, blocks, rows, prediction)).transpose()?,
        })
    }

    /// Clears the history, because the fixed-point map has changed.
    pub fn restart(&mut self) {
        self.forget();
        self.last = None;
    }

    fn forget(&mut self) {
        self.differences.clear();
        self.gram.clear();
        self.products.clear();
    }

    /// Declares that the next point does not follow from the last, while the fixed-point map is nearly the same.
    pub fn pause(&mut self) {
        self.last = None;
    }

    /// Replaces the image g = g(z) by the next point to evaluate: the combination of the last images whose residuals
    /// nearly cancel. Returns whether the point differs from g.
    pub fn extrapolate(&mut self, z: &Point<B>, g: &mut Point<B>) -> Result<bool, LinalgError> {
        let Some(mut residual) = self.residual.take() else { return Ok(false) };
        let moved = self.extrapolate_from(z, g, &mut residual);
        self.residual = Some(residual);
        moved
    }

    /// The same, with a place for the residual f = g - z.
    fn extrapolate_from(
        &mut self,
        z: &Point<B>,
        g: &mut Point<B>,
        residual: &mut Point<B>,
    ) -> Result<bool, LinalgError> {
        let backend = self.backend.clone();
        residual.copy_from(&backend, g)?;
        residual.add(&backend, -1.0, z, 1.0)?;
        let norm = residual.norm(&backend)?;
        let zeros = |like: &Point<B>| Point::zeros_like(&backend, &like.blocks, like.rows.as_ref(), &like.prediction);
        let (mut spare_residual, mut spare_image) = match self.last.take() {
            None => {
                let differences: Vec<&Point<B>> = self.differences.iter().map(|one| &one.residual).collect();
                self.products = residual.dots(&backend, &differences)?.into();
                (zeros(g)?, zeros(g)?)
            }
            Some((_, last_image, last_norm)) if norm > LARGEST_GROWTH * last_norm => {
                // The last extrapolation failed: return to the plain image before it and clear the history.
                g.copy_from(&backend, &last_image)?;
                self.restart();
                return Ok(true);
            }
            Some((last_residual, last_image, _)) => self.remember(last_residual, last_image, residual, g)?,
        };
        spare_residual.copy_from(&backend, residual)?;
        spare_image.copy_from(&backend, g)?;
        self.last = Some((spare_residual, spare_image, norm));
        let weights: Vec<f64> = self.weights().into_iter().map(|weight| -weight).collect();
        if weights.is_empty() {
            return Ok(false);
        }
        let images: Vec<&Point<B>> = self.differences.iter().map(|difference| &difference.image).collect();
        g.add_terms(&backend, &weights, &images)?;
        Ok(true)
    }

    /// Writes the history to a checkpoint.
    pub fn save(&self, out: &mut Recorder<'_, B>) -> Result<(), CheckpointError> {
        let norm = self.last.as_ref().map(|(_, _, norm)| *norm);
        out.record("anderson", &History { gram: self.gram.clone(), products: self.products.clone(), norm })?;
        for (k, Difference { residual, image }) in self.differences.iter().enumerate() {
            residual.save(out, &format!("df{k}"))?;
            image.save(out, &format!("dg{k}"))?;
        }
        if let Some((residual, image, _)) = &self.last {
            residual.save(out, "f")?;
            image.save(out, "g")?;
        }
        Ok(())
    }

    /// Restores the history from a checkpoint.
    pub fn restore(&mut self, saved: &mut Replay<'_, B>) -> Result<(), CheckpointError> {
        let history: History = saved.record("anderson")?;
        let square = history.gram.iter().all(|row| row.len() == history.gram.len());
        if history.gram.len() > self.depth || !square || history.products.len() != history.gram.len() {
            return Err(saved.damaged("the history of the acceleration has another size"));
        }
        let mut point = |name: &str| {
            let Some(Point { blocks, rows, prediction }) = &self.residual else {
                return Err(saved.damaged("the run is not accelerated"));
            };
            let mut point = Point::zeros_like(&self.backend, blocks, rows.as_ref(), prediction)?;
            point.restore(saved, name)?;
            Ok::<_, CheckpointError>(point)
        };
        let differences = (0..history.gram.len())
            .map(|k| Ok(Difference { residual: point(&format!("df{k}"))?, image: point(&format!("dg{k}"))? }))
            .collect::<Result<_, CheckpointError>>()?;
        let last = match history.norm {
            Some(norm) => Some((point("f")?, point("g")?, norm)),
            None => None,
        };
        (self.differences, self.gram, self.last) = (differences, history.gram, last);
        self.products = history.products;
        Ok(())
    }

    /// Replaces the last residual and image by their differences to the current ones. Returns two points to fill.
    fn remember(
        &mut self,
        mut last_residual: Point<B>,
        mut last_image: Point<B>,
        residual: &Point<B>,
        g: &Point<B>,
    ) -> Result<(Point<B>, Point<B>), LinalgError> {
        let backend = &self.backend;
        last_residual.add(backend, 1.0, residual, -1.0)?;
        last_image.add(backend, 1.0, g, -1.0)?;
        let mut spare = None;
        if self.differences.len() == self.depth {
            spare = self.differences.pop_front();
            self.gram.pop_front();
            self.products.pop_front();
            self.gram.iter_mut().for_each(|row| {
                row.pop_front();
            });
        }
        let difference = Difference { residual: last_residual, image: last_image };
        let own = [&difference.residual, residual];
        let others: Vec<&Point<B>> = self.differences.iter().map(|other| &other.residual).chain(own).collect();
        let mut row: VecDeque<f64> = difference.residual.dots(backend, &others)?.into();
        let with_residual = row.pop_back();
        for ((earlier, product), with_other) in self.gram.iter_mut().zip(&mut self.products).zip(&row) {
            earlier.push_back(*with_other);
            *product += with_other;
        }
        self.products.extend(with_residual);
        self.gram.push_back(row);
        self.differences.push_back(difference);
        match spare {
            Some(spare) => Ok((spare.residual, spare.image)),
            None => {
                let zeros = || Point::zeros_like(backend, &g.blocks, g.rows.as_ref(), &g.prediction);
                Ok((zeros()?, zeros()?))
            }
        }
    }

    /// The weights that minimise ||f - sum w_i df_i||; none if they are unreliable.
    fn weights(&mut self) -> Vec<f64> {
        let rhs: Vec<f64> = self.products.iter().copied().collect();
        let trace: f64 = (0..rhs.len()).map(|i| self.gram[i][i]).sum();
        let mut matrix: Vec<Vec<f64>> = self.gram.iter().map(|row| row.iter().copied().collect()).collect();
        (0..rhs.len()).for_each(|i| matrix[i][i] += REGULARISATION * trace);
        let weights = solve_symmetric(matrix, rhs);
        let size: f64 = weights.iter().map(|weight| weight.abs()).sum();
        if size.is_finite() && size <= LARGEST_WEIGHTS {
            return weights;
        }
        self.forget();
        Vec::new()
    }
}

/// Gaussian elimination with pivoting for the small positive semidefinite system of the weights.
fn solve_symmetric(mut matrix: Vec<Vec<f64>>, mut rhs: Vec<f64>) -> Vec<f64> {
    let order = rhs.len();
    for k in 0..order {
        let pivot = (k..order).fold(k, |best, i| if matrix[i][k].abs() > matrix[best][k].abs() { i } else { best });
        matrix.swap(k, pivot);
        rhs.swap(k, pivot);
        let (above, below) = matrix.split_at_mut(k + 1);
        for (i, row) in below.iter_mut().enumerate() {
            let factor = row[k] / above[k][k];
            row.iter_mut().zip(&above[k]).for_each(|(entry, pivot)| *entry -= factor * pivot);
            rhs[k + 1 + i] -= factor * rhs[k];
        }
    }
    for k in (0..order).rev() {
        let known: f64 = (k + 1..order).map(|j| matrix[k][j] * rhs[j]).sum();
        rhs[k] = (rhs[k] - known) / matrix[k][k];
    }
    rhs
}

#[cfg(test)]
mod tests {
    use super::*;
    use cvx_linalg::{Cpu, HostMatrix};

    #[test]
    fn a_linear_contraction_is_solved_in_as_many_steps_as_dimensions() {
        // z -> A z + b with A = diag(0.99, 0.9, 0.5, -0.7): the plain iteration needs a thousand steps.
        let cpu = Cpu::<f64>::new();
        let (rates, shift) = ([0.99, 0.9, 0.5, -0.7], [1.0, 2.0, 3.0, 4.0]);
        let point = |values: &[f64]| Point::<Cpu<f64>> {
            blocks: cpu.upload(&HostMatrix::from_vec(1, 2, values[..2].to_vec())).unwrap(),
            rows: Some(cpu.upload(&HostMatrix::from_vec(1, 1, values[2..3].to_vec())).unwrap()),
            prediction: HostMatrix::from_vec(1, 1, values[3..].to_vec()),
        };
        let values = |p: &Point<Cpu<f64>>| {
            let (blocks, rows) = (cpu.download(&p.blocks).unwrap(), cpu.download(p.rows.as_ref().unwrap()).unwrap());
            [blocks.values(), rows.values(), p.prediction.values()].concat()
        };
        let mut z = point(&[0.0; 4]);
        let mut anderson = Anderson::new(&cpu, 10, &z.blocks, z.rows.as_ref(), &z.prediction).unwrap();
        for _ in 0..8 {
            let image: Vec<f64> = values(&z).iter().zip(rates).zip(shift).map(|((z, a), b)| a * z + b).collect();
            let mut g = point(&image);
            anderson.extrapolate(&z, &mut g).unwrap();
            z = g;
        }
        for ((z, rate), shift) in values(&z).into_iter().zip(rates).zip(shift) {
            let fixed = shift / (1.0 - rate);
            assert!((z - fixed).abs() < 1e-4 * fixed, "{z} instead of {fixed}");
        }
    }
}

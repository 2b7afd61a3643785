//! Centres of clusters of whitened patches: Lloyd's iteration.

use cvx_linalg::{Backend, HostMatrix, LinalgError, Shape, Transpose};
use rayon::prelude::*;

/// Rounds of the iteration.
const ROUNDS: usize = 20;

/// Vectors whose distances are computed by one product.
const RUN: usize = 2048;

/// `count` centres of these vectors (d x n), from the first of them on; where there are fewer, centres are repeated. A
/// cluster that lost all of its vectors keeps its centre.
pub fn centres<B: Backend>(backend: &B, vectors: &HostMatrix, count: usize) -> Result<HostMatrix, LinalgError> {
    let (d, n) = (vectors.rows(), vectors.cols());
    let runs: Vec<B::Matrix> = (vectors.values().chunks(d * RUN))
        .map(|run| backend.upload(&HostMatrix::from_vec(d, run.len() / d, run.to_vec())))
        .collect::<Result<_, _>>()?;
    let mut centres = HostMatrix::from_fn(d, count, |i, j| vectors[(i, j % n)]);
    for _ in 0..ROUNDS {
        let nearest = nearest(backend, &centres, &runs)?;
        let (mut sums, mut counts) = (HostMatrix::zeros(d, count), vec![0usize; count]);
        for (k, &centre) in nearest.iter().enumerate() {
            counts[centre] += 1;
            sums.col_mut(centre).iter_mut().zip(vectors.col(k)).for_each(|(sum, x)| *sum += x);
        }
        for (j, &members) in counts.iter().enumerate().filter(|&(_, &members)| members > 0) {
            let mean = sums.col(j).iter().map(|sum| sum / members as f64);
            centres.col_mut(j).iter_mut().zip(mean).for_each(|(centre, mean)| *centre = mean);
        }
    }
    Ok(centres)
}

/// The nearest centre of each vector.
fn nearest<B: Backend>(backend: &B, centres: &HostMatrix, runs: &[B::Matrix]) -> Result<Vec<usize>, LinalgError> {
    let halves: Vec<f64> =
        (0..centres.cols()).map(|j| 0.5 * centres.col(j).iter().map(|x| x * x).sum::<f64>()).collect();
    let uploaded = backend.upload(centres)?;
    let of_run = |run: &B::Matrix| {
        let mut products = backend.zeros(centres.cols(), run.cols())?;
        backend.gemm(1.0, &uploaded, Transpose::Yes, run, Transpose::No, 0.0, &mut products)?;
        let products = backend.download(&products)?;
        // Half of the squared distance without what all centres share; the first of the nearest.
        let of_column = |k: usize| {
            let distances = halves.iter().zip(products.col(k)).map(|(half, product)| half - product);
            let nearest = |best: (usize, f64), (j, distance)| if distance < best.1 { (j, distance) } else { best };
            distances.enumerate().fold((0, f64::INFINITY), nearest).0
        };
        Ok((0..run.cols()).map(of_column).collect::<Vec<usize>>())
    };
    let found: Vec<Vec<usize>> = runs.par_iter().map(of_run).collect::<Result<_, LinalgError>>()?;
    Ok(found.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cvx_linalg::Cpu;

    #[test]
    fn centres_are_the_means_of_clusters_that_are_far_apart() {
        let corners = [[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]];
        let noise = |k: usize, i: usize| ((k * 37 + i * 11) % 13) as f64 / 13.0 - 0.5;
        let vectors = HostMatrix::from_fn(2, 90, |i, k| corners[k % 3][i] + noise(k, i));
        let found = centres(&Cpu::<f64>::new(), &vectors, 3).unwrap();
        for j in 0..3 {
            for i in 0..2 {
                let mean = (0..30).map(|k| vectors[(i, 3 * k + j)]).sum::<f64>() / 30.0;
                assert!((found[(i, j)] - mean).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn more_centres_than_vectors_are_no_error() {
        let vectors = HostMatrix::from_fn(2, 3, |i, k| (i + 2 * k) as f64);
        let found = centres(&Cpu::<f64>::new(), &vectors, 5).unwrap();
        assert!((0..5).all(|j| found.col(j) == vectors.col(j % 3)));
    }
}

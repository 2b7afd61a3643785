//! A gated network as a ReLU network.

use crate::network::{Network, norm};
use cvx_linalg::HostMatrix;

impl Network {
    /// A ReLU network that predicts what this gated one does on the samples `xt` (d x n): a neuron u with gate h becomes the pair
    /// (x'(u + tau h))_+ - (x'tau h)_+, with the smallest tau >= 0 that puts u + tau h into the cone of the gate's pattern
    /// (Mishkin, Sahiner & Pilanci 2022, section 3). A ReLU network stays as it is.
    ///
    /// The pair's weights are larger than u, by how much says the margin of h: the least |x'h| among the samples that u has on the
    /// wrong side. A neuron whose gate has no margin there (a tie) cannot be decomposed along it; `None` then.
    pub fn decompose(&self, xt: &HostMatrix) -> Option<Network> {
        let Some(gates) = &self.gates else { return Some(self.clone()) };
        let mut neurons: Vec<(Vec<f64>, usize, f64)> = Vec::new();
        for j in 0..self.n_neurons() {
            // h of length 1: tau is then the length of the second neuron.
            let size = norm(gates.col(j));
            let h: Vec<f64> = gates.col(j).iter().map(|h| if size > 0.0 { h / size } else { 0.0 }).collect();
            let dot = |w: &[f64], a: usize| w.iter().zip(xt.col(a)).map(|(w, x)| w * x).sum::<f64>();
            let tau = (0..xt.cols()).fold(0.0, |tau: f64, a| {
                let (xh, xu) = (dot(&h, a), dot(self.w1.col(j), a));
                // Strictly inside, or exactly on the side of the pattern.
                let violation = if xh >= 0.0 { -xu } else { xu };
                if violation > 0.0 { tau.max(violation / xh.abs()) } else { tau }
            });
            if !tau.is_finite() {
                return None;
            }
            neurons.push((self.w1.col(j).iter().zip(&h).map(|(u, h)| u + tau * h).collect(), j, 1.0));
            if tau > 0.0 {
                neurons.push((h.iter().map(|h| tau * h).collect(), j, -1.0));
            }
        }
        let mut network = Network {
            w1: HostMatrix::zeros(self.w1.rows(), neurons.len()),
            w2: HostMatrix::from_fn(neurons.len(), self.w2.cols(), |at, c| neurons[at].2 * self.w2[(neurons[at].1, c)]),
            gates: None,
        };
        neurons.iter().enumerate().for_each(|(at, (w, ..))| network.w1.col_mut(at).copy_from_slice(w));
        Some(network)
    }
}

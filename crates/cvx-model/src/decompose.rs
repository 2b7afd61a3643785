//! Conversion of a gated network to a ReLU network.

use crate::network::{Network, norm};
use cvx_linalg::HostMatrix;

impl Network {
    /// A ReLU network with the same predictions as this gated network on the samples `xt` (d x n). A ReLU network is
    /// returned unchanged.
    ///
    /// A neuron u with gate h becomes the pair (x'(u + tau h))_+ - (x'tau h)_+, with the smallest tau >= 0 for which
    /// u + tau h is in the cone of the gate's pattern (Mishkin, Sahiner & Pilanci 2022, section 3). The weights of the
    /// pair are larger than u. Their size depends on the margin of h: the smallest |x'h| over the samples that u has on
    /// the wrong side. If that margin is 0, the neuron cannot be decomposed along h, and the result is `None`.
    pub fn decompose(&self, xt: &HostMatrix) -> Option<Network> {
        let Some(gates) = &self.gates else { return Some(self.clone()) };
        let mut neurons: Vec<(Vec<f64>, usize, f64)> = Vec::new();
        for j in 0..self.n_neurons() {
            // For h of norm 1, tau is the norm of the second neuron.
            let size = norm(gates.col(j));
            let h: Vec<f64> = gates.col(j).iter().map(|h| if size > 0.0 { h / size } else { 0.0 }).collect();
            let dot = |w: &[f64], a: usize| w.iter().zip(xt.col(a)).map(|(w, x)| w * x).sum::<f64>();
            let tau = (0..xt.cols()).fold(0.0, |tau: f64, a| {
                let (xh, xu) = (dot(&h, a), dot(self.w1.col(j), a));
                // Positive if u is on the wrong side of this sample.
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

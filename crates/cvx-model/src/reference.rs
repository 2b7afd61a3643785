//! Small dense matrices on the host, written directly from the definitions. The operators are tested against them.

use crate::patterns::PatternSet;
use cvx_linalg::HostMatrix;

/// F = \[D_1 X .. D_P X, -D_1 X .. -D_P X\] (n x 2dP) for one target.
pub fn dense_f(xt: &HostMatrix, patterns: &PatternSet) -> HostMatrix {
    let (d, n, p) = (xt.rows(), xt.cols(), patterns.len());
    HostMatrix::from_fn(n, 2 * d * p, |a, column| {
        let (block, feature) = (column / d, column % d);
        let sign = if block < p { 1.0 } else { -1.0 };
        if patterns.bits().get(a, block % p) { sign * xt[(feature, a)] } else { 0.0 }
    })
}

/// Gt = blkdiag(diag(g) (2 D_i - I) X) (2nP x 2dP) for one target.
pub fn dense_g(xt: &HostMatrix, patterns: &PatternSet, g: &HostMatrix) -> HostMatrix {
    let (d, n, p) = (xt.rows(), xt.cols(), patterns.len());
    HostMatrix::from_fn(2 * n * p, 2 * d * p, |row, column| {
        let (block, a, feature) = (row / n, row % n, column % d);
        if block != column / d {
            return 0.0;
        }
        let sign = if patterns.bits().get(a, block % p) { 1.0 } else { -1.0 };
        sign * g[(a, 0)] * xt[(feature, a)]
    })
}

/// A = I + F'F/rho + Gt'Gt.
pub fn dense_a(f: &HostMatrix, g: &HostMatrix, rho: f64) -> HostMatrix {
    let gram = |m: &HostMatrix, i: usize, j: usize| m.col(i).iter().zip(m.col(j)).map(|(a, b)| a * b).sum::<f64>();
    HostMatrix::from_fn(f.cols(), f.cols(), |i, j| f64::from(u8::from(i == j)) + gram(f, i, j) / rho + gram(g, i, j))
}

/// A x for a dense A and a stacked vector.
pub fn multiply(a: &HostMatrix, x: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; a.rows()];
    for (j, &x) in x.iter().enumerate() {
        out.iter_mut().zip(a.col(j)).for_each(|(out, a)| *out += a * x);
    }
    out
}

//! Shows a masked operator, F u = sum_i D_i X u_i with its adjoint, written in the operations of a back end: D_i X is
//! never formed.

use cvx_linalg::{Backend, BitMask, BlockLayout, Cpu, HostMatrix, LinalgError, LinearOperator, Shape, Transpose};

/// F for blocks u_i as the columns of a d x P matrix; the D_i are the columns of a mask.
struct MaskedSum<B: Backend> {
    backend: B,
    /// Samples as columns (d x n).
    xt: B::Matrix,
    mask: B::Mask,
    /// Scratch (n x P).
    rows: B::Matrix,
}

impl<B: Backend> MaskedSum<B> {
    fn new(backend: B, xt: &HostMatrix, bits: &BitMask) -> Result<Self, LinalgError> {
        Ok(MaskedSum {
            xt: backend.upload(xt)?,
            mask: backend.upload_mask(bits)?,
            rows: backend.zeros(bits.rows(), bits.cols())?,
            backend,
        })
    }
}

impl<B: Backend> LinearOperator<B> for MaskedSum<B> {
    fn input_shape(&self) -> (usize, usize) {
        (self.xt.rows(), self.rows.cols())
    }

    fn output_shape(&self) -> (usize, usize) {
        (self.xt.cols(), 1)
    }

    fn apply(&mut self, out: &mut B::Matrix, u: &B::Matrix) -> Result<(), LinalgError> {
        self.backend.gemm(1.0, &self.xt, Transpose::Yes, u, Transpose::No, 0.0, &mut self.rows)?;
        self.backend.masked_row_sum(BlockLayout::one(self.rows.cols(), 1), Some(&self.mask), &self.rows, out)
    }

    fn apply_adjoint(&mut self, out: &mut B::Matrix, r: &B::Matrix) -> Result<(), LinalgError> {
        self.backend.masked_broadcast(&self.mask, 1.0, r, &mut self.rows)?;
        self.backend.gemm(1.0, &self.xt, Transpose::No, &self.rows, Transpose::No, 0.0, out)
    }
}

/// <F u, r> and <u, F'r>, which are the same number.
fn both_sides<B: Backend>(backend: B, xt: &HostMatrix, bits: &BitMask) -> Result<(f64, f64), LinalgError> {
    let mut f = MaskedSum::new(backend.clone(), xt, bits)?;
    let ((d, p), (n, c)) = (f.input_shape(), f.output_shape());
    let u = backend.upload(&HostMatrix::from_fn(d, p, |i, j| (1.0 + i as f64 + 3.0 * j as f64).cos()))?;
    let r = backend.upload(&HostMatrix::from_fn(n, c, |a, _| (0.3 * a as f64).sin()))?;
    let (mut fu, mut ftr) = (backend.zeros(n, c)?, backend.zeros(d, p)?);
    f.apply(&mut fu, &u)?;
    f.apply_adjoint(&mut ftr, &r)?;
    Ok((backend.dot(&fu, &r)?, backend.dot(&u, &ftr)?))
}

fn main() -> Result<(), LinalgError> {
    let (n, d, p) = (500, 12, 20);
    let xt = HostMatrix::from_fn(d, n, |k, a| (0.7 * a as f64 + 1.9 * k as f64).sin());
    let bits = BitMask::from_fn(n, p, |a, i| xt[(i % d, a)] >= 0.0);
    println!("{} of {} bits are set", (0..p).map(|i| bits.count(i)).sum::<usize>(), n * p);
    // Written once, the operator runs on every back end and in every precision.
    for (precision, (left, right)) in
        [("f32", both_sides(Cpu::<f32>::new(), &xt, &bits)?), ("f64", both_sides(Cpu::<f64>::new(), &xt, &bits)?)]
    {
        println!("{precision}: <F u, r> = {left:.12}, <u, F'r> = {right:.12}");
    }
    Ok(())
}

//! Projection onto the cones of the patterns, which gives beta_max.

use crate::program::{ConvexProgram, RowScale};
use cvx_linalg::{Backend, Half, HostMatrix, LinalgError, Transpose};

/// Bounds on beta_max, the smallest beta for which the zero network is optimal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BetaMax {
    /// max ||X'D_i y||, the upper bound in closed form, with +-X'D_i y projected onto the cones of the entries if there
    /// are any. It is exact for gated neurons.
    pub gated: f64,
    /// An upper bound on max || projection of +-X'D_i y onto its cone ||, proved by the multipliers found.
    pub upper: f64,
}

/// Weight of the cone relative to the distance in the projection. Any positive number gives the same limit.
const SIGMA: f64 = 1.0;

/// Computes beta_max of the programme: projects +-X'D_i y onto {w : (2 D_i - I) X w >= 0} by ADMM, in f64. With cones Q
/// of the entries, onto the intersection with Q.
///
/// By Moreau's decomposition, the projection is that of +-X'D_i y + X'(e o eta) onto Q at the best eta >= 0. Therefore
/// every iterate gives an upper bound. The iteration stops when the bound has not decreased by the relative `tolerance`
/// in 100 iterations. It is meant for small problems and tests. The gated value alone costs one product.
///
/// # Errors
/// [`LinalgError`] if an operation of the back end fails.
pub fn beta_max<B: Backend>(program: &ConvexProgram<B>, tolerance: f64) -> Result<BetaMax, LinalgError> {
    let wide = program.backend().wide();
    let (n, d, blocks) = (program.n_samples(), program.n_features(), program.n_blocks());
    let weights = RowScale::Normalised { sigma: SIGMA }.weights(program.row_norms());
    let squared = HostMatrix::from_fn(n, 1, |a, _| weights[(a, 0)].powi(2));
    let (weights, squared) = (wide.upload(&weights)?, wide.upload(&squared)?);
    let confined = program.cones().is_some();
    let xt = program.samples().to_wide()?;
    let mut factor = wide.zeros(d, d)?;
    // With cones of the entries, x is also split from a copy of it in those cones.
    wide.weighted_gram(&xt, &squared, if confined { 2.0 } else { 1.0 }, &mut factor)?;
    wide.cholesky(&mut factor)?;

    // gradients = +-X'D_i y. For another loss, xi at the zero network replaces y.
    let (mut rows, mut masked) = (wide.zeros(n, blocks)?, wide.zeros(n, program.layout().pairs())?);
    let y = wide.upload(&program.xi_at_zero())?;
    wide.masked_broadcast(program.mask(), 1.0, &y, &mut masked)?;
    wide.add_pairs(program.layout(), 1.0, &masked, &mut rows)?;
    let mut gradients = wide.zeros(d, blocks)?;
    wide.gemm(1.0, &xt, Transpose::No, &rows, Transpose::No, 0.0, &mut gradients)?;
    let largest = |norms: Vec<f64>| norms.into_iter().fold(0.0, f64::max);
    let mut inside = wide.zeros(d, blocks)?;
    wide.copy(&gradients, &mut inside)?;
    program.confine_wide(&mut inside)?;
    let gated = largest(wide.column_norms(&inside)?);
    // The copy in the cones and its scaled multiplier.
    let (mut copy, mut lambda) = (wide.zeros(d, blocks)?, wide.zeros(d, blocks)?);

    let (mut s, mut nu) = (wide.zeros(n, blocks)?, wide.zeros(n, blocks)?);
    let mut x = wide.zeros(d, blocks)?;
    let (mut upper, mut mark) = (gated, gated);
    for iteration in 1.. {
        // x = M^-1 (gradient + Gt'(s - nu)).
        wide.sign_flip(program.mask(), &weights, &s, Some(&nu), &mut rows)?;
        wide.copy(&gradients, &mut x)?;
        wide.gemm(1.0, &xt, Transpose::No, &rows, Transpose::No, 1.0, &mut x)?;
        if confined {
            wide.axpby(1.0, &copy, 1.0, &mut x)?;
            wide.axpby(-1.0, &lambda, 1.0, &mut x)?;
        }
        wide.solve(&factor, Half::Both, &mut x)?;
        if confined {
            wide.axpby(1.0, &x, 1.0, &mut lambda)?;
            wide.copy(&lambda, &mut copy)?;
            program.confine_wide(&mut copy)?;
            wide.axpby(-1.0, &copy, 1.0, &mut lambda)?;
        }
        wide.gemm(1.0, &xt, Transpose::Yes, &x, Transpose::No, 0.0, &mut rows)?;
        wide.slack_step(program.mask(), &weights, &rows, 1.6, 1.0, &mut s, &mut nu)?;
        // The norm of the residual gradient + Gt'(-nu) is an upper bound on the norm of the projection.
        wide.sign_flip(program.mask(), &weights, &nu, None, &mut rows)?;
        wide.copy(&gradients, &mut x)?;
        wide.gemm(-1.0, &xt, Transpose::No, &rows, Transpose::No, 1.0, &mut x)?;
        program.confine_wide(&mut x)?;
        upper = upper.min(largest(wide.column_norms(&x)?));
        if iteration % 100 == 0 {
            if upper >= mark * (1.0 - tolerance) {
                break;
            }
            mark = upper;
        }
    }
    Ok(BetaMax { gated, upper })
}

//! Dual points that are feasible in exact arithmetic, not only up to rounding.

use crate::loss::LossForm;
use crate::metrics::row;
use crate::weighted::WeightedLoss;
use cvx_linalg::HostMatrix;

/// Sums of that many units are exact in f64.
const EXACT: f64 = (1u64 << 52) as f64;

/// The dual point near `xi` (n x C) for the targets `y` (n x C) that lies in the domain of the conjugate. Its entries
/// are multiples of a power of two, so that all sums of them are exact: those of the rows of a loss of rows are zero,
/// and with an output bias those of the columns.
pub(super) fn exact(loss: &WeightedLoss, xi: &HostMatrix, y: &HostMatrix) -> HostMatrix {
    let mut xi = xi.clone();
    loss.clip(&mut xi, y);
    let largest = xi.values().iter().fold(0.0, |largest: f64, xi| largest.max(xi.abs()));
    let needed = 2.0 * largest * xi.values().len() as f64;
    if needed == 0.0 || !needed.is_finite() {
        return HostMatrix::zeros(xi.rows(), xi.cols());
    }
    let unit = (needed.log2().ceil() - EXACT.log2()).exp2();
    // Towards zero, which the domain contains.
    xi.values_mut().iter_mut().for_each(|xi| *xi = (*xi / unit).trunc() * unit);
    match loss.loss().form() {
        LossForm::Entry(_) if loss.has_output_bias() => (0..xi.cols()).for_each(|c| cancel(xi.col_mut(c))),
        LossForm::Entry(_) => {}
        LossForm::Row(of_row) => {
            let classes: Vec<usize> = (0..y.rows()).map(|a| of_row.class(&row(y, a))).collect();
            close_rows(&mut xi, &classes);
            if loss.has_output_bias() {
                balance(&mut xi, &classes);
            }
        }
    }
    xi
}

/// Makes the sum of a column zero: the entries of its sign come nearer to zero, where they stay in the domain.
fn cancel(column: &mut [f64]) {
    let mut rest: f64 = column.iter().sum();
    for xi in column {
        if *xi * rest > 0.0 {
            let part = xi.abs().min(rest.abs()) * rest.signum();
            (*xi, rest) = (*xi - part, rest - part);
        }
    }
}

/// The entry of the class of each row becomes minus the sum of the others.
fn close_rows(xi: &mut HostMatrix, classes: &[usize]) {
    for (a, &class) in classes.iter().enumerate() {
        let others: f64 = (0..xi.cols()).filter(|&c| c != class).map(|c| xi[(a, c)]).sum();
        xi[(a, class)] = -others;
    }
}

/// Makes the sums of the columns zero, within the first row of each class whose column has too small a sum.
fn balance(xi: &mut HostMatrix, classes: &[usize]) {
    let mut sums: Vec<f64> = (0..xi.cols()).map(|c| xi.col(c).iter().sum()).collect();
    for low in 0..sums.len() {
        let Some(row) = classes.iter().position(|&class| class == low) else { continue };
        for high in 0..sums.len() {
            let part = (-sums[low]).min(sums[high]);
            if part > 0.0 {
                xi[(row, low)] += part;
                xi[(row, high)] -= part;
                sums[low] += part;
                sums[high] -= part;
            }
        }
    }
}

//! Proximal steps, each one pass over its matrix.

use super::blas::sums;
use super::gpu::Cuda;
use super::kernels::Kernel;
use super::launch::{launch, over_blocks, over_columns, over_entries};
use super::masks::{CudaMask, block_count, signs_of};
use super::matrix::{CudaMatrix, expect_shape};
use super::scalar::CudaScalar;
use crate::backend::{Shape, SlackNorms};
use crate::error::LinalgError;
use crate::layout::BlockLayout;
use crate::shape;
use crate::soft_cones::{LossSlope, SoftCones, check_shapes};
use cudarc::driver::{CudaSlice, DevicePtr};

pub(super) fn positive_part<T: CudaScalar>(
    cuda: &Cuda<T>,
    scale: f64,
    x: &mut CudaMatrix<T>,
) -> Result<(), LinalgError> {
    let (count, grid) = (x.len() as u64, over_entries(x.len()));
    launch!(&cuda.device, Kernel::PositivePart, T, grid, &count, &scale, x.values_mut())
}

pub(super) fn group_soft_threshold<T: CudaScalar>(
    cuda: &Cuda<T>,
    x: &CudaMatrix<T>,
    threshold: f64,
    out: &mut CudaMatrix<T>,
) -> Result<(), LinalgError> {
    expect_shape("group_soft_threshold", "out", out, (x.rows(), x.cols()))?;
    let (rows, grid) = (x.rows() as u64, over_columns(x.cols()));
    launch!(&cuda.device, Kernel::GroupSoftThreshold, T, grid, &rows, &threshold, x.values(), out.values_mut())
}

pub(super) fn keep_signs<T: CudaScalar>(
    cuda: &Cuda<T>,
    above: &CudaMask,
    below: &CudaMask,
    x: &mut CudaMatrix<T>,
) -> Result<(), LinalgError> {
    let (rows, patterns) = (x.rows(), above.cols());
    shape::expect("keep_signs", "the masks", (below.rows(), below.cols()), (above.rows(), patterns))?;
    shape::expect("keep_signs", "the masks", (above.rows(), patterns), (rows, patterns))?;
    let blocks = block_count("keep_signs", above, x)?;
    let grid = over_blocks(rows, patterns, blocks);
    let [rows, patterns, blocks] = [rows, patterns, blocks].map(|count| count as u64);
    launch!(
        &cuda.device,
        Kernel::KeepSigns,
        T,
        grid,
        &rows,
        &patterns,
        &blocks,
        &above.column_words,
        &above.by_column,
        &below.by_column,
        x.values_mut()
    )
}

#[allow(clippy::too_many_arguments)]
pub(super) fn slack_step<T: CudaScalar>(
    cuda: &Cuda<T>,
    mask: &CudaMask,
    scale: &CudaMatrix<T>,
    xu: &CudaMatrix<T>,
    relaxation: f64,
    dual_step: f64,
    s: &mut CudaMatrix<T>,
    nu: &mut CudaMatrix<T>,
) -> Result<SlackNorms, LinalgError> {
    let rows = mask.rows();
    let blocks = block_count("slack_step", mask, xu)?;
    let shape = (rows, xu.cols());
    expect_shape("slack_step", "scale", scale, (rows, 1))?;
    expect_shape("slack_step", "xu", xu, shape)?;
    expect_shape("slack_step", "s", s, shape)?;
    expect_shape("slack_step", "nu", nu, shape)?;
    let layout = BlockLayout::one(mask.cols(), blocks);
    slack_rows(cuda, layout, mask, scale, xu, [relaxation, dual_step], None, s, nu)
}

/// The step in all columns, with the steps of negative slacks that [`joint_steps`](Kernel::JointSteps) leaves.
#[allow(clippy::too_many_arguments)]
fn slack_rows<T: CudaScalar>(
    cuda: &Cuda<T>,
    layout: BlockLayout,
    mask: &CudaMask,
    scale: &CudaMatrix<T>,
    xu: &CudaMatrix<T>,
    [relaxation, dual_step]: [f64; 2],
    steps: Option<&CudaSlice<f64>>,
    s: &mut CudaMatrix<T>,
    nu: &mut CudaMatrix<T>,
) -> Result<SlackNorms, LinalgError> {
    let (rows, blocks) = (mask.rows(), layout.signs.count() * layout.targets);
    let grid = over_blocks(rows, layout.patterns, blocks);
    let (signs, positive) = signs_of(layout);
    let [rows, patterns, blocks] = [rows, layout.patterns, blocks].map(|count| count as u64);
    // A null pointer where negative slacks become 0.
    let steps = steps.map_or(0, |steps| steps.device_ptr(&cuda.device.stream).0);
    let mut norms = [0.0; 4];
    sums(cuda, &grid, &mut norms, |partials| {
        launch!(
            &cuda.device,
            Kernel::SlackStep,
            T,
            grid,
            &rows,
            &patterns,
            &blocks,
            &signs,
            &positive,
            &mask.column_words,
            &mask.by_column,
            scale.values(),
            xu.values(),
            &relaxation,
            &dual_step,
            &steps,
            s.values_mut(),
            nu.values_mut(),
            partials
        )
    })?;
    let [residual, change, image, dual] = norms;
    Ok(SlackNorms { residual, change, image, dual })
}

pub(super) fn soft_slack_step<T: CudaScalar>(
    cuda: &Cuda<T>,
    cones: &SoftCones<'_, CudaMask, CudaMatrix<T>, CudaMatrix<f64>>,
    xu: &CudaMatrix<T>,
    [relaxation, dual_step]: [f64; 2],
    q: &mut CudaMatrix<f64>,
    s: &mut CudaMatrix<T>,
    nu: &mut CudaMatrix<T>,
) -> Result<SlackNorms, LinalgError> {
    let SoftCones { layout, mask, scale, slope, y, weights, kappa, rho } = *cones;
    let (rows, targets) = (mask.rows(), layout.targets);
    let [scale_shape, xu_shape, s_shape, nu_shape] = [scale, xu, s, nu].map(|matrix| (matrix.rows(), matrix.cols()));
    let [weights_shape, y_shape, q_shape] = [weights, y, q].map(|matrix| (matrix.rows(), matrix.cols()));
    let shapes = [scale_shape, weights_shape, y_shape, q_shape, xu_shape, s_shape, nu_shape];
    check_shapes(layout, (rows, mask.cols()), shapes)?;
    let (loss, delta) = match slope {
        LossSlope::Squared => (0u32, 0.0),
        LossSlope::Logistic => (1, 0.0),
        LossSlope::SquaredHinge => (2, 0.0),
        LossSlope::Huber { delta } => (3, delta),
    };
    let entries = over_entries(q.len());
    let (signs, positive) = signs_of(layout);
    let mut steps = cuda.device.uninitialised::<f64>(2 * q.len())?;
    let [rows, patterns, targets] = [rows, layout.patterns, targets].map(|count| count as u64);
    launch!(
        &cuda.device,
        Kernel::JointSteps,
        T,
        entries,
        &rows,
        &patterns,
        &targets,
        &signs,
        &positive,
        &mask.column_words,
        &mask.by_column,
        scale.values(),
        xu.values(),
        s.values(),
        nu.values(),
        &relaxation,
        &loss,
        &delta,
        y.values(),
        weights.values(),
        &kappa,
        &rho,
        q.values_mut(),
        &mut steps
    )?;
    slack_rows(cuda, layout, mask, scale, xu, [relaxation, dual_step], Some(&steps), s, nu)
}

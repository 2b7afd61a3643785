//! Features of patches: patches as columns, two products, sums where gates are on.

use super::blas::product;
use super::gpu::Cuda;
use super::kernels::Kernel;
use super::launch::{launch, over_blocks, over_entries};
use super::matrix::CudaMatrix;
use super::part::Part;
use super::scalar::{CUBLAS_OP_N, CUBLAS_OP_T, CudaScalar};
use crate::backend::{Backend, Shape};
use crate::error::LinalgError;
use crate::host::HostMatrix;
use crate::patches::{FeaturePrecision, PatchPlan, Place};

/// Bytes that the patches of the images of a run and their products may take together.
const RUN_BYTES: usize = 256 << 20;

/// A region that no patch counts in.
const NO_REGION: u64 = u64::MAX;

pub(super) fn patch_features<T: CudaScalar>(
    cuda: &Cuda<T>,
    plan: &PatchPlan,
    images: &HostMatrix,
    first: usize,
    out: &mut CudaMatrix<T>,
) -> Result<(), LinalgError> {
    plan.check_operands(images, first, (out.rows(), out.cols()))?;
    let (places, wide) = (plan.places(), cuda.wide());
    let (values, gates, rows) = (plan.values.cols(), plan.gates.cols(), plan.gates.rows());
    let columns =
        wide.upload(&HostMatrix::from_vec(rows, values + gates, [plan.values.values(), plan.gates.values()].concat()))?;
    let starts: Vec<u64> = places.iter().flat_map(|place| [place.row as u64, place.column as u64]).collect();
    let region = |of: &dyn Fn(&Place) -> Option<usize>| -> Vec<u64> {
        places.iter().map(|place| of(place).map_or(NO_REGION, |region| region as u64)).collect()
    };
    let regions = [region(&|place| place.region), region(&|place| place.mirrored)].concat();
    let (starts, regions) = (cuda.device.filled(&starts)?, cuda.device.filled(&regions)?);
    let half = u32::from(plan.precision == FeaturePrecision::Half);
    let bytes = places.len() * (rows + 2 * (values + gates)) * size_of::<f64>();
    let run = (RUN_BYTES / bytes).clamp(1, out.cols().max(1));
    let mut patches = cuda.device.uninitialised::<f64>(run * places.len() * rows)?;
    let zeros = || wide.zeros(values + gates, run * places.len());
    let mut products = [zeros()?, zeros()?];
    for start in (0..out.cols()).step_by(run) {
        cuda.stop.check()?;
        let count = run.min(out.cols() - start);
        let pixels = images.rows();
        let from = (first + start) * pixels;
        let run_images = HostMatrix::from_vec(pixels, count, images.values()[from..from + count * pixels].to_vec());
        let run_images = wide.upload(&run_images)?;
        for (mirrored, products) in (0u32..).zip(&mut products) {
            if mirrored == 1 && !plan.mirrored {
                continue;
            }
            let grid = over_entries(count * places.len());
            let [images, places_, patch, height, width, side, pixels] =
                [count, places.len(), rows - 1, plan.height, plan.width, plan.side, pixels].map(|count| count as u64);
            launch!(
                &cuda.device,
                Kernel::PatchColumns,
                T,
                grid,
                &images,
                &places_,
                &patch,
                &height,
                &width,
                &side,
                &pixels,
                &mirrored,
                &plan.contrast,
                &starts,
                run_images.values(),
                &mut patches
            )?;
            let (left, right) = (columns.whole(), Part::of(&patches, rows, count * places.len()));
            let all = Part::of(products.values(), values + gates, count * places.len());
            product(&wide, 1.0, (left, CUBLAS_OP_T), (right, CUBLAS_OP_N), 0.0, all)?;
        }
        let [straight, mirrored] = &products;
        let (features, grid) = (plan.n_features(), over_blocks(plan.n_features(), count, 1));
        let (squares, scale) = ((plan.regions * plan.regions) as u64, plan.scale());
        let [images, places, values, gates] = [count, places.len(), values, gates].map(|count| count as u64);
        let rows = features as u64;
        let mut part = out.values_mut().slice_mut(start * features..(start + count) * features);
        launch!(
            &cuda.device,
            Kernel::PatchSums,
            T,
            grid,
            &rows,
            &images,
            &places,
            &values,
            &gates,
            &squares,
            &scale,
            &half,
            &regions,
            straight.values(),
            mirrored.values(),
            &mut part
        )?;
    }
    Ok(())
}

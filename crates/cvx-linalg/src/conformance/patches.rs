//! The features of patches.

use super::operands::filled;
use crate::backend::Backend;
use crate::error::LinalgError;
use crate::host::HostMatrix;
use crate::patches::{FeaturePrecision, PatchPlan};

/// `patch_features`, by the definition of [`PatchPlan`]: a loop over the patches of each image and of its mirror image.
pub fn patch_features<B: Backend>(backend: &B) {
    let geometries = [(1, 1, 1, true), (2, 1, 3, true), (3, 2, 2, true), (4, 3, 2, false)];
    for ((side, stride, regions, mirrored), precision) in
        geometries.into_iter().flat_map(|geometry| FeaturePrecision::ALL.map(|precision| (geometry, precision)))
    {
        let (channels, height, width) = (2, 9, 11);
        let pixels = channels * side * side;
        let plan = PatchPlan {
            channels,
            height,
            width,
            side,
            stride,
            regions,
            mirrored,
            contrast: 0.1,
            precision,
            values: filled(pixels + 1, 5, 3),
            gates: filled(pixels + 1, 7, 4),
        };
        let mut images = filled(plan.n_pixels(), 9, 1);
        // One value everywhere: every patch is 0 before its last entry.
        images.col_mut(2).fill(0.7);
        let mut out = backend.zeros(plan.n_features(), 6).expect("zeros");
        backend.patch_features(&plan, &images, 2, &mut out).expect("patch_features");
        let mut expected = HostMatrix::zeros(plan.n_features(), 6);
        for a in 0..6 {
            let image = images.col(2 + a);
            let straight = |channel: usize, row: usize, column: usize| image[(channel * height + row) * width + column];
            let flipped = |channel: usize, row: usize, column: usize| straight(channel, row, width - 1 - column);
            add_patch_features(&plan, &straight, expected.col_mut(a));
            if mirrored {
                add_patch_features(&plan, &flipped, expected.col_mut(a));
                expected.col_mut(a).iter_mut().for_each(|feature| *feature *= 0.5);
            }
        }
        let found = backend.download(&out).expect("a download");
        for (found, expected) in found.values().iter().zip(expected.values()) {
            // Half a step of the last bit, and for sums near a tie that were made in another order a little more.
            let step = if precision == FeaturePrecision::Single { 2e-7 } else { 5e-4 };
            assert!((found - expected).abs() <= step * (1.0 + expected.abs()), "{found} instead of {expected}");
            assert_eq!(*found, precision.round(*found), "{precision}");
        }
        let mut wrong = backend.zeros(plan.n_features() + 1, 1).expect("zeros");
        assert!(matches!(backend.patch_features(&plan, &images, 0, &mut wrong), Err(LinalgError::Shape { .. })));
        assert!(matches!(backend.patch_features(&plan, &images, 4, &mut out), Err(LinalgError::Shape { .. })));
    }
}

/// Adds the features of an image, given as a function of channel, row and column.
fn add_patch_features(plan: &PatchPlan, image: &dyn Fn(usize, usize, usize) -> f64, features: &mut [f64]) {
    let ((rows, columns), regions, values) = (plan.grid(), plan.regions, plan.values.cols());
    let scale = ((regions * regions) as f64 / (rows * columns) as f64).sqrt();
    for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
        let mut patch: Vec<f64> = (0..plan.n_patch_pixels())
            .map(|at| {
                let (channel, row, column) = (at / plan.side / plan.side, at / plan.side % plan.side, at % plan.side);
                image(channel, i * plan.stride + row, j * plan.stride + column)
            })
            .collect();
        let mean = patch.iter().sum::<f64>() / patch.len() as f64;
        patch.iter_mut().for_each(|x| *x -= mean);
        let variance = patch.iter().map(|x| x * x).sum::<f64>() / patch.len() as f64;
        patch.iter_mut().for_each(|x| *x /= (variance + plan.contrast * plan.contrast).sqrt());
        patch.push(1.0);
        let product = |column: &[f64]| column.iter().zip(&patch).map(|(w, x)| w * x).sum::<f64>();
        let region = i * regions / rows * regions + j * regions / columns;
        for gate in (0..plan.gates.cols()).filter(|&gate| product(plan.gates.col(gate)) >= 0.0) {
            for value in 0..values {
                let at = (gate * regions * regions + region) * values + value;
                features[at] += scale * product(plan.values.col(value));
            }
        }
    }
}

//! The steps of the cones.

use super::operands::{MASKED, assert_close, bit, filled, layouts, mask_of, tolerance, upload};
use crate::backend::{Backend, SlackNorms};
use crate::error::LinalgError;
use crate::host::HostMatrix;
use crate::layout::Signs;
use crate::soft_cones::{LossSlope, SoftCones};

/// What a step starts from.
struct Steps<'a> {
    /// Gt u.
    gu: &'a dyn Fn(usize, usize) -> f64,
    s: &'a HostMatrix,
    nu: &'a HostMatrix,
    relaxation: f64,
    dual_step: f64,
}

impl Steps<'_> {
    /// nu and the norms follow from the new s.
    fn check<B: Backend>(&self, backend: &B, new_s: &HostMatrix, out_nu: &B::Matrix, norms: &SlackNorms) {
        let Steps { gu, s, nu, relaxation, dual_step } = *self;
        let (n, columns) = (s.rows(), s.cols());
        let gh = |a, j| relaxation * gu(a, j) + (1.0 - relaxation) * s[(a, j)];
        let new_nu = HostMatrix::from_fn(n, columns, |a, j| nu[(a, j)] + dual_step * (gh(a, j) - new_s[(a, j)]));
        assert_close(backend, out_nu, &new_nu, 4);
        let square = |f: &dyn Fn(usize, usize) -> f64| -> f64 {
            (0..columns).flat_map(|j| (0..n).map(move |a| (a, j))).map(|(a, j)| f(a, j).powi(2)).sum()
        };
        for (found, expected) in [
            (norms.residual, square(&|a, j| gu(a, j) - new_s[(a, j)])),
            (norms.change, square(&|a, j| new_s[(a, j)] - s[(a, j)])),
            (norms.image, square(gu)),
            (norms.dual, square(&|a, j| new_nu[(a, j)])),
        ] {
            assert!((found - expected).abs() <= 100.0 * tolerance(backend) * (1.0 + expected));
        }
    }
}

/// `soft_slack_step`: q and s are stationary (17.2), nu and the four norms follow from them.
pub fn soft_slack_step<B: Backend>(backend: &B) {
    let wide = backend.wide();
    for (n, patterns, targets) in MASKED {
        let slopes =
            [LossSlope::Squared, LossSlope::Logistic, LossSlope::SquaredHinge, LossSlope::Huber { delta: 0.5 }];
        let layouts = layouts(patterns, targets);
        for (layout, slope) in layouts.into_iter().flat_map(|layout| slopes.map(|slope| (layout, slope))) {
            let columns = layout.columns();
            let (mask, xu) = (mask_of(n, patterns), filled(n, columns, 2));
            // A sample without a row, and others of all sizes.
            let scale = HostMatrix::from_fn(n, 1, |a, _| if a % 9 == 7 { 0.0 } else { 0.3 + (a % 5) as f64 });
            let (s, nu, start) = (filled(n, columns, 3), filled(n, columns, 4), filled(n, targets, 5));
            let y = HostMatrix::from_fn(n, targets, |a, c| if (a + c) % 3 == 0 { 1.0 } else { -1.0 });
            let weights = HostMatrix::from_fn(n, 1, |a, _| 0.5 + (a % 4) as f64);
            let (relaxation, dual_step, kappa, rho) = (1.6, 0.9, 0.7, 0.4);
            let (mut out_s, mut out_nu) = (upload(backend, &s), upload(backend, &nu));
            let device_mask = backend.upload_mask(&mask).expect("a mask");
            let (device_scale, device_xu) = (upload(backend, &scale), upload(backend, &xu));
            let [device_y, device_weights, mut out_q] = [&y, &weights, &start].map(|host| upload(&wide, host));
            // What was stored.
            let given = |matrix: &B::Matrix| backend.download(matrix).expect("a download");
            let (scale, xu, s, nu) = (given(&device_scale), given(&device_xu), given(&out_s), given(&out_nu));
            let cones = SoftCones {
                layout,
                mask: &device_mask,
                scale: &device_scale,
                slope,
                y: &device_y,
                weights: &device_weights,
                kappa,
                rho,
            };
            let norms = backend
                .soft_slack_step(&cones, &device_xu, relaxation, dual_step, &mut out_q, &mut out_s, &mut out_nu)
                .expect("soft_slack_step");
            let (q, new_s) = (wide.download(&out_q).expect("a download"), given(&out_s));
            let gu = |a, j: usize| (2.0 * bit(&mask, a, j % patterns) - 1.0) * scale[(a, 0)] * xu[(a, j)];
            let gh = |a, j| relaxation * gu(a, j) + (1.0 - relaxation) * s[(a, j)];
            let negative = |j: usize| match layout.signs {
                Signs::Both => j / patterns % 2 == 1,
                Signs::Each { positive } => j % patterns >= positive,
            };
            // Of numbers that are made of terms up to `size`.
            let close = |found: f64, expected: f64, size: f64| {
                let error = (found - expected).abs();
                assert!(error <= 10.0 * tolerance(backend) * (1.0 + size), "{found}, expected {expected}");
            };
            for (a, c) in (0..targets).flat_map(|c| (0..n).map(move |a| (a, c))) {
                let of_target = c * columns / targets..(c + 1) * columns / targets;
                let left = |sign: bool| -> f64 {
                    let blocks = of_target.clone().filter(|&j| negative(j) == sign && scale[(a, 0)] > 0.0);
                    blocks.map(|j| (-new_s[(a, j)]).max(0.0) / scale[(a, 0)]).sum()
                };
                let weight = weights[(a, 0)];
                let theta = weight * slope.at(q[(a, c)] + left(false), y[(a, c)])[0].max(0.0);
                let lower = weight * (-slope.at(q[(a, c)] - left(true), y[(a, c)])[0]).max(0.0);
                let size = weight * (q[(a, c)].abs() + left(false) + left(true) + 1.0);
                close(kappa * (q[(a, c)] - start[(a, c)]), lower - theta, size);
                for j in of_target.clone() {
                    let z = gh(a, j) + nu[(a, j)];
                    let step = if negative(j) { lower } else { theta } / (rho * scale[(a, 0)]);
                    let expected = match z >= 0.0 {
                        true => z,
                        false if scale[(a, 0)] > 0.0 => (z + step).min(0.0),
                        false => 0.0,
                    };
                    // A price has the error of all violations, over rho g.
                    close(new_s[(a, j)], expected, z.abs() + size / (rho * scale[(a, 0)].max(0.3)));
                }
            }
            let steps = Steps { gu: &gu, s: &s, nu: &nu, relaxation, dual_step };
            steps.check(backend, &new_s, &out_nu, &norms);
            let mut narrow = backend.zeros(n + 1, columns).expect("zeros");
            let result = backend.soft_slack_step(&cones, &device_xu, 1.0, 1.0, &mut out_q, &mut narrow, &mut out_nu);
            assert!(matches!(result, Err(LinalgError::Shape { .. })), "{result:?}");
        }
    }
}

/// `slack_step`: s, nu and the four norms.
pub fn slack_step<B: Backend>(backend: &B) {
    for (n, patterns, targets) in MASKED {
        let columns = 2 * patterns * targets;
        let (mask, scale, xu) = (mask_of(n, patterns), filled(n, 1, 1), filled(n, columns, 2));
        let (s, nu) = (filled(n, columns, 3), filled(n, columns, 4));
        let (relaxation, dual_step) = (1.6, 0.9);
        let (mut out_s, mut out_nu) = (upload(backend, &s), upload(backend, &nu));
        let device_mask = backend.upload_mask(&mask).expect("a mask");
        let (device_scale, device_xu) = (upload(backend, &scale), upload(backend, &xu));
        let norms = backend
            .slack_step(&device_mask, &device_scale, &device_xu, relaxation, dual_step, &mut out_s, &mut out_nu)
            .expect("slack_step");
        let gu = |a, j: usize| (2.0 * bit(&mask, a, j % patterns) - 1.0) * scale[(a, 0)] * xu[(a, j)];
        let gh = |a, j| relaxation * gu(a, j) + (1.0 - relaxation) * s[(a, j)];
        let new_s = HostMatrix::from_fn(n, columns, |a, j| (gh(a, j) + nu[(a, j)]).max(0.0));
        assert_close(backend, &out_s, &new_s, 4);
        Steps { gu: &gu, s: &s, nu: &nu, relaxation, dual_step }.check(backend, &new_s, &out_nu, &norms);
    }
}

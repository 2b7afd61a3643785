//! Adam's two operations, against plain loops on the host.

use cvx_linalg::training::{AdamBackend, AdamStep};
use cvx_linalg::{Cpu, HostMatrix, LinalgError};

/// Reproducible entries in [-1, 1).
fn filled(rows: usize, cols: usize, seed: usize) -> HostMatrix {
    HostMatrix::from_fn(rows, cols, |i, j| ((i * 7919 + j * 104_729 + seed * 31) % 1013) as f64 / 506.5 - 1.0)
}

fn assert_close<B: AdamBackend>(backend: &B, found: &B::Matrix, expected: &HostMatrix) {
    let found = backend.download(found).unwrap();
    let bound = if backend.precision() == "f64" { 1e-12 } else { 4e-5 };
    for (found, expected) in found.values().iter().zip(expected.values()) {
        assert!((found - expected).abs() <= bound * (1.0 + expected.abs()), "{found} instead of {expected}");
    }
}

/// Zero and negative entries of z close the gate, of either sign of zero.
fn gate<B: AdamBackend>(backend: &B) {
    let (g, raw) = (filled(333, 120, 2), filled(333, 120, 1));
    let z = HostMatrix::from_fn(333, 120, |i, j| if i % 7 == 0 { -0.0 * j as f64 } else { raw[(i, j)] });
    let (device_z, mut out) = (backend.upload(&z).unwrap(), backend.upload(&g).unwrap());
    backend.gate(&device_z, &mut out).unwrap();
    let expected = HostMatrix::from_fn(333, 120, |i, j| if z[(i, j)] > 0.0 { g[(i, j)] } else { 0.0 });
    assert_close(backend, &out, &expected);
    let mut wrong = backend.zeros(4, 4).unwrap();
    assert!(matches!(backend.gate(&device_z, &mut wrong), Err(LinalgError::Shape { .. })));
}

/// w and both moments, in small and in large matrices; an entry without gradient and moments stays.
fn adam_step<B: AdamBackend>(backend: &B) {
    let step = AdamStep {
        rate: 0.02,
        first_decay: 0.9,
        second_decay: 0.99,
        root_scale: 1.5,
        epsilon: 1e-3,
        weight_decay: 0.3,
    };
    for (rows, cols) in [(5, 1), (700, 90)] {
        let (gradient, w, m) = (filled(rows, cols, 1), filled(rows, cols, 2), filled(rows, cols, 3));
        let v = HostMatrix::from_fn(rows, cols, |i, j| m[(i, j)] * m[(i, j)] + 0.1);
        let [mut out_m, mut out_v, mut out_w] = [&m, &v, &w].map(|host| backend.upload(host).unwrap());
        let device_gradient = backend.upload(&gradient).unwrap();
        backend.adam_step(&step, &device_gradient, &mut out_m, &mut out_v, &mut out_w).unwrap();
        let g = |i, j| gradient[(i, j)] + 0.3 * w[(i, j)];
        let new_m = HostMatrix::from_fn(rows, cols, |i, j| 0.9 * m[(i, j)] + 0.1 * g(i, j));
        let new_v = HostMatrix::from_fn(rows, cols, |i, j| 0.99 * v[(i, j)] + 0.01 * g(i, j) * g(i, j));
        let new_w = HostMatrix::from_fn(rows, cols, |i, j| {
            w[(i, j)] - 0.02 * new_m[(i, j)] / (1.5 * new_v[(i, j)].sqrt() + 1e-3)
        });
        assert_close(backend, &out_m, &new_m);
        assert_close(backend, &out_v, &new_v);
        assert_close(backend, &out_w, &new_w);
    }
    let [mut m, mut v, mut w] = [0; 3].map(|_| backend.zeros(4, 3).unwrap());
    let gradient = backend.zeros(4, 3).unwrap();
    backend.adam_step(&AdamStep { epsilon: 1e-8, ..step }, &gradient, &mut m, &mut v, &mut w).unwrap();
    assert_close(backend, &w, &HostMatrix::zeros(4, 3));
    let mut wrong = backend.zeros(3, 4).unwrap();
    let result = backend.adam_step(&step, &gradient, &mut wrong, &mut v, &mut w);
    assert!(matches!(result, Err(LinalgError::Shape { .. })));
}

#[test]
fn the_processor_takes_the_steps_of_adam() {
    gate(&Cpu::<f32>::new());
    gate(&Cpu::<f64>::new());
    adam_step(&Cpu::<f32>::new());
    adam_step(&Cpu::<f64>::new());
}

/// On the first GPU, or the libraries that stand in for one. Skipped without either, unless `CVX_REQUIRE_CUDA` is set.
#[cfg(feature = "cuda")]
#[test]
fn the_gpu_takes_the_steps_of_adam() {
    let cuda = match cvx_linalg::Cuda::<f32>::new(0) {
        Ok(cuda) => cuda,
        Err(error) if std::env::var_os("CVX_REQUIRE_CUDA").is_some() => panic!("CVX_REQUIRE_CUDA is set, and {error}"),
        Err(error) => return cvx_linalg::conformance::skip(&error),
    };
    let wide = cvx_linalg::Backend::wide(&cuda);
    gate(&cuda);
    gate(&wide);
    adam_step(&cuda);
    adam_step(&wide);
}

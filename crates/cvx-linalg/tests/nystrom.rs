//! The Nystrom sketch: below its matrix, exact where it can be, and honest about its error (M9).

use cvx_linalg::{Backend, Cpu, HostMatrix, LinalgError, NystromSketch, SketchRank, Transpose, symmetric_eigen};
use proptest::prelude::*;

/// Q diag(values) Q' with a Q that looks random.
fn matrix_with(values: &[f64], seed: u64) -> HostMatrix {
    let order = values.len();
    let mixed = |i: usize, j: usize| ((i * 7919 + j * 104_729) as u64 ^ seed.wrapping_mul(0x9E37_79B9)) % 1013;
    let symmetric = HostMatrix::from_fn(order, order, |i, j| mixed(i.max(j), i.min(j)) as f64 / 506.0 - 1.0);
    let q = symmetric_eigen(&symmetric).unwrap().vectors;
    HostMatrix::from_fn(order, order, |i, j| (0..order).map(|k| q[(i, k)] * values[k] * q[(j, k)]).sum())
}

fn sketch<B: Backend>(backend: &B, matrix: &HostMatrix, rank: SketchRank, batch: usize) -> NystromSketch<B> {
    let device = backend.upload(matrix).unwrap();
    let apply =
        &mut |out: &mut B::Matrix, x: &B::Matrix| backend.gemm(1.0, &device, Transpose::No, x, Transpose::No, 0.0, out);
    NystromSketch::new(backend, matrix.rows(), rank, batch, 7, apply).unwrap()
}

/// K - U diag(lambda) U'.
fn remainder<B: Backend>(backend: &B, matrix: &HostMatrix, sketch: &NystromSketch<B>) -> HostMatrix {
    let u = backend.download(sketch.basis()).unwrap();
    let values = sketch.eigenvalues();
    HostMatrix::from_fn(matrix.rows(), matrix.cols(), |i, j| {
        matrix[(i, j)] - values.iter().enumerate().map(|(k, value)| u[(i, k)] * value * u[(j, k)]).sum::<f64>()
    })
}

fn check<B: Backend>(backend: &B, matrix: &HostMatrix, rank: usize, batch: usize, rounding: f64) {
    let sketch = sketch(backend, matrix, SketchRank::Fixed(rank), batch);
    let largest = matrix.values().iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    let bound = rounding * largest * matrix.rows() as f64;
    assert!(sketch.rank() <= rank.min(matrix.rows()));
    assert!(sketch.eigenvalues().is_sorted_by(|a, b| a >= b) && sketch.eigenvalues().iter().all(|value| *value > 0.0));
    let u = backend.download(sketch.basis()).unwrap();
    for i in 0..sketch.rank() {
        for j in 0..sketch.rank() {
            let product: f64 = u.col(i).iter().zip(u.col(j)).map(|(a, b)| a * b).sum();
            assert!((product - f64::from(u8::from(i == j))).abs() < 1e3 * rounding, "U'U at {i}, {j}: {product}");
        }
    }
    let spectrum = symmetric_eigen(&remainder(backend, matrix, &sketch)).unwrap().values;
    let (least, most) = (spectrum[0], spectrum[spectrum.len() - 1]);
    assert!(least >= -bound, "not below its matrix: {least}");
    // The power method's estimate is from below, and within a factor where it has converged.
    assert!(sketch.error() <= most.max(-least) + bound, "error {} of {most}", sketch.error());
    assert!(sketch.error() >= 0.3 * most - bound, "error {} of {most}", sketch.error());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn m9_any_rank_of_any_spectrum(
        order in 1usize..40,
        rank in 0usize..50,
        batch in 1usize..9,
        decay in 0.3..1.0f64,
        zeros in 0usize..20,
        exponent in -6..6i32,
        seed: u64,
    ) {
        let scale = 10f64.powi(exponent);
        let value = |k: usize| if k + zeros >= order.max(zeros + 1) { 0.0 } else { scale * decay.powi(k as i32) };
        let matrix = matrix_with(&(0..order).map(value).collect::<Vec<_>>(), seed);
        check(&Cpu::<f64>::new(), &matrix, rank, batch, 1e-10);
        check(&Cpu::<f32>::new(), &matrix, rank, batch, 1e-5);
    }
}

/// Square random signs may be nearly singular, which amplifies rounding: 5e-11 of the norm is lost here, where 1e-12 is
/// usual.
#[test]
fn m9_an_unlucky_full_sketch() {
    let values: Vec<f64> = (0..36).map(|k| if k < 35 { 1e-5 * 0.422905669389046f64.powi(k) } else { 0.0 }).collect();
    check(&Cpu::<f64>::new(), &matrix_with(&values, 9271465941753031989), 36, 1, 1e-10);
}

/// One test vector that is nearly orthogonal to the only eigenvector: its product is small, and its rounding is not.
#[test]
fn m9_a_sample_nearly_orthogonal_to_the_matrix() {
    let values: Vec<f64> = (0..6).map(|k| if k == 0 { 1e-2 } else { 0.0 }).collect();
    check(&Cpu::<f32>::new(), &matrix_with(&values, 5331742982529741593), 1, 1, 1e-5);
}

#[test]
fn m9_a_full_sketch_is_the_matrix() {
    let values: Vec<f64> = (0..30).map(|k| 0.5f64.powi(k)).collect();
    let matrix = matrix_with(&values, 3);
    let cpu = Cpu::<f64>::new();
    let sketch = sketch(&cpu, &matrix, SketchRank::Fixed(100), 4);
    for (found, expected) in sketch.eigenvalues().iter().zip(&values) {
        assert!((found - expected).abs() < 1e-12, "{found} instead of {expected}");
    }
    assert!(remainder(&cpu, &matrix, &sketch).values().iter().all(|value| value.abs() < 1e-12));
}

/// The shift by rounding must not reach where the matrix does not: what is exactly zero stays so.
#[test]
fn m9_rows_of_zeros_stay_zero() {
    fn check<B: Backend>(backend: &B) {
        let part = matrix_with(&[3.0, 1.0, 1e-3, 0.0, 0.0, 0.0], 4);
        let entry = |i: usize, j: usize| if i % 3 == 1 || j % 3 == 1 { 0.0 } else { part[(i / 3, j / 3)] };
        let matrix = HostMatrix::from_fn(18, 18, entry);
        for rank in [SketchRank::Fixed(5), SketchRank::Fixed(18), SketchRank::Adaptive { largest: 17, error: 1e-3 }] {
            let sketch = sketch(backend, &matrix, rank, 4);
            let u = backend.download(sketch.basis()).unwrap();
            assert!(sketch.rank() >= 2, "{rank:?}");
            assert!((0..18).filter(|i| i % 3 == 1).all(|i| (0..u.cols()).all(|j| u[(i, j)] == 0.0)), "{rank:?}: {u:?}");
        }
    }
    check(&Cpu::<f32>::new());
    check(&Cpu::<f64>::new());
}

#[test]
fn m9_nothing_to_sketch_is_rank_zero() {
    let cpu = Cpu::<f32>::new();
    for (matrix, rank) in [(HostMatrix::zeros(9, 9), 4), (matrix_with(&[1.0; 9], 1), 0)] {
        let sketch = sketch(&cpu, &matrix, SketchRank::Fixed(rank), 2);
        assert_eq!((sketch.rank(), sketch.eigenvalues().len()), (0, 0));
    }
}

#[test]
fn the_rank_adapts_to_the_spectrum() {
    let cpu = Cpu::<f64>::new();
    let adaptive = |error: f64, largest: usize| SketchRank::Adaptive { largest, error };
    // Geometric: 1e-3 is reached at rank 20, the doubling after 16.
    let fast = matrix_with(&(0..200).map(|k| 0.7f64.powi(k)).collect::<Vec<_>>(), 2);
    let found = sketch(&cpu, &fast, adaptive(1e-3, 150), 8);
    assert!(found.error() <= 1e-3 && found.rank() <= 64, "{} at {}", found.error(), found.rank());
    assert!(sketch(&cpu, &fast, adaptive(1e-6, 24), 8).rank() <= 24);
    // Flat: the second rank already shows that more does not help.
    let flat = sketch(&cpu, &matrix_with(&[1.0; 200], 2), adaptive(1e-3, 150), 8);
    assert!(flat.rank() <= 32 && flat.error() > 0.9, "{} at {}", flat.error(), flat.rank());
}

#[test]
fn one_seed_gives_one_sketch() {
    let matrix = matrix_with(&(0..50).map(|k| 0.8f64.powi(k)).collect::<Vec<_>>(), 5);
    let cpu = Cpu::<f32>::new();
    let [a, b] = [3, 3].map(|batch| sketch(&cpu, &matrix, SketchRank::Fixed(12), batch));
    assert!(a.eigenvalues() == b.eigenvalues() && cpu.download(a.basis()) == cpu.download(b.basis()));
    assert_eq!(a.products(), 12 + 5);
}

#[test]
fn a_map_that_gives_no_numbers_is_an_error() {
    let cpu = Cpu::<f64>::new();
    let bad = cpu.upload(&HostMatrix::from_fn(8, 1, |_, _| 1e300)).unwrap();
    let result = NystromSketch::new(&cpu, 8, SketchRank::Fixed(2), 2, 0, &mut |out, x| {
        for column in 0..2 {
            let mut part = cpu.zeros(8, 1)?;
            cpu.read_part(x, 8 * column, &mut part)?;
            let mut image = cpu.zeros(8, 1)?;
            cpu.hadamard(&bad, &part, &mut image)?;
            cpu.scale(1e300, &mut image)?;
            cpu.write_part(&image, out, 8 * column)?;
        }
        Ok(())
    });
    assert!(matches!(result.err(), Some(LinalgError::NoEigenvalues)));
}

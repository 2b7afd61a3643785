//! Shows a Nystrom sketch of a kernel X X' that is only ever applied: what rank it takes, and what it misses.

use cvx_linalg::{Backend, Cpu, HostMatrix, LinalgError, NystromSketch, Shape, SketchRank, Transpose};

fn main() -> Result<(), LinalgError> {
    // Samples whose features fall off by a half each: so do the roots of the kernel's eigenvalues.
    let (n, d) = (600, 24);
    let cpu = Cpu::<f64>::new();
    let feature = |a: usize, k: usize| 0.5f64.powi(k as i32) * ((k + 1) as f64 * (a as f64 + 0.5) * 0.011).cos();
    let x = cpu.upload(&HostMatrix::from_fn(n, d, feature))?;
    for (name, rank) in [
        ("rank 4", SketchRank::Fixed(4)),
        ("rank 12", SketchRank::Fixed(12)),
        ("error 1e-6", SketchRank::Adaptive { largest: 100, error: 1e-6 }),
    ] {
        let sketch = NystromSketch::new(&cpu, n, rank, 8, 0, &mut |out, test| {
            let mut inner = cpu.zeros(d, test.cols())?;
            cpu.gemm(1.0, &x, Transpose::Yes, test, Transpose::No, 0.0, &mut inner)?;
            cpu.gemm(1.0, &x, Transpose::No, &inner, Transpose::No, 0.0, out)
        })?;
        let largest = &sketch.eigenvalues()[..3];
        println!(
            "{name}: {} eigenvalues after {} products, the largest {largest:.3?}; error {:.1e}",
            sketch.rank(),
            sketch.products(),
            sketch.error()
        );
    }
    Ok(())
}

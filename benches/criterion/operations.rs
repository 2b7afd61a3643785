//! The operations under criterion, for its statistics and its baselines: `cargo bench -p cvx-bench -- NAME`.
//!
//! Throughput is operations where the roof is a product, "Gelem/s" being GFLOP/s, and bytes where it is a copy.

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use cvx_bench::operations::{OPERATIONS, Sizes};
use cvx_bench::place::Place;
use cvx_bench::roof::{CopyRoof, ProductRoof};
use std::time::Duration;

fn operations(criterion: &mut Criterion) {
    let place = Place::processor();
    let roof = ProductRoof::measure(&place, 3).expect("two products fit in memory");
    println!("plain product: {:.0} GFLOP/s in f32, {:.0} in f64", roof.rate(4) / 1e9, roof.rate(8) / 1e9);
    for operation in OPERATIONS {
        let mut group = criterion.benchmark_group("operations");
        group.sample_size(10).sampling_mode(SamplingMode::Flat);
        group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
        let mut work = operation.build(&place, &Sizes::FENG).expect("the data fit in memory");
        let mut copy = CopyRoof::new(&place, work.bytes).expect("the copy fits in memory");
        let copied = work.bytes / (0..5).fold(0.0, |rate: f64, _| rate.max(copy.rate().expect("a copy")));
        if work.flops / roof.rate(operation.scalar_bytes) > copied {
            group.throughput(Throughput::Elements(work.flops as u64));
        } else if copied > 0.0 {
            println!("{}: a copy of as many bytes takes {:.3} ms", operation.name, 1e3 * copied);
            group.throughput(Throughput::Bytes(work.bytes as u64));
        }
        group.bench_function(operation.name, |bencher| bencher.iter(|| work.run().expect("the shapes fit")));
    }
}

criterion_group!(benches, operations);
criterion_main!(benches);

//! The seconds and rates of each operation, and its share of the roof that limits it.

use crate::host::Host;
use crate::row::append;
use anyhow::Result;
use comfy_table::{Table, presets};
use cvx_bench::operations::{OPERATIONS, Operation, Sizes};
use cvx_bench::place::Place;
use cvx_bench::roof::{CopyRoof, ProductRoof, quietest};
use cvx_linalg::ThreadPool;
use serde::Serialize;
use std::path::PathBuf;

/// Which operations, and how long.
#[derive(clap::Args)]
pub struct Args {
    /// Only operations whose name contains one of these.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Small sizes, for a quick check.
    #[arg(long)]
    small: bool,
    /// Where: cpu, cuda or cuda:I.
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Threads; 0 takes one per core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Least repetitions of an operation; the fastest counts.
    #[arg(long, default_value_t = 5)]
    repeats: usize,
    /// Least seconds for which an operation is repeated.
    #[arg(long, default_value_t = 0.3)]
    seconds: f64,
    /// Print nothing but a line for each operation, its seconds and its name, for programs to read.
    #[arg(long)]
    plain: bool,
    /// Append a JSON line for each operation.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Serialize)]
struct Row<'a> {
    bench: &'static str,
    host: &'a Host,
    device: String,
    #[serde(rename = "verb")]
    operation: &'static str,
    n_samples: usize,
    n_features: usize,
    n_patterns: usize,
    order: usize,
    seconds: f64,
    gigaflops: f64,
    gigabytes_per_second: f64,
    /// `product` or `copy`: whichever would take longer at its own rate.
    roof: Option<&'static str>,
    roof_seconds: f64,
}

/// Measures, prints, records.
pub fn run(args: &Args) -> Result<()> {
    let sizes = if args.small { Sizes::SMALL } else { Sizes::FENG };
    let wanted = |operation: &&Operation| {
        args.only.is_empty() || args.only.iter().any(|part| operation.name.contains(part.as_str()))
    };
    let place = Place::named(&args.device)?;
    let pool = ThreadPool::new(args.threads)?;
    if args.plain {
        for operation in OPERATIONS.iter().filter(wanted) {
            println!("{:e}\t{}", pool.run(|| seconds(args, operation, &place, &sizes))?, operation.name);
        }
        return Ok(());
    }
    let host = Host::new(pool.threads());
    let products = pool.run(|| ProductRoof::measure(&place, args.repeats))?;
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["operation", "ms", "GFLOP/s", "GB/s", "roof", "share of it"]);
    for operation in OPERATIONS.iter().filter(wanted) {
        let row = pool.run(|| measure(args, operation, &place, &sizes, &products, &host))?;
        let rate = |rate: f64| if rate > 0.0 { format!("{rate:.1}") } else { String::new() };
        table.add_row([
            operation.name.to_string(),
            format!("{:.3}", 1e3 * row.seconds),
            rate(row.gigaflops),
            rate(row.gigabytes_per_second),
            row.roof.unwrap_or_default().to_string(),
            row.roof.map_or(String::new(), |_| format!("{:.0} %", 100.0 * row.roof_seconds / row.seconds)),
        ]);
        args.json.iter().try_for_each(|path| append(path, &row))?;
    }
    println!(
        "{table}\n{}: n = {}, d = {}, P = {}, factors of order {}; {} threads; plain product: {:.0} GFLOP/s in f32, {:.0} in f64",
        place.description(),
        sizes.samples,
        sizes.features,
        sizes.patterns,
        sizes.order,
        pool.threads(),
        products.rate(4) / 1e9,
        products.rate(8) / 1e9,
    );
    Ok(())
}

fn seconds(args: &Args, operation: &Operation, place: &Place, sizes: &Sizes) -> Result<f64> {
    let mut work = operation.build(place, sizes)?;
    // In the first run, caches are cold and pages are not yet mapped.
    work.run()?;
    quietest(args.repeats, args.seconds, || work.run())
}

fn measure<'a>(
    args: &Args,
    operation: &Operation,
    place: &Place,
    sizes: &Sizes,
    products: &ProductRoof,
    host: &'a Host,
) -> Result<Row<'a>> {
    let mut work = operation.build(place, sizes)?;
    work.run()?;
    let mut copy = CopyRoof::new(place, work.bytes)?;
    let mut copy_rate: f64 = 0.0;
    let mut seconds = f64::INFINITY;
    // Roof and operation take turns, so that other load on the machine slows both.
    const TURNS: usize = 3;
    for _ in 0..TURNS {
        for _ in 0..args.repeats {
            copy_rate = copy_rate.max(copy.rate()?);
        }
        let (repeats, share) = (args.repeats.div_ceil(TURNS), args.seconds / TURNS as f64);
        seconds = seconds.min(quietest(repeats, share, || work.run())?);
    }
    let (product, copied) = (work.flops / products.rate(operation.scalar_bytes), work.bytes / copy_rate);
    let counted = work.flops > 0.0 || work.bytes > 0.0;
    Ok(Row {
        bench: "verbs",
        host,
        device: place.description(),
        operation: operation.name,
        n_samples: sizes.samples,
        n_features: sizes.features,
        n_patterns: sizes.patterns,
        order: sizes.order,
        seconds,
        gigaflops: work.flops / seconds / 1e9,
        gigabytes_per_second: work.bytes / seconds / 1e9,
        roof: counted.then_some(if product > copied { "product" } else { "copy" }),
        roof_seconds: product.max(copied),
    })
}

//! The back end with samples on several ranks, against plain loops over all samples; and sums of values on the host.

use cvx_linalg::{
    Backend, BitMask, BlockLayout, Cpu, Distributed, HostMatrix, LinalgError, RankError, Ranks, SampleSums, Samples,
    Shape, Shards, StopReason, StopToken, Threads, Transpose,
};
use std::sync::Arc;
use std::thread;

const N: usize = 37;
const D: usize = 3;
const P: usize = 4;

fn wave(k: usize) -> f64 {
    ((k * k) as f64 * 0.37 + k as f64).sin()
}

/// What each rank makes of its part, with the rows that it owns.
fn on_ranks<R: Send>(
    size: usize,
    shards: usize,
    work: impl Fn(Distributed<Cpu<f64>>, Arc<Ranks>) -> R + Sync,
) -> Vec<R> {
    on_ranks_of(N, size, shards, work)
}

/// The same for this number of samples.
fn on_ranks_of<R: Send>(
    n: usize,
    size: usize,
    shards: usize,
    work: impl Fn(Distributed<Cpu<f64>>, Arc<Ranks>) -> R + Sync,
) -> Vec<R> {
    thread::scope(|scope| {
        let work = &work;
        let start = |threads: Threads| {
            scope.spawn(move || {
                let ranks = Arc::new(Ranks::new(Arc::new(threads), Shards::cut(n, shards)).unwrap());
                work(Distributed::new(Cpu::new(), ranks.clone(), StopToken::new()), ranks)
            })
        };
        let ranks: Vec<_> = Threads::connected(size).into_iter().map(start).collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

fn own(all: &HostMatrix, ranks: &Ranks) -> HostMatrix {
    HostMatrix::from_fn(ranks.own().len(), all.cols(), |i, j| all[(ranks.own().start + i, j)])
}

fn close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(1.0, |most: f64, value| most.max(value.abs()));
    assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 1e-13 * largest), "{found:?} {expected:?}");
}

/// Everything that a run sums over samples.
#[test]
fn operations_on_spread_samples_are_those_on_all() {
    let x = HostMatrix::from_fn(N, D, |a, j| wave(D * a + j));
    let t = HostMatrix::from_fn(N, 2 * P, |a, i| wave(500 + 2 * P * a + i));
    let weights = HostMatrix::from_fn(N, 1, |a, _| 1.0 + wave(a).abs());
    let mask = BitMask::from_fn(N, P, |a, i| wave(90 + P * a + i) > 0.1);
    let dot = |f: &dyn Fn(usize) -> f64| (0..N).map(f).sum::<f64>();
    for (size, shards) in [(1, 1), (1, 5), (2, 5), (3, 8), (4, 4)] {
        on_ranks(size, shards, |b, ranks| {
            let xt = b.load_columns(&own(&x, &ranks).transposed()).unwrap();
            let rows = |all: &HostMatrix| b.upload_rows(&own(all, &ranks)).unwrap();
            let (t_rows, w) = (rows(&t), rows(&weights));
            assert_eq!((xt.rows(), xt.cols(), t_rows.rows()), (D, ranks.own().len(), ranks.own().len()));
            close(b.download(&t_rows).unwrap().values(), own(&t, &ranks).values());

            // X't + 0.5 c and T't.
            let c = HostMatrix::from_fn(D, 2 * P, |i, j| wave(3 * i + 7 * j));
            let mut out = b.upload(&c).unwrap();
            b.gemm(2.0, &xt, Transpose::No, &t_rows, Transpose::No, 0.5, &mut out).unwrap();
            let product = |i: usize, j: usize| 2.0 * dot(&|a| x[(a, i)] * t[(a, j)]) + 0.5 * c[(i, j)];
            close(b.download(&out).unwrap().values(), HostMatrix::from_fn(D, 2 * P, product).values());
            let mut out = b.zeros(2 * P, 2 * P).unwrap();
            b.gemm(1.0, &t_rows, Transpose::Yes, &t_rows, Transpose::No, 0.0, &mut out).unwrap();
            let gram = HostMatrix::from_fn(2 * P, 2 * P, |i, j| dot(&|a| t[(a, i)] * t[(a, j)]));
            close(b.download(&out).unwrap().values(), gram.values());

            // X c, which is local.
            let mut out = b.zero_rows(&xt, 2 * P).unwrap();
            b.gemm(1.0, &xt, Transpose::Yes, &b.upload(&c).unwrap(), Transpose::No, 0.0, &mut out).unwrap();
            let local = |a: usize, j: usize| (0..D).map(|i| x[(a, i)] * c[(i, j)]).sum();
            close(b.download(&out).unwrap().values(), own(&HostMatrix::from_fn(N, 2 * P, local), &ranks).values());

            let squares = (0..2 * P).map(|j| dot(&|a| t[(a, j)] * t[(a, j)]).sqrt()).collect::<Vec<_>>();
            close(&b.column_norms(&t_rows).unwrap(), &squares);
            let all: f64 = t.values().iter().map(|t| t * t).sum();
            close(&[b.norm(&t_rows).unwrap(), b.dot(&t_rows, &t_rows).unwrap()], &[all.sqrt(), all]);
            close(&b.dots(&t_rows, &[&t_rows, &t_rows]).unwrap(), &[all, all]);

            // The slack step: its norms are those of all samples.
            let bits = BitMask::from_fn(ranks.own().len(), P, |a, i| mask.get(ranks.own().start + a, i));
            let (mut s, mut nu) = (b.zeros_like(&t_rows).unwrap(), b.zeros_like(&t_rows).unwrap());
            let d = b.upload_row_mask(&bits).unwrap();
            let norms = b.slack_step(&d, &w, &t_rows, 1.0, 1.0, &mut s, &mut nu).unwrap();
            let image = |a: usize, j: usize| {
                let sign = if mask.get(a, j % P) { 1.0 } else { -1.0 };
                sign * weights[(a, 0)] * t[(a, j)]
            };
            let total = |f: &dyn Fn(f64) -> f64| {
                (0..N).flat_map(|a| (0..2 * P).map(move |j| (a, j))).map(|(a, j)| f(image(a, j)).powi(2)).sum::<f64>()
            };
            close(
                &[norms.residual, norms.change, norms.image, norms.dual],
                &[total(&|z| z.min(0.0)), total(&|z| z.max(0.0)), total(&|z| z), total(&|z| z.min(0.0))],
            );

            // A column of all rows, and its place.
            let mut column = b.zero_rows(&xt, 1).unwrap();
            b.read_part(&t_rows, 3 * ranks.own().len(), &mut column).unwrap();
            close(b.download(&column).unwrap().values(), own(&t, &ranks).col(3));
            let mut sums = b.zero_rows(&xt, 1).unwrap();
            b.masked_row_sum(BlockLayout::both(P, 1), Some(&d), &t_rows, &mut sums).unwrap();
            let positive = |a: usize| (0..P).filter(|&i| mask.get(a, i)).map(|i| t[(a, i)] - t[(a, P + i)]).sum();
            let row_sums = HostMatrix::from_fn(N, 1, |a, _| positive(a));
            close(b.download(&sums).unwrap().values(), own(&row_sums, &ranks).values());
            let collected = b.collect(&t_rows).unwrap();
            if ranks.rank() == 0 {
                close(collected.values(), t.values());
            }
            let bits = b.samples().collect_mask(&bits).unwrap();
            assert!(ranks.rank() > 0 || bits == mask);
        });
    }
}

/// Tiles end with their shard; what they sum, read and write is that of all samples, with the same bits for every
/// number of ranks.
#[test]
fn tiles_of_spread_samples_are_those_of_shards() {
    let n = 1500;
    let x = HostMatrix::from_fn(n, D, |a, j| wave(D * a + j));
    let t = HostMatrix::from_fn(n, 2, |a, j| wave(7000 + 2 * a + j));
    let expected = HostMatrix::from_fn(D, 2, |i, j| 1.0 + (0..n).map(|a| x[(a, i)] * t[(a, j)]).sum::<f64>());
    let tile_bytes = n / 2 * D * 8 / cvx_linalg::TILES_HELD;
    let mut bits = None;
    for size in 1..=3 {
        let found = on_ranks_of(n, size, 3, |b, ranks| {
            let (mine, count) = (own(&x, &ranks).transposed(), ranks.own().len());
            // The smallest tiles, of 256 samples. Those of two and of three ranks stay in f64, unlike those of one.
            let samples = Samples::in_tiles(&b, Arc::new(mine.clone()), tile_bytes).unwrap().spread().unwrap();
            let rows = b.upload_rows(&own(&t, &ranks)).unwrap();
            let (mut sum, mut seen) = (b.upload(&HostMatrix::from_fn(D, 2, |_, _| 1.0)).unwrap(), Vec::new());
            let mut copies = [b.sample_rows(count, 2).unwrap(), b.sample_rows(count, 2).unwrap()];
            let mut columns = b.sample_columns(D, count).unwrap();
            let work = |tile: std::ops::Range<usize>, xt: &_, part: &mut _| {
                let mut taken = b.zeros(tile.len(), 2)?;
                b.read_rows(&rows, tile.start, &mut taken)?;
                b.gemm(1.0, xt, Transpose::No, &taken, Transpose::No, 1.0, part)?;
                b.write_rows(&taken, &mut copies[0], tile.start)?;
                let mut column = b.zeros(tile.len(), 1)?;
                for j in 0..2 {
                    b.read_part(&taken, j * tile.len(), &mut column)?;
                    b.write_part(&column, &mut copies[1], j * count + tile.start)?;
                }
                b.write_part(xt, &mut columns, tile.start * D)?;
                assert!(!samples.are_all(&tile));
                seen.push(ranks.own().start + tile.start..ranks.own().start + tile.end);
                Ok(())
            };
            samples.sum_tiles(0, &mut sum, work).unwrap();
            assert!(copies.iter().all(|copy| b.download(copy).unwrap() == own(&t, &ranks)));
            assert_eq!([&columns, samples.stored().unwrap()].map(|all| b.download(all).unwrap()), [mine.clone(), mine]);
            (b.download(&sum).unwrap(), seen)
        });
        let tiles: Vec<_> = found.iter().flat_map(|(_, seen)| seen.clone()).collect();
        let of_shards = |first: usize| [first..first + 256, first + 256..first + 500];
        assert_eq!(tiles, [0, 500, 1000].into_iter().flat_map(of_shards).collect::<Vec<_>>());
        close(found[0].0.values(), expected.values());
        let first = bits.get_or_insert(found[0].0.clone());
        assert!(found.iter().all(|(sum, _)| sum == first));
    }
}

#[test]
fn what_needs_all_samples_is_an_error_of_its_own() {
    on_ranks(2, 2, |b, ranks| {
        let xt = b.load_columns(&HostMatrix::zeros(D, ranks.own().len())).unwrap();
        let mask = b.upload_row_mask(&BitMask::from_fn(ranks.own().len(), P, |_, _| true)).unwrap();
        let (mut out, mut diagonal) = (b.zeros(N, N).unwrap(), b.zeros(N, 1).unwrap());
        let refused = b.masked_gram(&xt, &mask, &mut out, &mut diagonal);
        assert_eq!(refused, Err(LinalgError::Spread { operation: "masked_gram" }));
        assert_eq!(b.axpby(1.0, &xt, 1.0, &mut out), Err(LinalgError::Spread { operation: "axpby" }));
        // Rows of another number than those of the rank.
        let (few, bits) = (HostMatrix::zeros(3, 1), BitMask::from_fn(3, P, |_, _| true));
        let held_out = || Samples::new(&b, Arc::new(HostMatrix::zeros(D, 3))).unwrap();
        let wrong = [
            b.sample_rows(3, 1).err(),
            b.sample_columns(1, 3).err(),
            b.load_columns(&few.transposed()).err(),
            b.upload_rows(&few).err(),
            b.upload_row_mask(&bits).err(),
            held_out().spread().err(),
        ];
        assert!(wrong.iter().all(|error| matches!(error, Some(LinalgError::Shape { .. }))), "{wrong:?}");
        // Held-out samples may be any number.
        assert_eq!(held_out().stored().unwrap().cols(), 3);
    });
}

/// A number that one rank cannot store is an error of all, with its place among all samples.
#[test]
fn a_number_that_overflows_on_one_rank_is_an_error_of_all() {
    let found = on_ranks(3, 3, |b, ranks| {
        let own = HostMatrix::from_fn(ranks.own().len(), 2, |a, j| {
            if ranks.own().start + a == 30 && j == 1 { f64::INFINITY } else { 1.0 }
        });
        (b.upload_rows(&own).err(), b.load_columns(&own.transposed()).err())
    });
    let place = |row, column| Some(LinalgError::NonFinite { row, column, precision: "f64" });
    assert!(found.iter().all(|(rows, columns)| *rows == place(30, 1) && *columns == place(1, 30)), "{found:?}");
}

#[test]
fn values_on_the_host_are_summed_gathered_and_compared() {
    for size in [1, 3] {
        on_ranks(size, 4, |_, ranks| {
            let samples = SampleSums::of_rank(ranks.clone());
            let (first, rows) = (ranks.own().start, ranks.own().len());
            let [sum, count] =
                samples.sum(rows, |rows| [rows.clone().map(|a| (first + a) as f64).sum(), rows.len() as f64]);
            assert_eq!((sum, count, samples.total(rows)), ((N * (N - 1) / 2) as f64, N as f64, N));
            assert_eq!(samples.largest(vec![ranks.rank() as f64, -1.0]), [size as f64 - 1.0, -1.0]);
            let last = Shards::cut(N, 4).owners(size)[size - 1].clone();
            assert_eq!(samples.smallest(-(first as f64)), -(Shards::cut(N, 4).samples(last).start as f64));
            assert!(samples.any(ranks.rank() + 1 == size) && !samples.any(false));
            assert!(!samples.of_first(ranks.rank() > 0));
            let row = samples.row(30, 2, |here| vec![(first + here) as f64, 7.0]);
            assert_eq!(row, [30.0, 7.0]);
            let texts = samples.texts(vec![format!("rank {}", ranks.rank()), "é".to_string()]);
            assert_eq!(texts, (0..size).map(|rank| vec![format!("rank {rank}"), "é".into()]).collect::<Vec<_>>());
        });
    }
}

/// Parts of the samples stay on their ranks, and are summed and gathered as all are.
#[test]
fn a_part_of_the_samples_has_sums_of_its_own() {
    let chosen: Vec<usize> = (0..N).filter(|row| row % 5 == 1 || (20..28).contains(row)).collect();
    let rest: Vec<usize> = (0..N).filter(|row| !chosen.contains(row)).collect();
    let sum = |rows: &[usize]| rows.iter().map(|&row| wave(row)).sum::<f64>();
    let mut bits = Vec::new();
    for size in [1, 3, 4] {
        let found = on_ranks(size, 4, |b, ranks| {
            let all = SampleSums::of_rank(ranks.clone());
            let own = all.own_of(&chosen, ranks.own().len());
            let kept: Vec<usize> = (0..ranks.own().len()).filter(|row| !own.contains(row)).collect();
            let parts = all.divided(&chosen);
            let sums = parts.iter().zip([&kept, &own]).map(|(part, own)| {
                let rows: Vec<usize> = own.iter().map(|row| row + ranks.own().start).collect();
                assert_eq!(b.over(part).samples().first(), part.first());
                let column = HostMatrix::from_fn(rows.len(), 1, |a, _| rows[a] as f64);
                let everywhere = part.everywhere(column).unwrap().into_values();
                let [sum] = part.sum(rows.len(), |own| [rows[own].iter().map(|&row| wave(row)).sum()]);
                (everywhere, sum)
            });
            let [(kept, of_kept), (own, of_own)] = [0, 1].map(|k| sums.clone().nth(k).unwrap());
            assert_eq!(kept, rest.iter().map(|&row| row as f64).collect::<Vec<_>>());
            assert_eq!(own, chosen.iter().map(|&row| row as f64).collect::<Vec<_>>());
            close(&[of_kept, of_own], &[sum(&rest), sum(&chosen)]);
            // A wish that all learn at a sum over one part ends work on all of them.
            b.samples().ranks().unwrap().interrupt();
            parts[1].sum(0, |_| [0.0]);
            assert_eq!(b.over(&parts[0]).stop().request(), Some(StopReason::Interrupted));
            [of_kept.to_bits(), of_own.to_bits()]
        });
        bits.extend(found);
    }
    assert!(bits.iter().all(|found| *found == bits[0]), "{bits:?}");
}

/// A wish of one rank is heeded by all at the next sum; an interrupt comes before a time limit.
#[test]
fn ranks_agree_to_stop_at_a_sum() {
    let reasons = on_ranks(3, 3, |_, ranks| {
        let wanted = StopToken::new();
        let b = Distributed::new(Cpu::<f64>::new(), ranks.clone(), wanted.clone());
        let sum = || b.samples().sum(ranks.own().len(), |rows| [rows.len() as f64]);
        assert_eq!(sum(), [N as f64]);
        assert_eq!(b.stop().request(), None);
        match ranks.rank() {
            1 => wanted.raise_for(StopReason::TimeLimit),
            2 => ranks.interrupt(),
            _ => {}
        }
        assert_eq!(b.stop().request(), None, "not before the sum");
        assert_eq!(sum(), [N as f64]);
        b.stop().request()
    });
    assert_eq!(reasons, [Some(StopReason::Interrupted); 3]);
}

#[test]
fn a_rank_that_has_ended_is_an_error_of_the_others() {
    let lost = on_ranks(2, 2, |b, ranks| {
        let samples = SampleSums::of_rank(ranks.clone());
        if ranks.rank() == 0 {
            return Ok(());
        }
        assert!(samples.sum(1, |_| [1.0])[0].is_nan());
        // And so is every later sum, at once.
        let rows = HostMatrix::zeros(ranks.own().len(), 1);
        assert!(matches!(b.upload_rows(&rows).err(), Some(LinalgError::Ranks(RankError::Lost { .. }))));
        samples.check()
    });
    assert!(matches!(lost[1], Err(RankError::Lost { .. })), "{lost:?}");
}

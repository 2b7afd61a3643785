//! Samples that ranks read themselves, as threads of this process, or give to the first of them.

use cvx_admm::{Beta, Device, Precision, Settings, SolverChoice, SolverKind, StopToken, train_with};
use cvx_data::{Over, Request, open, open_over};
use cvx_linalg::{Communicator, Ranks, SampleSums, Shards, Threads};
use cvx_model::{Dataset, FeatureKind, Labels};
use std::sync::Arc;
use std::thread;
use tempfile::TempDir;

const SAMPLES: usize = 1200;

/// Numbers without a pattern, the same everywhere.
fn noise(k: usize) -> f64 {
    let mixed = (k as u64).wrapping_add(0x9e37_79b9).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((mixed ^ (mixed >> 29)) % 20_011) as f64 / 10_005.5 - 1.0
}

/// What each of `size` ranks returns, which gets `shards` shards of any number of samples.
fn on_ranks<R: Send>(size: usize, shards: usize, work: impl Fn(Over) -> R + Sync) -> Vec<R> {
    thread::scope(|scope| {
        let work = &work;
        let rank = |threads: Threads| {
            let world: Arc<dyn Communicator> = Arc::new(threads);
            scope.spawn(move || {
                work(&|n| Ok(SampleSums::of_rank(Arc::new(Ranks::new(world.clone(), Shards::cut(n, shards))?))))
            })
        };
        let ranks: Vec<_> = Threads::connected(size).into_iter().map(rank).collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

/// The bytes of the model that a short run gives.
fn model(data: &Dataset) -> Vec<u8> {
    let settings = Settings {
        patterns: 6,
        beta: Beta::Fraction(0.05),
        solver: SolverChoice::Kind(SolverKind::GramPcg),
        device: Device::Cpu,
        precision: Precision::F64,
        threads: 1,
        max_iterations: 6,
        gap: 1e-9,
        ..Settings::default()
    };
    train_with(data, None, &settings, None, &StopToken::new(), &mut ()).unwrap().model.to_bytes().unwrap()
}

/// Ranks that read their own rows of a table agree on its recipe: the bytes of the model are the same.
#[test]
fn a_table_that_ranks_read_gives_one_model() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("t.csv");
    let line = |row: usize| {
        let [a, b, c] = [1, 2, 3].map(|k| noise(5 * row + k));
        // A level and the gaps are on some ranks alone.
        let level = if row == 900 { "rare" } else { ["red", "green", "blue"][(row * row) % 3] };
        let gap = if row > 1000 && b > 0.5 { String::new() } else { b.to_string() };
        format!("{a},{gap},{level},{},{}\n", row + 1, if a * b + 0.3 * c > 0.1 { "yes" } else { "no" })
    };
    let text: String = (0..SAMPLES).map(line).collect();
    std::fs::write(&file, format!("a,b,c,id,label\n{text}")).unwrap();
    let (source, request) = (file.to_str().unwrap(), Request::default());
    let of_ranks = |size: usize, shards: usize| {
        let found = on_ranks(size, shards, |over| {
            let part = open_over(source, &request, &|_| {}, over).unwrap().train;
            (part.n_samples(), model(&part))
        });
        assert_eq!(found.iter().map(|(samples, _)| samples).sum::<usize>(), SAMPLES);
        found.into_iter().next().unwrap().1
    };
    assert!(of_ranks(1, 1) == model(&open(source, &request).unwrap().train));
    let one = of_ranks(1, 5);
    assert!(one == of_ranks(2, 5) && one == of_ranks(3, 5));
}

#[test]
fn the_first_rank_gets_all_samples_that_are_asked_for() {
    let values: Vec<f64> = (0..SAMPLES * 3).map(noise).collect();
    let numbers = |columns: usize| Labels::Numbers { columns, values: (0..SAMPLES * columns).map(noise).collect() };
    let names = ["a", "b", "c"].map(String::from).to_vec();
    let names = Labels::Names { index: (0..SAMPLES as u32).map(|row| row % 3).collect(), names };
    for labels in [numbers(1), numbers(2), names] {
        let weights = (0..SAMPLES).map(|row| 1.0 + (row % 5) as f64).collect();
        let data = Dataset::new(3, values.clone(), Some(labels), FeatureKind::Table).unwrap();
        let data = data.with_weights(weights).unwrap();
        let found = on_ranks(3, 4, |over| {
            let samples = over(SAMPLES).unwrap();
            let own: Vec<usize> = samples.ranks().unwrap().own().collect();
            let part = data.select(&own).unwrap().over(&samples).unwrap();
            (part.on_first().unwrap(), part)
        });
        assert!(found[0].0 == data && data.on_first().unwrap() == data);
        assert!(found[1..].iter().all(|(all, part)| all == part));
    }
}

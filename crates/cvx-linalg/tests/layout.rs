//! The operations on blocks, over random layouts: each other's adjoints, and picky about shapes.

use cvx_linalg::{Backend, BitMask, BlockLayout, Cpu, HostMatrix, LinalgError, Signs};
use proptest::prelude::*;

/// Reproducible entries in [-1, 1).
fn filled(rows: usize, cols: usize, seed: u64) -> HostMatrix {
    let entry = |i: usize, j: usize| ((i * 7919 + j * 104_729) as u64 ^ seed.wrapping_mul(0x9E37_79B9)) % 1013;
    HostMatrix::from_fn(rows, cols, |i, j| entry(i, j) as f64 / 506.5 - 1.0)
}

fn dot(a: &HostMatrix, b: &HostMatrix) -> f64 {
    a.values().iter().zip(b.values()).map(|(a, b)| a * b).sum()
}

fn layouts() -> impl Strategy<Value = BlockLayout> {
    (1usize..70, 1usize..5, any::<bool>(), 0usize..70).prop_map(|(patterns, targets, both, positive)| {
        let signs = if both { Signs::Both } else { Signs::Each { positive: positive.min(patterns) } };
        BlockLayout { patterns, targets, signs }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// F t = masked_row_sum(t) and F'r = add_pairs(masked_broadcast(r)): (F t)'r = t'(F'r).
    #[test]
    fn the_sum_and_the_pairs_are_adjoint(layout in layouts(), n in 1usize..90, seed: u64) {
        let cpu = Cpu::<f64>::new();
        let mask = BitMask::from_fn(n, layout.patterns, |a, i| (a * 31 + i * 17 + seed as usize % 7) % 7 < 3);
        let (t, r) = (filled(n, layout.columns(), seed), filled(n, layout.targets, seed ^ 1));
        let (device_t, device_r) = (cpu.upload(&t).unwrap(), cpu.upload(&r).unwrap());
        let mut sum = cpu.zeros(n, layout.targets).unwrap();
        cpu.masked_row_sum(layout, Some(&mask), &device_t, &mut sum).unwrap();
        let (mut half, mut back) = (cpu.zeros(n, layout.pairs()).unwrap(), cpu.zeros(n, layout.columns()).unwrap());
        cpu.masked_broadcast(&mask, 1.0, &device_r, &mut half).unwrap();
        cpu.add_pairs(layout, 1.0, &half, &mut back).unwrap();
        let (left, right) = (dot(&cpu.download(&sum).unwrap(), &r), dot(&t, &cpu.download(&back).unwrap()));
        prop_assert!((left - right).abs() <= 1e-10 * (1.0 + left.abs()), "{left} and {right}");
    }

    /// Two layouts have the same columns only where they are one layout, or differ in what the mask or the targets
    /// tell.
    #[test]
    fn every_other_layout_is_refused(layout in layouts(), other in layouts(), n in 1usize..9) {
        let others = [other.patterns, other.targets, other.signs.count()];
        prop_assume!(others != [layout.patterns, layout.targets, layout.signs.count()]);
        let cpu = Cpu::<f32>::new();
        let mask = BitMask::from_fn(n, layout.patterns, |_, _| true);
        let (t, mut sum) = (cpu.zeros(n, layout.columns()).unwrap(), cpu.zeros(n, layout.targets).unwrap());
        let found = cpu.masked_row_sum(other, Some(&mask), &t, &mut sum);
        prop_assert!(matches!(found, Err(LinalgError::Shape { .. })), "{found:?}");
        let (half, mut x) = (cpu.zeros(n, layout.pairs()).unwrap(), cpu.zeros(n, layout.columns()).unwrap());
        let found = cpu.add_pairs(other, 1.0, &half, &mut x);
        let same = other.pairs() == layout.pairs() && other.columns() == layout.columns();
        prop_assert!(same || matches!(found, Err(LinalgError::Shape { .. })), "{found:?}");
    }
}

#[test]
fn the_columns_of_a_layout() {
    let both = BlockLayout::both(5, 3);
    assert_eq!((both.columns(), both.pairs(), both.signs.count()), (30, 15, 2));
    assert_eq!(both.halved(), BlockLayout::one(5, 3));
    assert_eq!((both.halved().columns(), both.halved().pairs()), (15, 15));
    let each = BlockLayout { signs: Signs::Each { positive: 2 }, ..both };
    assert_eq!((each.columns(), each.pairs(), each.halved()), (15, 15, both.halved()));
    let of_second = |layout: BlockLayout| -> Vec<(usize, usize, f64)> {
        let columns = layout.per_target()..2 * layout.per_target();
        columns.map(|j| (layout.target(j), layout.pattern(j), layout.sign(j))).collect()
    };
    let signed = |signs: [f64; 5]| signs.into_iter().enumerate().map(|(i, sign)| (1, i, sign));
    assert_eq!(of_second(each), signed([1.0, 1.0, -1.0, -1.0, -1.0]).collect::<Vec<_>>());
    assert_eq!(of_second(both), signed([1.0; 5]).chain(signed([-1.0; 5])).collect::<Vec<_>>());
}

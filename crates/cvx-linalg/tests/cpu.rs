//! The CPU back end: every operation, and the same bits at any number of threads.

use cvx_linalg::{Backend, BitMask, BlockLayout, Cpu, Half, HostMatrix, ThreadPool, Transpose};

cvx_linalg::conformance_tests!(cpu_f32, Cpu::<f32>::new());
cvx_linalg::conformance_tests!(cpu_f64, Cpu::<f64>::new());

/// Every parallel operation in one chain, over shapes that take several tiles.
fn chain() -> Vec<HostMatrix> {
    let cpu = Cpu::<f32>::new();
    let (d, n, patterns) = (700, 1500, 20);
    let entries = |seed: usize| move |i: usize, j: usize| ((i * 7919 + j * 104729 + seed) % 1013) as f64 / 1013.0 - 0.5;
    let xt = cpu.upload(&HostMatrix::from_fn(d, n, entries(1))).unwrap();
    let ones = cpu.upload(&HostMatrix::from_fn(n, 1, |_, _| 0.01)).unwrap();
    let mask = BitMask::from_fn(n, patterns, |i, j| (i * 31 + j * 17) % 7 < 3);
    let mut u = cpu.upload(&HostMatrix::from_fn(d, 2 * patterns, entries(2))).unwrap();
    let mut gram = cpu.zeros(d, d).unwrap();
    cpu.weighted_gram(&xt, &ones, 1.0, &mut gram).unwrap();
    cpu.cholesky(&mut gram).unwrap();
    let mut w = cpu.upload(&HostMatrix::from_fn(d, n, entries(1))).unwrap();
    cpu.solve(&gram, Half::Both, &mut w).unwrap();
    let (mut kernel, mut diagonal) = (cpu.zeros(n, n).unwrap(), cpu.zeros(n, 1).unwrap());
    cpu.gram(&w, false, &mut kernel, &mut diagonal).unwrap();
    cpu.shifted_lower(2.0, Some(&mask), &diagonal, &mut kernel).unwrap();
    cpu.cholesky(&mut kernel).unwrap();
    let mut xu = cpu.zeros(n, 2 * patterns).unwrap();
    cpu.gemm(1.0, &xt, Transpose::Yes, &u, Transpose::No, 0.0, &mut xu).unwrap();
    let mut r = cpu.zeros(n, 1).unwrap();
    let layout = BlockLayout::both(patterns, 1);
    cpu.masked_row_sum(layout, Some(&mask), &xu, &mut r).unwrap();
    cpu.solve(&kernel, Half::Both, &mut r).unwrap();
    let mut z = cpu.zeros(n, patterns).unwrap();
    cpu.masked_broadcast(&mask, 0.5, &r, &mut z).unwrap();
    let mut c = cpu.zeros(d, patterns).unwrap();
    cpu.gemm(1.0, &w, Transpose::No, &z, Transpose::No, 0.0, &mut c).unwrap();
    cpu.add_pairs(layout, -1.0, &c, &mut u).unwrap();
    let (mut s, mut nu) = (cpu.zeros(n, 2 * patterns).unwrap(), cpu.zeros(n, 2 * patterns).unwrap());
    let norms = cpu.slack_step(&mask, &ones, &xu, 1.6, 1.0, &mut s, &mut nu).unwrap();
    let scalars = [cpu.dot(&u, &u).unwrap(), norms.residual, norms.image];
    let mut out: Vec<_> = [&kernel, &u, &s, &nu, &r].map(|matrix| cpu.download(matrix).unwrap()).into();
    out.push(HostMatrix::from_vec(3, 1, scalars.to_vec()));
    out
}

#[test]
fn e2_every_number_of_threads_gives_the_same_bits() {
    let one = ThreadPool::new(1).unwrap().run(chain);
    for threads in [2, 3, 7] {
        let many = ThreadPool::new(threads).unwrap().run(chain);
        assert!(one == many, "{threads} threads differ from one");
    }
}

/// faer issue 273 (a parallel product with large blocks of exact zeros went wrong): spot checks by plain dot products.
#[test]
fn products_with_blocks_of_zeros_agree_with_dot_products() {
    let cpu = Cpu::<f64>::new();
    let (m, k, n) = (1400, 900, 700);
    let zeroed = |i: usize, j: usize| (i / 300).is_multiple_of(2) && j / 200 % 2 == 1;
    let entry = |i: usize, j: usize| ((i * 131 + j * 71) % 97) as f64 / 97.0;
    let a = HostMatrix::from_fn(k, m, |i, j| if zeroed(i, j) { 0.0 } else { entry(i, j) });
    let b = HostMatrix::from_fn(k, n, |i, j| if zeroed(j, i) { 0.0 } else { entry(j, i) });
    let mut c = cpu.zeros(m, n).unwrap();
    let (device_a, device_b) = (cpu.upload(&a).unwrap(), cpu.upload(&b).unwrap());
    cpu.gemm(1.0, &device_a, Transpose::Yes, &device_b, Transpose::No, 0.0, &mut c).unwrap();
    let c = cpu.download(&c).unwrap();
    for t in 0..500 {
        let (i, j) = (t * 607 % m, t * 389 % n);
        let expected: f64 = a.col(i).iter().zip(b.col(j)).map(|(a, b)| a * b).sum();
        assert!((c[(i, j)] - expected).abs() <= 1e-11 * (1.0 + expected.abs()), "({i}, {j})");
    }
}

/// More bits than an i32 can count; pages of zeros take no memory.
#[test]
fn e8_a_mask_of_more_than_2_to_the_31_bits() {
    let (n, p) = (65_537, 32_769);
    assert!(n * p > 1 << 31);
    let ones = [(0, 0), (n - 1, 0), (0, p - 1), (n - 1, p - 1), (n / 2, p / 2)];
    // The same place but for a multiple of 2^31 bits.
    let wrapped = (n * (p - 1) + n - 1) % (1 << 31);
    let mask = BitMask::from_fn(n, p, |i, j| (j == 0 || j == p / 2 || j == p - 1) && ones.contains(&(i, j)));
    for &(i, j) in &ones {
        assert!(mask.get(i, j) && mask.row(i)[j / 64] >> (j % 64) & 1 == 1, "{i}, {j}");
    }
    assert!(!mask.get(wrapped % n, wrapped / n));
    assert_eq!([0, p / 2, p - 1].map(|j| mask.count(j)), [2, 1, 2]);
    assert_eq!(mask.words().iter().map(|word| word.count_ones()).sum::<u32>(), 5);
    assert_eq!(mask.words_by_row().iter().map(|word| word.count_ones()).sum::<u32>(), 5);
}

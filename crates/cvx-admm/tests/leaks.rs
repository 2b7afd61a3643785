//! E11: a thousand fits leak no memory.

mod common;

use common::{assert_same, planted};
use cvx_admm::{Settings, SolverChoice, SolverKind, train};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Number of fits until one-time allocations (thread pools, packed blocks) are made.
const WARM_UP: usize = 200;
const FITS: usize = 1000;

/// Resident bytes of the process; `None` if the system does not report them.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<usize>().ok().map(|kilobytes| kilobytes << 10)
}

/// A single test, because the allocator counts for the whole process.
#[test]
fn e11_a_thousand_fits_leave_memory_flat() {
    let data = planted(20, 3, 1);
    let kinds = SolverKind::ALL;
    let fit = |number: usize| {
        let solver = SolverChoice::Kind(kinds[number % kinds.len()]);
        let settings = Settings { solver, patterns: 4, threads: 1, max_iterations: 10, ..Settings::default() };
        train(&data, None, &settings).unwrap()
    };
    let first: Vec<_> = (0..kinds.len()).map(fit).collect();
    (0..WARM_UP).for_each(|number| drop(fit(number)));
    let (allocated, held) = (ALLOCATOR.current_usage(), resident());
    for number in 0..FITS {
        assert_same(&fit(number), &first[number % kinds.len()], "a later fit");
    }
    // A leak of 64 bytes per fit is detected. Threads that have just ended may not have freed their memory yet.
    let grown = || ALLOCATOR.current_usage().saturating_sub(allocated);
    (0..100)
        .take_while(|_| grown() >= 64 * FITS)
        .for_each(|_| std::thread::sleep(std::time::Duration::from_millis(50)));
    let grown = grown();
    assert!(grown < 64 * FITS, "{grown} bytes more are allocated after {FITS} fits");
    match held.zip(resident()) {
        Some((before, after)) => {
            println!("resident: {before} bytes, {after} after {FITS} fits; allocated: {grown} more");
            assert!(after < before + (4 << 20), "{before} bytes were resident, {after} after {FITS} fits");
        }
        None => println!("resident memory is not available on this system; allocated: {grown} more"),
    }
}

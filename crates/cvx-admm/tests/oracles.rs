//! M4: the solved programmes of `tests/oracles`, to six digits.

mod common;

use common::{Plain, exact, near};
use cvx_admm::{Beta, Certify, Gates, Settings, SolverChoice, SolverKind, Status, train};
use cvx_data::{Request, open, read_matrix};
use cvx_linalg::HostMatrix;
use std::path::{Path, PathBuf};

fn oracles() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles");
    let mut files: Vec<PathBuf> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "npz"));
    files.sort();
    files
}

fn matrix(path: &Path, key: &str) -> HostMatrix {
    let (rows, cols, values) = read_matrix(path, Some(key)).unwrap();
    HostMatrix::from_fn(rows, cols, |i, j| values[i * cols + j])
}

/// Trains every oracle whose name contains `part`.
fn check(part: &str) {
    check_with(SolverKind::Cholesky, |name| name.contains(part));
}

/// Trains every oracle of a `wanted` name with one solver; returns one line for each that disagrees.
fn check_with(kind: SolverKind, wanted: impl Fn(&str) -> bool) {
    let mut wrong = Vec::new();
    for path in oracles().iter().filter(|path| wanted(&path.to_string_lossy())) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let beta: f64 = name.rsplit_once("_beta").unwrap().1.parse().unwrap();
        let data = open(path.to_str().unwrap(), &Request::default()).unwrap().train;
        let gates = matrix(path, "gates");

        // The interior-point solution is feasible; its objective, by plain loops, is the optimum to 1e-10.
        let (u, z) = (matrix(path, "u"), matrix(path, "z"));
        let v = HostMatrix::from_vec(u.rows(), 2 * u.cols(), [u.values(), z.values()].concat());
        let optimum = Plain::new(&data, &gates, beta).objective(&v);

        let settings = Settings {
            gates: Gates::Given(gates),
            beta: Beta::Value(beta),
            certify: Certify::Sampled,
            gap: 1e-6,
            solver: SolverChoice::Kind(kind),
            ..exact()
        };
        let solution = train(&data, None, &settings).unwrap();
        common::assert_sane(&solution, &name);
        let objective = solution.objective;
        let primal = objective.sampled_primal.unwrap_or(f64::INFINITY);
        let fine = solution.status == Status::Optimal
            && near(primal, optimum, 1e-6)
            && near(objective.dual_bound, optimum, 1e-6)
            && objective.dual_bound <= optimum * (1.0 + 1e-9)
            && primal >= optimum * (1.0 - 1e-9);
        if !fine {
            let (status, iterations) = (solution.status, solution.info.history.len());
            wrong.push(format!("{name}, {kind}: {status} after {iterations}, optimum {optimum}, {objective:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn m4_plain() {
    check("case01");
}

#[test]
fn m4_with_bias_column() {
    check("case02");
}

#[test]
fn m4_duplicate_rows() {
    check("case04");
}

#[test]
fn m4_constant_column() {
    check("case05");
}

#[test]
fn m4_zero_feature() {
    check("case09");
}

/// Every solver finds the optimum of the direct solver; only oracles with beta of 0.1 and more, to limit the time.
#[test]
fn m6_every_solver_finds_the_oracles() {
    for kind in SolverKind::ALL.into_iter().filter(|&kind| kind != SolverKind::Cholesky) {
        // Without the d x d factor, every small oracle takes a few thousand steps.
        let limited = matches!(kind, SolverKind::Cg | SolverKind::JacobiPcg);
        check_with(kind, |name| {
            let small = name.contains("beta10.") || name.contains("beta1.") && name.contains("case01");
            !name.contains("beta0.001") && (small || !limited && name.contains("case01"))
        });
    }
}

/// The names above cover all cases.
#[test]
fn m4_every_oracle_has_a_test() {
    let files = oracles();
    let known = ["case01", "case02", "case04", "case05", "case09"];
    assert!(files.len() >= 20, "{} oracles", files.len());
    for path in files {
        assert!(known.iter().any(|case| path.to_string_lossy().contains(case)), "{} is new", path.display());
    }
}

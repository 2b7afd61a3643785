//! F, G and A without forming them, against the dense matrices written from their definitions.

mod common;

use common::{Case, Random, case, distance, dot, norm};
use cvx_linalg::{Backend, ConeRhs, Cpu, HostMatrix, LinearOperator, MaskedSystem, Signs, SystemRhs, SystemSolution};
use cvx_model::reference::{dense_a, dense_f, dense_g, multiply};
use cvx_model::{ConeOperator, PredictionOperator, RowScale, SystemOperator};
use proptest::prelude::*;

/// n, d, gates, targets; exponents of the scales of X and y and of rho; how many gates have the sign +, if each has a
/// block of one sign; seed.
type Shape = ([usize; 4], [f64; 3], Option<usize>, u64);

fn shapes() -> impl Strategy<Value = Shape> {
    let sizes = (1usize..14, 1usize..6, 1usize..7, 1usize..4).prop_map(|(n, d, p, c)| [n, d, p, c]);
    (sizes, [-3.0..3.0f64, -3.0..3.0, -3.0..3.0], prop::option::of(0usize..13), any::<u64>())
}

fn build<B: Backend>(backend: B, (sizes, exponents, positive, seed): Shape) -> (Case<B>, Random, f64) {
    let mut random = Random(seed);
    let [x, y, rho] = exponents.map(|exponent| 10f64.powf(exponent));
    let mut case = case(backend, sizes, [x, y], 0.1, &mut random);
    // Every gate comes twice: with both signs, or merged.
    let own = case.patterns().gates().clone();
    if let Some(positive) = positive.filter(|_| own.cols() > 0) {
        let twice = HostMatrix::from_vec(own.rows(), 2 * own.cols(), own.values().repeat(2));
        case.program.set_neurons(&twice, positive.min(twice.cols())).unwrap();
    }
    (case, random, rho)
}

/// F of one target by its definition: of blocks of both signs, or those of each pattern.
fn f_of<B: Backend>(case: &Case<B>) -> HostMatrix {
    let (f, d, of) = (dense_f(&case.xt, case.patterns()), case.xt.rows(), blocks(case));
    HostMatrix::from_fn(f.rows(), d * of.len(), |a, k| f[(a, of[k / d] * d + k % d)])
}

/// Gt of one target, likewise.
fn g_of<B: Backend>(case: &Case<B>, row_scale: RowScale) -> HostMatrix {
    let g = dense_g(&case.xt, case.patterns(), &weights(case, row_scale));
    let (n, d, of) = (case.xt.cols(), case.xt.rows(), blocks(case));
    HostMatrix::from_fn(n * of.len(), d * of.len(), |a, k| g[(of[a / n] * n + a % n, of[k / d] * d + k % d)])
}

/// Which of the 2P blocks of both signs a target has.
fn blocks<B: Backend>(case: &Case<B>) -> Vec<usize> {
    let p = case.patterns().len();
    match case.program.layout().signs {
        Signs::Both => (0..2 * p).collect(),
        Signs::Each { positive } => (0..p).map(|i| if i < positive { i } else { p + i }).collect(),
    }
}

fn row_scales() -> [RowScale; 2] {
    [RowScale::Unscaled, RowScale::Normalised { sigma: 2.5 }]
}

/// g by its definition.
fn weights<B: Backend>(case: &Case<B>, row_scale: RowScale) -> HostMatrix {
    HostMatrix::from_fn(case.xt.cols(), 1, |a, _| match row_scale {
        RowScale::None => 0.0,
        RowScale::Unscaled => 1.0,
        RowScale::Normalised { sigma } => sigma.sqrt() / norm(case.xt.col(a)),
    })
}

fn frobenius(dense: &HostMatrix) -> f64 {
    norm(dense.values())
}

fn transposed(dense: &HostMatrix) -> HostMatrix {
    HostMatrix::from_fn(dense.cols(), dense.rows(), |i, j| dense[(j, i)])
}

/// One dense matrix applied to every target's part of a matrix on the host.
fn per_target(dense: &HostMatrix, x: &HostMatrix) -> Vec<f64> {
    x.values().chunks(dense.cols()).flat_map(|part| multiply(dense, part)).collect()
}

/// `apply` and `apply_adjoint` against `dense` on random matrices, and <A x, y> = <x, A' y>.
fn check_operator<B: Backend>(
    backend: &B,
    operator: &mut dyn LinearOperator<B>,
    dense: &HostMatrix,
    random: &mut Random,
    tolerance: f64,
) -> Result<(), TestCaseError> {
    let ((rows_in, cols_in), (rows_out, cols_out)) = (operator.input_shape(), operator.output_shape());
    let (x, y) = (random.matrix(rows_in, cols_in, 3.0), random.matrix(rows_out, cols_out, 0.7));
    let mut image = backend.zeros(rows_out, cols_out).unwrap();
    operator.apply(&mut image, &backend.upload(&x).unwrap()).unwrap();
    let image = backend.download(&image).unwrap();
    let mut adjoint = backend.zeros(rows_in, cols_in).unwrap();
    operator.apply_adjoint(&mut adjoint, &backend.upload(&y).unwrap()).unwrap();
    let adjoint = backend.download(&adjoint).unwrap();

    let size = frobenius(dense);
    let (x, y) = (&x, &y);
    prop_assert!(distance(image.values(), &per_target(dense, x)) <= tolerance * size * norm(x.values()), "apply");
    let expected = per_target(&transposed(dense), y);
    prop_assert!(distance(adjoint.values(), &expected) <= tolerance * size * norm(y.values()), "apply_adjoint");
    let (left, right) = (dot(image.values(), y.values()), dot(x.values(), adjoint.values()));
    let bound = tolerance * size * norm(x.values()) * norm(y.values());
    prop_assert!((left - right).abs() <= bound, "<Ax, y> = {left}, <x, A'y> = {right}");
    Ok(())
}

fn check_prediction<B: Backend>(backend: B, shape: Shape, tolerance: f64) -> Result<(), TestCaseError> {
    let (case, mut random, _) = build(backend.clone(), shape);
    let dense = f_of(&case);
    let mut operator = PredictionOperator::new(&case.program).unwrap();
    check_operator(&backend, &mut operator, &dense, &mut random, tolerance)
}

fn check_cone<B: Backend>(backend: B, shape: Shape, tolerance: f64) -> Result<(), TestCaseError> {
    let (case, mut random, _) = build(backend.clone(), shape);
    for row_scale in row_scales() {
        let dense = g_of(&case, row_scale);
        let mut operator = ConeOperator::new(&case.program, row_scale).unwrap();
        check_operator(&backend, &mut operator, &dense, &mut random, tolerance)?;
    }
    Ok(())
}

fn check_system<B: Backend>(backend: B, shape: Shape, tolerance: f64) -> Result<(), TestCaseError> {
    let (case, mut random, rho) = build(backend.clone(), shape);
    let f = f_of(&case);
    for row_scale in row_scales() {
        let g = g_of(&case, row_scale);
        let mut system = SystemOperator::new(&case.program, row_scale, 7.0 * rho).unwrap();
        // A new penalty is all that A learns of it.
        for rho in [7.0 * rho, rho] {
            system.set_penalty(rho);
            prop_assert_eq!(system.penalty(), rho);
            check_operator(&backend, &mut system, &dense_a(&f, &g, rho), &mut random, tolerance)?;
            check_rhs(&backend, &mut system, &case, [&f, &g], &mut random, tolerance)?;
        }
    }
    Ok(())
}

/// b = blocks + Gt' rows + F'y/rho, and X u, F u - y of a given u.
fn check_rhs<B: Backend>(
    backend: &B,
    system: &mut SystemOperator<'_, B>,
    case: &Case<B>,
    [f, g]: [&HostMatrix; 2],
    random: &mut Random,
    tolerance: f64,
) -> Result<(), TestCaseError> {
    let (n, (d, columns)) = (case.xt.cols(), system.input_shape());
    let (blocks, rows) = (random.matrix(d, columns, 2.0), random.matrix(n, columns, 2.0));
    let mut b = backend.zeros(d, columns).unwrap();
    let (device_blocks, device_rows) = (backend.upload(&blocks).unwrap(), backend.upload(&rows).unwrap());
    let rhs = SystemRhs { blocks: &device_blocks, rows: Some(ConeRhs { s: &device_rows, nu: None }) };
    system.assemble(&mut b, &rhs).unwrap();
    let (from_rows, from_y) = (per_target(&transposed(g), &rows), per_target(&transposed(f), &case.y));
    let rho = system.penalty();
    let expected: Vec<f64> = (0..d * columns).map(|k| blocks.values()[k] + from_rows[k] + from_y[k] / rho).collect();
    let size = norm(blocks.values()) + frobenius(g) * norm(rows.values()) + frobenius(f) * norm(case.y.values()) / rho;
    let b = backend.download(&b).unwrap();
    prop_assert!(distance(b.values(), &expected) <= tolerance * size, "assemble");

    let u = random.matrix(d, columns, 1.5);
    let mut solution = SystemSolution::zeros(&system.blocks()).unwrap();
    solution.u = backend.upload(&u).unwrap();
    system.complete(&mut solution).unwrap();
    let xu = HostMatrix::from_fn(n, columns, |a, j| dot(case.xt.col(a), u.col(j)));
    let size = frobenius(&case.xt) * norm(u.values());
    prop_assert!(
        distance(backend.download(solution.xu.as_ref().unwrap()).unwrap().values(), xu.values()) <= tolerance * size,
        "X u"
    );
    let residual: Vec<f64> = per_target(f, &u).iter().zip(case.y.values()).map(|(f, y)| f - y).collect();
    let size = frobenius(f) * norm(u.values()) + norm(case.y.values());
    let found = backend.download(&solution.residual).unwrap();
    prop_assert!(distance(found.values(), &residual) <= tolerance * size, "F u - y");
    Ok(())
}

const F64: f64 = 1e-12;
const F32: f64 = 1e-5;

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn prediction_is_dense_f_in_f64(shape in shapes()) {
        check_prediction(Cpu::<f64>::new(), shape, F64)?;
    }

    #[test]
    fn prediction_is_dense_f_in_f32(shape in shapes()) {
        check_prediction(Cpu::<f32>::new(), shape, F32)?;
    }

    #[test]
    fn cone_is_dense_g_in_f64(shape in shapes()) {
        check_cone(Cpu::<f64>::new(), shape, F64)?;
    }

    #[test]
    fn cone_is_dense_g_in_f32(shape in shapes()) {
        check_cone(Cpu::<f32>::new(), shape, F32)?;
    }

    #[test]
    fn system_is_dense_a_in_f64(shape in shapes()) {
        check_system(Cpu::<f64>::new(), shape, F64)?;
    }

    #[test]
    fn system_is_dense_a_in_f32(shape in shapes()) {
        check_system(Cpu::<f32>::new(), shape, F32)?;
    }
}

/// A zero sample has no direction: its row of the scaled G is zero, its row of the unscaled one too.
#[test]
fn a_zero_sample_has_weight_zero() {
    let cpu = Cpu::<f64>::new();
    let xt = HostMatrix::from_vec(2, 3, vec![3.0, 4.0, 0.0, 0.0, -1.0, 0.0]);
    let (y, gates) = (HostMatrix::zeros(3, 1), HostMatrix::from_vec(2, 1, vec![1.0, 0.5]));
    let program = cvx_model::ConvexProgram::new(cpu.clone(), &xt, y, &gates, 0.1).unwrap();
    let g = RowScale::Normalised { sigma: 4.0 }.weights(program.row_norms());
    assert_eq!(g.values(), [0.4, 0.0, 2.0]);
    let mut cone = ConeOperator::new(&program, RowScale::Normalised { sigma: 4.0 }).unwrap();
    let mut out = cpu.zeros(3, 2).unwrap();
    cone.apply(&mut out, &cpu.upload(&HostMatrix::from_vec(2, 2, vec![1.0, 1.0, -1.0, 2.0])).unwrap()).unwrap();
    let out = cpu.download(&out).unwrap();
    let expected = [0.4 * 7.0, 0.0, 2.0 * 1.0, 0.4 * 5.0, 0.0, -2.0 * 1.0];
    assert!(distance(out.values(), &expected) < 1e-14, "{:?}", out.values());
}

/// Equal patterns of one sign are one block, and those of two signs are two.
#[test]
fn neurons_are_merged_within_their_sign() {
    let cpu = Cpu::<f64>::new();
    let xt = HostMatrix::from_vec(1, 3, vec![1.0, -2.0, 3.0]);
    let (y, gates) = (HostMatrix::zeros(3, 2), HostMatrix::from_vec(1, 5, vec![1.0, 2.0, -1.0, 0.5, -3.0]));
    let mut program = cvx_model::ConvexProgram::new(cpu, &xt, y, &gates, 0.1).unwrap();
    assert_eq!((program.layout().columns(), program.layout().signs), (8, Signs::Both));
    program.set_neurons(&gates, 2).unwrap();
    assert_eq!(program.layout().signs, Signs::Each { positive: 1 });
    assert_eq!((program.layout().columns(), program.n_cones()), (6, 6));
    assert_eq!((0..5).map(|gate| program.patterns().patterns_of(gate)[0]).collect::<Vec<_>>(), [0, 0, 1, 2, 1]);
    assert!(program.set_neurons(&HostMatrix::zeros(2, 1), 1).is_err(), "of other features");
    assert_eq!(program.layout().columns(), 6, "after an error, the old patterns remain");
    // A gated neuron takes both signs in one block.
    let y = HostMatrix::zeros(3, 2);
    let gated = cvx_model::ConvexProgram::new(Cpu::<f64>::new(), &xt, y, &gates, 0.1).unwrap();
    let error = gated.with_activation(cvx_model::Activation::Gated).set_neurons(&gates, 2).unwrap_err();
    assert!(error.to_string().contains("ReLU neurons without constraints"), "{error}");
    // Gates have blocks of both signs again.
    program.set_gates(&gates).unwrap();
    assert_eq!((program.layout().columns(), program.layout().signs), (8, Signs::Both));
}

//! Soft cones (docs/math.md, section 17): the optimum of (17.1), what lies below it, its multipliers, and rounds of it.

mod common;
#[path = "common/conic.rs"]
mod conic;

use common::frame::{Frame, bytes, parse};
use common::{PRECISIONS, Random, dot, exact, near, norm, planted};
use conic::Conic;
use cvx_admm::{Beta, Certify, Gates, Model, Precision, Settings, Solution, Solver, Status, train, verify};
use cvx_linalg::{Backend, BlockLayout, Cpu, HostMatrix, Signs};
use cvx_model::{
    Activation, ConeForm, Constraints, Dataset, EntryLoss, FeatureKind, Labels, Loss, LossForm, Network, Targets,
    TaskChoice, Trend,
};

const LOSSES: [Loss; 4] = [Loss::Squared, Loss::Logistic, Loss::SquaredHinge, Loss::Huber { delta: 0.3 }];

/// Samples, targets and settings of a small programme.
struct Scene {
    data: Dataset,
    x: Vec<Vec<f64>>,
    y: HostMatrix,
    weights: Vec<f64>,
    settings: Settings,
    beta: f64,
}

fn scene(loss: Loss, targets: usize, weighted: bool, output_bias: bool) -> Scene {
    let (n, d, beta) = (24, 3, 0.05);
    let mut random = Random(3 + targets as u64);
    let x = random.vector(n * d);
    let classes = loss.needs_classes();
    let labels = if classes {
        let count = if targets == 1 { 2.0 } else { targets as f64 };
        let score = |a: usize| (3.0 * x[a * d] + x[a * d + 1] + 2.0 * x[a * d] * x[a * d + 2] + 4.0) / 8.0;
        Labels::numbers((0..n).map(|a| (score(a) * count).floor().clamp(0.0, count - 1.0)).collect())
    } else {
        let y = (0..n * targets).map(|k| x[k / targets * d].max(0.0) + 0.5 * random.signed() + (k % targets) as f64);
        Labels::Numbers { columns: targets, values: y.collect() }
    };
    let mut data = Dataset::new(d, x, Some(labels), FeatureKind::Table).unwrap();
    if weighted {
        data = data.with_weights(Random(4).vector(n).into_iter().map(|power| 4f64.powf(power)).collect()).unwrap();
    }
    let task = if classes { TaskChoice::Auto } else { TaskChoice::Regression };
    let settings = Settings {
        gates: Gates::Given(common::gates(d, 5, 7)),
        beta: Beta::Value(beta),
        loss,
        task,
        output_bias,
        // The sampled certificate does not end a run whose optimum is below that of (P).
        certify: Certify::Sampled,
        gap: 1e-300,
        max_iterations: 1500,
        evaluate_every: 250,
        ..exact()
    };
    Scene {
        x: (0..n).map(|a| data.row(a).to_vec()).collect(),
        y: Targets::new(data.labels().unwrap(), task).unwrap().y,
        weights: data.weights().map_or_else(|| vec![1.0; n], <[f64]>::to_vec),
        data,
        settings,
        beta,
    }
}

/// Small neurons in the directions of `gates`, with alternating signs and targets.
fn neurons(gates: &HostMatrix, targets: usize) -> Network {
    let weight = |j: usize, c: usize| if j % targets == c { [0.1, -0.1][j / targets % 2] } else { 0.0 };
    Network::new(gates.clone(), HostMatrix::from_fn(gates.cols(), targets, weight), None)
}

/// (17.1) by plain loops.
struct Plain<'a> {
    scene: &'a Scene,
    loss: EntryLoss,
    gates: HostMatrix,
    layout: BlockLayout,
}

impl<'a> Plain<'a> {
    fn of<B: Backend>(scene: &'a Scene, solver: &Solver<B>) -> Self {
        let LossForm::Entry(loss) = scene.settings.loss.form() else { panic!("a loss of entries") };
        let program = solver.program();
        Plain { scene, loss, gates: program.patterns().gates().clone(), layout: program.layout() }
    }

    fn conic(&self) -> Conic<'_> {
        let Scene { x, y, weights, beta, settings, .. } = self.scene;
        let Settings { loss, output_bias, activation, .. } = *settings;
        Conic { x, gates: &self.gates, activation, y, weights, beta: *beta, loss, output_bias, signs: None }
    }

    fn of_target(&self, c: usize) -> std::ops::Range<usize> {
        c * self.layout.per_target()..(c + 1) * self.layout.per_target()
    }

    /// The prediction of the network for sample a and target c, p - q_d and p_d - q.
    fn predictions(&self, v: &HostMatrix, a: usize, c: usize) -> [f64; 3] {
        let [mut network, mut upper, mut lower] = [0.0; 3];
        for block in self.of_target(c) {
            let (x, negative) = (&self.scene.x[a], self.layout.is_negative(block));
            let (out, fixed) = (dot(x, v.col(block)).max(0.0), dot(x, self.gates.col(self.layout.pattern(block))));
            let fixed = if fixed >= 0.0 { dot(x, v.col(block)) } else { 0.0 };
            let [above, below] = if negative { [-fixed, -out] } else { [out, fixed] };
            network += self.layout.sign(block) * out;
            upper += above;
            lower += below;
        }
        [network, upper, lower]
    }

    /// The part of the loss that does not fall (`side` 1), or does not rise (-1).
    fn part(&self, side: f64, q: f64, y: f64) -> f64 {
        if side * self.loss.derivative(q, y) >= 0.0 { self.loss.value(q, y) } else { 0.0 }
    }

    /// The objectives of the network of the blocks `v` and of (17.1) there, each with its best output bias.
    fn objectives(&self, v: &HostMatrix) -> [f64; 2] {
        let Scene { y, weights, beta, settings, .. } = self.scene;
        let decay = beta * (0..v.cols()).map(|block| norm(v.col(block))).sum::<f64>();
        let mut values = [decay; 2];
        for c in 0..y.cols() {
            let at: Vec<[f64; 3]> = (0..y.rows()).map(|a| self.predictions(v, a, c)).collect();
            let network =
                |b: f64| -> f64 { (0..y.rows()).map(|a| weights[a] * self.loss.value(at[a][0] + b, y[(a, c)])).sum() };
            let soft = |b: f64| -> f64 {
                let of = |a: usize| self.part(1.0, at[a][1] + b, y[(a, c)]) + self.part(-1.0, at[a][2] + b, y[(a, c)]);
                (0..y.rows()).map(|a| weights[a] * of(a)).sum()
            };
            let least = |f: &dyn Fn(f64) -> f64| if settings.output_bias { least_of(f) } else { f(0.0) };
            values[0] += least(&network);
            values[1] += least(&soft);
        }
        values
    }
}

/// The minimum of a convex function, in [-20, 20].
fn least_of(f: &dyn Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (-20.0, 20.0);
    for _ in 0..120 {
        let [left, right] = [low + (high - low) / 3.0, high - (high - low) / 3.0];
        if f(left) <= f(right) { high = right } else { low = left }
    }
    f(0.5 * (low + high))
}

/// A solver of (17.1) over all blocks, or over one of each pattern.
fn softened<B: Backend>(backend: B, scene: &Scene, each: bool) -> Solver<B> {
    let mut solver = Solver::new(backend, &scene.data, None, &scene.settings).unwrap();
    solver.soften_cones();
    assert_eq!(solver.program().cone_form(), ConeForm::Soft);
    if each {
        let Gates::Given(gates) = &scene.settings.gates else { panic!("given gates") };
        solver.set_neurons(&neurons(gates, scene.y.cols()), &HostMatrix::zeros(gates.rows(), 0)).unwrap();
        assert!(matches!(solver.program().layout().signs, Signs::Each { positive } if (1..5).contains(&positive)));
    }
    solver
}

/// Losses, targets, weights and output biases.
fn scenes() -> impl Iterator<Item = (String, Scene)> {
    LOSSES.into_iter().flat_map(|loss| {
        let several = if loss.needs_classes() { 3 } else { 2 };
        [(1, false, false), (1, true, true), (several, true, false), (several, false, true)].map(
            |(targets, weighted, output_bias)| {
                let place = format!("{loss:?}, {targets} targets, weighted {weighted}, output bias {output_bias}");
                (place, scene(loss, targets, weighted, output_bias))
            },
        )
    })
}

/// The optimum of the interior-point method is known to so many digits.
const DIGITS: f64 = 3e-7;

/// What is wrong with a run: network <= (17.1) at the iterate, which is its optimum `soft`; that is at most the optimum
/// `hard` of (P), and so is the bound, which reaches the one of (17.1).
fn off_the_optimum<B: Backend>(
    backend: B,
    (place, scene): (&str, &Scene),
    each: bool,
    [soft, hard]: [f64; 2],
    tolerance: f64,
) -> Option<String> {
    let mut solver = softened(backend, scene, each);
    let solution = solver.solve(&mut ()).unwrap();
    let [network, value] = Plain::of(scene, &solver).objectives(&solver.iterates().unwrap().unwrap().v);
    let (best, bound) = (solution.objective.network, solution.objective.dual_bound);
    let fine = near(value, soft, tolerance)
        && value >= soft * (1.0 - DIGITS)
        && network <= value * (1.0 + 1e-12)
        && best <= network * (1.0 + 1e-3 * tolerance)
        && bound <= hard * (1.0 + DIGITS)
        && bound >= soft * (1.0 - 10.0 * tolerance);
    let found = format!("network {best} and {network}, value {value}, optimum {soft}, of (P) {hard}, bound {bound}");
    (!fine).then(|| format!("{place}, each {each}, {tolerance}: {found}"))
}

#[test]
fn m4_the_optimum_is_that_of_an_interior_point_method() {
    let (mut wrong, mut below) = (Vec::new(), 0);
    for (place, scene) in scenes() {
        for each in [false, true] {
            let solver = softened(Cpu::<f64>::new(), &scene, each);
            let plain = Plain::of(&scene, &solver);
            let optimum = |cones| plain.conic().optimum_over(plain.layout, cones).unwrap();
            let optima @ [soft, hard] = [ConeForm::Soft, ConeForm::Hard].map(optimum);
            assert!(soft <= hard * (1.0 + DIGITS), "{place}: {soft} above that of (P), {hard}");
            below += usize::from(soft < 0.999 * hard);
            wrong.extend(off_the_optimum(Cpu::<f64>::new(), (&place, &scene), each, optima, 2e-6));
            wrong.extend(off_the_optimum(Cpu::<f32>::new(), (&place, &scene), each, optima, 1e-3));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(below >= 8, "only {below} programmes differ from (P)");
}

/// (17.3) for the iterates of any iteration: kappa mu = theta - theta', and 0 <= -rho g nu <= its price.
fn check_multipliers<B: Backend>(backend: B, rounding: f64) {
    for (place, scene) in scenes() {
        for (each, iterations) in [(false, 7), (true, 40), (true, 400)] {
            let mut solver = softened(backend.clone(), &scene, each);
            for _ in 0..iterations {
                assert!(solver.step().unwrap().is_continue(), "{place}");
            }
            let (plain, at) = (Plain::of(&scene, &solver), solver.iterates().unwrap().unwrap());
            let split = at.split.unwrap();
            let (mut worst, mut priced) = (0.0_f64, 0);
            for (a, c) in (0..scene.x.len()).flat_map(|a| (0..scene.y.cols()).map(move |c| (a, c))) {
                let g = at.sigma.sqrt() / norm(&scene.x[a]);
                let left = |negative: bool| -> f64 {
                    let blocks = plain.of_target(c).filter(|&block| plain.layout.is_negative(block) == negative);
                    blocks.map(|block| (-at.s[(a, block)]).max(0.0) / g).sum()
                };
                let (q, y, omega) = (split.q[(a, c)], scene.y[(a, c)], scene.weights[a]);
                let theta = omega * plain.loss.derivative(q + left(false), y).max(0.0);
                let lower = omega * (-plain.loss.derivative(q - left(true), y)).max(0.0);
                let scale = 1.0 + theta + lower;
                worst = worst.max((split.kappa * split.mu[(a, c)] - (theta - lower)).abs() / scale);
                for block in plain.of_target(c) {
                    let price = if plain.layout.is_negative(block) { lower } else { theta };
                    let eta = -at.rho * g * at.nu[(a, block)];
                    worst = worst.max((-eta).max(eta - price) / scale);
                    priced += usize::from(eta > 1e-3 && at.s[(a, block)] < 0.0);
                }
            }
            assert!(worst <= rounding, "{place}, each {each}, {iterations} iterations: {worst}");
            assert!(priced > 0 || iterations > 7, "{place}: no violation is paid for");
        }
    }
}

#[test]
fn multipliers_lie_between_zero_and_the_price_in_f64() {
    check_multipliers(Cpu::<f64>::new(), 1e-9);
}

#[test]
fn multipliers_lie_between_zero_and_the_price_in_f32() {
    check_multipliers(Cpu::<f32>::new(), 1e-3);
}

// ---- rounds ------------------------------------------------------------------------------------------------------

fn refined(data: &Dataset, settings: &Settings, place: &str) -> Solution {
    let solution = train(data, None, settings).unwrap();
    let rounds = &solution.info.rounds;
    for pair in rounds.windows(2) {
        assert!(pair[1].network <= pair[0].network * (1.0 + 1e-9), "{place}: the objective rose: {rounds:?}");
        // The network is a point of (P) over its own patterns and signs, up to rounding at its cones. It may lie below
        // the bound of its own round.
        assert!(pair[1].dual_bound <= pair[0].network * (1.0 + 1e-6), "{place}: {rounds:?}");
        // New gates fill the place of lost neurons only: one block of each sign for two of them.
        let most = pair[0].neurons.max(2 * settings.patterns + 1);
        assert!(pair[1].patterns <= most, "{place}: more than {most} patterns: {rounds:?}");
    }
    common::assert_sane(&solution, place);
    assert!(verify(&solution.model, data).unwrap().holds(), "{place}");
    solution
}

fn signs(model: &Model) -> Signs {
    model.parts[0].witness.as_ref().unwrap().signs
}

#[test]
fn the_objective_never_rises_from_round_to_round() {
    for (place, scene) in scenes() {
        for precision in PRECISIONS {
            let base = Settings { certify: Certify::Network, gap: 1e-3, evaluate_every: 5, ..scene.settings.clone() };
            let solution = refined(&scene.data, &Settings { precision, refine: 3, ..base }, &place);
            assert_eq!(solution.status, Status::Optimal, "{place}: {:?}", solution.objective);
            assert!(solution.info.rounds.len() > 1, "{place}: {:?}", solution.info.rounds);
            assert!(matches!(signs(&solution.model), Signs::Each { .. }), "{place}");
        }
    }
}

/// A round starts at the network of the last one, where (17.1) over its signs and patterns has the value of that
/// network: the majoriser touches.
#[test]
fn a_round_starts_at_the_objective_of_the_last_network() {
    for (place, scene) in scenes() {
        let mut solver = softened(Cpu::<f64>::new(), &scene, false);
        for round in 0..2 {
            let network = solver.solve(&mut ()).unwrap().model.network;
            assert!(network.n_neurons() > 1, "{place}");
            solver.set_neurons(&network, &HostMatrix::zeros(network.w1.rows(), 0)).unwrap();
            let v = solver.iterates().unwrap().unwrap().v;
            let [objective, value] = Plain::of(&scene, &solver).objectives(&v);
            assert!(near(objective, value, 1e-9), "{place}, round {round}: {objective} and {value}");
            let kept = solver.objective().unwrap().network;
            assert!(near(kept, objective, 1e-7), "{place}, round {round}: {kept} and {objective}");
            // Neurons of one pattern, sign and target are added, whose norm is at most the sum of theirs.
            let decay: f64 =
                (0..network.n_neurons()).map(|j| norm(network.w1.col(j)) * norm(&row(&network.w2, j))).sum();
            let blocks: f64 = (0..v.cols()).map(|block| norm(v.col(block))).sum();
            assert!(blocks <= decay * (1.0 + 1e-12), "{place}, round {round}: {blocks} above {decay}");
        }
    }
}

fn row(matrix: &HostMatrix, j: usize) -> Vec<f64> {
    (0..matrix.cols()).map(|c| matrix[(j, c)]).collect()
}

/// A run with soft cones ends no higher than (P) over the same gates.
#[test]
fn its_network_is_at_most_the_optimum_of_the_hard_programme() {
    let mut lower = 0;
    for (place, scene) in scenes() {
        let settings = Settings { certify: Certify::Network, gap: 1e-5, evaluate_every: 5, ..scene.settings.clone() };
        let mut solver = Solver::new(Cpu::<f64>::new(), &scene.data, None, &settings).unwrap();
        solver.soften_cones();
        let optimum = Plain::of(&scene, &solver).conic().optimum().unwrap();
        let soft = solver.solve(&mut ()).unwrap();
        assert_eq!(soft.status, Status::Optimal, "{place}: {:?}", soft.objective);
        assert!(soft.objective.network <= optimum * (1.0 + 2e-5), "{place}: {:?} and {optimum}", soft.objective);
        lower += usize::from(soft.objective.network < 0.99 * optimum);
        assert!(verify(&soft.model, &scene.data).unwrap().holds(), "{place}");
    }
    assert!(lower > 4, "only {lower} networks are better");
}

/// Other weights and targets are other prices.
#[test]
fn a_changed_loss_has_the_optimum_of_a_run_with_it() {
    let scene = scene(Loss::Huber { delta: 0.3 }, 1, false, true);
    let weights: Vec<f64> = (0..24).map(|a| [0.5, 1.0, 3.0][a % 3]).collect();
    let labels = Labels::numbers((0..24).map(|a| (0.9 * a as f64).sin()).collect());
    let other = Dataset::new(3, scene.data.values().to_vec(), Some(labels.clone()), FeatureKind::Table).unwrap();
    let other = other.with_weights(weights.clone()).unwrap();
    let value = |solver: &Solver<Cpu<f64>>, scene: &Scene| {
        Plain::of(scene, solver).objectives(&solver.iterates().unwrap().unwrap().v)[1]
    };
    let mut changed = softened(Cpu::<f64>::new(), &scene, false);
    changed.solve(&mut ()).unwrap();
    changed.set_weights(Some(weights.clone())).unwrap();
    changed.set_targets(&labels).unwrap();
    changed.solve(&mut ()).unwrap();
    let y = Targets::new(&labels, TaskChoice::Regression).unwrap().y;
    let scene = Scene { data: other, y, weights, ..scene };
    let mut fresh = softened(Cpu::<f64>::new(), &scene, false);
    fresh.solve(&mut ()).unwrap();
    let [found, expected] = [value(&changed, &scene), value(&fresh, &scene)];
    assert!(near(found, expected, 1e-6), "{found}, expected {expected}");
}

/// Gated neurons have no cones, constraints and losses of rows no price for them: these are refined with fresh gates.
#[test]
fn cones_stay_constraints_where_they_have_no_price() {
    let classes = scene(Loss::Multinomial, 3, false, false);
    let numbers = scene(Loss::Squared, 1, false, false);
    let trend = Constraints { trends: vec![("1".into(), Trend::Increasing)], ..Constraints::default() };
    let with = |scene: &Scene, settings: Settings| {
        let settings = Settings { max_iterations: 200, evaluate_every: 5, ..settings };
        let mut solver = Solver::new(Cpu::<f64>::new(), &scene.data, None, &settings).unwrap();
        solver.soften_cones();
        assert_eq!(solver.program().cone_form(), ConeForm::Hard, "{settings:?}");
        let settings = Settings { refine: 2, certify: Certify::Network, gap: 1e-3, ..settings };
        let solution = train(&scene.data, None, &settings).unwrap();
        assert!(solution.info.rounds.len() > 1, "{:?}", solution.info.rounds);
        assert_eq!(signs(&solution.model) == Signs::Both, settings.activation == Activation::Relu);
    };
    with(&classes, classes.settings.clone());
    let gates = Gates::Kind(cvx_model::GateKind::Gaussian);
    with(&numbers, Settings { constraints: trend, gates, patterns: 5, ..numbers.settings.clone() });
    with(&numbers, Settings { activation: Activation::Gated, ..numbers.settings.clone() });
}

// ---- models ------------------------------------------------------------------------------------------------------

/// A refined model with patterns of both signs, and its samples.
fn small(targets: usize, precision: Precision) -> (Scene, Model) {
    let scene = scene(Loss::Huber { delta: 0.3 }, targets, true, true);
    let settings = Settings {
        precision,
        certify: Certify::Network,
        gap: 1e-4,
        refine: 2,
        evaluate_every: 5,
        ..scene.settings.clone()
    };
    let model = refined(&scene.data, &settings, "a small model").model;
    let Signs::Each { positive } = signs(&model) else { panic!("blocks of one sign") };
    assert!(positive > 0 && positive < model.parts[0].witness.as_ref().unwrap().gates.cols());
    (scene, model)
}

#[test]
fn a_model_with_signs_comes_back_equal() {
    for (targets, precision) in [(1, Precision::F64), (2, Precision::F32), (2, Precision::F64)] {
        let (Scene { data, .. }, model) = small(targets, precision);
        let again = parse(&bytes(&model)).unwrap();
        assert!(again == model && verify(&again, &data).unwrap().holds());
    }
}

#[test]
fn f5_signs_that_do_not_fit_are_refused() {
    let (_, model) = small(1, Precision::F64);
    let frame = Frame::of(&bytes(&model));
    let patterns = model.parts[0].witness.as_ref().unwrap().gates.cols() as u64;
    let refused = |what: &str, words: &[u64]| {
        let mut forged = frame.clone();
        *forged.section("proof0.positive") = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let error = parse(&forged.sealed()).unwrap_err();
        assert!(error.to_string().contains("signs of the proof"), "{what}: {error}");
    };
    refused("one more than there are patterns", &[patterns + 1]);
    refused("far more", &[u64::MAX]);
    refused("no number", &[]);
    refused("two numbers", &[1, 1]);
    let mut cut = frame.clone();
    cut.section("proof0.positive").pop();
    assert!(parse(&cut.sealed()).is_err(), "seven bytes");
    let mut without = frame.clone();
    without.sections.retain(|(name, _)| name != "proof0.positive");
    assert!(parse(&without.sealed()).is_err(), "multipliers of one sign for blocks of two");
    // A model with blocks of both signs, and one without cones, have none.
    for activation in [Activation::Relu, Activation::Gated] {
        let settings = Settings { activation, patterns: 3, ..Settings::default() };
        let mut forged = Frame::of(&bytes(&train(&planted(8, 2, 1), None, &settings).unwrap().model));
        forged.sections.push(("proof0.positive".into(), 1u64.to_le_bytes().to_vec()));
        assert!(parse(&forged.sealed()).is_err(), "{activation:?}");
    }
}

/// A proof over blocks of one sign each is one of their signs and multipliers.
#[test]
fn m5_a_flipped_sign_or_multiplier_loses_the_proof() {
    for targets in [1, 2] {
        let (Scene { data, .. }, model) = small(targets, Precision::F64);
        let proves = |change: &dyn Fn(&mut cvx_artifact::Witness)| {
            let mut forged = model.clone();
            change(forged.parts[0].witness.as_mut().unwrap());
            verify(&forged, &data).unwrap().holds()
        };
        assert!(proves(&|_| ()));
        let witness = model.parts[0].witness.as_ref().unwrap();
        let Signs::Each { positive } = witness.signs else { panic!("blocks of one sign") };
        for other in (0..=witness.gates.cols()).filter(|other| *other != positive) {
            assert!(
                !proves(&|witness| witness.signs = Signs::Each { positive: other }),
                "{other} in place of {positive}"
            );
        }
        let mut flipped = 0;
        for block in 0..witness.multipliers.cols() {
            let flip = |witness: &mut cvx_artifact::Witness| {
                witness.multipliers.col_mut(block).iter_mut().for_each(|multiplier| *multiplier = -*multiplier);
            };
            // A block may need none.
            flipped += usize::from(!proves(&flip));
        }
        assert!(flipped > 0, "no multiplier is needed");
        assert!(!proves(&|witness| witness.multipliers.values_mut().fill(0.0)));
    }
}

/// Whatever xi and eta are, the bound of blocks of one sign each is at most the optimum of (P) over these.
#[test]
fn m5_no_witness_of_signs_proves_more_than_the_optimum() {
    let (scene, model) = small(2, Precision::F64);
    let witness = model.parts[0].witness.as_ref().unwrap();
    let LossForm::Entry(loss) = scene.settings.loss.form() else { panic!("a loss of entries") };
    let plain = Plain { scene: &scene, loss, gates: witness.gates.clone(), layout: witness.layout(2) };
    let optimum = plain.conic().optimum_over(plain.layout, ConeForm::Hard).unwrap();
    let mut random = Random(8);
    for scale in [0.0, 1e-4, 1e-2, 1.0, 100.0] {
        for _ in 0..10 {
            let mut forged = model.clone();
            let witness = forged.parts[0].witness.as_mut().unwrap();
            witness.xi.values_mut().iter_mut().for_each(|xi| *xi += scale * random.signed());
            witness.multipliers.values_mut().iter_mut().for_each(|eta| *eta += scale * random.signed());
            let bound = verify(&forged, &scene.data).unwrap().dual_bound.unwrap();
            assert!(bound <= optimum * (1.0 + DIGITS), "{bound} above {optimum}");
        }
    }
}

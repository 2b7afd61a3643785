//! The regularisation path: one factorisation, many betas, and the beta that held-out samples choose.

use crate::clock::Clock;
use crate::dispatch::{Job, dispatch};
use crate::error::TrainError;
use crate::observer::{Guarded, Observer};
use crate::session::Session;
use crate::settings::{Beta, Settings, ValidSettings, out_of_range};
use crate::train::{Host, Problem, Solution, train_with};
use cvx_artifact::Status;
use cvx_artifact::{Objective, Scores};
use cvx_linalg::{Backend, StopToken};
use cvx_model::{Dataset, ModelError, Task, TaskChoice, split};

/// Which samples judge the betas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Validation {
    /// This share of the training samples, held out once.
    Share(f64),
    /// As many parts as this, each held out from a path on the others.
    Folds(usize),
}

/// Which beta is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The one with the smallest error on the held-out samples.
    #[default]
    Best,
    /// The largest whose error is within one standard error of the smallest (Hastie, Tibshirani & Friedman 2009, section 7.10): fewer
    /// neurons for an error that cannot be told apart.
    Sparsest,
}

/// What a path is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct PathSettings {
    /// Number of betas, in equal ratios from the gated beta_max down. Default 50.
    pub betas: usize,
    /// The smallest beta over the gated beta_max. Default 1e-3.
    pub ratio: f64,
    /// Certified relative gap at every beta; the final run has that of the settings. Default 1e-2.
    pub gap: f64,
    /// Which samples judge. Default: a fifth, held out once.
    pub validation: Validation,
    /// Which beta is taken.
    pub choice: Choice,
}

impl Default for PathSettings {
    fn default() -> Self {
        PathSettings { betas: 50, ratio: 1e-3, gap: 1e-2, validation: Validation::Share(0.2), choice: Choice::Best }
    }
}

/// The network at one beta of a path.
#[derive(Clone, Debug, PartialEq)]
pub struct PathPoint {
    /// beta over the gated beta_max: what carries over from a part of the samples to all of them.
    pub fraction: f64,
    /// Weight of the group norm, of the first path where there are several.
    pub beta: f64,
    /// How the run at this beta ended; of several paths the first that did not reach its gap.
    pub status: Status,
    /// The certificate; of several paths the one with the largest gap.
    pub objective: Objective,
    /// ADMM iterations, of all paths together.
    pub iterations: usize,
    /// Seconds, of all paths together.
    pub seconds: f64,
    /// Number of neurons, the mean over the paths.
    pub neurons: f64,
    /// On the samples that were trained on, the mean over the paths.
    pub train: Scores,
    /// On the held-out samples, all of them: the loss is the sum over them.
    pub validation: Scores,
    /// Mean error of a held-out sample: 1 for a wrong class, for numbers the loss, 1/2 (f - y)^2 by default.
    pub error: f64,
    /// Standard error of that mean.
    pub standard_error: f64,
}

/// A path, and the network on all samples at the beta that it chose.
#[derive(Clone, Debug)]
pub struct PathSolution {
    /// Every beta, the largest first.
    pub points: Vec<PathPoint>,
    /// max ||X'D_i y|| of the first path.
    pub gated_beta_max: f64,
    /// Index of the point whose fraction was chosen.
    pub chosen: usize,
    /// Seconds of the path; the run on all samples has its own.
    pub seconds: f64,
    /// What ended the path before its last beta: a limit, an interrupt, or the device.
    pub cut_short: Option<Status>,
    /// The network on all samples; `None` where the path was cut short.
    pub solution: Option<Solution>,
}

/// What one fold says of one beta.
pub(crate) struct FoldPoint {
    pub beta: f64,
    pub status: Status,
    pub objective: Objective,
    pub iterations: usize,
    pub seconds: f64,
    pub neurons: usize,
    pub train: Scores,
    pub validation: Scores,
    /// Error of each held-out sample.
    pub errors: Vec<f64>,
}

/// Trains along a path of betas on a part of `data`, chooses one by the rest, and trains on all of `data` there, watching `test`
/// where given. `settings.beta` is not used; a time limit is for path and final run together.
///
/// # Errors
/// [`TrainError`] for bad input, before any work.
pub fn path(
    data: &Dataset,
    test: Option<&Dataset>,
    settings: &Settings,
    path: &PathSettings,
    stop: &StopToken,
    observer: &mut dyn Observer,
) -> Result<PathSolution, TrainError> {
    let (mut clock, observer) = (Clock::start(), &mut Guarded::new(observer));
    let valid = settings.validate()?;
    path.validate()?;
    if let Some(plan) = &settings.checkpoint {
        return Err(out_of_range("checkpoint", plan.path.display(), "left out on a path, which has many runs"));
    }
    let fractions = path.fractions();
    // What is wrong with the last run's samples is found out now, and what they are is not asked again of a part of them.
    let all = Problem::new(data, test, &valid)?;
    all.check_memory(&valid)?;
    let task = all.targets.task.clone();
    drop(all);
    let part = Settings { task: choice_of(&task), gap: path.gap, ..settings.clone() }.validate()?;
    let folds = path.folds(data, &task, settings.seed)?;
    let (mut merged, mut cut_short) = (Merged::default(), None);
    for held_out in &folds {
        let (kept, held_out) = (data.without(held_out)?, data.select(held_out)?);
        let problem = Problem::new(&kept, Some(&held_out), &part)?;
        let job =
            PathJob { problem: &problem, settings: &part, fractions: &fractions, clock, observer: &mut *observer };
        let (gated_beta_max, points, ended) = dispatch(job, &part, stop, clock)?;
        merged.add(gated_beta_max, points);
        cut_short = ended;
        if cut_short.is_some() {
            break;
        }
    }
    let points = merged.finish(&fractions);
    let chosen = choose(&points, path.choice);
    let seconds = clock.seconds();
    let left = settings.time_limit.map(|limit| (limit - seconds).max(0.0));
    if left == Some(0.0) {
        cut_short = cut_short.or(Some(Status::TimeLimit));
    }
    let solution = if cut_short.is_none() {
        let final_settings =
            Settings { beta: Beta::Fraction(points[chosen].fraction), time_limit: left, ..settings.clone() };
        Some(clock.excluding(|| train_with(data, test, &final_settings, None, stop, observer))?)
    } else {
        None
    };
    Ok(PathSolution { points, gated_beta_max: merged.gated_beta_max, chosen, seconds, cut_short, solution })
}

/// What was settled, as a choice.
fn choice_of(task: &Task) -> TaskChoice {
    match task {
        Task::Binary { .. } => TaskChoice::Binary,
        Task::Multiclass { .. } => TaskChoice::Multiclass,
        Task::Regression { .. } => TaskChoice::Regression,
    }
}

/// What is asked of the number of folds.
const FOLDS: &str = "2 or more, and not more than there are samples";

impl PathSettings {
    /// Checks every setting against its range; only [`path`] knows the number of samples.
    ///
    /// # Errors
    /// [`TrainError::Setting`] naming the first that is out of range.
    pub fn validate(&self) -> Result<(), TrainError> {
        if self.betas == 0 || self.betas > 10_000 {
            return Err(out_of_range("betas", self.betas, "from 1 to 10,000"));
        }
        if !(self.ratio > 0.0 && self.ratio < 1.0) {
            return Err(out_of_range("beta_ratio", self.ratio, "between 0 and 1"));
        }
        if !(self.gap > 0.0 && self.gap.is_finite()) {
            return Err(out_of_range("path_gap", self.gap, "a positive number"));
        }
        match self.validation {
            Validation::Share(share) if !(share > 0.0 && share < 1.0) => {
                Err(out_of_range("validation", share, "between 0 and 1"))
            }
            Validation::Folds(folds) if folds < 2 => Err(out_of_range("folds", folds, FOLDS)),
            _ => Ok(()),
        }
    }

    /// beta over the gated beta_max, the largest first: at the gated beta_max itself the network is known to be zero.
    fn fractions(&self) -> Vec<f64> {
        (1..=self.betas).map(|k| self.ratio.powf(k as f64 / self.betas as f64)).collect()
    }

    /// The rows that are held out, from each path its own.
    fn folds(&self, data: &Dataset, task: &Task, seed: u64) -> Result<Vec<Vec<usize>>, TrainError> {
        let labels = data.labels().ok_or(ModelError::NoLabels)?;
        let classes = !task.classes().is_empty();
        let parts = match self.validation {
            Validation::Share(share) => {
                let held_out = split::share(labels, classes, share, seed);
                if held_out.is_empty() {
                    let range = "a share of samples of which at least two are of one class";
                    return Err(out_of_range("validation", share, range));
                }
                vec![held_out]
            }
            Validation::Folds(folds) if folds > data.n_samples() => return Err(out_of_range("folds", folds, FOLDS)),
            Validation::Folds(folds) => {
                let names: Vec<String> = (0..labels.len()).map(|row| labels.class_name(row)).collect();
                let count = |class: &String| names.iter().filter(|name| *name == class).count();
                if let Some(class) = task.classes().iter().find(|class| count(class) == 1) {
                    return Err(TrainError::SingleSample { class: class.clone() });
                }
                split::folds(labels, classes, folds, seed)
            }
        };
        Ok(parts)
    }
}

/// A path on one device.
struct PathJob<'a> {
    problem: &'a Problem,
    settings: &'a ValidSettings,
    fractions: &'a [f64],
    clock: Clock,
    observer: &'a mut dyn Observer,
}

impl Job for PathJob<'_> {
    /// The gated beta_max, the points, and what ended them early.
    type Output = (f64, Vec<FoldPoint>, Option<Status>);

    fn run<B: Backend>(&mut self, backend: B, host: Host) -> Result<Self::Output, TrainError> {
        let mut session = Session::open(backend, host, self.problem, self.settings, self.clock)?;
        session.judge_sparingly();
        let gated_beta_max = session.gated_beta_max();
        session.set_beta(self.fractions[0] * gated_beta_max)?;
        self.observer.begin(session.summary());
        let mut points = Vec::new();
        for fraction in self.fractions {
            session.set_beta(fraction * gated_beta_max)?;
            let point = session.fold_point(self.observer)?;
            if matches!(point.status, Status::Interrupted | Status::TimeLimit | Status::DeviceError) {
                return Ok((gated_beta_max, points, Some(point.status)));
            }
            self.observer.point(*fraction, point.objective.relative_gap, &point.validation);
            points.push(point);
        }
        Ok((gated_beta_max, points, None))
    }
}

/// The folds' points so far, beta by beta.
#[derive(Default)]
struct Merged {
    gated_beta_max: f64,
    folds: usize,
    points: Vec<Vec<FoldPoint>>,
}

impl Merged {
    /// Takes one more fold, whole or as far as it came.
    fn add(&mut self, gated_beta_max: f64, points: Vec<FoldPoint>) {
        if self.folds == 0 {
            self.gated_beta_max = gated_beta_max;
            self.points = points.into_iter().map(|point| vec![point]).collect();
        } else {
            // A fold that ended early says nothing of the betas that it did not reach.
            self.points.iter_mut().zip(points).for_each(|(all, point)| all.push(point));
        }
        self.folds += 1;
    }

    fn finish(&self, fractions: &[f64]) -> Vec<PathPoint> {
        self.points.iter().zip(fractions).map(|(folds, &fraction)| PathPoint::mean(folds, fraction)).collect()
    }
}

impl PathPoint {
    fn mean(folds: &[FoldPoint], fraction: f64) -> Self {
        let count = folds.len() as f64;
        let mean = |f: &dyn Fn(&FoldPoint) -> f64| folds.iter().map(f).sum::<f64>() / count;
        let worst = folds.iter().fold(&folds[0], |worst, fold| {
            if fold.objective.relative_gap > worst.objective.relative_gap { fold } else { worst }
        });
        let errors: Vec<f64> = folds.iter().flat_map(|fold| &fold.errors).copied().collect();
        let n = errors.len() as f64;
        let error = errors.iter().sum::<f64>() / n;
        let variance = errors.iter().map(|e| (e - error).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        let accurate = folds[0].validation.accuracy.is_some();
        PathPoint {
            fraction,
            beta: folds[0].beta,
            status: folds.iter().map(|fold| fold.status).find(|&s| s != Status::Optimal).unwrap_or(Status::Optimal),
            objective: worst.objective,
            iterations: folds.iter().map(|fold| fold.iterations).sum(),
            seconds: folds.iter().map(|fold| fold.seconds).sum(),
            neurons: mean(&|fold| fold.neurons as f64),
            train: Scores {
                loss: mean(&|fold| fold.train.loss),
                accuracy: accurate.then(|| mean(&|fold| fold.train.accuracy.unwrap_or_default())),
            },
            validation: Scores {
                loss: folds.iter().map(|fold| fold.validation.loss).sum(),
                accuracy: accurate.then_some(1.0 - error),
            },
            error,
            standard_error: (variance / n).sqrt(),
        }
    }
}

/// The index of the beta that is taken. Errors that are equal are told apart by the loss, then by the larger beta.
fn choose(points: &[PathPoint], choice: Choice) -> usize {
    let best = (0..points.len()).fold(0, |best, k| {
        let key = |k: usize| (points[k].error, points[k].validation.loss);
        if key(k) < key(best) { k } else { best }
    });
    match choice {
        Choice::Best => best,
        Choice::Sparsest => {
            let enough = |point: &PathPoint| point.error <= points[best].error + points[best].standard_error;
            points.iter().position(enough).unwrap_or(best)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fold with these errors of held-out samples and this loss.
    fn fold(errors: &[f64], loss: f64, neurons: usize, gap: f64, status: Status) -> FoldPoint {
        let objective = Objective { network: 1.0, sampled_primal: None, dual_bound: 1.0 - gap, relative_gap: gap };
        FoldPoint {
            beta: 0.5,
            status,
            objective,
            iterations: 10,
            seconds: 0.25,
            neurons,
            train: Scores { loss: 2.0 * loss, accuracy: Some(0.5 + gap) },
            validation: Scores { loss, accuracy: Some(0.0) },
            errors: errors.to_vec(),
        }
    }

    fn points(errors: &[(f64, f64, f64)]) -> Vec<PathPoint> {
        let point = |&(error, standard_error, loss): &(f64, f64, f64)| {
            let mut point = PathPoint::mean(&[fold(&[0.0], loss, 1, 0.0, Status::Optimal)], 0.1);
            (point.error, point.standard_error) = (error, standard_error);
            point
        };
        errors.iter().map(point).collect()
    }

    #[test]
    fn the_best_has_the_smallest_error_then_the_smallest_loss_then_the_largest_beta() {
        for (errors, expected) in [
            (&[(0.5, 0.1, 9.0), (0.2, 0.1, 5.0), (0.3, 0.1, 1.0)][..], 1),
            (&[(0.5, 0.1, 9.0), (0.2, 0.1, 5.0), (0.2, 0.1, 4.0)], 2),
            (&[(0.2, 0.1, 5.0), (0.2, 0.1, 5.0)], 0),
            (&[(0.2, 0.1, 5.0)], 0),
        ] {
            assert_eq!(choose(&points(errors), Choice::Best), expected);
        }
        assert_eq!(choose(&[], Choice::Best), 0);
        assert_eq!(choose(&[], Choice::Sparsest), 0);
    }

    #[test]
    fn the_sparsest_is_the_first_within_a_standard_error_of_the_best() {
        for (errors, expected) in [
            // 0.26 is within 0.2 + 0.07; the errors of the others do not matter.
            (&[(0.5, 0.9, 9.0), (0.26, 0.0, 8.0), (0.2, 0.07, 5.0), (0.21, 0.5, 6.0)][..], 1),
            (&[(0.5, 0.9, 9.0), (0.28, 0.0, 8.0), (0.2, 0.07, 5.0)], 2),
            // Exactly one, and none at all.
            (&[(0.75, 0.0, 9.0), (0.5, 0.25, 5.0)], 0),
            (&[(0.3, 0.0, 9.0), (0.0, 0.0, 5.0)], 1),
        ] {
            assert_eq!(choose(&points(errors), Choice::Sparsest), expected);
        }
    }

    #[test]
    fn errors_of_folds_are_pooled_and_the_rest_is_their_mean_or_their_worst() {
        let folds = [
            fold(&[1.0, 0.0, 0.0], 3.0, 4, 1e-3, Status::Optimal),
            fold(&[1.0, 1.0], 2.0, 7, 5e-2, Status::IterationLimit),
        ];
        let point = PathPoint::mean(&folds, 0.125);
        assert_eq!((point.fraction, point.beta, point.status), (0.125, 0.5, Status::IterationLimit));
        assert_eq!((point.error, point.validation.accuracy), (0.6, Some(0.4)));
        // Squares of 0.4 thrice and of 0.6 twice over 4, over 5.
        assert!((point.standard_error - 0.06f64.sqrt()).abs() < 1e-15);
        assert_eq!((point.neurons, point.validation.loss, point.train.loss), (5.5, 5.0, 5.0));
        assert_eq!((point.iterations, point.seconds, point.objective.relative_gap), (20, 0.5, 5e-2));
        let alone = PathPoint::mean(&folds[..1], 0.125);
        assert_eq!((alone.status, alone.neurons), (Status::Optimal, 4.0));
        // One sample has no spread.
        assert_eq!(PathPoint::mean(&[fold(&[1.0], 1.0, 1, 0.0, Status::Optimal)], 0.1).standard_error, 0.0);
    }

    #[test]
    fn a_fold_that_ends_early_ends_the_path() {
        let some = |count: usize| (0..count).map(|_| fold(&[1.0], 1.0, 1, 0.0, Status::Optimal)).collect::<Vec<_>>();
        let mut merged = Merged::default();
        merged.add(8.0, some(3));
        merged.add(9.0, some(2));
        assert_eq!((merged.gated_beta_max, merged.folds), (8.0, 2));
        let counts: Vec<usize> = merged.points.iter().map(Vec::len).collect();
        assert_eq!(counts, [2, 2, 1]);
        let mut merged = Merged::default();
        merged.add(8.0, some(0));
        assert!(merged.finish(&[0.5, 0.25, 0.125]).is_empty());
    }

    #[test]
    fn betas_fall_in_equal_ratios_to_the_smallest() {
        let fractions = |betas, ratio| PathSettings { betas, ratio, ..PathSettings::default() }.fractions();
        assert_eq!(fractions(1, 0.25), [0.25]);
        assert_eq!(fractions(2, 0.25), [0.5, 0.25]);
        let fifty = fractions(50, 1e-3);
        assert!(fifty.windows(2).all(|pair| (pair[1] / pair[0] - fifty[0]).abs() < 1e-12));
        assert!((fifty[49] - 1e-3).abs() < 1e-15);
    }
}

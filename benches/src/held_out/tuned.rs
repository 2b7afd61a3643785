//! Adam, tuned: of a grid of settings, and of the epochs on the way of each, the best by the held-out samples.

use super::chooser::Chooser;
use super::ground::{Fold, Ground};
use super::outcome::{Candidate, Choice, Outcome, Score, TIME_LIMIT, best};
use crate::contender::{Adam, Initialisation, Problem};
use crate::row::{Goal, TracePoint};
use anyhow::{Context, Result};
use cvx_model::Dataset;
use serde::Serialize;
use serde_json::{Value, json};

/// What Adam is tuned over.
#[derive(clap::Args, Clone, Debug, Serialize)]
pub struct Grid {
    /// Learning rates of Adam [default: 0.0001,0.0003,0.001 for adam, 0.001,0.003,0.01 for conv-adam].
    #[arg(long, value_delimiter = ',')]
    pub learning_rates: Vec<f64>,
    /// Weights of Adam's regulariser on the part that is trained on; beta / n is the weight decay.
    #[arg(long, value_delimiter = ',', default_value = "0,1,10,100")]
    pub adam_betas: Vec<f64>,
    /// Numbers of neurons of Adam's network.
    #[arg(long = "width", value_name = "M,..", value_delimiter = ',', default_value = "100")]
    pub widths: Vec<usize>,
    /// Most epochs of Adam.
    #[arg(long, default_value_t = 60)]
    pub epochs: usize,
    /// Samples to a step of Adam.
    #[arg(long, default_value_t = 64)]
    pub batch: usize,
    /// First weights of Adam.
    #[arg(long, value_enum, default_value = "pytorch")]
    pub initialisation: Initialisation,
}

/// What the held-out samples say of the grid.
struct Tuning {
    tried: Vec<Candidate>,
    seconds: f64,
    /// Whether the time was enough for all of it.
    complete: bool,
}

impl Grid {
    /// Tries every setting on the part that is kept. The test samples are not there to be looked at.
    fn tune(&self, ground: &Ground, fold: &Fold, seed: u64) -> Result<Tuning> {
        let mut tuning = Tuning { tried: Vec::new(), seconds: 0.0, complete: true };
        for (width, rate, beta) in self.points() {
            let adam = self.adam(width, rate, self.epochs);
            let left = ground.time_limit.map(|limit| limit - tuning.seconds);
            let problem = problem(ground, &fold.kept, Some(&fold.held_out), seed, beta, left);
            let (outcome, trace) = adam.run_with_whole_trace(&problem)?;
            tuning.seconds += outcome.seconds;
            if let Some(found) = best_epoch(&adam, beta, &trace, fold.held_out.n_samples()) {
                eprintln!("Adam seed {seed}: {}: held out {:.4}", found.choice, 1.0 - found.held_out.error);
                tuning.tried.push(found);
            }
            if outcome.status == TIME_LIMIT {
                tuning.complete = false;
                break;
            }
        }
        Ok(tuning)
    }

    /// Every width with every learning rate and every beta.
    fn points(&self) -> Vec<(usize, f64, f64)> {
        let mut points = Vec::new();
        for &width in &self.widths {
            for &rate in &self.learning_rates {
                points.extend(self.adam_betas.iter().map(|&beta| (width, rate, beta)));
            }
        }
        points
    }

    fn adam(&self, width: usize, learning_rate: f64, epochs: usize) -> Adam {
        let Grid { batch, initialisation, .. } = *self;
        Adam { learning_rate, width, batch, epochs, evaluate_every: None, initialisation }
    }
}

impl Chooser for Grid {
    fn name(&self, _ground: &Ground) -> String {
        "Adam".to_string()
    }

    fn settings(&self) -> Value {
        json!(self)
    }

    fn choose(&self, ground: &Ground, seed: u64) -> Result<Outcome> {
        let fold = ground.fold(seed)?;
        let Tuning { tried, seconds, complete } = self.tune(ground, &fold, seed)?;
        let chosen = best(&tried).context("no setting of Adam led to a network of finite loss")?.clone();
        let outcome = Outcome {
            status: TIME_LIMIT.to_string(),
            chosen: Some(chosen.clone()),
            tried,
            choosing_seconds: seconds,
            ..Outcome::default()
        };
        let Choice::Adam { learning_rate, beta, width, epochs } = chosen.choice else { return Ok(outcome) };
        if !complete {
            return Ok(outcome);
        }
        let train = &ground.split.train;
        // The weight decay, beta / n, is what carries over.
        let beta = beta * train.n_samples() as f64 / fold.kept.n_samples() as f64;
        let left = ground.time_limit.map(|limit| limit - seconds);
        let problem = problem(ground, train, ground.split.test.as_ref(), seed, beta, left);
        let closing = self.adam(width, learning_rate, epochs).run(&problem)?;
        Ok(Outcome {
            status: closing.status,
            verified: closing.verified,
            n_closing: Some(problem.train.n_samples()),
            beta: Some(beta),
            iterations: Some(closing.iterations),
            objective: closing.objective,
            train_loss: closing.train_loss,
            neurons: Some(width),
            train_accuracy: closing.train_accuracy,
            test_accuracy: closing.test_accuracy,
            best_test_accuracy: closing.best_test_accuracy,
            closing_seconds: closing.seconds,
            ..outcome
        })
    }
}

/// All epochs on these samples, evaluated on `watched`.
fn problem<'a>(
    ground: &'a Ground,
    train: &'a Dataset,
    watched: Option<&'a Dataset>,
    seed: u64,
    beta: f64,
    time_limit: Option<f64>,
) -> Problem<'a> {
    Problem {
        train,
        test: watched,
        goal: Goal::Objective,
        beta,
        time_limit: time_limit.unwrap_or(f64::INFINITY),
        double: ground.double,
        place: ground.place.clone(),
        threads: ground.threads,
        ..Problem::new(&ground.data, &ground.split, seed)
    }
}

/// The best network on the way, the first weights aside; `None` where there is no finite one.
fn best_epoch(adam: &Adam, beta: f64, trace: &[TracePoint], n_held_out: usize) -> Option<Candidate> {
    let epochs = trace.iter().enumerate().skip(1).filter_map(|(epochs, point)| {
        let Adam { learning_rate, width, .. } = *adam;
        let choice = Choice::Adam { learning_rate, beta, width, epochs };
        Some(Candidate { choice, held_out: Score::new(point.test_accuracy, point.test_loss?, n_held_out) })
    });
    best(&epochs.collect::<Vec<_>>()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cvx_model::{FeatureKind, Labels};

    fn grid(epochs: usize) -> Grid {
        Grid {
            learning_rates: vec![3e-3],
            adam_betas: vec![0.5],
            widths: vec![20],
            epochs,
            batch: 64,
            initialisation: Initialisation::Pytorch,
        }
    }

    /// `data` with the labels 0 and 1 of these rows exchanged.
    fn turned(data: &Dataset, rows: impl IntoIterator<Item = usize>) -> Dataset {
        let labels = data.labels().unwrap();
        let mut numbers: Vec<f64> = (0..labels.len()).map(|row| labels.class_name(row).parse().unwrap()).collect();
        rows.into_iter().for_each(|row| numbers[row] = 1.0 - numbers[row]);
        let labels = Labels::numbers(numbers);
        Dataset::new(data.n_features(), data.values().to_vec(), Some(labels), FeatureKind::Table).unwrap()
    }

    /// Were a held-out label trained on, exchanging it would change more than the verdict.
    #[test]
    fn held_out_labels_say_how_good_a_network_is_and_nothing_else() {
        let ground = Ground::planted("planted:400x6");
        let (fold, rows) = (ground.fold(3).unwrap(), ground.held_out(3).unwrap());
        let held_out = turned(&fold.held_out, 0..rows.len());
        let turned_fold = Fold { kept: fold.kept.clone(), held_out };
        let mut turned_ground = Ground::planted("planted:400x6");
        turned_ground.split.train = turned(&ground.split.train, rows);
        let accuracy = |ground: &Ground, fold: &Fold| {
            let tuning = grid(1).tune(ground, fold, 3).unwrap();
            tuning.tried[0].held_out.accuracy.unwrap()
        };
        let (found, opposite) = (accuracy(&ground, &fold), accuracy(&turned_ground, &turned_fold));
        assert!((found + opposite - 1.0).abs() < 1e-12 && found != opposite, "{found} and {opposite}");
    }

    #[test]
    fn the_best_epoch_is_the_first_of_the_best_and_never_the_first_weights() {
        let adam = grid(9).adam(20, 3e-3, 9);
        let point = |accuracy: f64, loss: f64| TracePoint {
            test_accuracy: Some(accuracy),
            test_loss: Some(loss),
            ..TracePoint::default()
        };
        let trace = [(0.99, 0.1), (0.8, 5.0), (0.9, 4.0), (0.9, 3.0), (0.9, 3.0), (0.7, 1.0)].map(|(a, l)| point(a, l));
        let found = best_epoch(&adam, 0.5, &trace, 10).unwrap();
        assert_eq!(found.choice, Choice::Adam { learning_rate: 3e-3, beta: 0.5, width: 20, epochs: 3 });
        assert!(best_epoch(&adam, 0.5, &[point(0.5, 1.0), TracePoint::default()], 10).is_none());
    }

    #[test]
    fn without_time_for_the_grid_there_is_no_closing_run() {
        let ground = Ground { time_limit: Some(0.0), ..Ground::planted("planted:100x4") };
        let outcome = Grid { adam_betas: vec![0.0, 1.0], ..grid(3) }.choose(&ground, 3).unwrap();
        assert_eq!((outcome.status.as_str(), outcome.tried.len(), outcome.objective), ("TimeLimit", 1, None));
    }
}

//! A convolution that Adam trains: of several learning rates, the best by the held-out samples.

use super::chooser::Chooser;
use super::clock::Clock;
use super::ground::{Fold, Ground};
use super::outcome::{Candidate, Choice, Outcome, Score, TIME_LIMIT, best};
use crate::contender::Initialisation;
use crate::convolution::{Convolution, Trainer, agrees};
use crate::image::{Geometry, Images, Samples};
use crate::row::finite;
use anyhow::{Context, Result, ensure};
use cvx_linalg::training::AdamBackend;
use cvx_linalg::{Cpu, HostMatrix, ThreadPool};
use serde::Serialize;
use serde_json::{Value, json};

/// Images of the closing run whose predictions are found again by plain loops.
const VERIFIED: usize = 200;

/// What is tried.
#[derive(Clone, Debug, Serialize)]
pub struct ConvAdam {
    /// Largest learning rates of a run.
    pub learning_rates: Vec<f64>,
    /// Number of filters.
    pub filters: usize,
    /// Epochs of a run.
    pub epochs: usize,
    /// Samples to a step.
    pub batch: usize,
    /// First weights.
    pub initialisation: Initialisation,
}

impl ConvAdam {
    fn trainer(&self, learning_rate: f64, seed: u64) -> Trainer {
        let ConvAdam { filters, epochs, batch, initialisation, .. } = *self;
        Trainer { learning_rate, filters, epochs, batch, initialisation, seed }
    }

    fn run<B: AdamBackend>(&self, backend: &B, ground: &Ground, seed: u64) -> Result<Outcome> {
        let clock = Clock::start(ground.time_limit)?;
        let (tried, complete) = self.tune(backend, ground, seed, &clock)?;
        let choosing_seconds = clock.seconds();
        let chosen = best(&tried).cloned();
        ensure!(chosen.is_some() || !complete, "no learning rate led to a network of finite loss");
        let outcome = Outcome { status: TIME_LIMIT.to_string(), tried, choosing_seconds, chosen, ..Outcome::default() };
        match outcome.chosen.as_ref().map(|chosen| chosen.choice.clone()) {
            Some(Choice::Convolution { learning_rate, .. }) if complete => {
                self.close(backend, ground, &self.trainer(learning_rate, seed), &clock, outcome)
            }
            _ => Ok(outcome),
        }
    }

    /// Tries every rate on the part that is kept, and says whether there was time for all.
    fn tune<B: AdamBackend>(
        &self,
        backend: &B,
        ground: &Ground,
        seed: u64,
        clock: &Clock,
    ) -> Result<(Vec<Candidate>, bool)> {
        let Fold { kept, held_out } = ground.fold(seed)?;
        let samples = Samples::new(&kept, Some(&held_out))?;
        let network = Convolution::new(backend, Geometry::new(samples.kind, None)?)?;
        let watched = samples.watched.as_ref().context("there are no held-out samples")?;
        let mut tried = Vec::new();
        for &learning_rate in &self.learning_rates {
            let found = self.trainer(learning_rate, seed).train(backend, &network, &samples.train, clock.deadline)?;
            if !found.complete {
                return Ok((tried, false));
            }
            let prediction = network.predict(backend, &found.weights, &watched.pixels)?;
            let (accuracy, loss) = samples.score(&prediction, &watched.y);
            let held_out = Score::new(accuracy, loss, watched.y.rows());
            let choice = Choice::Convolution { learning_rate, filters: self.filters, epochs: self.epochs };
            eprintln!("conv Adam seed {seed}: {choice}: held out {:.4}", 1.0 - held_out.error);
            if held_out.loss.is_finite() {
                tried.push(Candidate { choice, held_out });
            }
        }
        Ok((tried, true))
    }

    /// Trains on all samples, then looks at the test samples.
    fn close<B: AdamBackend>(
        &self,
        backend: &B,
        ground: &Ground,
        trainer: &Trainer,
        clock: &Clock,
        outcome: Outcome,
    ) -> Result<Outcome> {
        let samples = Samples::new(&ground.split.train, ground.split.test.as_ref())?;
        let geometry = Geometry::new(samples.kind, None)?;
        let network = Convolution::new(backend, geometry)?;
        let found = trainer.train(backend, &network, &samples.train, clock.deadline)?;
        let closing_seconds = clock.seconds() - outcome.choosing_seconds;
        let predict = |images: &Images| network.predict(backend, &found.weights, &images.pixels);
        let prediction = predict(&samples.train)?;
        let (train_accuracy, train_loss) = samples.score(&prediction, &samples.train.y);
        let test_accuracy = match &samples.watched {
            Some(test) => samples.score(&predict(test)?, &test.y).0,
            None => None,
        };
        let [w1, w2]: [HostMatrix; 2] = [backend.download(&found.weights.w1)?, backend.download(&found.weights.w2)?];
        let status = match (finite(train_loss), found.complete) {
            (None, _) => "NumericalError",
            (_, true) => "EpochLimit",
            (_, false) => TIME_LIMIT,
        };
        Ok(Outcome {
            status: status.to_string(),
            verified: agrees(&geometry, [&w1, &w2], &samples.train.pixels, &prediction, VERIFIED),
            n_closing: Some(samples.train.y.rows()),
            iterations: Some(found.epochs),
            train_loss: finite(train_loss),
            neurons: Some(self.filters),
            train_accuracy,
            test_accuracy,
            closing_seconds,
            ..outcome
        })
    }
}

impl Chooser for ConvAdam {
    fn name(&self, _ground: &Ground) -> String {
        "conv Adam".to_string()
    }

    fn settings(&self) -> Value {
        json!(self)
    }

    fn choose(&self, ground: &Ground, seed: u64) -> Result<Outcome> {
        ensure!(ground.place.name() == "cpu", "conv-adam runs on the processor alone: take --device cpu");
        ThreadPool::new(ground.threads)?.run(|| match ground.double {
            true => self.run(&Cpu::<f64>::new(), ground, seed),
            false => self.run(&Cpu::<f32>::new(), ground, seed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn few(learning_rates: &[f64]) -> ConvAdam {
        let learning_rates = learning_rates.to_vec();
        ConvAdam { learning_rates, filters: 6, epochs: 12, batch: 16, initialisation: Initialisation::Pytorch }
    }

    #[test]
    fn the_best_rate_by_held_out_samples_is_trained_again_on_all() {
        let ground = Ground::textures(1, 8);
        let outcome = few(&[1e-6, 0.03]).choose(&ground, 3).unwrap();
        let rates: Vec<&Choice> = outcome.tried.iter().map(|one| &one.choice).collect();
        assert!(matches!(rates[..], [Choice::Convolution { .. }, Choice::Convolution { .. }]));
        assert_eq!(outcome.chosen.as_ref(), Some(&outcome.tried[1]));
        assert!(outcome.is_whole() && outcome.verified && outcome.objective.is_none());
        assert_eq!(
            (outcome.status.as_str(), outcome.n_closing, outcome.iterations),
            ("EpochLimit", Some(60), Some(12.0))
        );
        assert!(outcome.test_accuracy > Some(0.9), "{:?}", outcome.test_accuracy);
    }

    #[test]
    fn without_time_there_is_no_closing_run_and_a_wrong_rate_is_an_error() {
        let ground = Ground { time_limit: Some(0.0), ..Ground::textures(1, 8) };
        let outcome = few(&[0.03]).choose(&ground, 3).unwrap();
        assert_eq!((outcome.status.as_str(), outcome.chosen.is_none(), outcome.is_whole()), (TIME_LIMIT, true, false));
        let error = few(&[-1.0]).choose(&Ground::textures(1, 8), 3).unwrap_err();
        assert!(error.to_string().contains("learning rate"), "{error}");
    }
}

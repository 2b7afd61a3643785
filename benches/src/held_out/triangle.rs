//! Distances of patches to centres, and a linear classifier of them: of several ridges, the best by the held-out
//! samples.

use super::chooser::Chooser;
use super::clock::Clock;
use super::ground::{Fold, Ground};
use super::outcome::{Candidate, Choice, Outcome, Score, TIME_LIMIT, best};
use crate::image::Samples;
use crate::row::finite;
use crate::triangle::{Linear, Ridge, Triangle, agrees};
use anyhow::{Context, Result, ensure};
use cvx_linalg::{Backend, Cpu, HostMatrix, ThreadPool};
use serde_json::{Value, json};

/// Weights of the regulariser over the number of samples; features have a standard deviation of 1.
const RIDGES: [f64; 8] = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2];

/// Images of the closing run whose predictions are found again by plain loops.
const VERIFIED: usize = 20;

/// Coates and Ng's features.
#[derive(Clone, Debug)]
pub struct ChosenTriangle {
    /// Number of centres.
    pub centres: usize,
}

/// Everything up to the choice of a ridge.
struct Fitted {
    samples: Samples,
    triangle: Triangle,
    features: HostMatrix,
    ridge: Ridge<Cpu<f64>>,
}

impl ChosenTriangle {
    /// Fits features to the samples that are trained on.
    fn fit<B: Backend>(&self, backend: &B, samples: Samples, seed: u64) -> Result<Fitted> {
        let triangle = Triangle::fit(backend, &samples.train.pixels, samples.kind, self.centres, seed)?;
        let features = triangle.features(backend, &samples.train.pixels)?;
        let ridge = Ridge::new(Cpu::<f64>::new(), &features, &samples.train.y)?;
        Ok(Fitted { samples, triangle, features, ridge })
    }

    fn run<B: Backend>(&self, backend: &B, ground: &Ground, seed: u64) -> Result<Outcome> {
        let clock = Clock::start(ground.time_limit)?;
        let tried = self.tune(backend, ground, seed)?;
        let chosen = best(&tried).context("no ridge led to a finite loss")?.clone();
        let outcome = Outcome {
            status: TIME_LIMIT.to_string(),
            chosen: Some(chosen.clone()),
            tried,
            choosing_seconds: clock.seconds(),
            ..Outcome::default()
        };
        match chosen.choice {
            Choice::Triangle { ridge, .. } if !clock.is_up() => {
                self.close(backend, ground, ridge, seed, &clock, outcome)
            }
            _ => Ok(outcome),
        }
    }

    /// Tries every ridge on the part that is kept.
    fn tune<B: Backend>(&self, backend: &B, ground: &Ground, seed: u64) -> Result<Vec<Candidate>> {
        let Fold { kept, held_out } = ground.fold(seed)?;
        let Fitted { samples, triangle, ridge: system, .. } =
            self.fit(backend, Samples::new(&kept, Some(&held_out))?, seed)?;
        let watched = samples.watched.as_ref().context("there are no held-out samples")?;
        let features = triangle.features(backend, &watched.pixels)?;
        let mut tried = Vec::new();
        for ridge in RIDGES {
            let prediction = system.solve(ridge)?.predict(&backend.wide(), &features)?;
            let (accuracy, loss) = samples.score(&prediction, &watched.y);
            let held_out = Score::new(accuracy, loss, watched.y.rows());
            let choice = Choice::Triangle { centres: self.centres, ridge };
            eprintln!("triangle seed {seed}: {choice}: held out {:.4}", 1.0 - held_out.error);
            if loss.is_finite() {
                tried.push(Candidate { choice, held_out });
            }
        }
        Ok(tried)
    }

    /// Fits to all samples, then looks at the test samples.
    fn close<B: Backend>(
        &self,
        backend: &B,
        ground: &Ground,
        ridge: f64,
        seed: u64,
        clock: &Clock,
        outcome: Outcome,
    ) -> Result<Outcome> {
        let samples = Samples::new(&ground.split.train, ground.split.test.as_ref())?;
        let Fitted { samples, triangle, features, ridge: system } = self.fit(backend, samples, seed)?;
        let linear: Linear = system.solve(ridge)?;
        // A run that took longer does not count.
        let status = if clock.is_up() { TIME_LIMIT } else { "Solved" };
        let closing_seconds = clock.seconds() - outcome.choosing_seconds;
        let prediction = linear.predict(&backend.wide(), &features)?;
        let (train_accuracy, train_loss) = samples.score(&prediction, &samples.train.y);
        let test_accuracy = match &samples.watched {
            Some(test) => {
                let features = triangle.features(backend, &test.pixels)?;
                samples.score(&linear.predict(&backend.wide(), &features)?, &test.y).0
            }
            None => None,
        };
        let n = samples.train.y.rows();
        Ok(Outcome {
            status: status.to_string(),
            verified: agrees(&triangle, &linear, &samples.train.pixels, &prediction, VERIFIED),
            n_closing: Some(n),
            beta: Some(ridge * n as f64),
            train_loss: finite(train_loss),
            neurons: Some(self.centres),
            train_accuracy,
            test_accuracy,
            closing_seconds,
            ..outcome
        })
    }
}

impl Chooser for ChosenTriangle {
    fn name(&self, _ground: &Ground) -> String {
        format!("triangle {}", self.centres)
    }

    fn settings(&self) -> Value {
        json!({ "centres": self.centres, "ridges": RIDGES })
    }

    fn choose(&self, ground: &Ground, seed: u64) -> Result<Outcome> {
        ensure!(ground.place.name() == "cpu", "triangle runs on the processor alone: take --device cpu");
        ThreadPool::new(ground.threads)?.run(|| match ground.double {
            true => self.run(&Cpu::<f64>::new(), ground, seed),
            false => self.run(&Cpu::<f32>::new(), ground, seed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_ridge_by_held_out_samples_is_taken_for_all() {
        let ground = Ground { double: false, ..Ground::textures(1, 8) };
        // More features than samples, then fewer.
        for centres in [20, 6] {
            let outcome = ChosenTriangle { centres }.choose(&ground, 3).unwrap();
            let chosen = outcome.chosen.as_ref().unwrap();
            assert_eq!((outcome.tried.len(), best(&outcome.tried)), (8, Some(chosen)));
            let Choice::Triangle { ridge, .. } = chosen.choice else { unreachable!("{chosen:?}") };
            assert!(outcome.is_whole() && outcome.verified && outcome.objective.is_none());
            assert_eq!(
                (outcome.n_closing, outcome.beta, outcome.neurons),
                (Some(60), Some(60.0 * ridge), Some(centres))
            );
            assert!(outcome.test_accuracy > Some(0.9), "{:?}", outcome.test_accuracy);
        }
    }

    #[test]
    fn without_time_there_is_no_closing_run() {
        let ground = Ground { time_limit: Some(0.0), ..Ground::textures(1, 8) };
        let outcome = ChosenTriangle { centres: 4 }.choose(&ground, 3).unwrap();
        assert_eq!((outcome.status.as_str(), outcome.tried.len(), outcome.is_whole()), (TIME_LIMIT, 8, false));
    }
}

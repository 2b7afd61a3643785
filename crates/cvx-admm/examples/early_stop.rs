//! Shows an observer that prints the progress of a run, and ends it when the test accuracy no longer rises.

use cvx_admm::{Iteration, Observer, Settings, StopToken, Summary, train_with};
use cvx_data::{Request, open};
use std::ops::ControlFlow;

/// Stops after a number of successive evaluations without a new best accuracy.
struct Patience {
    best: f64,
    left: usize,
}

impl Observer for Patience {
    fn begin(&mut self, summary: &Summary) {
        let shape = &summary.shape;
        println!("{} on {}: n = {}, P = {}", summary.solver, summary.device, shape.n_samples, shape.n_patterns);
    }

    fn iteration(&mut self, iteration: &Iteration) -> ControlFlow<()> {
        // Most iterations are not evaluated.
        let Some(accuracy) = iteration.test.and_then(|scores| scores.accuracy) else {
            return ControlFlow::Continue(());
        };
        let gap = iteration.relative_gap.unwrap_or(f64::INFINITY);
        println!("{:3}: test accuracy {accuracy:.3}, gap {gap:.1e}", iteration.iteration);
        if accuracy > self.best {
            *self = Patience { best: accuracy, left: 4 };
        } else {
            self.left -= 1;
        }
        if self.left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = open("planted:400x10", &Request::default())?;
    let settings = Settings { gap: 1e-6, ..Settings::default() };
    let mut patience = Patience { best: 0.0, left: 4 };
    let stop = StopToken::new();
    let solution = train_with(&data.train, data.test.as_ref(), &settings, None, &stop, &mut patience)?;
    println!("{}: gap {:.1e}", solution.status, solution.objective.relative_gap);
    Ok(())
}

//! Shows a regularisation path: held-out samples choose beta, and a network is trained on all samples there.

use cvx_admm::{Choice, PathSettings, Settings, StopToken, path};
use cvx_data::{Request, open};
use cvx_model::Activation;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = open("planted:400x10", &Request::default())?;
    let settings = Settings { activation: Activation::Gated, patterns: 30, ..Settings::default() };
    let along = PathSettings { betas: 10, choice: Choice::Sparsest, ..PathSettings::default() };
    let found = path(&data.train, data.test.as_ref(), &settings, &along, &StopToken::new(), &mut ())?;
    println!("  fraction  neurons  held out");
    for (k, point) in found.points.iter().enumerate() {
        let mark = if k == found.chosen { '*' } else { ' ' };
        let held_out = point.validation.accuracy.unwrap_or(f64::NAN);
        println!("{mark} {:8.4}  {:7}  {held_out:8.3}", point.fraction, point.neurons);
    }
    let accuracy = found.solution.test.and_then(|scores| scores.accuracy);
    println!("on all samples: {}, test accuracy {accuracy:?}", found.solution.status);
    Ok(())
}

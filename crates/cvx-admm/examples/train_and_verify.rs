//! Shows the use of a model: train, save, load, verify with separate code, predict.

use cvx_admm::{Model, Settings, train, verify};
use cvx_data::{Request, open};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = open("planted:400x10", &Request::default())?;
    let test = data.test.as_ref();
    let solution = train(&data.train, test, &Settings { patterns: 20, ..Settings::default() })?;
    let objective = &solution.objective;
    println!(
        "{}: the network has {:.2}, every point of the sampled programme {:.2} or more: gap {:.1e}",
        solution.status, objective.network, objective.dual_bound, objective.relative_gap
    );

    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model.cvx");
    solution.model.save(&path)?;
    let model = Model::load(&path)?;

    let found = verify(&model, &data.train)?;
    println!("verified: {}; the network has {:.2}, the bound is {:?}", found.holds(), found.network, found.dual_bound);

    if let Some(test) = test {
        let prediction = model.predict(test)?;
        let classes = model.classes(&prediction).unwrap_or_default();
        println!("the first test samples are {:?}, by the scores {:.2?}", &classes[..5], &prediction.col(0)[..5]);
    }
    Ok(())
}

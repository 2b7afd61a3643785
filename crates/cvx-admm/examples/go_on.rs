//! Shows a run that is cut short, and goes on from its checkpoint bit for bit as if it had not been.

use cvx_admm::{Beta, Checkpoint, CheckpointPlan, Settings, StopToken, resume, train};
use cvx_data::{Request, open};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = open("planted:400x10", &Request::default())?.train;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("run.ckpt");
    let whole = Settings { patterns: 20, gap: 1e-4, beta: Beta::Fraction(0.01), ..Settings::default() };

    let plan = CheckpointPlan { path: path.clone(), every: 60.0 };
    let part = Settings { max_iterations: 7, checkpoint: Some(plan), ..whole.clone() };
    let ended = train(&data, None, &part)?;
    println!("{} after {} iterations", ended.status, ended.info.history.len());

    let checkpoint = Checkpoint::load(&path)?;
    println!("the checkpoint stands at iteration {}", checkpoint.iterations());
    let resumed = resume(&data, None, &whole, &checkpoint, &StopToken::new(), &mut ())?;
    println!("{} after {} iterations", resumed.status, resumed.info.history.len());

    let uninterrupted = train(&data, None, &whole)?;
    println!("the same network as in one go: {}", resumed.model.network == uninterrupted.model.network);
    Ok(())
}

//! Shows a run that is interrupted and then resumed from its checkpoint, with the bits of an uninterrupted run.

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
    println!("the checkpoint is at iteration {}", checkpoint.iterations());
    let resumed = resume(&data, None, &whole, &checkpoint, &StopToken::new(), &mut ())?;
    println!("{} after {} iterations", resumed.status, resumed.info.history.len());

    let uninterrupted = train(&data, None, &whole)?;
    println!("the same network as without interruption: {}", resumed.model.network == uninterrupted.model.network);
    Ok(())
}

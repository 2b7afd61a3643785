//! Removes the superfluous neurons of the returned network.

use crate::evaluation::incumbent::Incumbent;
use crate::problem::memory::PRUNED_FLOPS;
use cvx_linalg::{Backend, LinalgError};
use cvx_model::{ConvexProgram, Network, NetworkValue, TargetSum, TargetValue};

/// Maximum relative rise of the objective: the same tolerance for rounding as in `verify`.
const ROUNDING: f64 = 1e-9;

/// The incumbent's network without its superfluous neurons, and their number. The incumbent then holds the value of the
/// returned network.
pub(crate) fn prune<B: Backend>(
    program: &ConvexProgram<B>,
    incumbent: &mut Incumbent<B>,
    network: Network,
) -> (Network, usize) {
    // Blocks with features of their own are as good as never dependent.
    let n_samples = program.backend().samples().total(program.n_samples());
    if program.patches().is_some() || network.prune_flops(n_samples) > PRUNED_FLOPS {
        return (network, 0);
    }
    // Pruning is skipped if the device has too little memory for it.
    match pruned(program, incumbent.network().objective, &network) {
        Ok(Some((pruned, value))) => {
            incumbent.replace_value(value);
            let removed = network.n_neurons() - pruned.n_neurons();
            (pruned, removed)
        }
        _ => (network, 0),
    }
}

/// The pruned network with its value, if it has fewer neurons and an objective that is no larger.
fn pruned<B: Backend>(
    program: &ConvexProgram<B>,
    objective: f64,
    network: &Network,
) -> Result<Option<(Network, NetworkValue)>, LinalgError> {
    let pruned = network.prune(program.samples())?;
    if pruned.removed == 0 {
        return Ok(None);
    }
    let prediction = pruned.network.predict_samples(program.samples())?;
    let TargetSum { total: loss, targets } = program.loss().totals(&prediction, program.y_host());
    let of_target = |(c, loss): (usize, f64)| {
        // A neuron has one output.
        let own = pruned.network.select(&pruned.network.neurons_of(c));
        TargetValue { objective: loss + own.weight_decay(program.beta()), loss }
    };
    let value = NetworkValue {
        objective: loss + pruned.network.weight_decay(program.beta()),
        loss,
        targets: targets.into_iter().enumerate().map(of_target).collect(),
        neurons: pruned.network.n_neurons(),
        prediction,
        output_bias: pruned.network.output_bias.clone(),
    };
    Ok((value.objective <= objective * (1.0 + ROUNDING)).then_some((pruned.network, value)))
}

//! Takes out the neurons that the returned network can do without.

use crate::evaluation::incumbent::Incumbent;
use cvx_linalg::{Backend, LinalgError};
use cvx_model::{ConvexProgram, Network, NetworkValue};

/// Most operations that pruning may take: some tenths of a second. Larger networks
/// are left as they are.
const MOST_FLOPS: f64 = 3e10;

/// Most that the objective may rise, relative to it: as much as `verify` grants to rounding.
const ROUNDING: f64 = 1e-9;

/// The incumbent's network with what it can do without taken out, and how many neurons that are. The incumbent then
/// stands for what is returned.
pub(crate) fn prune<B: Backend>(
    program: &ConvexProgram<B>,
    incumbent: &mut Incumbent<B>,
    network: Network,
) -> (Network, usize) {
    if network.prune_flops(program.n_samples()) > MOST_FLOPS {
        return (network, 0);
    }
    // What the device has no memory for is not worth the run.
    match pruned(program, incumbent.network().objective, &network) {
        Ok(Some((pruned, value))) => {
            incumbent.replace_value(value);
            let removed = network.n_neurons() - pruned.n_neurons();
            (pruned, removed)
        }
        _ => (network, 0),
    }
}

/// The pruned network with its value, where it has fewer neurons and an objective that is no larger.
fn pruned<B: Backend>(
    program: &ConvexProgram<B>,
    objective: f64,
    network: &Network,
) -> Result<Option<(Network, NetworkValue)>, LinalgError> {
    let wide = program.backend().wide();
    let pruned = network.prune(&wide, program.xt_wide())?;
    if pruned.removed == 0 {
        return Ok(None);
    }
    let prediction = pruned.network.predict(&wide, program.xt_wide())?;
    let loss = program.loss().total(&prediction, program.y_host());
    let value = NetworkValue {
        objective: loss + pruned.network.weight_decay(program.beta()),
        loss,
        neurons: pruned.network.n_neurons(),
        prediction,
    };
    Ok((value.objective <= objective * (1.0 + ROUNDING)).then_some((pruned.network, value)))
}

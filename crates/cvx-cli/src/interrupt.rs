//! Interrupts (Ctrl-C).

use anyhow::{Context, Result};
use cvx_admm::StopToken;

/// A token that the first interrupt raises: the run ends with its best network. The second interrupt ends the program.
pub fn stop_on_interrupt() -> Result<StopToken> {
    let stop = StopToken::new();
    let raised = stop.clone();
    ctrlc::set_handler(move || {
        if raised.is_raised() {
            std::process::exit(130);
        }
        raised.raise();
    })
    .context("the interrupt handler cannot be set")?;
    Ok(stop)
}

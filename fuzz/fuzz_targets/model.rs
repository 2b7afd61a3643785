//! Model files as they come, and sections under checksums that fit.
#![no_main]

use cvx_admm::{Model, verify};
use cvx_fuzz::frame::sealed;
use cvx_model::{Dataset, Labels, Task};
use libfuzzer_sys::fuzz_target;
use std::path::Path;

const MAGIC: &[u8; 8] = b"\x89CVX\r\n\x1a\n";

/// Larger ones take long to use and show no more.
const LARGEST: usize = 256;

/// Samples that a small model can be used on.
fn samples(model: &Model) -> Option<Dataset> {
    let (n, d) = (model.claim.n_samples, model.transform.n_inputs());
    if n.max(d).max(model.network.n_neurons()).max(model.task.n_targets()) > LARGEST {
        return None;
    }
    let labels = match &model.task {
        Task::Regression { columns } => Labels::Numbers { columns: *columns, values: vec![0.5; n * columns] },
        task => Labels::Names { index: vec![0; n], names: task.classes().to_vec() },
    };
    let values = (0..n * d).map(|at| (at % 7) as f64 - 3.0).collect();
    Dataset::new(d, values, Some(labels), model.kind).ok()
}

fuzz_target!(|input: &[u8]| {
    let Some((mode, input)) = input.split_first() else { return };
    let bytes = if mode % 2 == 0 { input.to_vec() } else { sealed(MAGIC, 6, input) };
    let Ok(model) = Model::from_bytes(&bytes, Path::new("in-memory.cvx")) else { return };
    let stored = model.to_bytes().expect("what was read can be stored");
    let again = Model::from_bytes(&stored, Path::new("again.cvx")).expect("what was stored can be read");
    assert_eq!(again.to_bytes().expect("stored before"), stored);
    if let Some(data) = samples(&model) {
        let _ = verify(&model, &data);
        if let Ok(prediction) = model.predict(&data) {
            let _ = model.classes(&prediction);
        }
    }
});

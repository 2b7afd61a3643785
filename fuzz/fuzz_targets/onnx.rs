//! ONNX graphs of other programs.
#![no_main]

use cvx_export::import;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| match import(input) {
    Ok(imported) => {
        let zeros = vec![0.0; imported.transform.offset.len()];
        let outputs = imported.evaluate(&zeros).expect("an input of its size");
        assert_eq!(outputs.len(), imported.network.w2.cols());
    }
    Err(error) => assert!(!error.to_string().is_empty()),
});

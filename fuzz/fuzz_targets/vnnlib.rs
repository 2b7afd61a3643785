//! Properties in VNN-LIB.
#![no_main]

use cvx_prove::Property;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match Property::parse(text) {
        Ok(property) => {
            for constraint in property.cases.iter().flatten() {
                assert_eq!((constraint.inputs.len(), constraint.outputs.len()), (property.inputs, property.outputs));
                assert!(constraint.constant.is_finite());
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});

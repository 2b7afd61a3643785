//! Sparse files.
#![no_main]

use cvx_data::Request;
use cvx_fuzz::data::read;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    for n_features in [None, Some(7)] {
        let _ = read(&[("t.svm", input)], "t.svm", Request { n_features, ..Request::default() });
    }
});

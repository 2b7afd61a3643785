//! Tables, with and without labels.
#![no_main]

use cvx_data::LabelColumn;
use cvx_fuzz::data::{labels_in, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    for column in [LabelColumn::Auto, LabelColumn::Column("2".to_string()), LabelColumn::Absent] {
        let _ = read(&[("t.csv", input)], "t.csv", labels_in(column));
    }
});

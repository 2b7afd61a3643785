//! Tables, with and without labels.
#![no_main]

use cvx_data::{LabelColumn, Request};
use cvx_fuzz::data::{labels_in, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    for column in [LabelColumn::Auto, LabelColumn::Column("2".to_string()), LabelColumn::Absent] {
        let request = labels_in(column);
        let Ok(train) = read(&[("t.csv", input)], "t.csv", request.clone()).map(|split| split.train) else { continue };
        // A table is read by its own recipe as it was for training.
        let recipe = train.recipe().map(|recipe| cvx_model::Recipe::clone(recipe));
        let label_name = train.label_name().map(str::to_string);
        let again = read(&[("t.csv", input)], "t.csv", Request { recipe, label_name, ..request });
        assert!(again.is_ok_and(|split| split.train.values() == train.values()));
    }
});

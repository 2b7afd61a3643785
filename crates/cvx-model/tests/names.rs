//! The names by which users choose.

use cvx_linalg::{Named, UnknownName};
use cvx_model::{Activation, GateKind, Loss, Normalisation, TaskChoice};
use std::fmt::{Debug, Display};

/// These names are all, each is parsed to a choice that is printed so, and no other is parsed.
fn check<T: Named + Debug + Display + PartialEq>(names: &[&str]) {
    assert_eq!(T::names(), names);
    for name in names {
        assert_eq!(name.parse::<T>().unwrap().to_string(), *name);
    }
    for other in ["", "none of them", &names[0].to_uppercase()] {
        let UnknownName { what, found, known } = other.parse::<T>().unwrap_err();
        assert_eq!((what, found.as_str(), known.as_slice()), (T::WHAT, other, names));
    }
}

#[test]
fn every_name_is_parsed_and_printed() {
    check::<Activation>(&["relu", "gated"]);
    check::<Normalisation>(&["none", "global", "column"]);
    check::<GateKind>(&["gaussian", "whitened", "local", "pairs", "mixed"]);
    check::<TaskChoice>(&["auto", "binary", "multiclass", "regression"]);
    check::<Loss>(&["squared", "logistic", "squared-hinge", "huber", "multinomial"]);
}

#[test]
fn a_huber_loss_has_a_delta_of_1_by_default() {
    assert_eq!("huber".parse(), Ok(Loss::Huber { delta: 1.0 }));
    assert_eq!(Loss::Huber { delta: 0.5 }.to_string(), "huber");
}

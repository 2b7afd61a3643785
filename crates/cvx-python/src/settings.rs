//! The parameters of an estimator as settings of a run; the choices have the names that the library gives them.

use crate::arrays::read_rows;
use crate::errors::{bad_value, model_error};
use cvx_admm::{Beta, Certify, ClassWeights, Device, Gates, PathSettings, Settings, Validation, Wishes};
use cvx_linalg::{FeaturePrecision, HostMatrix, Named};
use cvx_model::{Activation, Constraints, Curvature, GateKind, Loss, OutputRange, PatchSettings, TaskChoice, Trend};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

const COUNT: &str = "a whole number that is 0 or larger";

/// The name of gates of patches.
pub const CONVOLUTION: &str = "conv";

/// What an estimator is to do.
pub struct Given {
    /// The settings of its runs.
    pub settings: Settings,
    /// How beta is chosen, if it is.
    pub path: PathSettings,
    /// What the parameters say, and what is left open.
    pub wishes: Wishes,
    /// Whether samples and memory decide the number of patterns.
    pub suggests_patterns: bool,
    /// Whether beta is to be chosen.
    pub chooses_beta: bool,
}

/// The parameters of an estimator.
pub fn settings(parameters: &Bound<'_, PyDict>, regression: bool) -> PyResult<Given> {
    let given = Parameters(parameters);
    let base = Settings::default();
    let auto = |name: &str| given.is_text(name, "auto");
    let suggested = auto("patterns")?;
    let patterns: Option<usize> =
        if suggested { None } else { Some(given.required("patterns", "auto, or a whole number above 0")?) };
    let activation = given.choice_or_auto("activation")?;
    let output_bias: Option<bool> =
        if auto("output_bias")? { None } else { Some(given.required("output_bias", "auto, True or False")?) };
    let folds: Option<usize> =
        if auto("folds")? { None } else { given.optional("folds", "auto, or a whole number")? };
    let ensemble: Option<usize> =
        if auto("ensemble")? { None } else { Some(given.required("ensemble", "auto, or a whole number above 0")?) };
    let path = PathSettings {
        validation: folds.map_or(Validation::Auto, Validation::Folds),
        ensemble: ensemble.unwrap_or(1),
        budget: given.optional("budget", "None, or a number of seconds")?,
        ..PathSettings::default()
    };
    let gates = given.gates()?;
    let settings = Settings {
        activation: activation.unwrap_or(match gates {
            Gates::Patches(_) => Activation::Gated,
            _ => base.activation,
        }),
        patterns: patterns.unwrap_or(base.patterns),
        output_bias: output_bias.unwrap_or(base.output_bias),
        gates,
        beta: given.beta(base.beta)?,
        solver: given.choice("solver")?,
        rank: given.optional("rank", COUNT)?,
        device: given.device()?,
        precision: given.choice("precision")?,
        threads: given.required("threads", COUNT)?,
        seed: given.required("random_state", COUNT)?,
        refine: given.required("refine", COUNT)?,
        max_iterations: given.required("max_iterations", COUNT)?,
        gap: given.required("gap", "a positive number")?,
        certify: given.choice("certify")?,
        time_limit: given.optional("time_limit", "None, or a number of seconds")?,
        rho: given.optional("rho", "None, or a positive number")?,
        sigma: given.optional("sigma", "None, or a positive number")?,
        prune: given.required("prune", "True or False")?,
        keep_iterates: false,
        bias: given.required("bias", "True or False")?,
        normalisation: given.choice_or_auto("normalize")?,
        task: if regression { TaskChoice::Regression } else { TaskChoice::Auto },
        loss: given.loss()?,
        constraints: given.constraints()?,
        output_range: given.output_range()?,
        class_weights: given.class_weights()?,
        memory_budget: given.memory_budget()?,
        ..base
    };
    let wishes = Wishes {
        activation,
        patterns,
        gates: (settings.gates != Gates::Auto).then(|| settings.gates.clone()),
        output_bias,
        ensemble,
        validation: None,
        returned: None,
    };
    let at_given_beta = given.get("beta")?.is_some()
        || given.get("beta_fraction")?.is_some()
        || settings.refine > 0
        || settings.certify == Certify::Global;
    Ok(Given { settings, path, wishes, suggests_patterns: suggested, chooses_beta: !at_given_beta })
}

/// The choice with the name `value`, in which `_` may stand for `-`. `names` are those that `expected` lists.
fn by_name<T: Named>(parameter: &str, value: &Bound<'_, PyAny>, names: &[&str]) -> PyResult<T> {
    let found = value.extract::<String>().ok().and_then(|text| text.replace('_', "-").parse().ok());
    found.ok_or_else(|| bad_value(parameter, value, &format!("one of {}", names.join(", "))))
}

struct Parameters<'a, 'py>(&'a Bound<'py, PyDict>);

impl<'py> Parameters<'_, 'py> {
    /// The value, none for Python's `None` too.
    fn get(&self, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.0.get_item(name)?.filter(|value| !value.is_none()))
    }

    fn optional<T: for<'a> FromPyObject<'a, 'py>>(&self, name: &str, expected: &str) -> PyResult<Option<T>> {
        let value = self.get(name)?;
        value.map(|value| value.extract().map_err(|_| bad_value(name, &value, expected))).transpose()
    }

    fn required<T: for<'a> FromPyObject<'a, 'py>>(&self, name: &str, expected: &str) -> PyResult<T> {
        let value = self.optional(name, expected)?;
        value.ok_or_else(|| PyValueError::new_err(format!("{name} is None, but it must be {expected}")))
    }

    fn is_text(&self, name: &str, text: &str) -> PyResult<bool> {
        Ok(self.get(name)?.is_some_and(|value| value.cast::<PyString>().is_ok_and(|found| *found == text)))
    }

    /// A choice by its name; the default for `None`.
    fn choice<T: Named + Default>(&self, name: &str) -> PyResult<T> {
        self.get(name)?.map_or(Ok(T::default()), |value| by_name(name, &value, &T::names()))
    }

    /// A choice by its name; none for `auto` and `None`.
    fn choice_or_auto<T: Named>(&self, name: &str) -> PyResult<Option<T>> {
        if self.is_text(name, "auto")? {
            return Ok(None);
        }
        let names = [vec!["auto"], T::names()].concat();
        self.get(name)?.map(|value| by_name(name, &value, &names)).transpose()
    }

    /// A kind by its name, or an array of all gates. Parameters of patches imply gates of patches.
    fn gates(&self) -> PyResult<Gates> {
        let patches = self.patches()?;
        let is_given = patches != PatchSettings::default();
        if self.is_text("gates", CONVOLUTION)? {
            return Ok(Gates::Patches(patches));
        }
        let gates = self.gates_of_samples()?;
        match (is_given, gates) {
            (true, Gates::Auto) => Ok(Gates::Patches(patches)),
            (true, _) => Err(PyValueError::new_err(format!(
                "patch, stride, regions, flips, patch_gates, active, whitening, directions and feature_precision are \
                 only for gates='{CONVOLUTION}': choose it, or leave them at their defaults"
            ))),
            (false, gates) => Ok(gates),
        }
    }

    /// Gates that see the whole sample.
    fn gates_of_samples(&self) -> PyResult<Gates> {
        let Some(value) = self.get("gates")? else { return Ok(Gates::Auto) };
        if self.is_text("gates", "auto")? {
            return Ok(Gates::Auto);
        }
        if value.is_instance_of::<PyString>() {
            let names = [vec!["auto", CONVOLUTION], GateKind::names()].concat();
            return by_name("gates", &value, &names).map(Gates::Kind);
        }
        let (rows, cols, values) = read_rows("gates", &value)?;
        Ok(Gates::Given(HostMatrix::from_fn(rows, cols, |i, j| values[i * cols + j])))
    }

    /// What gates of patches are like. A whitening of 0 is none, as in the program.
    fn patches(&self) -> PyResult<PatchSettings> {
        let pixels = "None, or a whole number above 0";
        let whitening: Option<f64> = self.optional("whitening", "None, or a number that is 0 or larger")?;
        Ok(PatchSettings {
            gates: self.choice("patch_gates")?,
            side: self.optional("patch", pixels)?,
            stride: self.optional("stride", pixels)?,
            regions: self.optional("regions", pixels)?,
            mirrored: self.optional("flips", "None, True or False")?,
            active: self.required("active", "a number between 0 and 1")?,
            whitening: whitening.filter(|share| *share != 0.0),
            directions: self.required("directions", "a whole number above 0")?,
            precision: match self.get("feature_precision")? {
                Some(value) => Some(by_name("feature_precision", &value, &FeaturePrecision::names())?),
                None => None,
            },
        })
    }

    fn beta(&self, default: Beta) -> PyResult<Beta> {
        let number = "None, or a number that is 0 or larger";
        match (self.optional("beta", number)?, self.optional("beta_fraction", number)?) {
            (Some(_), Some(_)) => {
                Err(PyValueError::new_err("beta and beta_fraction are both given: leave one at None"))
            }
            (Some(beta), None) => Ok(Beta::Value(beta)),
            (None, Some(fraction)) => Ok(Beta::Fraction(fraction)),
            (None, None) => Ok(default),
        }
    }

    /// Columns with their signs, and sets of columns, as the Python side has listed them.
    fn constraints(&self) -> PyResult<Constraints> {
        let signs = |name: &str| -> PyResult<Vec<(String, i64)>> {
            Ok(self.optional(name, "a list of columns with their signs")?.unwrap_or_default())
        };
        let trend = |sign| if sign > 0 { Trend::Increasing } else { Trend::Decreasing };
        let curvature = |sign| if sign > 0 { Curvature::Convex } else { Curvature::Concave };
        Ok(Constraints {
            trends: signs("monotonic_cst")?.into_iter().map(|(column, sign)| (column, trend(sign))).collect(),
            curvatures: signs("convexity_cst")?.into_iter().map(|(column, sign)| (column, curvature(sign))).collect(),
            interactions: self.optional("interaction_cst", "None, or a list of sets of columns")?,
            nonnegative: self.required("nonnegative", "True or False")?,
        })
    }

    fn output_range(&self) -> PyResult<Option<OutputRange>> {
        let ends: Option<(f64, f64)> = self.optional("output_range", "None, or a tuple of two numbers")?;
        ends.map(|(low, high)| OutputRange::new(low, high).map_err(model_error)).transpose()
    }

    fn device(&self) -> PyResult<Device> {
        let Some(value) = self.get("device")? else { return Ok(Device::default()) };
        let found = value.extract::<String>().ok().and_then(|text| text.parse().ok());
        found.ok_or_else(|| bad_value("device", &value, "auto, cpu, cuda or cuda:I with a number I"))
    }

    fn loss(&self) -> PyResult<Loss> {
        let delta = self.optional("huber_delta", "None, or a positive number")?;
        match (self.choice("loss")?, delta) {
            (Loss::Huber { .. }, Some(delta)) => Ok(Loss::Huber { delta }),
            (_, Some(_)) => Err(PyValueError::new_err("huber_delta is only for loss='huber': leave it at None")),
            (loss, None) => Ok(loss),
        }
    }

    /// `"balanced"`, or weights by the names of the classes.
    fn class_weights(&self) -> PyResult<ClassWeights> {
        if self.is_text("class_weight", "balanced")? {
            return Ok(ClassWeights::Balanced);
        }
        let expected = "None, 'balanced', or a dictionary of a positive number for each class";
        let Some(value) = self.get("class_weight")? else { return Ok(ClassWeights::None) };
        let weights = value.cast::<PyDict>().map_err(|_| bad_value("class_weight", &value, expected))?;
        let weights = weights.iter().map(|(class, weight)| Ok((class.extract()?, weight.extract()?)));
        let named = weights.collect::<PyResult<Vec<(String, f64)>>>();
        named.map(ClassWeights::Named).map_err(|_| bad_value("class_weight", &value, expected))
    }

    fn memory_budget(&self) -> PyResult<Option<u64>> {
        let expected = "None, or a positive number of gigabytes";
        match self.optional::<f64>("memory_budget", expected)? {
            Some(gigabytes) if !(gigabytes > 0.0 && gigabytes.is_finite()) => {
                Err(PyValueError::new_err(format!("memory_budget is {gigabytes}, but it must be {expected}")))
            }
            gigabytes => Ok(gigabytes.map(|gigabytes| (gigabytes * 1e9) as u64)),
        }
    }
}

//! Weights of the samples: each sample's own weight times that of its class.

use crate::api::error::{TrainError, out_of_range};
use crate::api::range;
use cvx_linalg::HostMatrix;
use cvx_model::{Dataset, ModelError, Task};

/// Class weights: all samples of a class have the same. The scales of features are fitted without class weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ClassWeights {
    /// Every class weight is 1.
    #[default]
    None,
    /// Every class has the same total weight: its weight is the mean total weight of a class over its own total weight.
    Balanced,
    /// The given classes have the given weights, the others 1.
    Named(Vec<(String, f64)>),
}

impl ClassWeights {
    /// Whether every weight is a positive number and every class is named at most once.
    pub(crate) fn check(&self) -> Result<(), TrainError> {
        let ClassWeights::Named(named) = self else { return Ok(()) };
        for (at, (class, weight)) in named.iter().enumerate() {
            let repeated = named[..at].iter().any(|(other, _)| other == class);
            if repeated || !(*weight > 0.0 && weight.is_finite()) {
                return Err(out_of_range("class_weights", format!("{class}={weight}"), range::CLASS_WEIGHTS));
            }
        }
        Ok(())
    }
}

/// One weight per sample; `None` where neither samples nor classes have weights.
pub(crate) fn sample_weights(
    data: &Dataset,
    task: &Task,
    y: &HostMatrix,
    classes: &ClassWeights,
) -> Result<Option<Vec<f64>>, TrainError> {
    let own = || data.weights().map_or_else(|| vec![1.0; y.rows()], <[f64]>::to_vec);
    let class_of = |a: usize| {
        let row: Vec<f64> = (0..y.cols()).map(|c| y[(a, c)]).collect();
        task.class_of(&row).unwrap_or_default()
    };
    let mut factors = vec![1.0; task.classes().len()];
    match classes {
        ClassWeights::None => return Ok(data.weights().map(<[f64]>::to_vec)),
        _ if factors.is_empty() => return Err(ModelError::NeedsClasses { what: "class_weights".to_string() }.into()),
        ClassWeights::Named(named) => {
            for (class, weight) in named {
                let at = task.classes().iter().position(|known| known == class);
                let known = || task.classes().to_vec();
                factors[at.ok_or_else(|| ModelError::UnknownClass { class: class.clone(), known: known() })?] = *weight;
            }
        }
        ClassWeights::Balanced => {
            let own = own();
            let totals = data.samples().sums(own.len(), factors.len(), |rows| {
                let mut totals = vec![0.0; factors.len()];
                rows.for_each(|a| totals[class_of(a)] += own[a]);
                totals
            });
            let mean = totals.iter().sum::<f64>() / totals.len() as f64;
            factors = totals.into_iter().map(|total| mean / total).collect();
        }
    }
    Ok(Some(own().into_iter().enumerate().map(|(a, weight)| weight * factors[class_of(a)]).collect()))
}

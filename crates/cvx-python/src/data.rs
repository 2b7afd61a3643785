//! Samples with their labels, weights and names.

use crate::arrays::read_rows;
use crate::errors::{bad_value, model_error};
use cvx_model::{Dataset, FeatureKind, Labels};
use numpy::{PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;

/// Samples, copied once into the trainer's own memory.
#[pyclass(frozen, module = "cvx_relu._native")]
pub struct Data {
    pub inner: Dataset,
}

#[pymethods]
impl Data {
    /// `x`: n x d, float64 or float32. Labels are `targets` (n x C numbers), or `classes` (n indices) with their
    /// `names`. `image`: channels, height and width, if the features are pixels.
    #[new]
    #[pyo3(signature = (x, *, targets=None, classes=None, names=None, weights=None, feature_names=None, image=None))]
    fn new(
        x: &Bound<'_, PyAny>,
        targets: Option<PyReadonlyArray2<'_, f64>>,
        classes: Option<PyReadonlyArray1<'_, u32>>,
        names: Option<Vec<String>>,
        weights: Option<PyReadonlyArray1<'_, f64>>,
        feature_names: Option<Vec<String>>,
        image: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let (_, n_features, values) = read_rows("X", x)?;
        let numbers = targets.map(|targets| {
            let targets = targets.as_array();
            Labels::Numbers { columns: targets.ncols(), values: targets.iter().copied().collect() }
        });
        let named = classes.map(|classes| Labels::Names {
            index: classes.as_array().iter().copied().collect(),
            names: names.unwrap_or_default(),
        });
        let kind = match image {
            None => FeatureKind::Table,
            Some(image) => {
                let expected = "None, or (channels, height, width)";
                let (channels, height, width) = image.extract().map_err(|_| bad_value("image", image, expected))?;
                FeatureKind::Image { channels, height, width }
            }
        };
        let mut data = Dataset::new(n_features, values, numbers.or(named), kind).map_err(model_error)?;
        if let Some(weights) = weights {
            data = data.with_weights(weights.as_array().iter().copied().collect()).map_err(model_error)?;
        }
        if let Some(names) = feature_names {
            data = data.with_feature_names(names).map_err(model_error)?;
        }
        Ok(Data { inner: data })
    }
}

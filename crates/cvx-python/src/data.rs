//! Samples with their labels, weights and names.

use crate::arrays::read_rows;
use crate::errors::{bad_value, model_error};
use crate::recipe::Recipe;
use cvx_model::{Column, ColumnChoices, Dataset, FeatureKind, Labels, Table, TableNotes};
use numpy::{PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use std::sync::Arc;

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
        let labels = labels(targets, classes, names);
        let kind = match image {
            None => FeatureKind::Table,
            Some(image) => {
                let expected = "None, or (channels, height, width)";
                let (channels, height, width) = image.extract().map_err(|_| bad_value("image", image, expected))?;
                FeatureKind::Image { channels, height, width }
            }
        };
        let mut data = Dataset::new(n_features, values, labels, kind).map_err(model_error)?;
        if let Some(weights) = weights {
            data = data.with_weights(weights.as_array().iter().copied().collect()).map_err(model_error)?;
        }
        if let Some(names) = feature_names {
            data = data.with_feature_names(names).map_err(model_error)?;
        }
        Ok(Data { inner: data })
    }

    /// The columns of a table: each is an array of float64 with NaN for missing values, or a pair of indices (uint32,
    /// the largest number for missing values) and texts. They become features by `recipe`, or by one of their own.
    #[staticmethod]
    #[pyo3(signature = (columns, column_names, *, recipe=None, choices=None, targets=None, classes=None, names=None,
        weights=None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn table(
        columns: Vec<Bound<'_, PyAny>>,
        column_names: Option<Vec<String>>,
        recipe: Option<&Recipe>,
        choices: Option<Choices>,
        targets: Option<PyReadonlyArray2<'_, f64>>,
        classes: Option<PyReadonlyArray1<'_, u32>>,
        names: Option<Vec<String>>,
        weights: Option<PyReadonlyArray1<'_, f64>>,
    ) -> PyResult<Self> {
        let columns = columns.iter().map(column).collect::<PyResult<Vec<_>>>()?;
        let table = Table::new(columns, column_names).map_err(model_error)?;
        let recipe = match (recipe, choices) {
            (Some(recipe), _) => Arc::clone(&recipe.inner),
            (None, choices) => {
                let choices = choices.map(ColumnChoices::from).unwrap_or_default();
                Arc::new(cvx_model::Recipe::fit(&table, &choices).map_err(model_error)?)
            }
        };
        let mut data = Dataset::encode(table, recipe, labels(targets, classes, names)).map_err(model_error)?;
        if let Some(weights) = weights {
            data = data.with_weights(weights.as_array().iter().copied().collect()).map_err(model_error)?;
        }
        Ok(Data { inner: data })
    }

    /// How the features were made of the columns of a table, if they were.
    #[getter]
    fn recipe(&self) -> Option<Recipe> {
        self.inner.recipe().map(|recipe| Recipe { inner: Arc::clone(recipe) })
    }

    /// Columns that have no use, and for each column with categories that training does not know the first of them and
    /// the number of rows.
    #[getter]
    fn notes(&self) -> (Vec<String>, Vec<(String, String, usize)>) {
        let TableNotes { ignored, unknown, .. } = self.inner.notes();
        let unknown = unknown.iter().map(|one| (one.column.clone(), one.level.clone(), one.rows));
        (ignored.clone(), unknown.collect())
    }
}

/// Columns with their treatment, by name or by number from 1.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Choices {
    categorical: Vec<String>,
    numeric: Vec<String>,
    dates: Vec<String>,
    drop: Vec<String>,
}

impl From<Choices> for ColumnChoices {
    fn from(Choices { categorical, numeric, dates, drop }: Choices) -> Self {
        ColumnChoices { categorical, numeric, dates, drop, ids: Vec::new() }
    }
}

fn column(column: &Bound<'_, PyAny>) -> PyResult<Column> {
    if let Ok(values) = column.extract::<PyReadonlyArray1<'_, f64>>() {
        return Ok(Column::Numbers(values.as_array().iter().copied().collect()));
    }
    let expected = "a column: an array of float64, or an array of uint32 and a list of texts";
    let pair = column.extract::<(PyReadonlyArray1<'_, u32>, Vec<String>)>();
    let (index, levels) = pair.map_err(|_| bad_value("X", column, expected))?;
    Ok(Column::Texts { index: index.as_array().iter().copied().collect(), levels })
}

fn labels(
    targets: Option<PyReadonlyArray2<'_, f64>>,
    classes: Option<PyReadonlyArray1<'_, u32>>,
    names: Option<Vec<String>>,
) -> Option<Labels> {
    let numbers = targets.map(|targets| {
        let targets = targets.as_array();
        Labels::Numbers { columns: targets.ncols(), values: targets.iter().copied().collect() }
    });
    let named = classes.map(|classes| Labels::Names {
        index: classes.as_array().iter().copied().collect(),
        names: names.unwrap_or_default(),
    });
    numbers.or(named)
}

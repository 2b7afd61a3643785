//! A trained network.

use crate::arrays::{read_rows, to_array};
use crate::data::Data;
use crate::errors::{artifact_error, file_error, model_error};
use crate::recipe::Recipe;
use crate::record::record;
use crate::settings::CONVOLUTION;
use cvx_admm::{Settings, verify};
use cvx_linalg::{HostMatrix, ThreadPool};
use cvx_model::{BlockCones, Curvature, FeatureKind, Loss, PatchSettings, Patches, Trend};
use numpy::{PyArray1, PyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The content of a model file: a trained network with its transform, classes and certificate.
#[pyclass(frozen, module = "cvx_relu._native")]
pub struct Model {
    pub inner: cvx_admm::Model,
}

/// Outputs (n x C), and indices of classes (n, or none).
type Prediction<'py> = (Bound<'py, PyArray2<f64>>, Bound<'py, PyArray1<usize>>);

/// The parameters of an estimator that a model file records.
#[derive(IntoPyObject)]
pub struct Known {
    patterns: usize,
    beta: f64,
    activation: &'static str,
    gates: &'static str,
    patch: Option<usize>,
    stride: Option<usize>,
    regions: Option<usize>,
    flips: Option<bool>,
    directions: usize,
    feature_precision: Option<&'static str>,
    loss: &'static str,
    huber_delta: Option<f64>,
    normalize: &'static str,
    image: Option<(usize, usize, usize)>,
    output_bias: bool,
    monotonic_cst: Option<Vec<i8>>,
    convexity_cst: Option<Vec<i8>>,
    interaction_cst: Option<Vec<Vec<usize>>>,
    nonnegative: bool,
    output_range: Option<(f64, f64)>,
    bias: bool,
    random_state: u64,
    certify: &'static str,
    solver: String,
    precision: String,
}

#[pymethods]
impl Model {
    /// Reads a model file.
    #[staticmethod]
    fn load(path: PathBuf) -> PyResult<Self> {
        Ok(Model { inner: cvx_admm::Model::load(&path).map_err(file_error)? })
    }

    /// Writes a model file atomically.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| self.inner.save(&path)).map_err(file_error)
    }

    /// The bytes of a model file.
    #[staticmethod]
    fn from_bytes(bytes: &[u8]) -> PyResult<Self> {
        Ok(Model { inner: cvx_admm::Model::from_bytes(bytes, Path::new("the pickled model")).map_err(file_error)? })
    }

    /// The bytes of a model file.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.inner.to_bytes().map_err(file_error)?))
    }

    /// Pickled as the bytes of its file.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let from_bytes = py.get_type::<Model>().getattr("from_bytes")?;
        Ok((from_bytes, PyTuple::new(py, [self.to_bytes(py)?])?))
    }

    /// Outputs of the network (n x C), and for each sample the index of its class in `classes`, none for a regression.
    fn predict<'py>(&self, py: Python<'py>, data: &Data) -> PyResult<Prediction<'py>> {
        // Not on the global pool: its threads are missing in a forked process, where a prediction would not return.
        let predict = || ThreadPool::new(0)?.run(|| self.inner.predict(&data.inner));
        let prediction = py.detach(predict).map_err(artifact_error)?;
        let row = |row: usize| (0..prediction.cols()).map(|c| prediction[(row, c)]).collect::<Vec<_>>();
        let classes = (0..prediction.rows()).filter_map(|a| self.inner.task.class_of(&row(a))).collect();
        Ok((to_array(py, &prediction)?, PyArray1::from_vec(py, classes)))
    }

    /// Whether there are probabilities for its outputs.
    #[getter]
    fn knows_probabilities(&self) -> bool {
        self.inner.calibration.is_some()
    }

    /// The probability of each class (n x classes) for outputs of [`predict`](Model::predict).
    ///
    /// # Errors
    /// `ValueError` if they are unknown.
    fn probabilities<'py>(&self, py: Python<'py>, outputs: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let (rows, cols, values) = read_rows("outputs", outputs)?;
        let outputs = HostMatrix::from_fn(rows, cols, |a, c| values[a * cols + c]);
        let probabilities = self.inner.probabilities(&outputs).map_err(artifact_error)?;
        let unknown = || PyValueError::new_err("the model does not know probabilities");
        to_array(py, &probabilities.ok_or_else(unknown)?)
    }

    /// Half of the width of the interval of each target that contains it with this probability; none without held-out
    /// samples.
    fn half_widths(&self, coverage: f64) -> PyResult<Option<Vec<f64>>> {
        let Some(intervals) = &self.inner.intervals else { return Ok(None) };
        let width = |c| intervals.half_width(coverage, c).map(|width| width.value).map_err(model_error);
        (0..intervals.targets()).map(width).collect::<PyResult<Vec<_>>>().map(Some)
    }

    /// Recomputes the objective and the certificate on the training samples.
    fn verify<'py>(&self, py: Python<'py>, data: &Data) -> PyResult<Bound<'py, PyDict>> {
        let found = py.detach(|| verify(&self.inner, &data.inner)).map_err(artifact_error)?;
        let verified = record(py, &found)?;
        verified.set_item("holds", found.holds())?;
        Ok(verified)
    }

    /// What the gates of neurons on patches have in common; none where neurons see the whole sample.
    #[getter]
    fn patches<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some(patches) = self.inner.network.patches.as_deref() else { return Ok(None) };
        let Patches { channels, height, width, side, stride, regions, mirrored, contrast, precision, values } = patches;
        let fields = PyDict::new(py);
        fields.set_item("image", (channels, height, width))?;
        fields.set_item("side", side)?;
        fields.set_item("stride", stride)?;
        fields.set_item("regions", regions)?;
        fields.set_item("mirrored", mirrored)?;
        fields.set_item("contrast", contrast)?;
        fields.set_item("feature_precision", precision.name())?;
        fields.set_item("values", to_array(py, values)?)?;
        Ok(Some(fields))
    }

    /// First layer (d x m) on transformed features, whose last row is the bias, or on the features of patches.
    #[getter]
    fn w1<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        to_array(py, &self.inner.network.w1)
    }

    /// Second layer (m x C).
    #[getter]
    fn w2<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        to_array(py, &self.inner.network.w2)
    }

    /// Added to the outputs (C); zeros without an output bias.
    #[getter]
    fn output_bias(&self) -> Vec<f64> {
        self.inner.network.output_bias.clone()
    }

    /// Gates (d x m) of gated neurons, or on the pixels of a patch and a 1; none for ReLU.
    #[getter]
    fn gates<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArray2<f64>>>> {
        self.inner.network.gates.as_ref().map(|gates| to_array(py, gates)).transpose()
    }

    /// The transform subtracts this from each feature.
    #[getter]
    fn offset(&self) -> Vec<f64> {
        self.inner.transform.offset.clone()
    }

    /// The transform then divides each feature by this.
    #[getter]
    fn scale(&self) -> Vec<f64> {
        self.inner.transform.scale.clone()
    }

    /// Whether a 1 is appended to the features.
    #[getter]
    fn bias(&self) -> bool {
        self.inner.transform.bias
    }

    #[getter]
    fn feature_names(&self) -> Option<Vec<String>> {
        self.inner.transform.feature_names.clone()
    }

    /// How the features are made of the columns of a table, if they are.
    #[getter]
    fn recipe(&self) -> Option<Recipe> {
        self.inner.transform.recipe.clone().map(|recipe| Recipe { inner: Arc::new(recipe) })
    }

    /// The parameters of the run, as far as the file records them.
    #[getter]
    fn parameters(&self) -> Known {
        let model = &self.inner;
        let (claim, provenance) = (&model.claim, &model.provenance);
        let patterns = model.parts[0].witness.as_ref().map(|witness| witness.gates.cols());
        let (patches, default) = (model.network.patches.as_deref(), PatchSettings::default());
        Known {
            patterns: patterns.unwrap_or(Settings::default().patterns),
            beta: claim.beta,
            activation: model.network.activation().name(),
            gates: if patches.is_some() { CONVOLUTION } else { "auto" },
            patch: patches.map(|patches| patches.side),
            stride: patches.map(|patches| patches.stride),
            regions: patches.map(|patches| patches.regions),
            flips: patches.map(|patches| patches.mirrored),
            // One value of a patch is its 1.
            directions: patches.map_or(default.directions, |patches| patches.values.cols().saturating_sub(1)),
            feature_precision: patches.map(|patches| patches.precision.name()),
            loss: claim.loss.name(),
            huber_delta: match claim.loss {
                Loss::Huber { delta } => Some(delta),
                _ => None,
            },
            normalize: model.normalisation.name(),
            image: match model.kind {
                FeatureKind::Image { channels, height, width } => Some((channels, height, width)),
                FeatureKind::Table => None,
            },
            output_bias: claim.output_bias,
            monotonic_cst: signs_by_column(model, |cones, k| {
                cones.trends()[k].map(|trend| if trend == Trend::Increasing { 1 } else { -1 })
            }),
            convexity_cst: signs_by_column(model, |cones, k| {
                cones.curvatures()[k].map(|curvature| if curvature == Curvature::Convex { 1 } else { -1 })
            }),
            interaction_cst: sets_of_columns(model),
            nonnegative: model.cones.as_ref().is_some_and(|cones| cones.is_nonnegative()),
            output_range: model.output_range.map(|range| (range.low(), range.high())),
            bias: model.transform.bias,
            random_state: provenance.seed,
            certify: claim.certify.name(),
            solver: provenance.solver.clone(),
            precision: provenance.precision.clone(),
        }
    }

    /// `binary`, `multiclass` or `regression`.
    #[getter]
    fn task(&self) -> &'static str {
        self.inner.task.name()
    }

    /// Names of the classes; none for a regression.
    #[getter]
    fn classes(&self) -> Vec<String> {
        self.inner.task.classes().to_vec()
    }

    #[getter]
    fn status(&self) -> String {
        self.inner.claim.status.to_string()
    }

    /// Network objective, dual bound, relative gap, and the sampled primal if there is one.
    #[getter]
    fn objective(&self) -> (f64, f64, f64, Option<f64>) {
        let objective = &self.inner.claim.objective;
        (objective.network, objective.dual_bound, objective.relative_gap, objective.sampled_primal)
    }

    #[getter]
    fn certify(&self) -> &'static str {
        self.inner.claim.certify.name()
    }

    #[getter]
    fn beta(&self) -> f64 {
        self.inner.claim.beta
    }

    #[getter]
    fn solver(&self) -> &str {
        &self.inner.provenance.solver
    }

    #[getter]
    fn device(&self) -> &str {
        &self.inner.provenance.device
    }

    #[getter]
    fn iterations(&self) -> u64 {
        self.inner.provenance.iterations
    }
}

/// A sign for each column of the training samples, from those of their features; none if all are 0.
fn signs_by_column(model: &cvx_admm::Model, sign: impl Fn(&BlockCones, usize) -> Option<i8>) -> Option<Vec<i8>> {
    let cones = model.cones.as_deref()?;
    let columns = model.transform.recipe.as_ref().map_or(cones.n_inputs(), |recipe| recipe.columns().len());
    let mut signs = vec![0; columns];
    for (feature, column) in model.transform.sources().into_iter().enumerate() {
        signs[column] = sign(cones, feature).unwrap_or(signs[column]);
    }
    signs.iter().any(|sign| *sign != 0).then_some(signs)
}

/// The sets of columns that may interact.
fn sets_of_columns(model: &cvx_admm::Model) -> Option<Vec<Vec<usize>>> {
    let (cones, sources) = (model.cones.as_deref()?, model.transform.sources());
    let set = |group: &Vec<usize>| {
        let mut columns: Vec<usize> = group.iter().map(|&feature| sources[feature]).collect();
        columns.dedup();
        columns
    };
    (!cones.groups().is_empty()).then(|| cones.groups().iter().map(set).collect())
}

//! The network as an ONNX graph.

mod graph;
pub(crate) mod import;
mod patches;

use crate::error::ExportError;
use crate::float::Float;
use crate::format::Format;
use crate::layers::{Hidden, Layers};
use crate::metadata::METADATA_KEY;
use crate::proto::{Attribute, Entry, Graph, Model as File, OperatorSet};
use cvx_artifact::Model;
use cvx_model::{OutputRange, Task};
use graph::{INT64, element, initializer, int, ints, value_info};
use prost::Message;

/// Versions of the file format and of the operators, old enough for runtimes of 2022.
const IR_VERSION: i64 = 8;
const OPERATOR_SET: i64 = 17;

/// Limit in bytes on the tensors. A protocol buffer holds at most 2 GiB; 64 MiB are reserved for everything else.
const LIMIT: u64 = (2 << 30) - (64 << 20);

/// The content of the file.
pub(crate) fn bytes(model: &Model, layers: &Layers, metadata: String) -> Result<Vec<u8>, ExportError> {
    let size = layers.tensors.iter().map(|tensor| tensor.size()).sum::<u64>() + index_bytes(&layers.hidden);
    if size > LIMIT {
        return Err(ExportError::TooLarge { bytes: size, limit: LIMIT });
    }
    let float = layers.float;
    let mut graph = Graph { name: Some("cvx".into()), ..Graph::default() };
    for tensor in &layers.tensors {
        let dims = tensor.shape.iter().map(|&length| length as i64).collect();
        graph.initializer.push(initializer(tensor.name, dims, element(float), tensor.bytes()));
    }
    graph.input.push(value_info("x", element(float), &[layers.n_inputs]));
    graph.output.push(value_info("prediction", element(float), &[layers.n_outputs]));

    graph.node("Sub", &["x", "offset"], "centred", Vec::new());
    graph.node("Div", &["centred", "scale"], "scaled", Vec::new());
    match &layers.hidden {
        Hidden::Patches(folded) => graph.patches(&folded.plan, float),
        neurons => graph.neurons(matches!(neurons, Hidden::Gated), float),
    }
    match model.output_range {
        None => graph.node("Gemm", &["hidden", "w2", "b2"], "prediction", transposed()),
        Some(range) => {
            graph.node("Gemm", &["hidden", "w2", "b2"], "output", transposed());
            graph.clip(range, float);
        }
    }
    graph.decide(&model.task, float);
    if layers.has_probabilities {
        graph.calibrate(layers.n_outputs, model.task.classes().len(), float);
    }

    let entry = |key: &str, value| Entry { key: Some(key.into()), value: Some(value) };
    let file = File {
        ir_version: Some(IR_VERSION),
        producer_name: Some("cvx".into()),
        producer_version: Some(model.provenance.version.clone()),
        graph: Some(graph),
        opset_import: vec![OperatorSet { domain: Some(String::new()), version: Some(OPERATOR_SET) }],
        metadata_props: vec![entry(METADATA_KEY, metadata)],
    };
    let mut bytes = Vec::new();
    file.encode(&mut bytes)
        .map_err(|error| ExportError::Format { format: Format::Onnx.name(), detail: error.to_string() })?;
    Ok(bytes)
}

/// Bytes of the numbers of the pixels of all patches.
fn index_bytes(hidden: &Hidden) -> u64 {
    let Hidden::Patches(folded) = hidden else { return 0 };
    let ((rows, columns), sides) = (folded.plan.grid(), if folded.plan.mirrored { 2 } else { 1 });
    8 * (sides * rows * columns * folded.plan.n_patch_pixels()) as u64
}

/// Weights are stored with one row for each neuron or output.
fn transposed() -> Vec<Attribute> {
    vec![int("transB", 1)]
}

impl Graph {
    /// Adds the nodes of neurons that see the whole of the samples `scaled`, as `hidden` (N x m).
    fn neurons(&mut self, is_gated: bool, float: Float) {
        self.node("Gemm", &["scaled", "w1", "b1"], "activation", transposed());
        if !is_gated {
            self.node("Relu", &["activation"], "hidden", Vec::new());
            return;
        }
        self.zero(float);
        self.node("Gemm", &["scaled", "gates", "gate_bias"], "gate", transposed());
        self.node("GreaterOrEqual", &["gate", "zero"], "is_on", Vec::new());
        self.node("Cast", &["is_on"], "on", vec![int("to", element(float).into())]);
        self.node("Mul", &["on", "activation"], "hidden", Vec::new());
    }

    /// Adds the node that clips `output` to the range, as `prediction`.
    fn clip(&mut self, range: OutputRange, float: Float) {
        for (name, end) in [("low", range.low()), ("high", range.high())] {
            self.initializer.push(initializer(name, Vec::new(), element(float), float.bytes(&[end])));
        }
        self.node("Clip", &["output", "low", "high"], "prediction", Vec::new());
    }

    /// Adds the nodes that compute `class` from `prediction`, as [`Task::class_of`] does.
    fn decide(&mut self, task: &Task, float: Float) {
        match task {
            Task::Regression { .. } => return,
            Task::Binary { majority, .. } => {
                self.zero(float);
                // A score of exactly 0 gives the more frequent class.
                let positive = if *majority == 1 { "GreaterOrEqual" } else { "Greater" };
                self.node(positive, &["prediction", "zero"], "is_second", Vec::new());
                self.node("Cast", &["is_second"], "second", vec![int("to", INT64.into())]);
                self.initializer.push(initializer("flat", vec![1], INT64, (-1i64).to_le_bytes().into()));
                self.node("Reshape", &["second", "flat"], "class", Vec::new());
            }
            Task::Multiclass { majority, .. } => {
                let along_row = || vec![ints("axes", &[1]), int("keepdims", 0)];
                self.node("ArgMax", &["prediction"], "largest", vec![int("axis", 1), int("keepdims", 0)]);
                self.node("ReduceMax", &["prediction"], "highest", along_row());
                self.node("ReduceMin", &["prediction"], "lowest", along_row());
                self.node("Equal", &["highest", "lowest"], "tied", Vec::new());
                let bytes = (*majority as i64).to_le_bytes().into();
                self.initializer.push(initializer("majority", Vec::new(), INT64, bytes));
                self.node("Where", &["tied", "majority", "largest"], "class", Vec::new());
            }
        }
        self.output.push(value_info("class", INT64, &[]));
    }
}

impl Graph {
    /// Adds the nodes that compute the `probability` of each class from `prediction`, as
    /// [`Calibration::probabilities`](cvx_model::Calibration::probabilities) does.
    fn calibrate(&mut self, n_outputs: usize, n_classes: usize, float: Float) {
        self.node("Mul", &["prediction", "calibration_scale"], "logit", Vec::new());
        if n_outputs == 1 {
            // The sigmoid of both signs, so that small probabilities keep their digits.
            self.node("Neg", &["logit"], "opposite", Vec::new());
            self.node("Concat", &["opposite", "logit"], "logits", vec![int("axis", 1)]);
            self.node("Sigmoid", &["logits"], "probability", Vec::new());
        } else {
            self.node("Softmax", &["logit"], "probability", vec![int("axis", 1)]);
        }
        self.output.push(value_info("probability", element(float), &[n_classes]));
    }
}

//! The network as an ONNX graph.

use crate::error::ExportError;
use crate::float::Float;
use crate::format::Format;
use crate::layers::Layers;
use crate::metadata::METADATA_KEY;
use crate::proto::{
    Attribute, Dimension, Entry, Extent, Graph, Model as File, Node, OperatorSet, Shape, Tensor, TensorType, Type,
    ValueInfo,
};
use cvx_artifact::Model;
use cvx_model::Task;
use prost::Message;

/// Versions of the file format and of the operators, old enough for runtimes of 2022.
const IR_VERSION: i64 = 8;
const OPERATOR_SET: i64 = 17;

/// Limit in bytes on the tensors. A protocol buffer holds at most 2 GiB; 64 MiB are reserved for everything else.
const LIMIT: u64 = (2 << 30) - (64 << 20);

// Numbers of element types and of kinds of attributes in onnx.proto.
const FLOAT: i32 = 1;
const INT64: i32 = 7;
const DOUBLE: i32 = 11;
const INT: i32 = 2;
const INTS: i32 = 7;

/// The content of the file.
pub(crate) fn bytes(model: &Model, layers: &Layers, metadata: String) -> Result<Vec<u8>, ExportError> {
    let size = layers.tensors.iter().map(|tensor| tensor.size()).sum();
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
    // The weights are stored with one row for each neuron.
    let transposed = || vec![int("transB", 1)];
    graph.node("Gemm", &["scaled", "w1", "b1"], "activation", transposed());
    if layers.is_gated {
        graph.zero(float);
        graph.node("Gemm", &["scaled", "gates", "gate_bias"], "gate", transposed());
        graph.node("GreaterOrEqual", &["gate", "zero"], "is_on", Vec::new());
        graph.node("Cast", &["is_on"], "on", vec![int("to", element(float).into())]);
        graph.node("Mul", &["on", "activation"], "hidden", Vec::new());
    } else {
        graph.node("Relu", &["activation"], "hidden", Vec::new());
    }
    graph.node("Gemm", &["hidden", "w2", "b2"], "prediction", transposed());
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

impl Graph {
    fn node(&mut self, operator: &str, input: &[&str], output: &str, attribute: Vec<Attribute>) {
        self.node.push(Node {
            input: input.iter().map(|name| name.to_string()).collect(),
            output: vec![output.into()],
            name: Some(format!("to_{output}")),
            op_type: Some(operator.into()),
            attribute,
        });
    }

    /// Adds the constant `zero`, which gates and scores are compared with, unless the graph has it.
    fn zero(&mut self, float: Float) {
        if !self.initializer.iter().any(|tensor| tensor.name.as_deref() == Some("zero")) {
            self.initializer.push(initializer("zero", Vec::new(), element(float), float.bytes(&[0.0])));
        }
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
        self.node("Mul", &["prediction", "calibration_scale"], "calibrated", Vec::new());
        self.node("Add", &["calibrated", "calibration_offset"], "logit", Vec::new());
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

fn element(float: Float) -> i32 {
    match float {
        Float::F32 => FLOAT,
        Float::F64 => DOUBLE,
    }
}

fn initializer(name: &str, dims: Vec<i64>, data_type: i32, bytes: Vec<u8>) -> Tensor {
    Tensor { dims, data_type: Some(data_type), name: Some(name.into()), raw_data: Some(bytes) }
}

fn int(name: &str, value: i64) -> Attribute {
    Attribute { name: Some(name.into()), i: Some(value), r#type: Some(INT), ..Attribute::default() }
}

fn ints(name: &str, values: &[i64]) -> Attribute {
    Attribute { name: Some(name.into()), ints: values.into(), r#type: Some(INTS), ..Attribute::default() }
}

/// A value of shape N x `rest`, with one row for each of the N samples.
fn value_info(name: &str, data_type: i32, rest: &[usize]) -> ValueInfo {
    let samples = Dimension { value: Some(Extent::Named("N".into())) };
    let rest = rest.iter().map(|&length| Dimension { value: Some(Extent::Fixed(length as i64)) });
    let shape = Shape { dim: [samples].into_iter().chain(rest).collect() };
    let tensor_type = TensorType { elem_type: Some(data_type), shape: Some(shape) };
    ValueInfo { name: Some(name.into()), r#type: Some(Type { tensor_type: Some(tensor_type) }) }
}

//! What a graph is written with: nodes, initializers, attributes.

use crate::float::Float;
use crate::proto::{Attribute, Dimension, Extent, Graph, Node, Shape, Tensor, TensorType, Type, ValueInfo};

// Numbers of element types and of kinds of attributes in onnx.proto.
pub(super) const FLOAT: i32 = 1;
pub(super) const INT64: i32 = 7;
pub(super) const FLOAT16: i32 = 10;
pub(super) const DOUBLE: i32 = 11;
pub(super) const INT: i32 = 2;
pub(super) const INTS: i32 = 7;

impl Graph {
    /// Adds a node with one output.
    pub(super) fn node(&mut self, operator: &str, input: &[&str], output: &str, attribute: Vec<Attribute>) {
        self.node_of(operator, input, &[output], attribute);
    }

    /// Adds a node with these outputs.
    pub(super) fn node_of(&mut self, operator: &str, input: &[&str], output: &[&str], attribute: Vec<Attribute>) {
        let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
        self.node.push(Node {
            input: names(input),
            output: names(output),
            name: Some(format!("to_{}", output.join("_"))),
            op_type: Some(operator.into()),
            attribute,
        });
    }

    /// Adds the constant `zero`, which gates and scores are compared with, unless the graph has it.
    pub(super) fn zero(&mut self, float: Float) {
        if !self.initializer.iter().any(|tensor| tensor.name.as_deref() == Some("zero")) {
            self.initializer.push(initializer("zero", Vec::new(), element(float), float.bytes(&[0.0])));
        }
    }
}

pub(super) fn element(float: Float) -> i32 {
    match float {
        Float::F32 => FLOAT,
        Float::F64 => DOUBLE,
    }
}

pub(super) fn initializer(name: &str, dims: Vec<i64>, data_type: i32, bytes: Vec<u8>) -> Tensor {
    Tensor { dims, data_type: Some(data_type), name: Some(name.into()), raw_data: Some(bytes), ..Tensor::default() }
}

pub(super) fn int(name: &str, value: i64) -> Attribute {
    Attribute { name: Some(name.into()), i: Some(value), r#type: Some(INT), ..Attribute::default() }
}

pub(super) fn ints(name: &str, values: &[i64]) -> Attribute {
    Attribute { name: Some(name.into()), ints: values.into(), r#type: Some(INTS), ..Attribute::default() }
}

/// A value of shape N x `rest`, with one row for each of the N samples.
pub(super) fn value_info(name: &str, data_type: i32, rest: &[usize]) -> ValueInfo {
    let samples = Dimension { value: Some(Extent::Named("N".into())) };
    let rest = rest.iter().map(|&length| Dimension { value: Some(Extent::Fixed(length as i64)) });
    let shape = Shape { dim: [samples].into_iter().chain(rest).collect() };
    let tensor_type = TensorType { elem_type: Some(data_type), shape: Some(shape) };
    ValueInfo { name: Some(name.into()), r#type: Some(Type { tensor_type: Some(tensor_type) }) }
}

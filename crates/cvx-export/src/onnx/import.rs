//! Networks of two layers from ONNX graphs of other programs.
//!
//! The graph is followed from its input to its first output. Its nodes are Gemm, MatMul, Add, Sub, Mul, Div, Relu,
//! Clip, Flatten, Identity and Constant, in an order that gives an elementwise shift and scale, a layer, Relu, a layer,
//! and Clip. Anything else is an error. Constants that are folded into weights round them; how often is counted.

use super::graph::{DOUBLE, FLOAT};
use crate::proto::{Attribute, Graph, Model as File, Node, Tensor};
use cvx_linalg::HostMatrix;
use cvx_model::{Network, OutputRange, Transform};
use prost::Message;
use std::collections::{HashMap, HashSet};
use thiserror::Error;

/// Most nodes that the output may depend on. Two layers need a dozen; each node keeps a copy of the weights, so many
/// nodes would take much more memory than the file.
const MOST_NODES: usize = 100;

/// Why a graph is no network of two layers.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ImportError {
    /// The file is not ONNX.
    #[error("not an ONNX file: {detail}")]
    Format {
        /// What is wrong.
        detail: String,
    },
    /// A node is outside of what is read.
    #[error("the node '{node}' ({operator}): {why}")]
    Node {
        /// Its first output.
        node: String,
        /// Its operator.
        operator: String,
        /// Why it is not read.
        why: String,
    },
}

/// A network of two layers.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// Its layers, on inputs less an offset, and a 1.
    pub network: Network,
    /// The offset.
    pub transform: Transform,
    /// The interval that its outputs are clipped to.
    pub output_range: Option<OutputRange>,
    /// Rounded operations that each of its weights is the result of.
    pub roundings: usize,
}

impl Imported {
    /// The outputs at an input (d), in f64 and in one order.
    pub fn evaluate(&self, input: &[f64]) -> Option<Vec<f64>> {
        let offset = &self.transform.offset;
        if input.len() != offset.len() {
            return None;
        }
        let z = input.iter().zip(offset).map(|(x, offset)| x - offset).chain([1.0]).collect();
        let mut outputs = self.network.predict_in_order(&HostMatrix::from_vec(input.len() + 1, 1, z));
        self.output_range.iter().for_each(|range| range.clip(&mut outputs));
        Some(outputs.into_values())
    }
}

/// A layer w x + b; the weights of a row follow each other.
#[derive(Clone, Debug)]
struct Layer {
    inputs: usize,
    weights: Vec<f64>,
    biases: Vec<f64>,
}

/// How far the network has been followed.
#[derive(Clone, Debug)]
enum Stage {
    /// (x - offset) factor, where they are not 0 and 1.
    Input { offset: Option<Vec<f64>>, factor: Option<Vec<f64>> },
    /// The first layer.
    First { offset: Option<Vec<f64>>, first: Layer },
    /// Its positive part.
    Hidden { offset: Option<Vec<f64>>, first: Layer },
    /// The second layer.
    Outputs { offset: Option<Vec<f64>>, first: Layer, second: Layer, range: Option<OutputRange> },
}

/// A constant with its dimensions.
#[derive(Clone, Debug)]
struct Constant {
    dims: Vec<usize>,
    values: Vec<f64>,
}

enum Value {
    Constant(Constant),
    Network(Stage),
}

/// Reads a network of two layers.
///
/// # Errors
/// [`ImportError`] for a file that is not ONNX, and for a graph that is no such network.
pub fn import(bytes: &[u8]) -> Result<Imported, ImportError> {
    let format = |detail: &str| ImportError::Format { detail: detail.to_string() };
    let file = File::decode(bytes).map_err(|error| format(&error.to_string()))?;
    let graph = file.graph.ok_or_else(|| format("there is no graph"))?;
    let output = graph.output.first().and_then(|output| output.name.clone()).ok_or_else(|| format("no output"))?;
    let mut values = HashMap::new();
    for tensor in &graph.initializer {
        let name = tensor.name.clone().unwrap_or_default();
        // A tensor of another type is an error only where it is used.
        if let Ok(constant) = constant(tensor) {
            values.insert(name, Value::Constant(constant));
        }
    }
    let inputs = graph.input.iter().filter_map(|input| input.name.clone());
    let inputs: Vec<String> = inputs.filter(|name| !values.contains_key(name)).collect();
    let [input] = &inputs[..] else { return Err(format("it does not have one input")) };
    values.insert(input.clone(), Value::Network(Stage::Input { offset: None, factor: None }));
    let (needed, mut roundings) = (needed(&graph, &output), 0);
    let is_needed = |node: &&Node| node.output.iter().any(|output| needed.contains(output.as_str()));
    let nodes: Vec<&Node> = graph.node.iter().filter(is_needed).collect();
    if nodes.len() > MOST_NODES {
        return Err(format("it has many more nodes than two layers need"));
    }
    for node in nodes {
        let value = apply(node, &values, &mut roundings).map_err(|why| ImportError::Node {
            node: node.output.first().cloned().unwrap_or_default(),
            operator: node.op_type.clone().unwrap_or_default(),
            why,
        })?;
        values.insert(node.output.first().cloned().unwrap_or_default(), value);
    }
    match values.remove(&output) {
        Some(Value::Network(Stage::Outputs { offset, first, second, range })) => {
            Ok(network(offset, &first, &second, range, roundings))
        }
        _ => Err(format("its first output is not that of two layers with a Relu between them")),
    }
}

/// The values that an output depends on.
fn needed<'a>(graph: &'a Graph, output: &'a str) -> HashSet<&'a str> {
    let mut needed = HashSet::from([output]);
    // Nodes are stored in an order in which they can be computed.
    for node in graph.node.iter().rev() {
        if node.output.iter().any(|output| needed.contains(output.as_str())) {
            needed.extend(node.input.iter().map(String::as_str));
        }
    }
    needed
}

fn network(
    offset: Option<Vec<f64>>,
    first: &Layer,
    second: &Layer,
    output_range: Option<OutputRange>,
    roundings: usize,
) -> Imported {
    let (d, m, outputs) = (first.inputs, first.biases.len(), second.biases.len());
    let w1 = HostMatrix::from_fn(d + 1, m, |k, j| if k < d { first.weights[j * d + k] } else { first.biases[j] });
    let w2 = HostMatrix::from_fn(m, outputs, |j, c| second.weights[c * m + j]);
    let network = Network { output_bias: second.biases.clone(), ..Network::new(w1, w2, None) };
    let transform = Transform {
        offset: offset.unwrap_or_else(|| vec![0.0; d]),
        scale: vec![1.0; d],
        bias: true,
        feature_names: None,
        recipe: None,
        label_name: None,
    };
    Imported { network, transform, output_range, roundings }
}

/// The value of a node.
fn apply(node: &Node, values: &HashMap<String, Value>, roundings: &mut usize) -> Result<Value, String> {
    let operator = node.op_type.as_deref().unwrap_or_default();
    if node.output.len() != 1 {
        return Err("it has more than one output".to_string());
    }
    if operator == "Constant" {
        return match &node.attribute[..] {
            [Attribute { t: Some(tensor), .. }] => Ok(Value::Constant(constant(tensor)?)),
            _ => Err("only a tensor is read".to_string()),
        };
    }
    let value = |at: usize| {
        let name = node.input.get(at).filter(|name| !name.is_empty())?;
        values.get(name)
    };
    let stage = |at: usize| match value(at) {
        Some(Value::Network(stage)) => Some(stage.clone()),
        _ => None,
    };
    let number = |at: usize| match value(at) {
        Some(Value::Constant(constant)) => Some(constant),
        _ => None,
    };
    let known: &[&str] = match operator {
        "Gemm" => &["alpha", "beta", "transA", "transB"],
        "Flatten" => &["axis"],
        _ => &[],
    };
    if let Some(name) = node.attribute.iter().filter_map(|a| a.name.as_deref()).find(|name| !known.contains(name)) {
        return Err(format!("its attribute {name} is not read"));
    }
    let neither = || "it is not applied to the network and constants of f32 or f64".to_string();
    let stage = match operator {
        "Identity" => stage(0).ok_or_else(neither)?,
        "Flatten" => match integer(node, "axis").unwrap_or(1) {
            1 => stage(0).ok_or_else(neither)?,
            axis => return Err(format!("axis {axis} is not 1")),
        },
        "Relu" => match stage(0).ok_or_else(neither)? {
            Stage::First { offset, first } => Stage::Hidden { offset, first },
            _ => return Err("only the first of two layers has a Relu".to_string()),
        },
        "MatMul" => layer(stage(0).ok_or_else(neither)?, number(1).ok_or_else(neither)?, None, false, roundings)?,
        "Gemm" => {
            let of = |name: &str| node.attribute.iter().find(|a| a.name.as_deref() == Some(name)).and_then(|a| a.f);
            let is_plain = ["alpha", "beta"].iter().all(|name| of(name).is_none_or(|factor| factor == 1.0));
            if !is_plain || integer(node, "transA").unwrap_or(0) != 0 {
                return Err("alpha, beta and transA are not read".to_string());
            }
            let bias = match node.input.len() {
                0..=2 => None,
                _ => Some(number(2).ok_or_else(neither)?),
            };
            let is_transposed = integer(node, "transB").unwrap_or(0) != 0;
            layer(stage(0).ok_or_else(neither)?, number(1).ok_or_else(neither)?, bias, is_transposed, roundings)?
        }
        "Clip" => {
            let end = |at: usize| number(at).filter(|end| end.values.len() == 1).map(|end| end.values[0]);
            let (low, high) = (end(1).ok_or_else(neither)?, end(2).ok_or_else(neither)?);
            match stage(0).ok_or_else(neither)? {
                Stage::Outputs { offset, first, second, range: None } => {
                    let range = OutputRange::new(low, high).map_err(|error| error.to_string())?;
                    Stage::Outputs { offset, first, second, range: Some(range) }
                }
                _ => return Err("only outputs are clipped, once".to_string()),
            }
        }
        "Add" | "Sub" | "Mul" | "Div" => {
            let (stage, constant, is_second) = match (stage(0), number(1), number(0), stage(1)) {
                (Some(stage), Some(constant), ..) => (stage, constant, true),
                (_, _, Some(constant), Some(stage)) => (stage, constant, false),
                _ => return Err(neither()),
            };
            if !is_second && ["Sub", "Div"].contains(&operator) {
                return Err("a constant less, or over, the network is not read".to_string());
            }
            elementwise(operator, stage, constant, roundings)?
        }
        _ => return Err("this operator is not read".to_string()),
    };
    Ok(Value::Network(stage))
}

fn integer(node: &Node, name: &str) -> Option<i64> {
    node.attribute.iter().find(|attribute| attribute.name.as_deref() == Some(name)).and_then(|a| a.i)
}

/// A product with a matrix, and a bias.
fn layer(
    stage: Stage,
    matrix: &Constant,
    bias: Option<&Constant>,
    is_transposed: bool,
    roundings: &mut usize,
) -> Result<Stage, String> {
    let [rows, columns] = matrix.dims[..] else { return Err("its weights are not a matrix".to_string()) };
    let (inputs, outputs) = if is_transposed { (columns, rows) } else { (rows, columns) };
    if inputs == 0 || outputs == 0 {
        return Err("its weights are empty".to_string());
    }
    let at = |row: usize, k: usize| matrix.values[if is_transposed { row * inputs + k } else { k * outputs + row }];
    let weights = (0..outputs).flat_map(|row| (0..inputs).map(move |k| at(row, k))).collect();
    let biases = match bias {
        Some(bias) => spread(vector(bias)?, outputs)?,
        None => vec![0.0; outputs],
    };
    let mut layer = Layer { inputs, weights, biases };
    match stage {
        Stage::Input { offset, factor } => {
            let offset = offset.map(|offset| spread(&offset, inputs)).transpose()?;
            if let Some(factor) = factor {
                let factor = spread(&factor, inputs)?;
                layer.weights.chunks_exact_mut(inputs).for_each(|row| {
                    row.iter_mut().zip(&factor).for_each(|(weight, factor)| *weight *= factor);
                });
                *roundings += 1;
            }
            Ok(Stage::First { offset, first: layer })
        }
        Stage::Hidden { offset, first } if first.biases.len() == inputs => {
            Ok(Stage::Outputs { offset, first, second: layer, range: None })
        }
        Stage::Hidden { .. } => Err("its weights do not fit the first layer".to_string()),
        Stage::First { .. } | Stage::Outputs { .. } => {
            Err("two products follow each other, or there are three layers".to_string())
        }
    }
}

/// Adds, subtracts, multiplies or divides by a constant. A bias that is there already is not added to: the program
/// rounds both sums, by more than their total tells where they cancel.
fn elementwise(operator: &str, stage: Stage, constant: &Constant, roundings: &mut usize) -> Result<Stage, String> {
    let is_shift = ["Add", "Sub"].contains(&operator);
    let values = vector(constant)?;
    if operator == "Div" && values.contains(&0.0) {
        return Err("it divides by zero".to_string());
    }
    let mut on_layer = |layer: &mut Layer| -> Result<(), String> {
        let values = spread(values, layer.biases.len())?;
        if is_shift && layer.biases.iter().any(|bias| *bias != 0.0) {
            return Err("the layer has a bias already: add both up in the file".to_string());
        }
        *roundings += 1;
        for (row, value) in values.iter().enumerate() {
            let weights = &mut layer.weights[row * layer.inputs..(row + 1) * layer.inputs];
            match operator {
                "Add" => layer.biases[row] += value,
                "Sub" => layer.biases[row] -= value,
                "Mul" => weights.iter_mut().chain([&mut layer.biases[row]]).for_each(|w| *w *= value),
                _ => weights.iter_mut().chain([&mut layer.biases[row]]).for_each(|w| *w /= value),
            }
        }
        Ok(())
    };
    match stage {
        Stage::Input { offset: None, factor: None } if is_shift => {
            let sign = if operator == "Add" { -1.0 } else { 1.0 };
            Ok(Stage::Input { offset: Some(values.iter().map(|value| sign * value).collect()), factor: None })
        }
        Stage::Input { offset, factor: None } if !is_shift => {
            let factor = match operator {
                "Mul" => values.to_vec(),
                _ => {
                    *roundings += 1;
                    values.iter().map(|value| 1.0 / value).collect()
                }
            };
            Ok(Stage::Input { offset, factor: Some(factor) })
        }
        Stage::Input { .. } => Err("inputs are shifted once, and scaled once after that".to_string()),
        Stage::First { offset, mut first } => {
            on_layer(&mut first)?;
            Ok(Stage::First { offset, first })
        }
        Stage::Outputs { offset, first, mut second, range: None } => {
            on_layer(&mut second)?;
            Ok(Stage::Outputs { offset, first, second, range: None })
        }
        _ => Err("neither hidden nor clipped values are shifted or scaled".to_string()),
    }
}

/// The numbers of a constant that is broadcast along the features alone: one number, or a row of them.
fn vector(constant: &Constant) -> Result<&[f64], String> {
    let Constant { dims, values } = constant;
    if values.len() != 1 && dims.last() != Some(&values.len()) {
        return Err(format!("a constant of the shape {dims:?} is no row of numbers"));
    }
    Ok(values)
}

/// A value for each of `length` entries: there is one for each, or one for all.
fn spread(values: &[f64], length: usize) -> Result<Vec<f64>, String> {
    match values {
        [value] => Ok(vec![*value; length]),
        values if values.len() == length => Ok(values.to_vec()),
        values => Err(format!("{} numbers do not fit {length}", values.len())),
    }
}

/// The numbers of a tensor of f32 or f64.
fn constant(tensor: &Tensor) -> Result<Constant, String> {
    let dims = tensor.dims.iter().map(|&length| usize::try_from(length).ok()).collect::<Option<Vec<usize>>>();
    let dims = dims.ok_or("a dimension is negative")?;
    let count = dims.iter().try_fold(1usize, |count, length| count.checked_mul(*length)).ok_or("it is too large")?;
    let raw = tensor.raw_data.as_deref().unwrap_or_default();
    let values: Vec<f64> = match tensor.data_type {
        Some(FLOAT) if !tensor.float_data.is_empty() => tensor.float_data.iter().map(|x| f64::from(*x)).collect(),
        Some(FLOAT) => raw.as_chunks().0.iter().map(|x| f64::from(f32::from_le_bytes(*x))).collect(),
        Some(DOUBLE) if !tensor.double_data.is_empty() => tensor.double_data.clone(),
        Some(DOUBLE) => raw.as_chunks().0.iter().map(|x| f64::from_le_bytes(*x)).collect(),
        _ => return Err("a tensor is neither f32 nor f64".to_string()),
    };
    if values.len() != count || values.iter().any(|value| !value.is_finite()) {
        return Err(format!("a tensor does not hold its {count} finite numbers"));
    }
    Ok(Constant { dims, values })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::float::Float;
    use crate::onnx::graph::{element, initializer, int, value_info};

    /// Operator, inputs, output, and whether a matrix is transposed.
    type NodeOf<'a> = (&'a str, &'a [&'a str], &'a str, bool);

    #[test]
    fn a_second_bias_and_a_column_are_refused() {
        let nodes = |more: &[NodeOf<'static>]| {
            let mut nodes: Vec<NodeOf> = vec![
                ("MatMul", &["x", "w1"], "product", false),
                ("Add", &["product", "b1"], "h", false),
                ("Relu", &["h"], "on", false),
                ("Gemm", &["on", "w2", "b2"], "f", true),
            ];
            nodes.extend_from_slice(more);
            file(&nodes, Float::F64)
        };
        let refusal = |more: &[NodeOf<'static>]| import(&nodes(more)).unwrap_err().to_string();
        assert!(import(&nodes(&[("Mul", &["f", "low"], "y", false)])).is_ok());
        // 1e8 and -1e8 leave nothing, but the program rounds both sums.
        for operator in ["Add", "Sub"] {
            assert!(refusal(&[(operator, &["f", "high"], "y", false)]).contains("a bias already"));
        }
        let column = |operator: &'static str| {
            import(&file(&[(operator, &["x", "column"], "z", false), ("MatMul", &["z", "w1"], "h", false)], Float::F64))
        };
        for operator in ["Add", "Mul"] {
            assert!(column(operator).unwrap_err().to_string().contains("[2, 1]"), "it makes two rows of one");
        }
        let first = ("MatMul", &["x", "w1"][..], "product", false);
        assert!(import(&file(&[first, ("Sub", &["product", "tall"], "y", false)], Float::F64)).is_err());
    }

    /// A graph of these nodes, with tensors of two inputs, three neurons and one output.
    fn file(nodes: &[NodeOf], float: Float) -> Vec<u8> {
        let mut graph = Graph::default();
        for (name, dims, values) in [
            ("w1", vec![2, 3], vec![1.0, -2.0, 0.5, 3.0, 0.25, -1.0]),
            ("b1", vec![3], vec![0.5, -0.25, 1.0]),
            ("w2", vec![1, 3], vec![1.0, -1.5, 2.0]),
            ("b2", vec![], vec![0.125]),
            ("mean", vec![1, 2], vec![0.5, -1.0]),
            ("std", vec![2], vec![2.0, 4.0]),
            ("column", vec![2, 1], vec![2.0, 4.0]),
            ("tall", vec![3, 1], vec![1.0, 2.0, 3.0]),
            ("low", vec![], vec![-1.0]),
            ("high", vec![], vec![1.0]),
        ] {
            graph.initializer.push(initializer(name, dims, element(float), float.bytes(&values)));
        }
        graph.input.push(value_info("x", element(float), &[2]));
        for (operator, inputs, output, is_transposed) in nodes {
            let attributes = if *is_transposed { vec![int("transB", 1)] } else { Vec::new() };
            graph.node(operator, inputs, output, attributes);
        }
        let last = nodes.last().unwrap().2;
        graph.output.push(value_info(last, element(float), &[1]));
        File { graph: Some(graph), ..File::default() }.encode_to_vec()
    }

    #[test]
    fn a_graph_of_every_operator_computes_what_its_nodes_say() {
        for float in [Float::F32, Float::F64] {
            let bytes = file(
                &[
                    ("Flatten", &["x"], "flat", false),
                    ("Sub", &["flat", "mean"], "centred", false),
                    ("Div", &["centred", "std"], "z", false),
                    ("MatMul", &["z", "w1"], "product", false),
                    ("Add", &["b1", "product"], "h", false),
                    ("Relu", &["h"], "on", false),
                    ("Identity", &["on"], "same", false),
                    ("Gemm", &["same", "w2", "b2"], "f", true),
                    ("Mul", &["f", "low"], "negative", false),
                    ("Clip", &["negative", "low", "high"], "y", false),
                ],
                float,
            );
            let imported = import(&bytes).unwrap();
            assert_eq!(imported.roundings, 4);
            for [a, b] in [[0.0, 0.0], [1.0, 0.5], [-0.3, -1.2], [0.7, -0.9]] {
                let z = [(a - 0.5) / 2.0, (b + 1.0) / 4.0];
                let h = [1.0 * z[0] + 3.0 * z[1] + 0.5, -2.0 * z[0] + 0.25 * z[1] - 0.25, 0.5 * z[0] - z[1] + 1.0];
                let h = h.map(|h: f64| h.max(0.0));
                let expected = (-(h[0] - 1.5 * h[1] + 2.0 * h[2] + 0.125)).clamp(-1.0, 1.0);
                assert!((imported.evaluate(&[a, b]).unwrap()[0] - expected).abs() < 1e-14);
            }
            assert_eq!(imported.evaluate(&[0.0]), None);
        }
    }

    #[test]
    fn another_graph_is_an_error_that_names_the_node() {
        let first = ("MatMul", &["x", "w1"][..], "h", false);
        let on = ("Relu", &["h"][..], "on", false);
        let node = |nodes: &[NodeOf]| match import(&file(nodes, Float::F64)).unwrap_err() {
            ImportError::Node { node, operator, .. } => (node, operator),
            ImportError::Format { detail } => (detail, String::new()),
        };
        assert_eq!(node(&[first, ("Gemm", &["h", "w2"], "y", true)]).0, "y", "no Relu");
        assert_eq!(node(&[first, on, ("Sigmoid", &["on"], "y", false)]).1, "Sigmoid");
        assert_eq!(node(&[first, on, ("Mul", &["on", "b1"], "y", false)]).1, "Mul");
        assert_eq!(node(&[first, on, ("Gemm", &["on", "w2"], "y", false)]).1, "Gemm", "shapes");
        assert_eq!(node(&[("Sub", &["mean", "x"], "y", false)]).1, "Sub");
        assert_eq!(node(&[("Add", &["x", "x"], "y", false)]).1, "Add");
        assert!(node(&[first, on]).0.contains("two layers"));
        let names: Vec<String> = (0..=MOST_NODES).map(|k| format!("same{k}")).collect();
        let inputs: Vec<[&str; 1]> =
            std::iter::once("x").chain(names.iter().map(String::as_str)).map(|name| [name]).collect();
        let many: Vec<NodeOf> =
            names.iter().zip(&inputs).map(|(name, input)| ("Identity", &input[..], name.as_str(), false)).collect();
        assert!(node(&many).0.contains("more nodes"), "copies of the weights");
        assert!(node(&many[..MOST_NODES]).0.contains("not that of two layers"));
        assert!(matches!(import(b"not a graph"), Err(ImportError::Format { .. })));
        assert!(import(&[]).is_err());
    }
}

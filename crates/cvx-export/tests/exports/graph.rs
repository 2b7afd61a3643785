//! A small and slow reader and evaluator of ONNX graphs. It is independent of the writer: it has its own field numbers
//! of `onnx.proto` and its own operators.

use std::collections::HashMap;

/// A tensor of a graph. Its elements are stored as f64, whatever their type.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Its number in `onnx.proto`.
    pub element: i64,
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

pub const FLOAT: i64 = 1;
pub const INT64: i64 = 7;
pub const BOOL: i64 = 9;
pub const FLOAT16: i64 = 10;
pub const DOUBLE: i64 = 11;

struct Node {
    operator: String,
    input: Vec<String>,
    outputs: Vec<String>,
    integers: HashMap<String, Vec<i64>>,
}

pub struct Graph {
    nodes: Vec<Node>,
    constants: HashMap<String, Array>,
    /// Names and element types.
    pub inputs: Vec<(String, i64)>,
    pub outputs: Vec<(String, i64)>,
    pub metadata: HashMap<String, String>,
    pub versions: (i64, i64),
}

/// A field of a message: a number, or bytes.
#[derive(Clone, Copy)]
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

struct Message<'a>(Vec<(u64, Field<'a>)>);

impl<'a> Message<'a> {
    fn parse(mut bytes: &'a [u8]) -> Self {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let field = match key & 7 {
                0 => Field::Number(varint(&mut bytes)),
                2 => {
                    let length = varint(&mut bytes) as usize;
                    let (content, rest) = bytes.split_at(length);
                    bytes = rest;
                    Field::Bytes(content)
                }
                other => panic!("wire type {other}"),
            };
            fields.push((key >> 3, field));
        }
        Message(fields)
    }

    fn all(&self, number: u64) -> impl Iterator<Item = Field<'a>> {
        self.0.iter().filter(move |(found, _)| *found == number).map(|(_, field)| *field)
    }

    fn numbers(&self, number: u64) -> Vec<i64> {
        let value = |field| if let Field::Number(value) = field { value as i64 } else { panic!("no number") };
        self.all(number).map(value).collect()
    }

    fn bytes(&self, number: u64) -> Vec<&'a [u8]> {
        let bytes = |field| if let Field::Bytes(bytes) = field { bytes } else { panic!("no bytes") };
        self.all(number).map(bytes).collect()
    }

    fn texts(&self, number: u64) -> Vec<String> {
        self.bytes(number).into_iter().map(|bytes| String::from_utf8(bytes.into()).unwrap()).collect()
    }

    fn messages(&self, number: u64) -> Vec<Message<'a>> {
        self.bytes(number).into_iter().map(Message::parse).collect()
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= u64::from(byte & 127) << shift;
        if byte < 128 {
            return value;
        }
    }
    panic!("a number of more than 64 bits")
}

impl Graph {
    pub fn parse(bytes: &[u8]) -> Self {
        let model = Message::parse(bytes);
        let graph = &model.messages(7)[0];
        let value_info = |message: Message| {
            let tensor = &message.messages(2)[0].messages(1)[0];
            (message.texts(1).remove(0), tensor.numbers(1)[0])
        };
        Graph {
            nodes: graph.messages(1).into_iter().map(node).collect(),
            constants: graph.messages(5).into_iter().map(constant).collect(),
            inputs: graph.messages(11).into_iter().map(value_info).collect(),
            outputs: graph.messages(12).into_iter().map(value_info).collect(),
            metadata: (model.messages(14).into_iter())
                .map(|entry| (entry.texts(1).remove(0), entry.texts(2).remove(0)))
                .collect(),
            versions: (model.numbers(1)[0], model.messages(8)[0].numbers(2)[0]),
        }
    }

    /// Every value of the graph, for an input `x` of `rows` rows.
    pub fn run(&self, rows: usize, x: &[f64]) -> HashMap<String, Array> {
        let mut values = self.constants.clone();
        let (name, element) = &self.inputs[0];
        values.insert(name.clone(), array(*element, vec![rows, x.len() / rows], x.to_vec()));
        for node in &self.nodes {
            let inputs: Vec<&Array> = node.input.iter().map(|name| &values[name]).collect();
            for (name, output) in node.outputs.iter().zip(node.results(&inputs)) {
                assert!(values.insert(name.clone(), output).is_none(), "{name} is computed twice");
            }
        }
        for (name, element) in &self.outputs {
            assert_eq!(values[name].element, *element, "{name}");
        }
        values
    }
}

fn node(message: Message) -> Node {
    let attributes = message.messages(5).into_iter().map(|attribute| {
        // Kind 2 is an integer in field 3, kind 7 are integers in field 8.
        let values = match attribute.numbers(20)[0] {
            2 => attribute.numbers(3),
            7 => attribute.numbers(8),
            other => panic!("an attribute of kind {other}"),
        };
        (attribute.texts(1).remove(0), values)
    });
    Node {
        operator: message.texts(4).remove(0),
        input: message.texts(1),
        outputs: message.texts(2),
        integers: attributes.collect(),
    }
}

fn constant(message: Message) -> (String, Array) {
    let (element, raw) = (message.numbers(2)[0], message.bytes(9)[0]);
    let values: Vec<f64> = match element {
        FLOAT => raw.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes).into()).collect(),
        DOUBLE => raw.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect(),
        INT64 => raw.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes) as f64).collect(),
        other => panic!("elements of type {other}"),
    };
    let shape: Vec<usize> = message.numbers(1).into_iter().map(|length| length as usize).collect();
    assert_eq!(shape.iter().product::<usize>(), values.len());
    (message.texts(8).remove(0), array(element, shape, values))
}

/// Rounds to the type of the elements.
fn array(element: i64, shape: Vec<usize>, mut values: Vec<f64>) -> Array {
    if element == FLOAT {
        values.iter_mut().for_each(|value| *value = f64::from(*value as f32));
    }
    if element == FLOAT16 {
        values.iter_mut().for_each(|value| *value = half(f64::from(*value as f32)));
    }
    Array { element, shape, values }
}

/// The nearest number of 11 bits, and infinite above the largest: steps of 2^-24 below 2^-14, above of 2^-10 of each
/// power of two.
fn half(x: f64) -> f64 {
    let exponent = ((x.to_bits() >> 52 & 0x7ff) as i32 - 1023).max(-14);
    let step = 2f64.powi(exponent - 10);
    let nearest = (x / step).round_ties_even() * step;
    if nearest.abs() > 65_504.0 { nearest.signum() * f64::INFINITY } else { nearest }
}

impl Node {
    fn integer(&self, name: &str) -> Option<i64> {
        self.integers.get(name).map(|values| values[0])
    }

    /// The values of all outputs.
    fn results(&self, inputs: &[&Array]) -> Vec<Array> {
        if self.operator != "Split" {
            assert_eq!(self.outputs.len(), 1);
            return vec![self.compute(inputs)];
        }
        let (axis, counts) = (self.integer("axis").unwrap() as usize, &inputs[1].values);
        assert_eq!(counts.len(), self.outputs.len());
        assert_eq!(counts.iter().sum::<f64>(), inputs[0].shape[axis] as f64);
        let mut first = 0;
        let part = |count: &f64| {
            let range = first..first + *count as usize;
            first = range.end;
            range_of(inputs[0], axis, range)
        };
        counts.iter().map(part).collect()
    }

    fn compute(&self, inputs: &[&Array]) -> Array {
        let first = inputs[0];
        let bit = |is: bool| f64::from(u8::from(is));
        match self.operator.as_str() {
            "Sub" => both(first, inputs[1], first.element, |a, b| a - b),
            "Add" => both(first, inputs[1], first.element, |a, b| a + b),
            "Neg" => array(first.element, first.shape.clone(), first.values.iter().map(|a| -a).collect()),
            "Sigmoid" => array(
                first.element,
                first.shape.clone(),
                first.values.iter().map(|a| 1.0 / (1.0 + (-a).exp())).collect(),
            ),
            "Softmax" => {
                assert_eq!(self.integer("axis"), Some(1));
                let row = |row: &[f64]| {
                    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let powers: Vec<f64> = row.iter().map(|a| (a - largest).exp()).collect();
                    let sum: f64 = powers.iter().sum();
                    powers.into_iter().map(move |power| power / sum).collect::<Vec<_>>()
                };
                let [_, columns] = axes(first);
                array(first.element, first.shape.clone(), first.values.chunks(columns).flat_map(row).collect())
            }
            "Concat" => {
                assert_eq!(self.integer("axis"), Some(1));
                let [rows, _] = axes(first);
                let part = |input: &Array, a: usize| input.values.chunks(axes(input)[1]).nth(a).unwrap().to_vec();
                let values: Vec<f64> =
                    (0..rows).flat_map(|a| inputs.iter().flat_map(move |input| part(input, a))).collect();
                array(first.element, vec![rows, values.len() / rows], values)
            }
            "Div" => both(first, inputs[1], first.element, |a, b| a / b),
            "Mul" => both(first, inputs[1], first.element, |a, b| a * b),
            "Greater" => both(first, inputs[1], BOOL, |a, b| bit(a > b)),
            "GreaterOrEqual" => both(first, inputs[1], BOOL, |a, b| bit(a >= b)),
            "Equal" => both(first, inputs[1], BOOL, |a, b| bit(a == b)),
            "Max" => both(first, inputs[1], first.element, f64::max),
            "Sqrt" => array(first.element, first.shape.clone(), first.values.iter().map(|a| a.sqrt()).collect()),
            "ReduceMean" => {
                let last = first.shape.len() - 1;
                assert_eq!((self.integers["axes"].as_slice(), self.integer("keepdims")), (&[last as i64][..], Some(1)));
                let mean = |row: &[f64]| row.iter().sum::<f64>() / row.len() as f64;
                let shape = [&first.shape[..last], &[1]].concat();
                array(first.element, shape, first.values.chunks(first.shape[last]).map(mean).collect())
            }
            "Gather" => {
                assert_eq!((self.integer("axis"), first.shape.len(), inputs[1].element), (Some(1), 2, INT64));
                let row = |row: &[f64]| inputs[1].values.iter().map(|&at| row[at as usize]).collect::<Vec<_>>();
                let shape = [&first.shape[..1], &inputs[1].shape].concat();
                array(first.element, shape, first.values.chunks(first.shape[1]).flat_map(row).collect())
            }
            "Transpose" => self.transposed(first),
            "MatMul" => matrix_products(first, inputs[1]),
            "Relu" => array(first.element, first.shape.clone(), first.values.iter().map(|a| a.max(0.0)).collect()),
            "Clip" => {
                let ends = [1, 2].map(|end| (inputs[end].element, inputs[end].values[0]));
                assert!(ends.iter().all(|end| end.0 == first.element));
                array(
                    first.element,
                    first.shape.clone(),
                    first.values.iter().map(|a| a.clamp(ends[0].1, ends[1].1)).collect(),
                )
            }
            "Cast" => array(self.integer("to").unwrap(), first.shape.clone(), first.values.clone()),
            "Gemm" => self.product(inputs),
            "ArgMax" => {
                assert_eq!((self.integer("axis"), self.integer("keepdims")), (Some(1), Some(0)));
                let largest = |row: &[f64]| (0..row.len()).reduce(|a, b| if row[b] > row[a] { b } else { a }).unwrap();
                by_row(first, INT64, |row| largest(row) as f64)
            }
            "ReduceMax" | "ReduceMin" => {
                assert_eq!((self.integers["axes"].as_slice(), self.integer("keepdims")), (&[1][..], Some(0)));
                let better = if self.operator == "ReduceMax" { f64::max } else { f64::min };
                by_row(first, first.element, |row| row.iter().copied().reduce(better).unwrap())
            }
            "Where" => {
                assert_eq!(inputs[1].element, inputs[2].element);
                let values = (0..first.values.len()).map(|k| match first.values[k] {
                    0.0 => inputs[2].values[k],
                    _ => inputs[1].values[0],
                });
                array(inputs[2].element, first.shape.clone(), values.collect())
            }
            "Reshape" => {
                let shape = match inputs[1].values[..] {
                    [-1.0] => vec![first.values.len()],
                    [0.0, columns] => vec![first.shape[0], columns as usize],
                    _ => panic!("a shape of {:?}", inputs[1].values),
                };
                assert_eq!(shape.iter().product::<usize>(), first.values.len());
                array(first.element, shape, first.values.clone())
            }
            other => panic!("the operator {other}"),
        }
    }

    /// Matrices with their last two axes exchanged.
    fn transposed(&self, a: &Array) -> Array {
        let last = a.shape.len() - 1;
        let order: Vec<i64> = (0..last as i64 - 1).chain([last as i64, last as i64 - 1]).collect();
        assert_eq!(self.integers["perm"], order);
        let (rows, columns) = (a.shape[last - 1], a.shape[last]);
        let turned =
            |matrix: &[f64]| (0..rows * columns).map(|k| matrix[k % rows * columns + k / rows]).collect::<Vec<_>>();
        let shape = [&a.shape[..last - 1], &[columns, rows]].concat();
        array(a.element, shape, a.values.chunks(rows * columns).flat_map(turned).collect())
    }

    /// a b' + c.
    fn product(&self, inputs: &[&Array]) -> Array {
        assert_eq!(self.integer("transB"), Some(1));
        let ([rows, inner], [columns, other]) = (axes(inputs[0]), axes(inputs[1]));
        assert_eq!((inner, inputs[0].element), (other, inputs[1].element));
        let mut values = Vec::new();
        for row in inputs[0].values.chunks(inner) {
            for (column, weights) in inputs[1].values.chunks(inner).enumerate() {
                let sum: f64 = row.iter().zip(weights).map(|(a, b)| a * b).sum();
                values.push(sum + inputs.get(2).map_or(0.0, |bias| bias.values[column]));
            }
        }
        array(inputs[0].element, vec![rows, columns], values)
    }
}

/// These places along an axis.
fn range_of(a: &Array, axis: usize, places: std::ops::Range<usize>) -> Array {
    let inner: usize = a.shape[axis + 1..].iter().product();
    let part = |outer: &[f64]| outer[places.start * inner..places.end * inner].to_vec();
    let values: Vec<f64> = a.values.chunks(a.shape[axis] * inner).flat_map(part).collect();
    let mut shape = a.shape.clone();
    shape[axis] = places.len();
    array(a.element, shape, values)
}

/// The product of each matrix of `a` (.. x rows x inner) with that of `b` at the same place, or with the only one.
fn matrix_products(a: &Array, b: &Array) -> Array {
    let (last, b_last) = (a.shape.len() - 1, b.shape.len() - 1);
    let (rows, inner, columns) = (a.shape[last - 1], a.shape[last], b.shape[b_last]);
    assert_eq!((inner, a.element), (b.shape[b_last - 1], b.element));
    assert!(b_last == 1 || b.shape[..b_last - 1] == a.shape[..last - 1], "{:?} and {:?}", a.shape, b.shape);
    let mut values = Vec::new();
    for (a, b) in a.values.chunks(rows * inner).zip(b.values.chunks(inner * columns).cycle()) {
        for (row, column) in (0..rows * columns).map(|k| (k / columns, k % columns)) {
            values.push((0..inner).map(|k| a[row * inner + k] * b[k * columns + column]).sum());
        }
    }
    array(a.element, [&a.shape[..last], &[columns]].concat(), values)
}

fn axes(matrix: &Array) -> [usize; 2] {
    matrix.shape.as_slice().try_into().unwrap()
}

/// Applies an operator element by element. `b` may be a scalar, the last axes of `a`, which are used for all others, or
/// have one number for the whole last axis of `a`.
fn both(a: &Array, b: &Array, element: i64, f: impl Fn(f64, f64) -> f64) -> Array {
    assert_eq!(a.element, b.element);
    let Some((&last, others)) = a.shape.split_last() else { panic!("a scalar as the first operand") };
    let is_one_a_row = b.shape.len() == a.shape.len() && b.shape.split_last() == Some((&1, others)) && last != 1;
    let fits = b.shape.is_empty() || b.shape == [1] || a.shape.ends_with(&b.shape) || is_one_a_row;
    assert!(fits, "{:?} and {:?}", a.shape, b.shape);
    let repeat = if is_one_a_row { last } else { 1 };
    let values = (a.values.iter().enumerate()).map(|(k, a)| f(*a, b.values[k / repeat % b.values.len()]));
    array(element, a.shape.clone(), values.collect())
}

fn by_row(matrix: &Array, element: i64, f: impl Fn(&[f64]) -> f64) -> Array {
    let [rows, columns] = axes(matrix);
    array(element, vec![rows], matrix.values.chunks(columns).map(f).collect())
}

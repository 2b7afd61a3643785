//! Exports read back by means of their own: a reader of the bytes that shares nothing with the writer.

mod graph;
mod models;
mod onnx;
mod tensors;

//! Exports, read back by code that is independent of the writer.

mod graph;
mod models;
mod onnx;
mod patches;
mod tensors;

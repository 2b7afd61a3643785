//! The readers on generated files, on hostile files and, if present, on the shared data.

mod cifar;
mod csv_table;
mod hostile;
mod idx;
mod images;
mod lab;
mod libsvm;
mod npz;
mod planted;
mod ranks;
mod shared_data;
mod source;
mod store;

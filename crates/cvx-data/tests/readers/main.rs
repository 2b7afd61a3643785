//! The readers, tried on files made on the spot, on hostile ones, and on the shared data where they are.

mod cifar;
mod csv_table;
mod hostile;
mod idx;
mod images;
mod lab;
mod libsvm;
mod npz;
mod planted;
mod shared_data;
mod source;
mod store;

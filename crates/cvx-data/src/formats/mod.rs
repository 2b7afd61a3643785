//! One reader for each format of a file or folder.

pub(crate) mod cifar;
pub(crate) mod csv_column;
pub(crate) mod csv_head;
pub(crate) mod csv_labels;
pub(crate) mod csv_table;
pub(crate) mod idx;
pub(crate) mod images;
pub(crate) mod libsvm;
mod npy;
pub(crate) mod npz;
mod text_labels;

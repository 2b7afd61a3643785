//! Readers of training data and a generator of it.
//!
//! [`open`] takes the name of a source (a file, a folder or `planted`) and returns its samples as a
//! [`DataSplit`](cvx_model::DataSplit). Whatever the bytes of a file are, the answer is a data set or a
//! [`DataError`] that names the file, the place in it and the remedy; no reader panics, and none asks for memory on
//! the word of a header alone.
//!
//! ```
//! use cvx_data::{Request, open};
//!
//! let split = open("planted:200x8", &Request::default())?;
//! assert_eq!((split.train.n_samples(), split.train.n_features()), (200, 8));
//! # Ok::<(), cvx_data::DataError>(())
//! ```

mod bytes;
mod cifar;
mod csv_table;
mod error;
mod folder;
mod idx;
mod images;
mod labels;
mod libsvm;
mod npy;
mod npz;
mod planted;
mod source;
mod store;

pub use csv_table::Unusable;
pub use error::DataError;
pub use npz::read_matrix;
pub use planted::Planted;
pub use source::{LabelColumn, Request, open, open_in_memory, unusable_lines};

/// The example of README.md, run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

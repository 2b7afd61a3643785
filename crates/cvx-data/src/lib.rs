//! Readers of training data and a generator of it.
//!
//! [`open`] takes the name of a source (a file, a folder, `-` or `planted`) and returns its samples as a
//! [`DataSplit`](cvx_model::DataSplit). If a file is damaged or not of its format, [`open`] returns a [`DataError`]
//! that names the file, the place in it and the remedy. No reader panics, and every size in a header is compared with
//! the size of the file before memory is allocated for it.
//!
//! ```
//! use cvx_data::{Request, open};
//!
//! let split = open("planted:200x8", &Request::default())?;
//! assert_eq!((split.train.n_samples(), split.train.n_features()), (200, 8));
//! # Ok::<(), cvx_data::DataError>(())
//! ```

mod error;
mod files;
mod formats;
mod name;
mod planted;
mod remedy;
mod request;
mod share;
mod source;

pub use error::DataError;
pub use formats::csv_table::{Reading, Unusable};
pub use formats::npz::read_matrix;
pub use planted::Planted;
pub use remedy::Remedy;
pub use request::{Header, LabelColumn, Request};
pub use share::Over;
pub use source::{open, open_in_memory, open_over, open_watched, unusable_lines};

/// The example of README.md, compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! Public data sets: downloaded, checked against the checksums that are published for them, unpacked into a folder.
//!
//! ```no_run
//! use cvx_fetch::{DataSet, cache_folder, fetch};
//!
//! let mnist = DataSet::by_name("mnist").expect("one of DataSet::ALL");
//! let folder = cache_folder()?.join(mnist.name);
//! fetch(mnist, mnist.base, &folder, &mut |file, bytes| println!("{}: {bytes} of {}", file.name, file.size))?;
//! # Ok::<(), cvx_fetch::FetchError>(())
//! ```
//!
//! A download that was cut off goes on where it ended, in the same call or the next. No file appears under its name before it
//! is whole and its checksum is right.

mod cache;
mod data_set;
mod download;
mod error;
mod unpack;

pub use cache::{CACHE_VARIABLE, cache_folder};
pub use data_set::{DataSet, Remote};
pub use error::FetchError;

use download::Client;
use std::fs;
use std::path::Path;

/// The example of README.md, run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Brings the files of a data set into `folder`, which is made where it is missing. What is there and right stays; `base` is
/// the address that the names of the files are appended to. `progress` hears of every piece: which file, and how many bytes
/// of it are there.
///
/// # Errors
/// [`FetchError`]; what was received is kept for the next call.
pub fn fetch(
    data_set: &DataSet,
    base: &str,
    folder: &Path,
    progress: &mut dyn FnMut(&Remote, u64),
) -> Result<(), FetchError> {
    fs::create_dir_all(folder).map_err(|source| FetchError::io(folder, source))?;
    if data_set.is_unpacked_in(folder) {
        return Ok(());
    }
    let client = Client::new(base);
    for file in data_set.files {
        let path = folder.join(file.name);
        let is_there_by_hand = path.is_file() && file.is_whole(&path)?;
        if !is_there_by_hand {
            client.download(file, &path, progress)?;
        }
        if !data_set.members.is_empty() {
            unpack::members(&path, data_set.members, folder)?;
            if !is_there_by_hand {
                fs::remove_file(&path).map_err(|source| FetchError::io(&path, source))?;
            }
        }
    }
    Ok(())
}

//! Downloads public data sets, checks them against their published checksums and unpacks them into a folder.
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
//! An interrupted download resumes where it ended, in the same call or the next. A file gets its name only when it is
//! complete and its checksum is right.

mod cache;
mod data_set;
mod download;
mod environment;
mod error;
mod unpack;

pub use cache::cache_folder;
pub use data_set::{DataSet, Remote};
pub use environment::CACHE_VARIABLE;
pub use error::FetchError;

use download::Client;
use std::fs;
use std::path::Path;

/// The example of README.md, compiled as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Downloads the files of a data set into `folder`, which is created if it does not exist. Files that are complete are
/// kept. `base` is the address of the files without their names. `progress` is called after every piece with the file
/// and the number of its bytes on the disk.
///
/// # Errors
/// [`FetchError`]. Bytes received before the error are kept for the next call.
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

//! The folder of fetched data sets.

use crate::environment::CACHE_VARIABLE;
use crate::error::FetchError;
use etcetera::BaseStrategy;
use std::env;
use std::path::PathBuf;

/// The folder that holds one folder for each data set: `$CVX_CACHE` if set, otherwise `cvx` in the platform's cache
/// folder (`~/.cache` on Linux, `~/Library/Caches` on macOS, `%LOCALAPPDATA%` on Windows).
///
/// # Errors
/// [`FetchError::NoCache`] if the user has no home folder.
pub fn cache_folder() -> Result<PathBuf, FetchError> {
    if let Some(folder) = env::var_os(CACHE_VARIABLE).filter(|folder| !folder.is_empty()) {
        return Ok(folder.into());
    }
    let platform = etcetera::base_strategy::choose_native_strategy().map_err(|_| FetchError::NoCache)?;
    Ok(platform.cache_dir().join("cvx"))
}

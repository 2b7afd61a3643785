//! Where data sets are kept.

use crate::FetchError;
use etcetera::BaseStrategy;
use std::env;
use std::path::PathBuf;

/// The variable of the environment that names another cache folder.
pub const CACHE_VARIABLE: &str = "CVX_CACHE";

/// The folder with a folder for each data set: `$CVX_CACHE`, else `cvx` in the platform's cache folder (`~/.cache` on Linux,
/// `~/Library/Caches` on macOS, `%LOCALAPPDATA%` on Windows).
///
/// # Errors
/// [`FetchError::NoCache`] where there is no home.
pub fn cache_folder() -> Result<PathBuf, FetchError> {
    if let Some(folder) = env::var_os(CACHE_VARIABLE).filter(|folder| !folder.is_empty()) {
        return Ok(folder.into());
    }
    let platform = etcetera::base_strategy::choose_native_strategy().map_err(|_| FetchError::NoCache)?;
    Ok(platform.cache_dir().join("cvx"))
}

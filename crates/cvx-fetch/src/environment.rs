//! The environment of this crate.

/// The environment variable that sets the [`cache_folder`](crate::cache_folder).
pub const CACHE_VARIABLE: &str = "CVX_CACHE";

//! What a page is about.

use crate::args::SourceArgs;
use cvx_admm::{PathSolution, Settings, Solution};
use cvx_model::DataSplit;

/// What a page is about.
pub struct Subject<'a> {
    /// The run.
    pub solution: &'a Solution,
    /// The path that led to it.
    pub path: Option<&'a PathSolution>,
    /// The settings of the run.
    pub settings: &'a Settings,
    /// The samples.
    pub split: &'a DataSplit,
    /// Their source.
    pub source: &'a SourceArgs,
}

//! What a page is about.

use crate::args::SourceArgs;
use crate::summary::quality::Qualities;
use crate::understanding::Understanding;
use cvx_admm::{PathSolution, Settings, Solution};
use cvx_model::{DataSplit, Dataset};

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
    /// How good the predictions on them are.
    pub qualities: &'a Qualities,
    /// What the network has learned.
    pub understanding: &'a Understanding,
    /// The source of the samples.
    pub source: &'a SourceArgs,
}

impl Subject<'_> {
    /// The samples that pictures show, and whose they are: those of the test if there are any.
    pub fn shown(&self) -> (&'static str, &Dataset) {
        self.split.test.as_ref().map_or(("training", &self.split.train), |test| ("test", test))
    }
}

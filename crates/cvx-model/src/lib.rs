//! The convex programme of a two-layer ReLU network. This crate defines the problem; it contains no solver.
//!
//! $$ \min_u \tfrac12 \Bigl\lVert \sum_i D_i X (u_i^+ - u_i^-) - y \Bigr\rVert^2
//! {} + \beta \sum_i \bigl( \lVert u_i^+ \rVert + \lVert u_i^- \rVert \bigr),
//! \qquad (2 D_i - I) X u_i^{\pm} \ge 0 $$
//!
//! * [`Dataset`], [`Transform`], [`Targets`]: samples and labels, normalised features, labels as numbers.
//! * [`Table`], [`Recipe`]: columns of numbers and texts with missing values, and how they become features.
//! * [`Loss`], [`WeightedLoss`]: the loss of a prediction and the weights of the samples.
//! * [`PatternSet`]: gates h_i and their activation patterns D_i.
//! * [`ConvexProgram`] with [`PredictionOperator`] (F), [`ConeOperator`] (G) and [`SystemOperator`] (A), matrix-free.
//! * [`Patches`]: gated neurons on patches of images in place of gates of whole samples.
//! * [`Constraints`], [`BlockCones`]: what predictions must obey, and the cones of blocks that make them.
//! * [`Network`]: the network of a point of the programme.
//! * [`Certificate`]: network objective, cone-feasible objective and dual bound, in f64.
//! * [`Calibration`], [`Intervals`]: probabilities and prediction intervals from the outputs of a network.
//! * [`ProbabilityScores`], [`RegressionScores`], [`Confusion`]: how good predictions are.
//!
//! Equation numbers are those of `docs/math.md`.

mod activation;
mod all_patterns;
mod block_cones;
mod calibration;
mod certificate;
mod choice;
mod choices;
mod cone;
mod confined;
mod confusion;
mod constraints;
mod curvature;
mod dataset;
mod days;
mod entry_loss;
mod error;
mod gates;
mod held_out;
mod intervals;
mod loss;
mod metrics;
mod multinomial;
mod network;
mod operators;
mod output_range;
mod patches;
mod patterns;
mod probability_scores;
mod products;
mod program;
mod prune;
mod recipe;
pub mod reference;
mod regression_scores;
mod root;
mod samples;
mod source;
pub mod split;
mod table;
mod targets;
mod transform;
mod trend;
mod values;
mod weighted;
mod weighted_rows;
mod workspace;

pub use activation::Activation;
pub use all_patterns::{AllPatterns, GlobalBound, MOST_ROWS, Peak};
pub use block_cones::{BlockCones, BlockRole};
pub use calibration::Calibration;
pub use certificate::{
    Certificate, CertificateWorkspace, DualBound, FeasiblePoint, Multipliers, NetworkValue, TargetValue, relative_gap,
};
pub use choice::Choice;
pub use choices::ColumnChoices;
pub use cone::{BetaMax, beta_max};
pub use confusion::{ClassScores, Confusion};
pub use constraints::Constraints;
pub use curvature::Curvature;
pub use cvx_linalg::{RankError, SampleSums};
pub use dataset::{DataSplit, Dataset, FeatureKind, Labels, TableNotes};
pub use entry_loss::EntryLoss;
pub use error::ModelError;
pub use gates::{GateKind, GateSamples};
pub use held_out::HeldOut;
pub use intervals::{HalfWidth, Intervals};
pub use loss::{Loss, LossForm};
pub use metrics::{accuracy, accuracy_over, sample_errors, sample_losses, squared_loss};
pub use multinomial::Multinomial;
pub use network::Network;
pub use operators::{ConeOperator, PredictionOperator, SystemOperator, SystemWorkspace};
pub use output_range::OutputRange;
pub use patches::{FEATURES_AT_A_TIME, IMAGES_AT_A_TIME, PatchFeatures, PatchGates, PatchSettings, Patches};
pub use patterns::PatternSet;
pub use probability_scores::{ProbabilityScores, ReliabilityBin, RocPoint, sample_log_losses};
pub use program::{ConeForm, ConvexProgram, ProgramError, RowScale};
pub use prune::Pruned;
pub use recipe::{ColumnReport, Dropped, Encoded, Feature, Reason, Recipe, Unknown};
pub use regression_scores::{RegressionScores, TargetScores};
pub use samples::SelectedSamples;
pub use source::{ColumnKind, Part, Range, Source};
pub use table::{Column, MISSING, Table};
pub use targets::{Targets, Task, TaskChoice};
pub use transform::{Normalisation, Transform};
pub use trend::Trend;
pub use values::Values;
pub use weighted::{TargetSum, WeightedLoss};

/// The example of README.md, compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

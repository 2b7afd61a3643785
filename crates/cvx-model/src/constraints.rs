//! What a network must obey, by the columns of the table.

use crate::activation::Activation;
use crate::block_cones::BlockCones;
use crate::curvature::Curvature;
use crate::error::ModelError;
use crate::recipe::Recipe;
use crate::source::{ColumnKind, Part};
use crate::targets::Task;
use crate::transform::Transform;
use crate::trend::Trend;
use std::borrow::Cow;

/// Constraints on the predictions, by columns of the table: by name, or by number from 1. A network obeys them by
/// construction, on all inputs and not only on the samples (docs/math.md, section 13).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Constraints {
    /// Columns along which the prediction only rises, or only falls. Dates count as numbers.
    pub trends: Vec<(String, Trend)>,
    /// Columns along which, together, the prediction is convex; and columns along which it is concave.
    pub curvatures: Vec<(String, Curvature)>,
    /// Sets of columns that may interact: the prediction is a sum of functions of one set each. Columns in no set form
    /// a further one. `None` if all columns may interact.
    pub interactions: Option<Vec<Vec<String>>>,
    /// Whether the prediction is non-negative, apart from an output bias.
    pub nonnegative: bool,
}

impl Constraints {
    /// Whether nothing is constrained.
    pub fn is_empty(&self) -> bool {
        self.trends.is_empty() && self.curvatures.is_empty() && self.interactions.is_none() && !self.nonnegative
    }

    /// Whether they bind the values of predictions, and not only which columns interact.
    pub fn bind_values(&self) -> bool {
        !self.trends.is_empty() || !self.curvatures.is_empty() || self.nonnegative
    }

    /// The cones of the blocks; `None` if nothing is constrained. Scales of features are positive, so that signs of
    /// weights mean the same for features and columns.
    ///
    /// # Errors
    /// [`ModelError::UnknownColumn`], [`ModelError::ConstrainedColumn`] for a column that cannot have the constraint,
    /// [`ModelError::ConstraintConflict`] for two different ones, [`ModelError::Unconstrainable`] for constraints that
    /// the task or the activation gives no meaning.
    pub fn resolve(
        &self,
        transform: &Transform,
        task: &Task,
        activation: Activation,
    ) -> Result<Option<BlockCones>, ModelError> {
        if self.is_empty() {
            return Ok(None);
        }
        if self.bind_values() && !task.classes().is_empty() && task.n_targets() > 1 {
            let why = "each of several classes has a prediction of its own, and they cannot all rise";
            return Err(ModelError::Unconstrainable { constraint: "a constraint on the values of predictions", why });
        }
        if self.nonnegative && !task.classes().is_empty() {
            let why = "the predictions of a classifier have both signs";
            return Err(ModelError::Unconstrainable { constraint: "non-negative predictions", why });
        }
        if self.nonnegative && activation == Activation::Gated {
            let why = "a gated neuron has both signs; choose ReLU neurons";
            return Err(ModelError::Unconstrainable { constraint: "non-negative predictions", why });
        }
        let recipe = match &transform.recipe {
            Some(recipe) => Cow::Borrowed(recipe),
            None => Cow::Owned(Recipe::plain(transform.n_inputs(), transform.feature_names.as_deref())),
        };
        let trends = values_by_feature(&recipe, &self.trends, |trend| trend.name())?;
        let curvatures = values_by_feature(&recipe, &self.curvatures, |curvature| curvature.name())?;
        let groups = match &self.interactions {
            None => Vec::new(),
            Some(sets) => groups_of_features(&recipe, sets)?,
        };
        Ok(Some(BlockCones::new(trends, curvatures, groups, self.nonnegative)))
    }
}

/// The index of a column by its name, or else by its number.
fn find(recipe: &Recipe, column: &str) -> Result<usize, ModelError> {
    let wanted = column.trim();
    let named = recipe.columns().iter().position(|source| source.name.as_deref() == Some(wanted));
    let number = wanted.parse().ok();
    let numbered = || recipe.columns().iter().position(|source| Some(source.number) == number);
    named.or_else(numbered).ok_or_else(|| ModelError::UnknownColumn {
        column: column.to_string(),
        known: recipe.columns().iter().map(|source| source.title()).collect(),
    })
}

/// The reason why a column has no feature of its own.
fn dropped(recipe: &Recipe, column: usize) -> String {
    let dropped = recipe.dropped().iter().find(|dropped| dropped.source == column);
    dropped.map_or_else(|| "it is not used".to_string(), |dropped| format!("it is not used: {}", dropped.reason))
}

/// The value that is asked for the number in a column, at its feature.
fn values_by_feature<T: Copy + PartialEq>(
    recipe: &Recipe,
    asked: &[(String, T)],
    name: impl Fn(T) -> &'static str,
) -> Result<Vec<Option<T>>, ModelError> {
    let mut values = vec![None; recipe.features().len()];
    for (column, value) in asked {
        let at = find(recipe, column)?;
        let source = &recipe.columns()[at];
        let refused =
            |obstacle| ModelError::ConstrainedColumn { column: source.title(), constraint: name(*value), obstacle };
        if matches!(source.kind, ColumnKind::Categories { .. }) {
            return Err(refused("it holds categories, which have no order".to_string()));
        }
        let is_number = |feature: &crate::recipe::Feature| feature.source == at && feature.part == Part::Value;
        let feature = recipe.features().iter().position(is_number);
        let feature = feature.ok_or_else(|| refused(dropped(recipe, at)))?;
        if let Some(other) = values[feature].filter(|other| other != value) {
            let constraints = [name(other), name(*value)];
            return Err(ModelError::ConstraintConflict { column: source.title(), constraints });
        }
        values[feature] = Some(*value);
    }
    Ok(values)
}

/// The features of each set of columns, and of all columns in none of them.
fn groups_of_features(recipe: &Recipe, sets: &[Vec<String>]) -> Result<Vec<Vec<usize>>, ModelError> {
    let sources = recipe.sources();
    let mut named = vec![false; recipe.columns().len()];
    let mut groups = Vec::new();
    for set in sets {
        let mut features = Vec::new();
        for column in set {
            let at = find(recipe, column)?;
            let before = features.len();
            features.extend((0..sources.len()).filter(|&feature| sources[feature] == at));
            if features.len() == before {
                let column = recipe.columns()[at].title();
                let obstacle = dropped(recipe, at);
                return Err(ModelError::ConstrainedColumn { column, constraint: "in a group", obstacle });
            }
            named[at] = true;
        }
        features.sort_unstable();
        features.dedup();
        if features.is_empty() {
            return Err(ModelError::Empty { what: "columns in a group" });
        }
        groups.push(features);
    }
    let rest: Vec<usize> = (0..sources.len()).filter(|&feature| !named[sources[feature]]).collect();
    groups.extend((!rest.is_empty()).then_some(rest));
    Ok(groups)
}

//! The constraints of a model in the names of the columns that it was trained on.

use crate::model::Model;
use cvx_model::{Curvature, Trend};
use serde::Serialize;

/// Most names of a list that are shown in a line.
const SHOWN: usize = 6;

/// What the predictions of a model obey. The fields are the keys of its JSON, which are stable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamedConstraints {
    /// Columns along which predictions never fall.
    pub increasing: Vec<String>,
    /// Columns along which predictions never rise.
    pub decreasing: Vec<String>,
    /// Columns along which, together, predictions are convex.
    pub convex: Vec<String>,
    /// Columns along which, together, predictions are concave.
    pub concave: Vec<String>,
    /// Sets of columns that may interact; none if all may.
    pub groups: Vec<Vec<String>>,
    /// Whether predictions are non-negative.
    pub nonnegative: bool,
}

impl NamedConstraints {
    /// Those of a model; `None` if it has no constraints.
    pub fn of(model: &Model) -> Option<Self> {
        let cones = model.cones.as_deref()?;
        let columns = column_names(model);
        let with = |holds: &dyn Fn(usize) -> bool| unique((0..cones.n_inputs()).filter(|&k| holds(k)), &columns);
        Some(NamedConstraints {
            increasing: with(&|k| cones.trends()[k] == Some(Trend::Increasing)),
            decreasing: with(&|k| cones.trends()[k] == Some(Trend::Decreasing)),
            convex: with(&|k| cones.curvatures()[k] == Some(Curvature::Convex)),
            concave: with(&|k| cones.curvatures()[k] == Some(Curvature::Concave)),
            groups: cones.groups().iter().map(|group| unique(group.iter().copied(), &columns)).collect(),
            nonnegative: cones.is_nonnegative(),
        })
    }

    /// All of it in a line, such as: increasing in age; decreasing in price; age with price, town alone. Of long lists,
    /// the first names and the number of all.
    pub fn words(&self) -> String {
        let NamedConstraints { increasing, decreasing, convex, concave, groups, nonnegative } = self;
        let lists = [("increasing", increasing), ("decreasing", decreasing), ("convex", convex), ("concave", concave)];
        let named = lists.into_iter().filter(|(_, columns)| !columns.is_empty());
        let mut parts: Vec<String> =
            named.map(|(what, columns)| format!("{what} in {}", shortened(columns, ", "))).collect();
        if !groups.is_empty() {
            let set = |columns: &Vec<String>| match &columns[..] {
                [alone] => format!("{alone} alone"),
                columns => shortened(columns, " with "),
            };
            parts.push(shortened(&groups.iter().map(set).collect::<Vec<_>>(), ", "));
        }
        parts.extend(nonnegative.then(|| "never negative".to_string()));
        parts.join("; ")
    }
}

/// The first names, and the number of all if there are more.
fn shortened(names: &[String], between: &str) -> String {
    let shown = names[..names.len().min(SHOWN)].join(between);
    if names.len() > SHOWN { format!("{shown} .. ({} in all)", names.len()) } else { shown }
}

/// For each feature the name of its column.
pub fn column_names(model: &Model) -> Vec<String> {
    let transform = &model.transform;
    match (&transform.recipe, &transform.feature_names) {
        (Some(recipe), _) => recipe.sources().iter().map(|&source| recipe.columns()[source].title()).collect(),
        (None, Some(names)) => names.clone(),
        (None, None) => (1..=transform.n_inputs()).map(|number| format!("column {number}")).collect(),
    }
}

/// The names of the columns of these features, each once. The features of a column follow each other.
fn unique(features: impl Iterator<Item = usize>, columns: &[String]) -> Vec<String> {
    let mut names: Vec<String> = features.map(|feature| columns[feature].clone()).collect();
    names.dedup();
    names
}

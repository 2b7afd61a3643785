//! The values of a column, as its features encode them.

use cvx_model::{ColumnKind, Part, Transform};
use serde::Serialize;

/// A value of a column.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Place {
    /// A number, or a date in days since 1970.
    Number(f64),
    /// A level of a category, or `missing`.
    Level(String),
}

/// The name of a source.
pub fn title(transform: &Transform, source: usize) -> String {
    match (&transform.recipe, &transform.feature_names) {
        (Some(recipe), _) => recipe.columns()[source].title(),
        (None, Some(names)) => names[source].clone(),
        (None, None) => format!("feature {}", source + 1),
    }
}

/// What a source holds.
pub fn holds(transform: &Transform, source: usize) -> &'static str {
    transform.recipe.as_ref().map_or("numbers", |recipe| recipe.columns()[source].kind.name())
}

impl Place {
    /// The value that these features of one source have in `row`.
    pub fn new(transform: &Transform, features: &[usize], row: &[f64]) -> Self {
        let Some(recipe) = &transform.recipe else { return Place::Number(row[0]) };
        let parts: Vec<(Part, f64)> =
            features.iter().zip(row).map(|(&at, &value)| (recipe.features()[at].part, value)).collect();
        let level = |text: &str| Place::Level(text.to_string());
        if parts.iter().any(|&(part, value)| part == Part::Missing && value == 1.0) {
            return level("missing");
        }
        let source = features.first().map(|&at| &recipe.columns()[recipe.features()[at].source]);
        let Some(ColumnKind::Categories { levels, pooled, .. }) = source.map(|source| &source.kind) else {
            let value = parts.iter().find(|(part, _)| *part == Part::Value);
            return value.map_or(level("present"), |(_, value)| Place::Number(*value));
        };
        let whole = |value: f64| value == 0.0 || value == 1.0;
        match parts.iter().find(|(part, value)| *part != Part::Missing && *value == 1.0) {
            Some((Part::Level(at), _)) => return level(&levels[*at]),
            Some(_) => return level("rarer levels"),
            // Training means stand for a level that training does not know.
            None if !parts.iter().all(|&(_, value)| whole(value)) => return level("unknown level"),
            None => {}
        }
        // No feature says 1: it is a level without one.
        let has_feature = |wanted: Part| parts.iter().any(|(part, _)| *part == wanted);
        let mut silent = (0..levels.len()).filter(|&at| !has_feature(Part::Level(at)));
        match (silent.next(), silent.next()) {
            (Some(one), None) if *pooled == 0 || has_feature(Part::Other) => level(&levels[one]),
            (None, None) if *pooled > 0 => level("rarer levels"),
            _ => level("other levels"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cvx_model::{Column, ColumnChoices, Dataset, Normalisation, Recipe, Table};
    use std::sync::Arc;

    /// The values of the column in the rows of its features.
    fn places(column: Column) -> Vec<Place> {
        let numbers = Column::Numbers((0..column.len()).map(|row| (row as f64).sqrt()).collect());
        let names = vec!["wanted".to_string(), "numbers".to_string()];
        let table = Table::new(vec![column, numbers], Some(names)).unwrap();
        let recipe = Arc::new(Recipe::fit(&table, &ColumnChoices::default()).unwrap());
        let data = Dataset::encode(table, recipe, None).unwrap();
        let transform = Transform::fit(&data, Normalisation::Column, true).unwrap();
        assert_eq!(title(&transform, 0), "wanted");
        let features: Vec<usize> = (0..data.n_features()).filter(|&at| transform.sources()[at] == 0).collect();
        let row = |row: usize| features.iter().map(|&at| data.get(row, at)).collect::<Vec<_>>();
        (0..data.n_samples()).map(|at| Place::new(&transform, &features, &row(at))).collect()
    }

    fn texts(texts: &[&str]) -> Column {
        let mut levels: Vec<String> = texts.iter().filter(|text| !text.is_empty()).map(|t| t.to_string()).collect();
        levels.sort();
        levels.dedup();
        let index = texts.iter().map(|text| levels.iter().position(|level| level == text));
        let index = index.map(|at| at.map_or(cvx_model::MISSING, |at| at as u32)).collect();
        Column::Texts { index, levels }
    }

    fn level(text: &str) -> Place {
        Place::Level(text.to_string())
    }

    #[test]
    fn features_are_read_back_as_the_levels_and_numbers_of_the_table() {
        assert_eq!(places(texts(&["b", "a", "b", "a"])), ["b", "a", "b", "a"].map(level));
        assert_eq!(places(texts(&["c", "a", "", "b"])), ["c", "a", "missing", "b"].map(level));
        let numbers = Column::Numbers(vec![3.5, f64::NAN, 0.25, 1.0]);
        let [a, missing, b, c] = &places(numbers)[..] else { panic!("four") };
        assert_eq!([a, b, c], [&Place::Number(3.5), &Place::Number(0.25), &Place::Number(1.0)]);
        assert_eq!(*missing, level("missing"));
    }

    #[test]
    fn rare_levels_are_one() {
        let names: Vec<String> = (0..80).map(|row| format!("l{}", if row < 40 { row % 10 } else { row })).collect();
        let found = places(texts(&names.iter().map(String::as_str).collect::<Vec<_>>()));
        assert_eq!(found[3], level("l3"));
        assert_eq!(found.iter().filter(|place| **place == level("rarer levels")).count(), 21);
    }
}

//! Labels read as texts, which become numbers or class names.

use std::collections::HashMap;

use cvx_model::Labels;

/// Labels of the samples that are kept, in their order. Each distinct text of all samples is stored once.
#[derive(Default)]
pub(crate) struct TextLabels {
    index: Vec<u32>,
    texts: Vec<(String, u64)>,
    known: HashMap<String, u32>,
}

/// A label that is not a number, although the training labels are numbers.
pub(crate) struct NotANumber {
    pub(crate) text: String,
    pub(crate) place: u64,
}

impl TextLabels {
    /// Appends the label of the next sample, if that is `kept`. `place` is its position in the file.
    pub(crate) fn push(&mut self, text: &str, place: u64, kept: bool) {
        let index = match self.known.get(text) {
            Some(&index) => index,
            None => {
                let index = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
                self.known.insert(text.to_owned(), index);
                self.texts.push((text.to_owned(), place));
                index
            }
        };
        if kept {
            self.index.push(index);
        }
    }

    /// Numbers if every text is a number, otherwise names in alphabetical order.
    ///
    /// The labels of a test set get the type of the labels of the training set (`like`). Names keep their index in
    /// the training set, and names that it lacks are appended.
    pub(crate) fn finish(self, like: Option<&Labels>) -> Result<Labels, NotANumber> {
        let numbers: Result<Vec<f64>, NotANumber> = self
            .texts
            .iter()
            .map(|(text, place)| text.parse().map_err(|_| NotANumber { text: text.clone(), place: *place }))
            .collect();
        let names = match (like, numbers) {
            (None | Some(Labels::Numbers { .. }), Ok(numbers)) => return Ok(Labels::numbers(self.pick(&numbers))),
            (Some(Labels::Numbers { .. }), Err(error)) => return Err(error),
            (Some(Labels::Names { names, .. }), _) => names.clone(),
            (None, Err(_)) => Vec::new(),
        };
        Ok(self.named(names))
    }

    fn named(self, mut names: Vec<String>) -> Labels {
        let mut position: HashMap<String, u32> = names.iter().cloned().zip(0..).collect();
        let mut new: Vec<&String> = self.texts.iter().map(|(text, _)| text).collect();
        new.retain(|text| !position.contains_key(*text));
        new.sort();
        for name in new {
            position.insert(name.clone(), u32::try_from(names.len()).unwrap_or(u32::MAX));
            names.push(name.clone());
        }
        let mapped: Vec<u32> =
            self.texts.iter().map(|(text, _)| position.get(text).copied().unwrap_or(u32::MAX)).collect();
        Labels::Names { index: self.pick(&mapped), names }
    }

    fn pick<T: Copy>(&self, values: &[T]) -> Vec<T> {
        self.index.iter().map(|&index| values[index as usize]).collect()
    }
}

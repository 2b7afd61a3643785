//! The labels of a table while it is read.

use cvx_model::Labels;

use crate::formats::text_labels::TextLabels;

/// Numbers, until a text is found that is none.
pub(crate) struct LabelBuilder {
    values: Values,
    /// Whether numbers came before the first text: the texts of these rows are not known.
    is_incomplete: bool,
    has_number: bool,
    /// The first number that is not finite.
    non_finite: Option<BadLabel>,
}

enum Values {
    Numbers(Vec<f64>),
    Texts(TextLabels),
}

/// A label that cannot be used.
pub(crate) struct BadLabel {
    pub(crate) text: String,
    /// Its place in the file.
    pub(crate) place: u64,
    pub(crate) expected: &'static str,
}

impl LabelBuilder {
    /// Labels that are texts, or that begin as numbers.
    pub(crate) fn new(as_texts: bool) -> Self {
        let values = if as_texts { Values::Texts(TextLabels::default()) } else { Values::Numbers(Vec::new()) };
        LabelBuilder { values, is_incomplete: false, has_number: false, non_finite: None }
    }

    /// Whether the labels have to be read once more, as texts.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.is_incomplete
    }

    /// The same labels before they are read once more.
    pub(crate) fn again(&self) -> Self {
        LabelBuilder::new(self.is_incomplete || matches!(self.values, Values::Texts(_)))
    }

    /// Looks at the label of the next sample, and appends it if the sample is `kept`. `place` is its position in the
    /// file.
    pub(crate) fn push(&mut self, text: &str, place: u64, kept: bool) {
        if let Values::Numbers(numbers) = &mut self.values {
            match text.parse::<f64>() {
                Ok(number) => {
                    if !number.is_finite() && self.non_finite.is_none() {
                        self.non_finite = Some(BadLabel { text: text.to_owned(), place, expected: "a finite number" });
                    }
                    self.has_number = true;
                    if kept {
                        numbers.push(number);
                    }
                }
                Err(_) if !self.has_number => self.values = Values::Texts(TextLabels::default()),
                Err(_) => self.is_incomplete = true,
            }
        }
        if let Values::Texts(texts) = &mut self.values {
            texts.push(text, place, kept);
        }
    }

    /// Numbers if every text is a number, otherwise names; of a test set as in training (`like`).
    pub(crate) fn finish(self, like: Option<&Labels>) -> Result<Labels, BadLabel> {
        match (self.values, self.non_finite) {
            (Values::Numbers(_), Some(bad)) => Err(bad),
            (Values::Numbers(values), None) => Ok(Labels::numbers(values)),
            // Among class names, `inf` is a class name.
            (Values::Texts(texts), _) => texts.finish(like).map_err(|error| BadLabel {
                text: error.text,
                place: error.place,
                expected: "a number",
            }),
        }
    }
}

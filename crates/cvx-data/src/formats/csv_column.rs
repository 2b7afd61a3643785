//! A column of a table while it is read.

use std::collections::HashMap;

use cvx_model::{Choice, Column, ColumnKind, MISSING, Range};

use crate::formats::csv_head::{is_decimal_comma, is_missing};

/// With more distinct texts, most of them numbers, a text that is none is a mistake and not a category.
const FEW_TEXTS: usize = 30;

/// What the fields of a column must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Anything.
    Anything,
    /// A finite number, or a missing one.
    Number,
    /// A finite number that is not missing.
    PresentNumber,
    /// The column is not used.
    Nothing,
}

impl Expected {
    /// What the user's choice, or else the recipe of a model, says about a column.
    pub(crate) fn of(choice: Option<Choice>, kind: Option<&ColumnKind>) -> Option<Self> {
        match (choice, kind) {
            (Some(Choice::Drop | Choice::Id), _) | (_, Some(ColumnKind::Unused)) => Some(Expected::Nothing),
            (_, Some(ColumnKind::Numbers(Range { fill: None, .. }))) => Some(Expected::PresentNumber),
            (Some(Choice::Numeric), _) | (_, Some(ColumnKind::Numbers(_))) => Some(Expected::Number),
            (Some(Choice::Categorical | Choice::Dates), _) | (_, Some(_)) => Some(Expected::Anything),
            (None, None) => None,
        }
    }
}

/// Numbers, until a text is found that is none.
pub(crate) struct Builder {
    values: Values,
    /// Hardly fewer than there will be.
    rows: usize,
    /// Whether numbers came before the first text: the texts of these rows are not known.
    is_incomplete: bool,
    has_number: bool,
    has_infinity: bool,
    lacks_values: bool,
}

enum Values {
    Numbers(Vec<f64>),
    /// Indices of texts, and the index of each text of all rows.
    Texts(Vec<u32>, HashMap<String, u32>),
}

impl Builder {
    /// A column of texts, or one that begins as numbers, of hardly more than `rows` rows.
    pub(crate) fn new(as_texts: bool, rows: usize) -> Self {
        let values = if as_texts { Values::Texts(Vec::new(), HashMap::new()) } else { Values::Numbers(Vec::new()) };
        Builder { values, rows, is_incomplete: false, has_number: false, has_infinity: false, lacks_values: false }
    }

    /// The same column before it is read once more, of these `rows`.
    pub(crate) fn again(&self, rows: usize) -> Self {
        let (has_number, has_infinity, lacks_values) = (self.has_number, self.has_infinity, self.lacks_values);
        let as_texts = self.is_incomplete || self.is_texts();
        Builder { has_number, has_infinity, lacks_values, ..Builder::new(as_texts, rows) }
    }

    /// Whether the column is one of texts, of which those of all rows are known.
    pub(crate) fn is_texts(&self) -> bool {
        matches!(self.values, Values::Texts(..))
    }

    /// Whether the column has to be read once more, as texts.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.is_incomplete
    }

    /// Looks at the text of the next row, and appends it if the row is `kept`.
    pub(crate) fn push(&mut self, text: &str, kept: bool) {
        if self.is_incomplete {
            return;
        }
        let is_missing = is_missing(text);
        if let Values::Numbers(numbers) = &mut self.values {
            let number = if is_missing { Ok(f64::NAN) } else { text.parse::<f64>() };
            match number {
                Ok(number) => {
                    self.has_infinity |= number.is_infinite();
                    self.lacks_values |= number.is_nan();
                    self.has_number |= !number.is_nan();
                    if kept {
                        with_room(numbers, self.rows).push(number);
                    }
                    return;
                }
                Err(_) if !self.has_number => {
                    let mut index = Vec::new();
                    // What is given back before the rows are read again would leave a gap in memory.
                    if !numbers.is_empty() {
                        with_room(&mut index, self.rows).resize(numbers.len(), MISSING);
                    }
                    self.values = Values::Texts(index, HashMap::new());
                }
                Err(_) => {
                    self.is_incomplete = true;
                    return;
                }
            }
        }
        if let Values::Texts(index, known) = &mut self.values {
            let at = match known.get(text) {
                _ if is_missing => MISSING,
                Some(&at) => at,
                None => {
                    let at = u32::try_from(known.len()).unwrap_or(MISSING);
                    known.insert(text.to_owned(), at);
                    at
                }
            };
            if kept {
                with_room(index, self.rows).push(at);
            }
        }
    }

    /// What the fields of the column must be, unless it is known, and whether one of them is not.
    pub(crate) fn judge(&self, known: Option<Expected>) -> (Expected, bool) {
        let is_number = |text: &&String| text.parse().is_ok_and(f64::is_finite);
        match &self.values {
            Values::Numbers(_) => match known {
                Some(Expected::Nothing) => (Expected::Nothing, false),
                Some(Expected::PresentNumber) => (Expected::PresentNumber, self.has_infinity || self.lacks_values),
                _ => (Expected::Number, self.has_infinity),
            },
            Values::Texts(_, known_texts) => {
                let n_numbers = known_texts.keys().filter(is_number).count();
                let mostly = known_texts.len() > FEW_TEXTS && 2 * n_numbers > known_texts.len();
                let commas = || known_texts.keys().all(|text| is_number(&text) || is_decimal_comma(text));
                let expected = known.unwrap_or(match n_numbers < known_texts.len() && (mostly || commas()) {
                    true => Expected::Number,
                    false => Expected::Anything,
                });
                (expected, expected != Expected::Anything && expected != Expected::Nothing)
            }
        }
    }

    /// The column. The infinities of one that is not used count as missing.
    pub(crate) fn finish(self) -> Column {
        match self.values {
            Values::Numbers(mut values) => {
                values.iter_mut().filter(|value| value.is_infinite()).for_each(|value| *value = f64::NAN);
                Column::Numbers(values)
            }
            Values::Texts(index, known) => {
                let mut levels = vec![String::new(); known.len()];
                known.into_iter().for_each(|(text, at)| levels[at as usize] = text);
                Column::Texts { index, levels }
            }
        }
    }
}

/// The values, with room for this many. Columns that grow side by side would leave gaps in memory.
fn with_room<T>(values: &mut Vec<T>, rows: usize) -> &mut Vec<T> {
    if values.capacity() == 0 {
        // Without room they grow.
        let _ = values.try_reserve_exact(rows);
    }
    values
}

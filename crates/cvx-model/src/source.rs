//! A column of the training table: what it holds, and what its features say of it.

use crate::choice::Choice;
use crate::days::days_since_1970;
use crate::error::ModelError;
use crate::table::{Column, MISSING, title};
use cvx_linalg::{HostMatrix, SampleSums};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range as Rows;

/// Most levels of a category that have a feature of their own. Of more, one less is kept, and the others are pooled.
const MOST_LEVELS: usize = 30;

/// A text column with as many rows, all different, is an identifier.
const FEW_ROWS: usize = 30;

/// Names of columns that are identifiers if all their values are different, in any case.
const IDENTIFIERS: [&str; 3] = ["id", "index", "key"];

/// Names that programs give to a column of row numbers.
const ROW_NUMBERS: [&str; 2] = ["", "unnamed: 0"];

/// A column of the training table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Its name, if the table has names.
    pub name: Option<String>,
    /// Its number, from 1.
    pub number: usize,
    /// What it holds.
    pub kind: ColumnKind,
    /// Number of missing values in training.
    pub missing: usize,
}

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ColumnKind {
    /// Numbers.
    Numbers(Range),
    /// Dates, in days since 1970.
    Dates(Range),
    /// Categories.
    Categories {
        /// The levels that have features, ordered by name.
        levels: Vec<String>,
        /// Number of rarer levels that share a feature.
        pooled: usize,
        /// Index of the most frequent level, which replaces a missing one.
        fill: usize,
    },
    /// Nothing that is used: the column is left out.
    Unused,
}

/// Numbers of a training column.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// The smallest.
    pub low: f64,
    /// The largest.
    pub high: f64,
    /// The median, which replaces a missing one. Without it, a missing number is an error.
    pub fill: Option<f64>,
}

/// What a feature says of its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// The number itself.
    Value,
    /// Whether the category has this level.
    Level(usize),
    /// Whether the category is none of the levels.
    Other,
    /// Whether the value is missing.
    Missing,
}

impl ColumnKind {
    /// Its name in messages.
    pub fn name(&self) -> &'static str {
        match self {
            ColumnKind::Numbers(_) => "numbers",
            ColumnKind::Dates(_) => "dates",
            ColumnKind::Categories { .. } => "categories",
            ColumnKind::Unused => "not used",
        }
    }
}

impl Source {
    /// Its name, or `column 3`.
    pub fn title(&self) -> String {
        title(self.name.as_ref(), self.number)
    }

    /// What the features of this kind of column are, before copies and constants are dropped.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let mut parts = match &self.kind {
            ColumnKind::Numbers(_) | ColumnKind::Dates(_) => vec![Part::Value],
            ColumnKind::Categories { levels, pooled: 0, .. } if levels.len() == 2 => vec![Part::Level(1)],
            ColumnKind::Categories { levels, pooled, .. } => {
                (0..levels.len()).map(Part::Level).chain((*pooled > 0).then_some(Part::Other)).collect()
            }
            ColumnKind::Unused => return Vec::new(),
        };
        parts.extend((self.missing > 0).then_some(Part::Missing));
        parts
    }

    /// The name of a feature.
    pub(crate) fn feature_name(&self, part: Part) -> String {
        let title = self.title();
        match (part, &self.kind) {
            (Part::Level(level), ColumnKind::Categories { levels, .. }) => {
                format!("{title}={}", levels.get(level).map_or("", String::as_str))
            }
            (Part::Other, _) => format!("{title}=other"),
            (Part::Missing, _) => format!("{title} is missing"),
            _ => title,
        }
    }

    /// Reads rows of a column as this kind of values. The rows of errors count from the first of them.
    pub(crate) fn read<'a>(&self, column: &'a Column, rows: Rows<usize>) -> Result<Read<'a>, ModelError> {
        match &self.kind {
            ColumnKind::Numbers(Range { fill, .. }) => {
                let values = numbers(column, rows, &self.title())?;
                match fill.is_none().then(|| values.iter().position(|value| value.is_nan())).flatten() {
                    Some(row) => Err(ModelError::MissingValue { row, column: self.title() }),
                    None => Ok(Read::Numbers(values, fill.unwrap_or(f64::NAN))),
                }
            }
            ColumnKind::Dates(Range { fill, .. }) => {
                Ok(Read::Numbers(dates(column, rows, &self.title())?, fill.unwrap_or(f64::NAN)))
            }
            ColumnKind::Categories { levels, pooled, fill } => {
                let (index, codes) = codes(column, rows, levels);
                Ok(Read::Levels { index, codes, fill: *fill, pools: *pooled > 0 })
            }
            ColumnKind::Unused => Ok(Read::Numbers(Cow::Owned(vec![0.0; rows.len()]), 0.0)),
        }
    }
}

/// A column as the values that its features say something of.
pub(crate) enum Read<'a> {
    /// Numbers with NaN where they are missing, and what replaces that.
    Numbers(Cow<'a, [f64]>, f64),
    Levels {
        /// For each row the index of its code; [`MISSING`] where the category is missing.
        index: Cow<'a, [u32]>,
        codes: Vec<Code>,
        fill: usize,
        pools: bool,
    },
}

/// A row of a category.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Code {
    Level(usize),
    Unknown,
    Missing,
}

impl Read<'_> {
    /// The value of a feature with this mean.
    pub(crate) fn value(&self, part: Part, mean: f64, row: usize) -> f64 {
        match self {
            Read::Numbers(values, fill) => match part {
                Part::Missing => f64::from(values[row].is_nan()),
                _ if values[row].is_nan() => *fill,
                _ => values[row],
            },
            Read::Levels { index, codes, fill, pools } => match (part, code(codes, index[row])) {
                (Part::Missing, code) => f64::from(code == Code::Missing),
                (Part::Other, code) => f64::from(code == Code::Unknown),
                (_, Code::Unknown) if !pools => mean,
                (Part::Level(level), Code::Missing) => f64::from(level == *fill),
                (Part::Level(level), Code::Level(found)) => f64::from(level == found),
                _ => 0.0,
            },
        }
    }

    /// All values of a feature, not copied where they are those of the table.
    pub(crate) fn values(&self, part: Part, n_rows: usize) -> Cow<'_, [f64]> {
        match self {
            Read::Numbers(values, _) if part == Part::Value && !values.iter().any(|value| value.is_nan()) => {
                Cow::Borrowed(values)
            }
            _ => Cow::Owned((0..n_rows).map(|row| self.value(part, 0.0, row)).collect()),
        }
    }

    /// The rows with a level that training does not know, where that is worth a remark.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = usize> {
        let (index, codes): (&[u32], &[Code]) = match self {
            Read::Levels { index, codes, pools: false, .. } => (index, codes),
            _ => (&[], &[]),
        };
        index.iter().enumerate().filter(|&(_, &index)| code(codes, index) == Code::Unknown).map(|(row, _)| row)
    }
}

fn code(codes: &[Code], index: u32) -> Code {
    codes.get(index as usize).copied().unwrap_or(Code::Missing)
}

/// Number of missing values of a column, on all ranks.
pub(crate) fn n_missing(samples: &SampleSums, column: &Column) -> usize {
    samples.gather(vec![column.n_missing() as f64]).iter().map(|count| count[0] as usize).sum()
}

/// What a column of the training table holds, on all ranks.
pub(crate) fn kind(
    samples: &SampleSums,
    column: &Column,
    choice: Option<Choice>,
    title: &str,
) -> Result<ColumnKind, ModelError> {
    match (choice, column) {
        (Some(Choice::Dates), _) => Ok(ColumnKind::Dates(range(samples, &dates(column, 0..column.len(), title)?))),
        (Some(Choice::Categorical), _) | (None, Column::Texts { .. }) => Ok(categories(samples, column)),
        _ => Ok(ColumnKind::Numbers(range(samples, &numbers(column, 0..column.len(), title)?))),
    }
}

/// Range and median of numbers of which at least one is present.
fn range(samples: &SampleSums, values: &[f64]) -> Range {
    let mut present: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    present.sort_unstable_by(f64::total_cmp);
    let count: usize = samples.gather(vec![present.len() as f64]).iter().map(|count| count[0] as usize).sum();
    let last = count.saturating_sub(1);
    let [low, before, after, high] = at_places(samples, &present, [0, last / 2, count / 2, last]);
    let median = if count % 2 == 1 { after } else { before / 2.0 + after / 2.0 };
    Range { low, high, fill: Some(median) }
}

/// The numbers at these places among those of all ranks in ascending order, of which the `sorted` ones are here.
///
/// The ranks halve the numbers of 64 bits between which each of them is, until there is one: they hold no more than
/// their own.
fn at_places<const K: usize>(samples: &SampleSums, sorted: &[f64], places: [usize; K]) -> [f64; K] {
    if samples.ranks().is_none() {
        return places.map(|place| sorted.get(place).copied().unwrap_or(f64::NAN));
    }
    let mut bounds = [[0, u64::MAX]; K];
    for _ in 0..u64::BITS {
        let middles = bounds.map(|[low, high]| low + (high - low) / 2);
        let here = middles.map(|middle| sorted.partition_point(|value| order(*value) <= middle) as f64);
        let all = samples.gather(here.to_vec());
        for k in 0..K {
            let up_to: f64 = all.iter().map(|rank| rank[k]).sum();
            match up_to > places[k] as f64 {
                true => bounds[k][1] = middles[k],
                false => bounds[k][0] = middles[k].saturating_add(1),
            }
        }
    }
    bounds.map(|[low, _]| of_order(low))
}

const SIGN: u64 = 1 << 63;

/// The bits of a number, in the order of [`f64::total_cmp`].
fn order(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

/// The number of this [`order`].
fn of_order(order: u64) -> f64 {
    f64::from_bits(if order & SIGN == 0 { !order } else { order & !SIGN })
}

/// How often each text of a dictionary occurs, on all ranks.
fn counts(samples: &SampleSums, index: &[u32], n_texts: usize) -> Vec<usize> {
    let here = |rows: Rows<usize>| {
        let mut counts = vec![0.0; n_texts];
        index[rows].iter().filter(|&&index| index != MISSING).for_each(|&index| counts[index as usize] += 1.0);
        counts
    };
    samples.sums(index.len(), n_texts, here).into_iter().map(|count| count as usize).collect()
}

/// The levels of a category of which at least one row is present.
fn categories(samples: &SampleSums, column: &Column) -> ColumnKind {
    let mut found: HashMap<Cow<str>, usize> = HashMap::new();
    match column {
        Column::Numbers(values) => {
            let mut here: HashMap<Cow<str>, usize> = HashMap::new();
            values.iter().filter(|value| !value.is_nan()).for_each(|value| *here.entry(text(*value)).or_default() += 1);
            let mut texts = samples.texts(here.keys().map(|text| text.to_string()).collect()).concat();
            texts.sort_unstable();
            texts.dedup();
            let counts = texts.iter().map(|text| here.get(text.as_str()).map_or(0.0, |count| *count as f64)).collect();
            let counts = samples.gather(counts);
            let count = |at: usize| counts.iter().map(|rank| rank[at] as usize).sum();
            found.extend(texts.into_iter().enumerate().map(|(at, text)| (Cow::Owned(text), count(at))));
        }
        Column::Texts { index, levels } => {
            let occurring = levels.iter().zip(counts(samples, index, levels.len())).filter(|(_, count)| *count > 0);
            occurring.for_each(|(level, count)| *found.entry(Cow::Borrowed(level)).or_default() += count);
        }
    }
    let mut ordered: Vec<(Cow<str>, usize)> = found.into_iter().collect();
    ordered.sort_unstable_by(|(a, more), (b, less)| less.cmp(more).then_with(|| a.cmp(b)));
    let n_levels = ordered.len();
    if n_levels > MOST_LEVELS {
        ordered.truncate(MOST_LEVELS - 1);
    }
    let most = ordered.first().map(|(level, _)| level.clone().into_owned()).unwrap_or_default();
    let mut levels: Vec<String> = ordered.into_iter().map(|(level, _)| level.into_owned()).collect();
    levels.sort_unstable();
    let fill = levels.iter().position(|level| *level == most).unwrap_or_default();
    ColumnKind::Categories { pooled: n_levels - levels.len(), levels, fill }
}

/// Whether a column only tells samples apart, on all ranks.
pub(crate) fn is_identifier(samples: &SampleSums, column: &Column, name: Option<&str>) -> bool {
    let name = name.map(|name| name.trim().to_lowercase());
    let is_named = |names: &[&str]| name.as_ref().is_some_and(|name| names.contains(&name.as_str()));
    match column {
        Column::Numbers(values) => {
            let differ = |mut values: Vec<f64>| {
                values.sort_unstable_by(f64::total_cmp);
                values.windows(2).all(|pair| pair[0] < pair[1])
            };
            let all_differ = || {
                let here = differ(values.clone());
                let all = || samples.everywhere(HostMatrix::from_vec(values.len(), 1, values.clone()));
                match samples.ranks() {
                    None => here,
                    Some(_) => !samples.any(!here) && all().is_ok_and(|all| differ(all.into_values())),
                }
            };
            let counts = || {
                let here = values.windows(2).all(|pair| pair[1] == pair[0] + 1.0);
                let all = samples.gather(vec![values[0], values[values.len() - 1], f64::from(u8::from(here))]);
                all.iter().all(|rank| rank[2] == 1.0)
                    && all.windows(2).all(|ranks| ranks[1][0] == ranks[0][1] + 1.0)
                    && all.first().is_some_and(|rank| matches!(rank[0], 0.0 | 1.0))
            };
            samples.total(values.len()) > 1
                && (is_named(&IDENTIFIERS) && all_differ() || is_named(&ROW_NUMBERS) && counts())
        }
        Column::Texts { index, levels } => {
            let counts = counts(samples, index, levels.len());
            let all_differ = counts.iter().all(|&count| count <= 1);
            let n_present = counts.iter().filter(|&&count| count > 0).count();
            all_differ && (n_present > FEW_ROWS || n_present > 1 && is_named(&IDENTIFIERS))
        }
    }
}

/// A column as numbers.
fn numbers<'a>(column: &'a Column, rows: Rows<usize>, title: &str) -> Result<Cow<'a, [f64]>, ModelError> {
    let number = |text: &str| text.trim().parse().ok().filter(|value: &f64| value.is_finite());
    let remedy = "correct or remove it, or make the column a categorical one";
    parsed(column, rows, title, number, "a number", remedy)
}

/// A column as days since 1970; numbers are such days.
fn dates<'a>(column: &'a Column, rows: Rows<usize>, title: &str) -> Result<Cow<'a, [f64]>, ModelError> {
    let date = |text: &str| days_since_1970(text.trim());
    parsed(column, rows, title, date, "a date", "write dates as 2024-03-31, or leave the column out of the dates")
}

fn parsed<'a>(
    column: &'a Column,
    rows: Rows<usize>,
    title: &str,
    parse: impl Fn(&str) -> Option<f64>,
    expected: &'static str,
    remedy: &'static str,
) -> Result<Cow<'a, [f64]>, ModelError> {
    let (index, levels) = match column {
        Column::Numbers(values) => return Ok(Cow::Borrowed(&values[rows])),
        Column::Texts { index, levels } => (&index[rows.clone()], levels),
    };
    let values: Vec<Option<f64>> = levels.iter().map(|text| parse(text)).collect();
    let value = |(row, &index): (usize, &u32)| match (index, values.get(index as usize)) {
        (MISSING, _) => Ok(f64::NAN),
        (_, Some(Some(value))) => Ok(*value),
        _ => {
            let text = text_at(column, rows.start + row).into_owned();
            Err(ModelError::BadValue { row, column: title.to_string(), text, expected, remedy })
        }
    };
    index.iter().enumerate().map(value).collect()
}

/// Rows of a category, by their index among the codes of its texts or numbers. A number is the level that is written so
/// (`1`, not `1.0`), or else that has its value.
fn codes<'a>(column: &'a Column, rows: Rows<usize>, levels: &[String]) -> (Cow<'a, [u32]>, Vec<Code>) {
    let by_text: HashMap<&str, usize> = levels.iter().map(String::as_str).zip(0..).collect();
    let by_value = |value: f64| levels.iter().position(|level| level.parse() == Ok(value));
    let code = |text: &str| {
        let value = || text.parse().ok().filter(|value: &f64| value.is_finite()).and_then(by_value);
        by_text.get(text).copied().or_else(value).map_or(Code::Unknown, Code::Level)
    };
    match column {
        Column::Numbers(values) => {
            let mut known: HashMap<u64, u32> = HashMap::new();
            let mut codes = Vec::new();
            let mut at = |value: f64| {
                *known.entry(value.to_bits()).or_insert_with(|| {
                    codes.push(code(&text(value)));
                    u32::try_from(codes.len() - 1).unwrap_or(MISSING)
                })
            };
            let index = values[rows].iter().map(|&value| if value.is_nan() { MISSING } else { at(value) }).collect();
            (Cow::Owned(index), codes)
        }
        Column::Texts { index, levels: texts } => {
            (Cow::Borrowed(&index[rows]), texts.iter().map(|text| code(text)).collect())
        }
    }
}

/// A number as the name of a level. Zero has no sign.
fn text(value: f64) -> Cow<'static, str> {
    Cow::Owned((value + 0.0).to_string())
}

pub(crate) fn text_at(column: &Column, row: usize) -> Cow<'_, str> {
    match column {
        Column::Numbers(values) => text(values[row]),
        Column::Texts { index, levels } => levels.get(index[row] as usize).map_or("".into(), |level| level.into()),
    }
}

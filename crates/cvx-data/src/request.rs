//! How to read a source.

use cvx_model::{ColumnChoices, Recipe};

/// Default of [`Request::max_bytes`]: 16 GiB.
pub(crate) const MAX_BYTES: u64 = 16 << 30;

/// The column of a table that holds the labels. Formats that store labels elsewhere ignore it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LabelColumn {
    /// The column named `label`, `y`, `target` or `class` (in any case), otherwise the last one. A table that is read
    /// for a model has the label column of the training table, or none.
    #[default]
    Auto,
    /// The column of this name, otherwise the column of this number, counted from 1.
    Column(String),
    /// No column: all of them are features, as in data to predict.
    Absent,
}

/// Whether the first line of a table is a header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Header {
    /// If it looks like one.
    #[default]
    Auto,
    /// It is.
    Yes,
    /// It is a sample.
    No,
}

/// How to read a source.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Another source of the same kind, whose samples become the test set. It replaces a test set of the first source.
    pub test: Option<String>,
    /// The label column of a table.
    pub label_column: LabelColumn,
    /// Labels must be numbers: a label that is a name is an error with its line, not a class.
    pub numbers: bool,
    /// Seed of the samples of `planted`.
    pub seed: u64,
    /// Smallest number of features of a sparse file (LIBSVM), such as the number of features of a model that predicts
    /// on it. Other formats ignore it.
    pub n_features: Option<usize>,
    /// Whether the first line of a table is a header.
    pub header: Header,
    /// What the columns of a table are, where the user says so. A recipe excludes it.
    pub columns: ColumnChoices,
    /// How the columns of a table become features, such as those of a model that predicts on it. Without a recipe they
    /// become what the table suggests.
    pub recipe: Option<Recipe>,
    /// The name of the labels of the model that predicts: [`LabelColumn::Auto`] takes the column of this name.
    pub label_name: Option<String>,
    /// Rows of a table without a label are samples too, as in data to predict; if there is one, the labels are left
    /// out. Otherwise such rows are left out.
    pub every_row: bool,
    /// Limit in bytes, 16 GiB by default, on the content of a compressed file, on the features of a table, and on the
    /// dense form of a sparse file or of a folder of images. Larger sources are refused before memory is allocated.
    pub max_bytes: u64,
}

impl Default for Request {
    fn default() -> Self {
        Request {
            test: None,
            label_column: LabelColumn::Auto,
            numbers: false,
            seed: 0,
            n_features: None,
            header: Header::Auto,
            columns: ColumnChoices::default(),
            recipe: None,
            label_name: None,
            every_row: false,
            max_bytes: MAX_BYTES,
        }
    }
}

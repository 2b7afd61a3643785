//! Data sources in memory.

use cvx_data::{DataError, LabelColumn, Request, open_in_memory};
use cvx_model::DataSplit;

/// Limit in bytes on the unpacked size of an input, and on the dense form of a sparse one.
const MAX_BYTES: u64 = 1 << 20;

/// Reads a source made of these files. A data set must be valid, and an error must have a message.
pub fn read(files: &[(&str, &[u8])], source: &str, request: Request) -> Result<DataSplit, DataError> {
    let files = files.iter().map(|(name, content)| (name.to_string(), content.to_vec())).collect();
    let result = open_in_memory(&files, source, &Request { max_bytes: MAX_BYTES, ..request });
    match &result {
        Ok(split) => {
            for data in std::iter::once(&split.train).chain(&split.test) {
                assert_eq!(data.values().len(), data.n_samples() * data.n_features());
                assert!(data.n_samples() > 0 && data.n_features() > 0);
                assert!(data.values().iter().all(|value| value.is_finite()));
                assert!(data.labels().is_none_or(|labels| labels.len() == data.n_samples()));
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    result
}

/// A request with this label column.
pub fn labels_in(label_column: LabelColumn) -> Request {
    Request { label_column, ..Request::default() }
}

//! A named tensor in row-major order.

use crate::error::ExportError;
use crate::float::Float;

/// A tensor whose values are already rounded.
pub(crate) struct Tensor {
    pub name: &'static str,
    pub shape: Vec<usize>,
    values: Vec<f64>,
    pub float: Float,
}

impl Tensor {
    /// Rounds the values.
    ///
    /// # Errors
    /// [`ExportError::Range`].
    pub fn new(name: &'static str, shape: Vec<usize>, values: Vec<f64>, float: Float) -> Result<Self, ExportError> {
        let round = |value: f64| {
            let rounded = float.round(value);
            // A scale of 0 would divide by zero.
            let usable = rounded.is_finite() && (name != "scale" || rounded != 0.0);
            if usable { Ok(rounded) } else { Err(ExportError::Range { tensor: name, value }) }
        };
        let values = values.into_iter().map(round).collect::<Result<_, _>>()?;
        Ok(Tensor { name, shape, values, float })
    }

    /// The values as little-endian bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.float.bytes(&self.values)
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        (self.values.len() * self.float.size()) as u64
    }
}

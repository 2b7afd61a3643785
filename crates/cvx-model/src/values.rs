//! The numbers of a data set, in the type that they came in.

/// Numbers of one type, which are read as `f64`.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Levels of eight bits; a number is its byte over `unit`.
    Bytes {
        /// The bytes.
        bytes: Vec<u8>,
        /// 255 for pixels, 1 for integers.
        unit: f64,
    },
    /// Single precision.
    Single(Vec<f32>),
    /// Double precision.
    Double(Vec<f64>),
}

impl From<Vec<f64>> for Values {
    fn from(values: Vec<f64>) -> Self {
        Values::Double(values)
    }
}

impl From<Vec<f32>> for Values {
    fn from(values: Vec<f32>) -> Self {
        Values::Single(values)
    }
}

impl Values {
    /// Eight-bit pixels, read as numbers from 0 to 1.
    pub fn pixels(bytes: Vec<u8>) -> Self {
        Values::Bytes { bytes, unit: f64::from(u8::MAX) }
    }

    /// These numbers as pixels of eight bits, where every one of them is a level over 255; else as they are.
    pub fn pixels_or_doubles(values: Vec<f64>) -> Self {
        let level = |value: &f64| {
            let level = (value * f64::from(u8::MAX)).round();
            (f64::from(level as u8) == level && level / f64::from(u8::MAX) == *value).then_some(level as u8)
        };
        match values.iter().map(level).collect() {
            Some(bytes) => Values::pixels(bytes),
            None => values.into(),
        }
    }

    /// All of them in double precision.
    pub fn into_doubles(self) -> Vec<f64> {
        match self {
            Values::Double(values) => values,
            other => {
                let mut out = vec![0.0; other.len()];
                other.read(0, &mut out);
                out
            }
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Values::Bytes { bytes, .. } => bytes.len(),
            Values::Single(values) => values.len(),
            Values::Double(values) => values.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of one number.
    pub fn number_bytes(&self) -> usize {
        match self {
            Values::Bytes { .. } => size_of::<u8>(),
            Values::Single(_) => size_of::<f32>(),
            Values::Double(_) => size_of::<f64>(),
        }
    }

    /// Fills `out` with the numbers from `first` on.
    ///
    /// # Panics
    /// Where there are fewer.
    pub fn read(&self, first: usize, out: &mut [f64]) {
        let part = first..first + out.len();
        match self {
            Values::Bytes { bytes, unit } => {
                out.iter_mut().zip(&bytes[part]).for_each(|(out, &byte)| *out = f64::from(byte) / unit);
            }
            Values::Single(values) => {
                out.iter_mut().zip(&values[part]).for_each(|(out, &value)| *out = f64::from(value));
            }
            Values::Double(values) => out.copy_from_slice(&values[part]),
        }
    }

    /// Number `at`.
    pub fn get(&self, at: usize) -> f64 {
        let mut value = [0.0];
        self.read(at, &mut value);
        value[0]
    }

    /// The place of the first number that is not finite.
    pub(crate) fn first_non_finite(&self) -> Option<usize> {
        match self {
            Values::Bytes { .. } => None,
            Values::Single(values) => values.iter().position(|value| !value.is_finite()),
            Values::Double(values) => values.iter().position(|value| !value.is_finite()),
        }
    }

    /// The numbers of these rows of `width` numbers each, in the same type.
    pub(crate) fn rows(&self, width: usize, rows: &[usize]) -> Self {
        fn chosen<T: Copy>(values: &[T], width: usize, rows: &[usize]) -> Vec<T> {
            rows.iter().flat_map(|&row| &values[row * width..(row + 1) * width]).copied().collect()
        }
        match self {
            Values::Bytes { bytes, unit } => Values::Bytes { bytes: chosen(bytes, width, rows), unit: *unit },
            Values::Single(values) => Values::Single(chosen(values, width, rows)),
            Values::Double(values) => Values::Double(chosen(values, width, rows)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_read_as_the_same_numbers() {
        let [bytes, single] =
            [Values::Bytes { bytes: vec![3, 0, 255, 7], unit: 1.0 }, vec![3.0_f32, 0.0, 255.0, 7.0].into()];
        let double: Values = vec![3.0, 0.0, 255.0, 7.0].into();
        for values in [&bytes, &single, &double] {
            let mut out = [0.0; 2];
            values.read(1, &mut out);
            assert_eq!((out, values.get(3), values.len()), ([0.0, 255.0], 7.0, 4));
            assert_eq!((values.rows(2, &[1, 1]).get(3), values.rows(2, &[1, 0]).get(2)), (7.0, 3.0));
        }
        assert_eq!([&bytes, &single, &double].map(Values::number_bytes), [1, 4, 8]);
        assert_eq!((Values::pixels(vec![51]).get(0), single.into_doubles()), (0.2, vec![3.0, 0.0, 255.0, 7.0]));
    }

    #[test]
    fn levels_over_255_are_bytes_and_nothing_else_is() {
        let levels: Vec<f64> = (0..=255).map(|level| f64::from(level) / 255.0).collect();
        assert_eq!(Values::pixels_or_doubles(levels), Values::pixels((0..=255).collect()));
        for other in [0.5, -1.0 / 255.0, 256.0 / 255.0, f64::NAN, 1.0 / 65535.0] {
            assert_eq!(Values::pixels_or_doubles(vec![0.2, other]).number_bytes(), 8);
        }
    }
}

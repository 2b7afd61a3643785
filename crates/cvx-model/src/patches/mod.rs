//! Gated neurons on patches of images: a convolutional network whose programme is convex (docs/math.md, section 12).

mod features;
mod fit;
mod network;
mod runs;

pub use features::{FEATURES_AT_A_TIME, PatchFeatures};
pub use fit::{PatchGates, PatchSettings};
pub use runs::IMAGES_AT_A_TIME;

use crate::dataset::FeatureKind;
use crate::error::ModelError;
use cvx_linalg::{FeaturePrecision, HostMatrix, PatchPlan};

/// What all gates of a network on patches have in common: the size of patches and regions, how a patch is normalised,
/// and the values that are summed where a gate is on. Gates themselves are columns of a matrix (s s channels + 1 rows).
#[derive(Clone, Debug, PartialEq)]
pub struct Patches {
    /// Colour channels of the images.
    pub channels: usize,
    /// Rows of the images.
    pub height: usize,
    /// Columns of the images.
    pub width: usize,
    /// Side of a patch.
    pub side: usize,
    /// Pixels from one patch to the next.
    pub stride: usize,
    /// Regions along each side.
    pub regions: usize,
    /// Whether an image and its mirror image have the same prediction.
    pub mirrored: bool,
    /// eps of the contrast of a patch, in the units of transformed pixels.
    pub contrast: f64,
    /// What features are rounded to.
    pub precision: FeaturePrecision,
    /// V: a column for each value of a patch (s s channels + 1 rows): principal directions of whitened patches, and 1.
    pub values: HostMatrix,
}

impl Patches {
    /// The plan of the features of these gates (s s channels + 1 rows).
    pub fn plan(&self, gates: HostMatrix) -> PatchPlan {
        let Patches { channels, height, width, side, stride, regions, mirrored, contrast, precision, .. } = *self;
        let values = self.values.clone();
        PatchPlan { channels, height, width, side, stride, regions, mirrored, contrast, precision, values, gates }
    }

    /// Features of a gate: the number of rows of a block.
    pub fn block_rows(&self) -> usize {
        self.regions * self.regions * self.values.cols()
    }

    /// Pixels of an image, in all channels.
    pub fn n_pixels(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Rows of a gate: the pixels of a patch and a 1.
    pub fn gate_rows(&self) -> usize {
        self.channels * self.side * self.side + 1
    }

    /// The patch of a transformed image whose first pixel is at `row` and `column`, or its mirror image, as gates and
    /// values see it: normalised, with a 1 (s s channels + 1). `None` if it is not within the image.
    pub fn patch(&self, image: &[f64], (row, column): (usize, usize), mirrored: bool) -> Option<Vec<f64>> {
        let Patches { channels, height, width, side, contrast, .. } = *self;
        let within = |first: usize, length: usize| first.checked_add(side).is_some_and(|end| end <= length);
        if !within(row, height) || !within(column, width) || image.len() != channels * height * width {
            return None;
        }
        let mut patch = Vec::with_capacity(self.gate_rows());
        for line in 0..channels * side {
            let at = (line / side * height + row + line % side) * width + column;
            match mirrored {
                true => patch.extend(image[at..at + side].iter().rev()),
                false => patch.extend_from_slice(&image[at..at + side]),
            }
        }
        normalise(&mut patch, contrast);
        patch.push(1.0);
        Some(patch)
    }

    /// Checks that the parts fit each other and images of this kind. The other methods are for patches that pass.
    ///
    /// # Errors
    /// [`ModelError::Shape`] or [`ModelError::NonFinite`].
    pub fn check(&self, kind: FeatureKind) -> Result<(), ModelError> {
        let images = FeatureKind::Image { channels: self.channels, height: self.height, width: self.width };
        let wrong = |expected: String, found: String| Err(ModelError::Shape { what: "patches", expected, found });
        if kind != images {
            return wrong(format!("those of {kind:?}"), format!("those of {images:?}"));
        }
        if !(self.contrast.is_finite() && self.contrast >= 0.0) {
            let range = "a finite number that is 0 or larger";
            return Err(ModelError::OutOfRange { name: "contrast", value: self.contrast, range });
        }
        if let Some(at) = self.values.values().iter().position(|value| !value.is_finite()) {
            let (row, column) = (at % self.values.rows(), at / self.values.rows());
            return Err(ModelError::NonFinite { what: "the values of patches", row, column });
        }
        if self.values.cols() == 0 {
            return wrong("a value of each patch".to_string(), "none".to_string());
        }
        // A gate with the rows of the values, which are in memory. Sizes from a file may be anything, and the plan
        // compares them with these rows.
        match self.plan(HostMatrix::zeros(self.values.rows(), 1)).check() {
            Ok(()) => Ok(()),
            Err(error) => wrong("patches that fit the images".to_string(), error.to_string()),
        }
    }
}

/// (x - mean) / sqrt(variance + eps^2). A patch of one value without a contrast of its own is 0, not 0/0.
fn normalise(patch: &mut [f64], contrast: f64) {
    let count = patch.len() as f64;
    let mean = patch.iter().sum::<f64>() / count;
    let variance = patch.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    let scale = (variance + contrast * contrast).sqrt();
    patch.iter_mut().for_each(|x| *x = if scale > 0.0 { (*x - mean) / scale } else { 0.0 });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_is_cut_out_normalised_and_mirrored() {
        let (channels, height, width, side) = (2, 3, 4, 2);
        let values = HostMatrix::zeros(channels * side * side + 1, 1);
        let (stride, regions, mirrored, contrast, precision) = (1, 1, true, 0.0, FeaturePrecision::Single);
        let patches = Patches { channels, height, width, side, stride, regions, mirrored, contrast, precision, values };
        let image: Vec<f64> = (0..24).map(f64::from).collect();
        // Rows 1 and 2, columns 2 and 3 of both channels: the mean is 14.5, the variance 40.25.
        let pixels = [6.0, 7.0, 10.0, 11.0, 18.0, 19.0, 22.0, 23.0];
        let found = patches.patch(&image, (1, 2), false).unwrap();
        for (found, pixel) in found.iter().zip(pixels) {
            assert!((found - (pixel - 14.5) / 40.25f64.sqrt()).abs() < 1e-12);
        }
        assert_eq!((found.len(), found[8]), (9, 1.0));
        let mirrored = patches.patch(&image, (1, 2), true).unwrap();
        assert_eq!(mirrored, [1, 0, 3, 2, 5, 4, 7, 6, 8].map(|k: usize| found[k]));
        assert_eq!(patches.patch(&[3.0; 24], (0, 0), false).unwrap()[..8], [0.0; 8]);
        for outside in [(2, 0), (0, 3), (usize::MAX, 0)] {
            assert!(patches.patch(&image, outside, false).is_none());
        }
        assert!(patches.patch(&image[1..], (0, 0), false).is_none());
    }
}

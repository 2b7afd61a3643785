//! Gated neurons on patches of images: a convolutional network whose programme is convex (docs/math.md, section 12).

mod features;
mod fit;
mod network;

pub use features::PatchFeatures;
pub use fit::{PatchGates, PatchSettings};

use crate::dataset::FeatureKind;
use crate::error::ModelError;
use cvx_linalg::{HostMatrix, PatchPlan};

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
    /// V: a column for each value of a patch (s s channels + 1 rows): principal directions of whitened patches, and 1.
    pub values: HostMatrix,
}

impl Patches {
    /// The plan of the features of these gates (s s channels + 1 rows).
    pub fn plan(&self, gates: HostMatrix) -> PatchPlan {
        let Patches { channels, height, width, side, stride, regions, mirrored, contrast, .. } = *self;
        let values = self.values.clone();
        PatchPlan { channels, height, width, side, stride, regions, mirrored, contrast, values, gates }
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

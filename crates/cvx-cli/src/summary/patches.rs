//! Gates of patches of images in words.

use crate::number::bytes;
use cvx_admm::{Features, Gates, Settings};
use cvx_linalg::FeaturePrecision;
use cvx_model::{FeatureKind, Patches};
use serde::Serialize;

/// What gates of patches look at; its fields are the keys of its JSON.
#[derive(Clone, Serialize)]
pub struct Layout {
    /// Channels, height and width of an image.
    pub image: [usize; 3],
    /// Side of a patch in pixels.
    pub side: usize,
    /// Pixels from one patch to the next.
    pub stride: usize,
    /// Regions along each side.
    pub regions: usize,
    /// Whether mirror images have the same prediction.
    pub mirrored: bool,
}

impl Layout {
    /// Of a run that is to begin; `None` for other gates, and for settings that do not fit, which the run refuses.
    pub fn planned(settings: &Settings, kind: FeatureKind) -> Option<Self> {
        let (Gates::Patches(patches), FeatureKind::Image { channels, height, width }) = (&settings.gates, kind) else {
            return None;
        };
        let [side, stride, regions] = patches.geometry(height, width).ok()?;
        let image = [channels, height, width];
        Some(Layout { image, side, stride, regions, mirrored: patches.is_mirrored(channels) })
    }

    /// Of a network.
    pub fn of(patches: &Patches) -> Self {
        let Patches { channels, height, width, side, stride, regions, mirrored, .. } = *patches;
        Layout { image: [channels, height, width], side, stride, regions, mirrored }
    }

    /// The size of the images, such as 3 x 32 x 32.
    pub fn size(&self) -> String {
        let [channels, height, width] = self.image;
        format!("{channels} x {height} x {width}")
    }

    /// The patches and their regions.
    pub fn words(&self) -> String {
        let Layout { side, stride, regions, mirrored, .. } = *self;
        let steps = if stride == 1 { "at every pixel".to_string() } else { format!("every {stride} pixels") };
        let regions = if regions == 1 { "1 region".to_string() } else { format!("{regions} x {regions} regions") };
        let flips = if mirrored { "mirror images alike" } else { "left and right told apart" };
        format!("{side} x {side} {steps}, {regions}, {flips}")
    }
}

/// What the features are, and how they are at hand.
pub fn features(features: Features) -> String {
    let precision = match features.precision {
        FeaturePrecision::Single => "",
        FeaturePrecision::Half => " in half precision",
    };
    match (features.stored, bytes(features.bytes)) {
        (true, count) => format!("features stored{precision}, {count}"),
        (false, count) => {
            format!("features computed anew for every product: stored{precision} they would take {count}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_symmetry_are_said() {
        let layout = Layout { image: [3, 32, 32], side: 6, stride: 1, regions: 3, mirrored: true };
        assert_eq!(layout.size(), "3 x 32 x 32");
        assert_eq!(layout.words(), "6 x 6 at every pixel, 3 x 3 regions, mirror images alike");
        let layout = Layout { stride: 2, regions: 1, mirrored: false, ..layout };
        assert_eq!(layout.words(), "6 x 6 every 2 pixels, 1 region, left and right told apart");
        let single = Features { precision: FeaturePrecision::Single, stored: true, bytes: 1_200_000_000 };
        assert_eq!(features(single), "features stored, 1.2 GB");
        assert!(features(Features { stored: false, ..single }).ends_with(": stored they would take 1.2 GB"));
        let half = Features { precision: FeaturePrecision::Half, ..single };
        assert_eq!(features(half), "features stored in half precision, 1.2 GB");
    }
}

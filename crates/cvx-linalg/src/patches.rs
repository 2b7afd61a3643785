//! Features of images that gated neurons on patches are linear in (docs/math.md, section 12).

use crate::error::LinalgError;
use crate::host::HostMatrix;
use crate::named;
use half::f16;
use std::ops::Range;

/// The largest number of half precision.
pub(crate) const LARGEST_HALF: f32 = f16::MAX.to_f32_const();

/// The numbers that features are: their rounding is part of what a network of patches is.
///
/// Features of half precision are those of single precision, rounded once more. So every device and every runtime of
/// exported networks has the same ones, since processors and runtimes convert f64 to half precision by way of f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FeaturePrecision {
    /// IEEE binary32: features computed in f64 are rounded to f32.
    #[default]
    Single,
    /// IEEE binary16: these are rounded to the nearest number with 11 bits, ties to even, and what is beyond 65504 is
    /// 65504. Features are of size 1, so only images unlike those that patches were fitted to come near it.
    Half,
}

named!(FeaturePrecision, "feature precision": Single = "single", Half = "half");

impl FeaturePrecision {
    /// A feature that was computed in f64, as one of these numbers.
    pub fn round(self, feature: f64) -> f64 {
        let single = feature as f32;
        match self {
            FeaturePrecision::Single => single.into(),
            FeaturePrecision::Half => f16::from_f32(single.clamp(-LARGEST_HALF, LARGEST_HALF)).into(),
        }
    }
}

/// How an image becomes features: patches at every `stride` pixels, gates that each patch is on or off for, and values
/// that are summed over the patches of a region where a gate is on.
///
/// A patch x of s x s pixels in all channels becomes p = [(x - mean) / c; 1] with the contrast
/// c = sqrt(mean((x - mean)^2) + eps^2). Gate g is on where g'p >= 0. With the values V'p of a patch, the features of
/// gate i in region q are
///
/// $$ z_{iq} = \sqrt{R^2/N} \sum_{k \in q} 1\[g_i' p_k \ge 0\] V' p_k $$
///
/// for N patches in R x R regions; with `mirrored`, the mean of this and of the same for the mirrored image. They are
/// computed in f64 and rounded to `precision`: a network of patches has features of single or half precision.
///
/// The features of an image are `gates x regions x regions x values` numbers, the values of one gate and region side by
/// side, the blocks of one gate after those of the other.
#[derive(Clone, Debug, PartialEq)]
pub struct PatchPlan {
    /// Colour channels of an image.
    pub channels: usize,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Side s of a patch.
    pub side: usize,
    /// Pixels from one patch to the next.
    pub stride: usize,
    /// Regions R along each side of the image.
    pub regions: usize,
    /// Whether an image and its mirror image (left and right exchanged) have the same features.
    pub mirrored: bool,
    /// eps, in the units of the pixels.
    pub contrast: f64,
    /// What features are rounded to.
    pub precision: FeaturePrecision,
    /// V: a column for each value, s s channels + 1 rows.
    pub values: HostMatrix,
    /// A gate in each column, s s channels + 1 rows.
    pub gates: HostMatrix,
}

/// A patch position, and where its patch counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The first row of pixels.
    pub row: usize,
    /// The first column of pixels.
    pub column: usize,
    /// The region of the patch; `None` where only the mirrored image has one here.
    pub region: Option<usize>,
    /// The region of its mirror image in the mirrored image.
    pub mirrored: Option<usize>,
}

impl PatchPlan {
    /// Pixels of an image, in all channels.
    pub fn n_pixels(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Pixels of a patch, in all channels.
    pub fn n_patch_pixels(&self) -> usize {
        self.channels * self.side * self.side
    }

    /// Features of one gate: R R times the number of values.
    pub fn block_rows(&self) -> usize {
        self.regions * self.regions * self.values.cols()
    }

    /// Features of an image.
    pub fn n_features(&self) -> usize {
        self.gates.cols() * self.block_rows()
    }

    /// Patches along one side of `length` pixels.
    fn along(&self, length: usize) -> usize {
        (length - self.side) / self.stride + 1
    }

    /// Patches of an image, as rows and columns.
    pub fn grid(&self) -> (usize, usize) {
        (self.along(self.height), self.along(self.width))
    }

    /// sqrt(R^2/N), halved where the features of the mirrored image are added.
    pub fn scale(&self) -> f64 {
        let (rows, columns) = self.grid();
        let share = (self.regions * self.regions) as f64 / (rows * columns) as f64;
        share.sqrt() * if self.mirrored { 0.5 } else { 1.0 }
    }

    /// Floating-point operations for one image: the products of its patches, and the sums where one gate in five is on.
    pub fn flops(&self) -> f64 {
        let (rows, columns) = self.grid();
        let sides = if self.mirrored { 2.0 } else { 1.0 };
        let (gates, values) = (self.gates.cols() as f64, self.values.cols() as f64);
        let products = 2.0 * self.n_patch_pixels() as f64 * (gates + values);
        (rows * columns) as f64 * (products + sides * 0.2 * gates * values)
    }

    /// Checks that patches fit the image, regions the patches, and columns the patches. The other methods are for plans
    /// that pass.
    ///
    /// # Errors
    /// [`LinalgError::Shape`].
    pub fn check(&self) -> Result<(), LinalgError> {
        let wrong = |detail: String| Err(LinalgError::shape("patch_features", detail));
        let PatchPlan { height, width, side, .. } = *self;
        if self.channels == 0 || self.side == 0 || self.stride == 0 || self.regions == 0 {
            return wrong("no channels, pixels, steps or regions".to_string());
        }
        if side > height.min(width) {
            return wrong(format!("patches of {side} x {side} pixels in images of {height} x {width}"));
        }
        let product = |sizes: &[usize]| sizes.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        let pixels = product(&[self.channels, height, width]).and_then(|pixels| pixels.checked_add(1));
        let features = product(&[self.regions, self.regions, self.values.cols(), self.gates.cols()]);
        if pixels.is_none() || features.is_none() {
            return wrong("more pixels or features than can be counted".to_string());
        }
        let (rows, columns) = self.grid();
        if self.regions > rows.min(columns) {
            return wrong(format!("{} regions along {rows} x {columns} patches", self.regions));
        }
        let expected = self.n_patch_pixels() + 1;
        for (what, matrix) in [("gates", &self.gates), ("values", &self.values)] {
            if matrix.rows() != expected || matrix.cols() == 0 {
                let (rows, cols) = (matrix.rows(), matrix.cols());
                return wrong(format!("{what} of {rows} x {cols} numbers, expected {expected} rows and a column"));
            }
        }
        Ok(())
    }

    /// Checks the operands of [`patch_features`](crate::Backend::patch_features).
    pub(crate) fn check_operands(
        &self,
        images: &HostMatrix,
        first: usize,
        out: (usize, usize),
    ) -> Result<(), LinalgError> {
        self.check()?;
        if images.rows() != self.n_pixels() || out.0 != self.n_features() || first + out.1 > images.cols() {
            let detail = format!(
                "images {first} to {} of {} x {} pixels, features {} x {}, expected {} pixels and {} features",
                first + out.1,
                images.cols(),
                images.rows(),
                out.0,
                out.1,
                self.n_pixels(),
                self.n_features()
            );
            return Err(LinalgError::shape("patch_features", detail));
        }
        Ok(())
    }

    /// The positions of all patches, row by row. The mirror image of the patch at column c is that of the mirrored
    /// image at width - s - c, so that both images need each patch only once.
    pub fn places(&self) -> Vec<Place> {
        let ((rows, columns), regions) = (self.grid(), self.regions);
        let mut places = Vec::new();
        for i in 0..rows {
            let region = |j: usize| i * regions / rows * regions + j * regions / columns;
            for column in 0..=self.width - self.side {
                let on_grid = |column: usize| {
                    Some(column / self.stride).filter(|_| column.is_multiple_of(self.stride)).map(region)
                };
                let place = Place {
                    row: i * self.stride,
                    column,
                    region: on_grid(column),
                    mirrored: Some(self.width - self.side - column).filter(|_| self.mirrored).and_then(on_grid),
                };
                if place.region.is_some() || place.mirrored.is_some() {
                    places.push(place);
                }
            }
        }
        places
    }

    /// For each region the pixels of its patches, s s channels numbers a patch, in the order of the rows of a gate.
    /// With `mirrored`, those of the mirrored image are among them, as pixels of the image itself.
    pub fn pixels_by_region(&self) -> Vec<Vec<usize>> {
        let mut regions = vec![Vec::new(); self.regions * self.regions];
        for place in self.places() {
            for (region, flipped) in [(place.region, false), (place.mirrored, true)] {
                let Some(region) = region else { continue };
                for line in 0..self.channels * self.side {
                    let (channel, row) = (line / self.side, place.row + line % self.side);
                    let first = (channel * self.height + row) * self.width + place.column;
                    let pixel = |k: usize| first + if flipped { self.side - 1 - k } else { k };
                    regions[region].extend((0..self.side).map(pixel));
                }
            }
        }
        regions
    }

    /// The plan of some of the gates.
    pub fn select(&self, gates: Range<usize>) -> Self {
        let columns = HostMatrix::from_fn(self.gates.rows(), gates.len(), |row, j| self.gates[(row, gates.start + j)]);
        PatchPlan { gates: columns, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(side: usize, stride: usize, regions: usize, mirrored: bool) -> PatchPlan {
        let columns = || HostMatrix::zeros(2 * side * side + 1, 3);
        let (channels, height, width) = (2, 7, 9);
        let (values, gates, precision) = (columns(), columns(), FeaturePrecision::Single);
        PatchPlan { channels, height, width, side, stride, regions, mirrored, contrast: 0.1, precision, values, gates }
    }

    #[test]
    fn every_patch_of_both_images_has_its_place() {
        for (stride, regions, mirrored) in [(1, 2, true), (2, 3, true), (4, 1, true), (1, 3, false), (3, 2, false)] {
            let plan = plan(2, stride, regions, mirrored);
            let (rows, columns) = plan.grid();
            let places = plan.places();
            let count = |of: &dyn Fn(&Place) -> Option<usize>| places.iter().filter_map(of).count();
            assert_eq!(count(&|place| place.region), rows * columns);
            assert_eq!(count(&|place| place.mirrored), if mirrored { rows * columns } else { 0 });
            assert!(places.iter().filter_map(|place| place.region).all(|region| region < regions * regions));
        }
    }

    #[test]
    fn the_mirrored_image_has_the_pixels_of_the_image_from_the_other_side() {
        for (stride, regions) in [(1, 2), (2, 3), (3, 1)] {
            let straight = plan(2, stride, regions, false).pixels_by_region();
            let both = plan(2, stride, regions, true).pixels_by_region();
            for (region, straight) in straight.iter().enumerate() {
                let flipped = straight.iter().map(|pixel| pixel - pixel % 9 + 8 - pixel % 9);
                let sorted = |pixels: &mut dyn Iterator<Item = usize>| {
                    let pixels: Vec<usize> = pixels.collect();
                    let mut patches: Vec<Vec<usize>> = pixels.chunks(8).map(<[usize]>::to_vec).collect();
                    patches.sort();
                    patches
                };
                let expected = sorted(&mut straight.iter().copied().chain(flipped));
                assert_eq!(sorted(&mut both[region].iter().copied()), expected);
            }
        }
        // The patch at row 2, column 4 of a single region: two channels of 7 x 9 pixels.
        assert_eq!(plan(2, 2, 1, false).pixels_by_region()[0][8 * 6..8 * 7], [22, 23, 31, 32, 85, 86, 94, 95]);
    }

    /// All 65536 bit patterns but infinities and NaN are what they are; numbers between two of them go to the nearest,
    /// and from the middle to the one with an even last bit.
    #[test]
    fn half_precision_is_the_nearest_of_all_its_numbers() {
        let half = |number: f64| FeaturePrecision::Half.round(number);
        // Of magnitudes, subnormal ones are multiples of 2^-24, and above 2^-14 each power of two has 1024 numbers.
        let magnitude = |bits: u32| match (bits / 1024, bits % 1024) {
            (0, part) => f64::from(part) * 2f64.powi(-24),
            (exponent, part) => f64::from(1024 + part) * 2f64.powi(exponent as i32 - 25),
        };
        for bits in 0..31 * 1024 - 1 {
            let (low, high) = (magnitude(bits), magnitude(bits + 1));
            let (middle, step) = (0.5 * (low + high), 1e-3 * (high - low));
            let even = if bits % 2 == 0 { low } else { high };
            for (number, expected) in
                [(low, low), (middle - step, low), (middle, even), (middle + step, high), (high, high)]
            {
                assert_eq!((half(number), half(-number)), (expected, -expected), "{number:e}");
            }
        }
        for beyond in [65_504.0, 65_519.0, 65_520.0, 1e30, 1e300, f64::INFINITY] {
            assert_eq!((half(beyond), half(-beyond)), (65_504.0, -65_504.0));
        }
        assert_eq!(FeaturePrecision::Single.round(0.1), f64::from(0.1f32));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(plan(3, 1, 2, true).check().is_ok());
        for wrong in [plan(8, 1, 1, true), plan(0, 1, 1, true), plan(3, 0, 1, true), plan(6, 1, 3, true)] {
            assert!(matches!(wrong.check(), Err(LinalgError::Shape { .. })), "{wrong:?}");
        }
    }
}

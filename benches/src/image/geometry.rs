//! Where the patches of an image are, and in which regions.

use anyhow::{Result, bail};
use cvx_linalg::HostMatrix;
use cvx_model::{FeatureKind, PatchSettings};

/// Patches of side x side pixels in all channels at every `stride` pixels, in regions x regions regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub side: usize,
    pub stride: usize,
    pub regions: usize,
}

impl Geometry {
    /// Side and stride as gated neurons on patches have them, and their number of regions along a side unless another
    /// one is given.
    pub fn new(kind: FeatureKind, regions: Option<usize>) -> Result<Self> {
        let FeatureKind::Image { channels, height, width } = kind else {
            bail!("patches need images, and the data are a table");
        };
        let settings = PatchSettings { regions, ..PatchSettings::default() };
        let [side, stride, regions] = settings.geometry(height, width)?;
        Ok(Geometry { channels, height, width, side, stride, regions })
    }

    /// Patches of an image, as rows and columns.
    pub fn grid(&self) -> (usize, usize) {
        let along = |length: usize| (length - self.side) / self.stride + 1;
        (along(self.height), along(self.width))
    }

    /// Patches of an image, N.
    pub fn n_patches(&self) -> usize {
        let (rows, columns) = self.grid();
        rows * columns
    }

    /// Pixels of a patch in all channels, K.
    pub fn n_patch_pixels(&self) -> usize {
        self.channels * self.side * self.side
    }

    /// Regions of an image.
    pub fn n_regions(&self) -> usize {
        self.regions * self.regions
    }

    /// A column for each region, with 1 over its number of patches where a patch is in it (N x regions^2).
    pub fn means(&self) -> HostMatrix {
        let ((rows, columns), regions) = (self.grid(), self.regions);
        let region = |k: usize| k / columns * regions / rows * regions + k % columns * regions / columns;
        let mut counts = vec![0.0; self.n_regions()];
        (0..rows * columns).for_each(|k| counts[region(k)] += 1.0);
        let share = |k, column| if region(k) == column { 1.0 / counts[column] } else { 0.0 };
        HostMatrix::from_fn(rows * columns, counts.len(), share)
    }

    /// All patches of an image in the first columns of `out`: N rows, a column for each of the K pixels of a patch.
    /// Later columns stay as they are.
    pub fn unfold(&self, image: &[f64], out: &mut HostMatrix) {
        let Geometry { width, height, side, stride, .. } = *self;
        let (_, columns) = self.grid();
        for pixel in 0..self.n_patch_pixels() {
            let (channel, row, column) = (pixel / (side * side), pixel / side % side, pixel % side);
            for (i, out) in out.col_mut(pixel).chunks_exact_mut(columns).enumerate() {
                let at = (channel * height + i * stride + row) * width + column;
                let line = &image[at..at + (columns - 1) * stride + 1];
                if stride == 1 {
                    out.copy_from_slice(line);
                } else {
                    out.iter_mut().zip(line.iter().step_by(stride)).for_each(|(out, pixel)| *out = *pixel);
                }
            }
        }
    }

    /// The image with left and right exchanged.
    pub fn mirror(&self, image: &[f64], out: &mut [f64]) {
        for (out, line) in out.chunks_exact_mut(self.width).zip(image.chunks_exact(self.width)) {
            out.iter_mut().zip(line.iter().rev()).for_each(|(out, pixel)| *out = *pixel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GEOMETRY: Geometry = Geometry { channels: 2, height: 7, width: 9, side: 3, stride: 2, regions: 2 };

    #[test]
    fn sizes_are_those_of_gates_of_patches() {
        let kind = FeatureKind::Image { channels: 3, height: 32, width: 32 };
        let found = Geometry::new(kind, None).unwrap();
        assert_eq!((found.side, found.stride, found.regions, found.n_patches()), (6, 1, 3, 729));
        assert_eq!(Geometry::new(kind, Some(2)).unwrap().regions, 2);
        assert!(Geometry::new(FeatureKind::Table, None).unwrap_err().to_string().contains("images"));
        assert!(Geometry::new(kind, Some(28)).is_err());
    }

    #[test]
    fn a_row_has_the_pixels_of_its_patch() {
        for geometry in [GEOMETRY, Geometry { stride: 1, ..GEOMETRY }] {
            let image: Vec<f64> = (0..2 * 7 * 9).map(f64::from).collect();
            let (rows, columns) = geometry.grid();
            let mut found = HostMatrix::from_fn(rows * columns, 19, |_, _| -1.0);
            geometry.unfold(&image, &mut found);
            for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
                for pixel in 0..18 {
                    let (channel, row, column) = (pixel / 9, pixel / 3 % 3, pixel % 3);
                    let (y, x) = (i * geometry.stride + row, j * geometry.stride + column);
                    assert_eq!(found[(i * columns + j, pixel)], image[channel * 63 + y * 9 + x]);
                }
            }
            assert!(found.col(18).iter().all(|value| *value == -1.0));
        }
    }

    #[test]
    fn a_mirror_image_has_its_lines_reversed() {
        let image: Vec<f64> = (0..2 * 7 * 9).map(f64::from).collect();
        let mut found = vec![0.0; image.len()];
        GEOMETRY.mirror(&image, &mut found);
        assert_eq!((found[0], found[8], found[9], found[63]), (8.0, 0.0, 17.0, 71.0));
    }

    #[test]
    fn every_patch_counts_in_one_region_and_the_weights_of_a_region_add_up_to_one() {
        let means = Geometry { stride: 1, ..GEOMETRY }.means();
        assert_eq!((means.rows(), means.cols()), (35, 4));
        assert!((0..4).all(|region| (means.col(region).iter().sum::<f64>() - 1.0).abs() < 1e-12));
        assert!((0..35).all(|k| (0..4).filter(|&region| means[(k, region)] > 0.0).count() == 1));
    }
}

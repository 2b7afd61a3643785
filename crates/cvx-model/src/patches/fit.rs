//! Fits the normalisation of patches and their gates to training images.

use crate::dataset::FeatureKind;
use crate::error::ModelError;
use crate::patches::{Patches, normalise};
use crate::program::ProgramError;
use cvx_linalg::{Backend, FeaturePrecision, HostMatrix, LinalgError, Transpose, named, symmetric_eigen};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// Where the gates of patches come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PatchGates {
    /// Centres of the clusters of training patches.
    #[default]
    Clusters,
    /// Training patches.
    Random,
}

named!(PatchGates, "patch gates": Clusters = "clusters", Random = "random");

/// Settings of gated neurons on patches. What is `None` follows from the size of the images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PatchSettings {
    /// Where the gates come from.
    pub gates: PatchGates,
    /// Side of a patch in pixels. Default: three sixteenths of the shorter side of an image, between 3 and 8.
    pub side: Option<usize>,
    /// Pixels from one patch to the next. Default: 1, and more where there would be more than 48 patches along a side.
    pub stride: Option<usize>,
    /// Regions along each side of an image, each with weights of its own. Default: 3.
    pub regions: Option<usize>,
    /// Whether an image and its mirror image (left and right exchanged) have the same prediction. Default: for images
    /// in colour, which are photographs; grey ones may be characters.
    pub mirrored: Option<bool>,
    /// Share of training patches for which a gate is on. Default: 0.2.
    pub active: f64,
    /// Share of the mean variance that is added to the variance of each principal direction before it is scaled to 1;
    /// `None` leaves patches as they are. Default: 0.1.
    pub whitening: Option<f64>,
    /// Principal directions of a patch that neurons are linear in. Default: 32.
    pub directions: usize,
    /// What features are rounded to. Default: single precision. Training decides by the memory: half precision where
    /// only features of half precision fit beside a direct solver, or fit at all.
    pub precision: Option<FeaturePrecision>,
}

impl Default for PatchSettings {
    fn default() -> Self {
        PatchSettings {
            gates: PatchGates::Clusters,
            side: None,
            stride: None,
            regions: None,
            mirrored: None,
            active: 0.2,
            whitening: Some(0.1),
            directions: 32,
            precision: None,
        }
    }
}

/// Most patches along a side that the default stride leaves.
const MOST_ALONG: usize = 48;

/// Regions along a side, where there are as many patches.
const REGIONS: usize = 3;

/// eps of the contrast, as a share of the standard deviation of pixels: flat patches stay flat.
const CONTRAST: f64 = 0.16;

/// Patches that mean and covariance are computed from, that clusters are made of, and that thresholds are read off.
const PATCHES: usize = 50_000;
const CLUSTERED: usize = 40_000;
const RANKED: usize = 20_000;

/// Seed of the patches that mean and covariance are computed from: networks with other gates, but of the same images,
/// have the same values, and can be averaged into one network.
const STATISTICS: u64 = 0;

/// Rounds of the clustering. Gates need not be converged centres.
const ROUNDS: usize = 10;

/// Distance between two responses, relative to the largest one, below which rounding may exchange them.
const SAME: f64 = 1e-9;

impl PatchSettings {
    /// Checks every setting against its range.
    ///
    /// # Errors
    /// [`ModelError::OutOfRange`] for the first one outside.
    pub fn validate(&self) -> Result<(), ModelError> {
        let at_least_one = |name, value: Option<usize>| match value {
            Some(0) => Err(ModelError::OutOfRange { name, value: 0.0, range: "at least 1" }),
            _ => Ok(()),
        };
        at_least_one("patch", self.side)?;
        at_least_one("stride", self.stride)?;
        at_least_one("regions", self.regions)?;
        at_least_one("directions", Some(self.directions))?;
        if !(self.active > 0.0 && self.active < 1.0) {
            return Err(ModelError::OutOfRange { name: "active", value: self.active, range: "between 0 and 1" });
        }
        match self.whitening {
            Some(value) if !(value > 0.0 && value.is_finite()) => {
                Err(ModelError::OutOfRange { name: "whitening", value, range: "a positive number" })
            }
            _ => Ok(()),
        }
    }

    /// Side, stride and regions for images of this size.
    ///
    /// # Errors
    /// [`ModelError::OutOfRange`] for a patch larger than an image or more regions than patches.
    pub fn geometry(&self, height: usize, width: usize) -> Result<[usize; 3], ModelError> {
        let shorter = height.min(width);
        let side = self.side.unwrap_or((3 * shorter + 8) / 16).clamp(1, usize::MAX);
        let side = if self.side.is_none() { side.clamp(3, 8).min(shorter.max(1)) } else { side };
        if side > shorter {
            let range = "at most the shorter side of the images";
            return Err(ModelError::OutOfRange { name: "patch", value: side as f64, range });
        }
        let stride = self.stride.unwrap_or((height.max(width) - side + 1).div_ceil(MOST_ALONG)).max(1);
        let along = (shorter - side) / stride + 1;
        let regions = self.regions.unwrap_or(REGIONS.min(along));
        if regions > along {
            let range = "at most the number of patches along a side";
            return Err(ModelError::OutOfRange { name: "regions", value: regions as f64, range });
        }
        Ok([side, stride, regions])
    }

    /// Whether mirror images of images with this number of channels have the same prediction.
    pub fn is_mirrored(&self, channels: usize) -> bool {
        self.mirrored.unwrap_or(channels > 1)
    }

    /// Rows of a block for images of this size: regions times values.
    ///
    /// # Errors
    /// Those of [`geometry`](Self::geometry).
    pub fn block_rows(&self, channels: usize, height: usize, width: usize) -> Result<usize, ModelError> {
        let [side, _, regions] = self.geometry(height, width)?;
        Ok(regions * regions * (self.directions.min(channels * side * side) + 1))
    }

    /// Fits patches and draws `count` gates (s s channels + 1 rows) from transformed images (pixels x n). The same seed
    /// gives the same bits on any number of threads; the patches do not depend on it.
    ///
    /// # Errors
    /// [`ProgramError::Model`] for a table or settings that do not fit the images, [`ProgramError::Linalg`] if an
    /// operation of the back end fails.
    pub fn fit<B: Backend>(
        &self,
        backend: &B,
        images: &HostMatrix,
        kind: FeatureKind,
        count: usize,
        seed: u64,
    ) -> Result<(Patches, HostMatrix), ProgramError> {
        let FeatureKind::Image { channels, height, width } = kind else {
            return Err(ModelError::NotImages { gates: "conv" }.into());
        };
        self.validate()?;
        let [side, stride, regions] = self.geometry(height, width)?;
        let wide = backend.wide();
        let draw = Draw { images, channels, height, width, side, stride };
        let (mut patches, spread) = draw.patches(&mut Pcg64::seed_from_u64(STATISTICS), PATCHES);
        let contrast = CONTRAST * spread;
        (0..patches.cols()).for_each(|k| normalise(patches.col_mut(k), contrast));
        let Whitening { mean, matrix, values } = Whitening::fit(&wide, &patches, self.whitening, self.directions)?;
        let (mut patches, _) = draw.patches(&mut Pcg64::seed_from_u64(seed), CLUSTERED);
        (0..patches.cols()).for_each(|k| normalise(patches.col_mut(k), contrast));
        let patches = whitened(&wide, &patches, &mean, &matrix)?;
        let gates = match self.gates {
            PatchGates::Random => unit_columns(&patches, count),
            PatchGates::Clusters => clusters(&wide, &unit_columns(&patches, CLUSTERED), count)?,
        };
        let ranked = HostMatrix::from_fn(patches.rows(), RANKED, |i, j| patches[(i, j)]);
        let responses = product(&wide, (&ranked, Transpose::Yes), &gates)?;
        let filters = product(&wide, (&matrix, Transpose::No), &gates)?;
        let d = filters.rows();
        let gates = HostMatrix::from_fn(d + 1, count, |row, j| {
            if row < d {
                return filters[(row, j)];
            }
            let offset: f64 = filters.col(j).iter().zip(&mean).map(|(w, mean)| w * mean).sum();
            -offset - threshold(responses.col(j), 1.0 - self.active)
        });
        let (mirrored, precision) = (self.is_mirrored(channels), self.precision.unwrap_or_default());
        let patches = Patches { channels, height, width, side, stride, regions, mirrored, contrast, precision, values };
        Ok((patches, gates))
    }
}

/// Draws patches of training images.
struct Draw<'a> {
    images: &'a HostMatrix,
    channels: usize,
    height: usize,
    width: usize,
    side: usize,
    stride: usize,
}

impl Draw<'_> {
    /// `count` patches as columns, and the standard deviation of their pixels; 1 if there is none.
    fn patches(&self, rng: &mut Pcg64, count: usize) -> (HostMatrix, f64) {
        let Draw { images, channels, height, width, side, stride } = *self;
        let along = |length: usize| (length - side) / stride + 1;
        let mut patches = HostMatrix::zeros(channels * side * side, count);
        for k in 0..count {
            let image = images.col(rng.random_range(0..images.cols()));
            let row = stride * rng.random_range(0..along(height));
            let column = stride * rng.random_range(0..along(width));
            for (line, pixels) in patches.col_mut(k).chunks_exact_mut(side).enumerate() {
                let at = (line / side * height + row + line % side) * width + column;
                pixels.copy_from_slice(&image[at..at + side]);
            }
        }
        let total = patches.values().len() as f64;
        let mean = patches.values().iter().sum::<f64>() / total;
        let spread = (patches.values().iter().map(|x| (x - mean).powi(2)).sum::<f64>() / total).sqrt();
        (patches, if spread > 1e-12 * mean.abs() { spread } else { 1.0 })
    }
}

/// A linear map after which the directions of normalised patches have about the same variance.
struct Whitening {
    /// The mean patch, which is subtracted.
    mean: Vec<f64>,
    /// The symmetric map (d x d).
    matrix: HostMatrix,
    /// The values of a patch ((d + 1) x values): its largest principal directions, whitened, and 1.
    values: HostMatrix,
}

impl Whitening {
    fn fit<B: Backend>(
        backend: &B,
        patches: &HostMatrix,
        shift: Option<f64>,
        directions: usize,
    ) -> Result<Self, LinalgError> {
        let (d, count) = (patches.rows(), patches.cols() as f64);
        let ones = HostMatrix::from_fn(patches.cols(), 1, |_, _| 1.0 / count);
        let mean = product(backend, (patches, Transpose::No), &ones)?.into_values();
        let centred = HostMatrix::from_fn(d, patches.cols(), |i, j| patches[(i, j)] - mean[i]);
        let mut covariance = backend.zeros(d, d)?;
        backend.weighted_gram(&backend.upload(&centred)?, &backend.upload(&ones)?, 0.0, &mut covariance)?;
        let eigen = symmetric_eigen(&backend.download(&covariance)?)?;
        let variances: Vec<f64> = eigen.values.iter().map(|value| value.max(0.0)).collect();
        let mean_variance = variances.iter().sum::<f64>() / d as f64;
        // Patches that are all equal have no direction to scale.
        let factor = |k: usize| match shift {
            Some(shift) if mean_variance > 0.0 => 1.0 / (variances[k] + shift * mean_variance).sqrt(),
            _ => 1.0,
        };
        let scaled = HostMatrix::from_fn(d, d, |i, k| eigen.vectors[(i, k)] * factor(k));
        let matrix = product(backend, (&scaled, Transpose::No), &eigen.vectors.transposed())?;
        // The largest directions, which are the last, with a mean square of 1 together.
        let kept: Vec<usize> = (0..d).rev().take(directions).collect();
        let square = kept.iter().map(|&k| variances[k] * factor(k).powi(2)).sum::<f64>() / kept.len() as f64;
        let scale = if square > 0.0 { 1.0 / square.sqrt() } else { 1.0 };
        let values = HostMatrix::from_fn(d + 1, kept.len() + 1, |row, j| {
            let weight = |row: usize| scale * scaled[(row, kept[j])];
            match (row < d, j < kept.len()) {
                (true, true) => weight(row),
                (false, true) => -(0..d).map(|row| weight(row) * mean[row]).sum::<f64>(),
                (true, false) => 0.0,
                (false, false) => 1.0,
            }
        });
        Ok(Whitening { mean, matrix, values })
    }
}

/// op(a) b.
fn product<B: Backend>(
    backend: &B,
    (a, op): (&HostMatrix, Transpose),
    b: &HostMatrix,
) -> Result<HostMatrix, LinalgError> {
    let rows = if op == Transpose::No { a.rows() } else { a.cols() };
    let mut out = backend.zeros(rows, b.cols())?;
    backend.gemm(1.0, &backend.upload(a)?, op, &backend.upload(b)?, Transpose::No, 0.0, &mut out)?;
    backend.download(&out)
}

/// The map of the patches after their mean is subtracted.
fn whitened<B: Backend>(
    backend: &B,
    patches: &HostMatrix,
    mean: &[f64],
    matrix: &HostMatrix,
) -> Result<HostMatrix, LinalgError> {
    let centred = HostMatrix::from_fn(patches.rows(), patches.cols(), |i, j| patches[(i, j)] - mean[i]);
    product(backend, (matrix, Transpose::No), &centred)
}

/// The first `count` columns, scaled to length 1. Where there are fewer, they are repeated.
fn unit_columns(matrix: &HostMatrix, count: usize) -> HostMatrix {
    let mut out = HostMatrix::from_fn(matrix.rows(), count, |i, j| matrix[(i, j % matrix.cols())]);
    (0..count).for_each(|j| unit(out.col_mut(j)));
    out
}

/// Scales a vector to length 1; zero stays zero.
fn unit(x: &mut [f64]) {
    let length = x.iter().map(|x| x * x).sum::<f64>().sqrt();
    if length > 0.0 {
        x.iter_mut().for_each(|x| *x /= length);
    }
}

/// Directions of `count` clusters of unit vectors: Lloyd's iteration from the first vectors, each cluster having the
/// vectors with the largest product with its centre.
fn clusters<B: Backend>(backend: &B, vectors: &HostMatrix, count: usize) -> Result<HostMatrix, LinalgError> {
    let mut centres = unit_columns(vectors, count);
    for _ in 0..ROUNDS {
        let products = product(backend, (&centres, Transpose::Yes), vectors)?;
        let mut sums = HostMatrix::zeros(vectors.rows(), count);
        for k in 0..vectors.cols() {
            let best = |best: usize, j: usize| if products[(j, k)] > products[(best, k)] { j } else { best };
            let nearest = (1..count).fold(0, best);
            sums.col_mut(nearest).iter_mut().zip(vectors.col(k)).for_each(|(sum, x)| *sum += x);
        }
        for j in 0..count {
            unit(sums.col_mut(j));
            // A cluster that lost all of its vectors keeps its centre.
            if sums.col(j).iter().any(|x| *x != 0.0) {
                centres.col_mut(j).copy_from_slice(sums.col(j));
            }
        }
    }
    Ok(centres)
}

/// A threshold between two responses, at about this quantile. Equal patches, such as those of an empty background, have
/// equal responses except for rounding, and the threshold is not among them.
fn threshold(responses: &[f64], quantile: f64) -> f64 {
    let mut sorted = responses.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else { return 0.0 };
    let margin = SAME * first.abs().max(last.abs());
    let at = ((sorted.len() as f64 * quantile) as usize).clamp(1, sorted.len().max(2) - 1);
    let gaps = (1..sorted.len()).filter(|&k| sorted[k] - sorted[k - 1] > margin);
    match gaps.min_by_key(|&k| k.abs_diff(at)) {
        Some(k) => 0.5 * (sorted[k - 1] + sorted[k]),
        // One response alone: the gate is always on.
        None => first - margin.max(f64::MIN_POSITIVE) - first.abs(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cvx_linalg::Cpu;

    const KIND: FeatureKind = FeatureKind::Image { channels: 2, height: 8, width: 9 };

    fn images(n: usize) -> HostMatrix {
        crate::PatternSet::sample_gates(2 * 8 * 9, n, 3)
    }

    fn fit(settings: PatchSettings, images: &HostMatrix, count: usize) -> (Patches, HostMatrix) {
        settings.fit(&Cpu::<f32>::new(), images, KIND, count, 5).unwrap()
    }

    /// Normalised patches as columns, with a 1.
    fn patches_of(patches: &Patches, images: &HostMatrix) -> HostMatrix {
        let Patches { channels, height, width, side, stride, contrast, .. } = *patches;
        let draw = Draw { images, channels, height, width, side, stride };
        let (mut found, _) = draw.patches(&mut Pcg64::seed_from_u64(99), 20_000);
        (0..found.cols()).for_each(|k| normalise(found.col_mut(k), contrast));
        let d = found.rows();
        HostMatrix::from_fn(d + 1, found.cols(), |i, j| if i < d { found[(i, j)] } else { 1.0 })
    }

    #[test]
    fn gates_are_on_for_the_share_that_is_asked_for_and_values_have_a_mean_square_of_one() {
        let images = images(200);
        for gates in [PatchGates::Clusters, PatchGates::Random] {
            let settings = PatchSettings { gates, active: 0.3, directions: 10, ..PatchSettings::default() };
            let (patches, gates) = fit(settings, &images, 7);
            assert_eq!((patches.side, patches.stride, patches.regions, gates.rows()), (3, 1, 3, 19));
            let cpu = Cpu::<f64>::new();
            let samples = patches_of(&patches, &images);
            let responses = product(&cpu, (&samples, Transpose::Yes), &gates).unwrap();
            for j in 0..7 {
                let on = responses.col(j).iter().filter(|response| **response >= 0.0).count() as f64 / 20_000.0;
                assert!((on - 0.3).abs() < 0.02, "gate {j} is on for {on}");
            }
            let values = product(&cpu, (&samples, Transpose::Yes), &patches.values).unwrap();
            let square: f64 = (0..10).map(|j| values.col(j).iter().map(|v| v * v).sum::<f64>()).sum();
            assert!((square / 200_000.0 - 1.0).abs() < 0.05, "{square}");
            assert!(values.col(10).iter().all(|value| (value - 1.0).abs() < 1e-12));
        }
    }

    #[test]
    fn whitened_values_are_uncorrelated() {
        // Neighbouring pixels are nearly equal, as in photographs.
        let base = images(300);
        let smooth = HostMatrix::from_fn(144, 300, |i, a| (i.saturating_sub(4)..=i).map(|k| base[(k, a)]).sum());
        let settings = PatchSettings { whitening: Some(1e-6), directions: 6, ..PatchSettings::default() };
        let (patches, _) = fit(settings, &smooth, 2);
        let cpu = Cpu::<f64>::new();
        let values = product(&cpu, (&patches_of(&patches, &smooth), Transpose::Yes), &patches.values).unwrap();
        let correlation =
            |j: usize, k: usize| values.col(j).iter().zip(values.col(k)).map(|(a, b)| a * b).sum::<f64>() / 20_000.0;
        for (j, k) in (0..6).flat_map(|j| (0..6).map(move |k| (j, k))) {
            assert!((correlation(j, k) - f64::from(u8::from(j == k))).abs() < 0.05, "{j}, {k}: {}", correlation(j, k));
        }
    }

    #[test]
    fn thresholds_avoid_equal_responses() {
        let background = [vec![0.5; 90], (0..10).map(|k| 0.6 + k as f64).collect()].concat();
        assert!((threshold(&background, 0.8) - 0.55).abs() < 1e-12, "above the background");
        assert!(threshold(&[0.25; 7], 0.8) < 0.25, "always on");
        assert!(threshold(&[0.0; 7], 0.8) < 0.0);
        assert!(threshold(&[-3.0], 0.8) < -3.0);
    }

    #[test]
    fn flat_images_and_more_gates_than_patches_are_no_error() {
        let (_, gates) = fit(PatchSettings::default(), &HostMatrix::from_fn(144, 3, |_, _| 2.0), 5);
        assert!(gates.values().iter().all(|value| value.is_finite()));
    }

    #[test]
    fn tables_and_settings_out_of_range_are_refused() {
        let cpu = Cpu::<f64>::new();
        let of = |settings: PatchSettings, kind| settings.fit(&cpu, &images(3), kind, 2, 1).unwrap_err();
        let default = PatchSettings::default();
        assert_eq!(of(default, FeatureKind::Table), ModelError::NotImages { gates: "conv" }.into());
        for (wrong, name) in [
            (PatchSettings { side: Some(9), ..default }, "patch"),
            (PatchSettings { side: Some(0), ..default }, "patch"),
            (PatchSettings { regions: Some(7), ..default }, "regions"),
            (PatchSettings { stride: Some(0), ..default }, "stride"),
            (PatchSettings { active: 1.0, ..default }, "active"),
            (PatchSettings { whitening: Some(-1.0), ..default }, "whitening"),
            (PatchSettings { directions: 0, ..default }, "directions"),
        ] {
            let error = of(wrong, KIND);
            assert!(
                matches!(&error, ProgramError::Model(ModelError::OutOfRange { name: n, .. }) if *n == name),
                "{error}"
            );
        }
    }

    #[test]
    fn sizes_follow_the_images() {
        let of = |height, width| PatchSettings::default().geometry(height, width).unwrap();
        assert_eq!(of(32, 32), [6, 1, 3]);
        assert_eq!(of(28, 28), [5, 1, 3]);
        assert_eq!(of(16, 16), [3, 1, 3]);
        assert_eq!(of(64, 64), [8, 2, 3]);
        assert_eq!(of(3, 5), [3, 1, 1]);
    }
}

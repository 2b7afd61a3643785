//! The nodes of neurons on patches.

use super::graph::{FLOAT, FLOAT16, INT64, element, initializer, int, ints};
use crate::float::Float;
use crate::proto::Graph;
use cvx_linalg::{FeaturePrecision, PatchPlan};

impl Graph {
    /// Adds the nodes that compute the features `hidden` (N x R R K V) of the images `scaled` (N x d).
    ///
    /// Patches are gathered rather than convolved: then their mean is subtracted before anything is squared, so that
    /// bright flat patches keep their digits, and the graph runs in f64, which runtimes do not convolve in. Patches of
    /// a region are next to each other, and those of the mirrored image are patches like the others.
    pub(super) fn patches(&mut self, plan: &PatchPlan, float: Float) {
        let regions = plan.pixels_by_region();
        let pixels = plan.n_patch_pixels();
        let counts: Vec<i64> = regions.iter().map(|region| (region.len() / pixels) as i64).collect();
        let indices: Vec<i64> = regions.into_iter().flatten().map(|pixel| pixel as i64).collect();
        self.integers("pixels", vec![counts.iter().sum(), pixels as i64], &indices);
        self.node("Gather", &["scaled", "pixels"], "patch", vec![int("axis", 1)]);
        self.normalise(plan.contrast, float);
        self.products("values", "value_bias", "value");
        self.products("gates", "gate_bias", "gate");
        self.zero(float);
        self.node("GreaterOrEqual", &["gate", "zero"], "is_on", Vec::new());
        self.node("Cast", &["is_on"], "on", vec![int("to", element(float).into())]);
        self.node("Transpose", &["on"], "on_by_gate", vec![ints("perm", &[0, 2, 1])]);
        self.sum_by_region(plan, &counts);
        self.number("feature_scale", plan.scale(), float);
        self.node("Mul", &["sums", "feature_scale"], "features", Vec::new());
        self.round(plan.precision, float);
    }

    /// Rounds `features` to the precision of their definition, as `hidden`.
    fn round(&mut self, precision: FeaturePrecision, float: Float) {
        let cast = |to: i32| vec![int("to", to.into())];
        self.node("Cast", &["features"], "single", cast(FLOAT));
        if precision == FeaturePrecision::Single {
            return self.node("Cast", &["single"], "hidden", cast(element(float)));
        }
        // What is too large becomes the largest number, and not infinite.
        self.number("smallest_half", FeaturePrecision::Half.round(f64::NEG_INFINITY), Float::F32);
        self.number("largest_half", FeaturePrecision::Half.round(f64::INFINITY), Float::F32);
        self.node("Clip", &["single", "smallest_half", "largest_half"], "within_half", Vec::new());
        self.node("Cast", &["within_half"], "half", cast(FLOAT16));
        self.node("Cast", &["half"], "hidden", cast(element(float)));
    }

    /// (patch - mean) / sqrt(mean of the squares + eps^2), as `normal` (N x patches x pixels).
    fn normalise(&mut self, contrast: f64, float: Float) {
        let along_patch = || vec![ints("axes", &[2]), int("keepdims", 1)];
        self.node("ReduceMean", &["patch"], "patch_mean", along_patch());
        self.node("Sub", &["patch", "patch_mean"], "centred_patch", Vec::new());
        self.node("Mul", &["centred_patch", "centred_patch"], "squares", Vec::new());
        self.node("ReduceMean", &["squares"], "variance", along_patch());
        self.number("contrast_squared", contrast * contrast, float);
        self.node("Add", &["variance", "contrast_squared"], "power", Vec::new());
        self.node("Sqrt", &["power"], "contrast", Vec::new());
        // A patch of one value without a contrast of its own is 0, not 0/0.
        self.number("smallest", smallest(float), float);
        self.node("Max", &["contrast", "smallest"], "divisor", Vec::new());
        self.node("Div", &["centred_patch", "divisor"], "normal", Vec::new());
    }

    /// Products of patches with the rows of a tensor, and its bias, as `name` (N x patches x rows).
    fn products(&mut self, rows: &str, bias: &str, name: &str) {
        let (columns, product) = (format!("{rows}_as_columns"), format!("{name}_of_pixels"));
        self.node("Transpose", &[rows], &columns, vec![ints("perm", &[1, 0])]);
        self.node("MatMul", &["normal", &columns], &product, Vec::new());
        self.node("Add", &[&product, bias], name, Vec::new());
    }

    /// The sum of the values where a gate is on, as `sums` (N x R R K V).
    fn sum_by_region(&mut self, plan: &PatchPlan, counts: &[i64]) {
        let names = |what: &str| (0..counts.len()).map(|region| format!("{what}_{region}")).collect::<Vec<_>>();
        let (on, value, sums) = (names("on"), names("value"), names("sums"));
        self.integers("counts", vec![counts.len() as i64], counts);
        self.split("on_by_gate", &on, 2);
        self.split("value", &value, 1);
        let row = plan.gates.cols() * plan.values.cols();
        // 0: as many rows as there are.
        self.integers("row", vec![2], &[0, row as i64]);
        for region in 0..counts.len() {
            let table = format!("sums_by_gate_{region}");
            self.node("MatMul", &[&on[region], &value[region]], &table, Vec::new());
            self.node("Reshape", &[&table, "row"], &sums[region], Vec::new());
        }
        let parts: Vec<&str> = sums.iter().map(String::as_str).collect();
        self.node("Concat", &parts, "sums", vec![int("axis", 1)]);
    }

    /// Splits a value into parts of `counts` along an axis.
    fn split(&mut self, value: &str, parts: &[String], axis: i64) {
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        self.node_of("Split", &[value, "counts"], &parts, vec![int("axis", axis)]);
    }

    /// Adds a tensor of integers.
    fn integers(&mut self, name: &str, dims: Vec<i64>, values: &[i64]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initializer.push(initializer(name, dims, INT64, bytes));
    }

    /// Adds a number.
    fn number(&mut self, name: &str, value: f64, float: Float) {
        self.initializer.push(initializer(name, Vec::new(), element(float), float.bytes(&[value])));
    }
}

/// The smallest normal number, below which no root of a positive one is.
fn smallest(float: Float) -> f64 {
    match float {
        Float::F32 => f32::MIN_POSITIVE.into(),
        Float::F64 => f64::MIN_POSITIVE,
    }
}

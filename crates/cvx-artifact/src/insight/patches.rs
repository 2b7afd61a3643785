//! What a network on patches looks at: its gates, the patches that they respond to, and the places of an image that its
//! prediction comes from.

use cvx_linalg::{Backend, Cpu, HostMatrix, LinalgError, Place, Transpose};
use cvx_model::{Network, Patches};

/// A network on patches, gate by gate.
pub struct PatchNetwork<'a> {
    patches: &'a Patches,
    /// The distinct gates (s s channels + 1 rows).
    gates: HostMatrix,
    /// sum ||w1|| ||w2|| over the neurons of each gate.
    strengths: Vec<f64>,
    /// The weights of the features of each gate, one gate after the other, for each output.
    weights: HostMatrix,
}

/// A gate of a network on patches.
#[derive(Clone, Debug, PartialEq)]
pub struct PatchGate {
    /// Its number among the distinct gates.
    pub number: usize,
    /// Its share in the sum of ||w1|| ||w2|| over all neurons; 0 for a network of zeros.
    pub share: f64,
    /// The weights of the pixels of a patch (s s channels), channel by channel. Their mean is 0: the mean pixel of a
    /// patch is subtracted, so that it does not matter.
    pub filter: Vec<f64>,
}

/// How a gate responds to the patches of some images.
pub struct GateResponses {
    /// Share of the patches for which it is on.
    pub on: f64,
    /// The images with the largest responses g'p, the largest first, each with its one patch of the largest response.
    pub strongest: Vec<Response>,
}

/// The response of a gate to a patch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Response {
    /// The image, from 0.
    pub image: usize,
    /// The first row of pixels of the patch.
    pub row: usize,
    /// The first column of pixels of the patch.
    pub column: usize,
    /// g'p.
    pub value: f64,
}

/// What the patch at a place of an image adds to the outputs, in the image and in its mirror image together.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The first row of pixels of the patch.
    pub row: usize,
    /// The first column of pixels of the patch.
    pub column: usize,
    /// The region of the image that it lies in, row by row.
    pub region: usize,
    /// What it adds to each output.
    pub outputs: Vec<f64>,
}

impl<'a> PatchNetwork<'a> {
    /// The gates of a network with their weights; `None` unless it is a network on patches.
    pub fn new(network: &'a Network) -> Option<Self> {
        let patches = network.patches.as_deref()?;
        let ((_, gate_of), (gates, weights)) = (network.distinct_gates(), network.weights_of_gates(patches));
        let mut strengths = vec![0.0; gates.cols()];
        for (neuron, &gate) in gate_of.iter().enumerate() {
            let first = network.w1.col(neuron).iter().map(|weight| weight * weight).sum::<f64>();
            let second = (0..network.w2.cols()).map(|c| network.w2[(neuron, c)].powi(2)).sum::<f64>();
            strengths[gate] += (first * second).sqrt();
        }
        Some(PatchNetwork { patches, gates, strengths, weights })
    }

    /// Number of distinct gates.
    pub fn n_gates(&self) -> usize {
        self.gates.cols()
    }

    /// At most `most` gates, those of the largest share first.
    pub fn strongest(&self, most: usize) -> Vec<PatchGate> {
        let total: f64 = self.strengths.iter().sum();
        let mut order: Vec<usize> = (0..self.n_gates()).collect();
        order.sort_by(|&a, &b| self.strengths[b].total_cmp(&self.strengths[a]));
        let gate = |number: usize| {
            let pixels = &self.gates.col(number)[..self.gates.rows() - 1];
            let mean = pixels.iter().sum::<f64>() / pixels.len() as f64;
            PatchGate {
                number,
                share: if total > 0.0 { self.strengths[number] / total } else { 0.0 },
                filter: pixels.iter().map(|weight| weight - mean).collect(),
            }
        };
        order.into_iter().take(most).map(gate).collect()
    }

    /// How the gates of these numbers respond to the patches of transformed images (pixels x n), with at most `most`
    /// images for each.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] for images of another size or a gate that is not there.
    pub fn responses(
        &self,
        gates: &[usize],
        images: &HostMatrix,
        most: usize,
    ) -> Result<Vec<GateResponses>, LinalgError> {
        if let Some(gate) = gates.iter().find(|gate| **gate >= self.n_gates()) {
            return Err(shape(format!("gate {gate} of {}", self.n_gates())));
        }
        let columns = HostMatrix::from_fn(self.gates.rows(), gates.len(), |row, j| self.gates[(row, gates[j])]);
        // The patches of the image itself.
        let places: Vec<Place> = self.places()?.into_iter().filter(|place| place.region.is_some()).collect();
        let mut found: Vec<(usize, Vec<Response>)> = gates.iter().map(|_| (0, Vec::new())).collect();
        for image in 0..images.cols() {
            let products = product(&columns, &self.columns(images.col(image), &places, false)?)?;
            for (j, (on, best)) in found.iter_mut().enumerate() {
                let response = |k: usize| products[(j, k)];
                *on += (0..places.len()).filter(|&k| response(k) >= 0.0).count();
                let largest = (0..places.len()).max_by(|&a, &b| response(a).total_cmp(&response(b)).then(b.cmp(&a)));
                let strongest = largest.map(|k| (places[k], response(k)));
                best.extend(strongest.map(|(Place { row, column, .. }, value)| Response { image, row, column, value }));
            }
        }
        let count = (places.len() * images.cols()).max(1) as f64;
        let gate = |(on, mut best): (usize, Vec<Response>)| {
            best.sort_by(|a, b| b.value.total_cmp(&a.value));
            best.truncate(most);
            GateResponses { on: on as f64 / count, strongest: best }
        };
        Ok(found.into_iter().map(gate).collect())
    }

    /// What each patch of a transformed image adds to the outputs; the sum with the output biases is the prediction.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] for an image of another size.
    pub fn evidence(&self, image: &[f64]) -> Result<Vec<Evidence>, LinalgError> {
        let (places, outputs) = (self.places()?, self.weights.cols());
        let mut sums = HostMatrix::zeros(outputs, places.len());
        self.add_evidence(image, &places, false, |place| place.region, &mut sums)?;
        if self.patches.mirrored {
            self.add_evidence(image, &places, true, |place| place.mirrored, &mut sums)?;
        }
        let Patches { height, width, side, stride, regions, .. } = *self.patches;
        let along = |first: usize, length: usize| first / stride * regions / ((length - side) / stride + 1);
        let of = |(k, place): (usize, &Place)| Evidence {
            row: place.row,
            column: place.column,
            region: along(place.row, height) * regions + along(place.column, width),
            outputs: sums.col(k).to_vec(),
        };
        Ok(places.iter().enumerate().map(of).collect())
    }

    /// Adds what patches, or their mirror images, add to the outputs (outputs x places) in the region of each.
    fn add_evidence(
        &self,
        image: &[f64],
        places: &[Place],
        mirrored: bool,
        region: impl Fn(&Place) -> Option<usize>,
        sums: &mut HostMatrix,
    ) -> Result<(), LinalgError> {
        let patches = self.columns(image, places, mirrored)?;
        let (gates, values) = (product(&self.gates, &patches)?, product(&self.patches.values, &patches)?);
        let (rows, scale) = (self.patches.block_rows(), self.patches.plan(HostMatrix::zeros(0, 0)).scale());
        for (k, place) in places.iter().enumerate() {
            let Some(region) = region(place) else { continue };
            let value = values.col(k);
            for gate in (0..self.n_gates()).filter(|&gate| gates[(gate, k)] >= 0.0) {
                let at = gate * rows + region * value.len();
                for (c, sum) in sums.col_mut(k).iter_mut().enumerate() {
                    let weights = &self.weights.col(c)[at..at + value.len()];
                    *sum += scale * weights.iter().zip(value).map(|(weight, value)| weight * value).sum::<f64>();
                }
            }
        }
        Ok(())
    }

    fn places(&self) -> Result<Vec<Place>, LinalgError> {
        let plan = self.patches.plan(HostMatrix::zeros(self.patches.gate_rows(), 1));
        plan.check()?;
        Ok(plan.places())
    }

    /// The patches at these places, a column each.
    fn columns(&self, image: &[f64], places: &[Place], mirrored: bool) -> Result<HostMatrix, LinalgError> {
        let mut columns = HostMatrix::zeros(self.patches.gate_rows(), places.len());
        for (k, place) in places.iter().enumerate() {
            let patch = self.patches.patch(image, (place.row, place.column), mirrored);
            let patch = patch.ok_or_else(|| shape(format!("an image of {} pixels", image.len())))?;
            columns.col_mut(k).copy_from_slice(&patch);
        }
        Ok(columns)
    }
}

fn shape(detail: String) -> LinalgError {
    LinalgError::Shape { operation: "patch_responses", detail }
}

/// left' right.
fn product(left: &HostMatrix, right: &HostMatrix) -> Result<HostMatrix, LinalgError> {
    let cpu = Cpu::<f64>::new();
    let mut out = cpu.zeros(left.cols(), right.cols())?;
    cpu.gemm(1.0, &cpu.upload(left)?, Transpose::Yes, &cpu.upload(right)?, Transpose::No, 0.0, &mut out)?;
    cpu.download(&out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cvx_linalg::FeaturePrecision;
    use cvx_model::PatternSet;
    use std::sync::Arc;

    const PIXELS: usize = 2 * 7 * 9;

    /// Eight neurons on four gates, with two outputs and their biases, and some images.
    fn network(stride: usize, mirrored: bool) -> (Network, HostMatrix) {
        let images = PatternSet::sample_gates(PIXELS, 6, 1);
        let (channels, height, width, side, regions, contrast) = (2, 7, 9, 3, 2, 0.3);
        let (values, gates) = (PatternSet::sample_gates(19, 4, 5), PatternSet::sample_gates(19, 4, 7));
        let precision = FeaturePrecision::Single;
        let patches = Patches { channels, height, width, side, stride, regions, mirrored, contrast, precision, values };
        let w1 = PatternSet::sample_gates(patches.block_rows(), 8, 2);
        let w2 = PatternSet::sample_gates(8, 2, 3);
        let gates = HostMatrix::from_fn(gates.rows(), 8, |row, neuron| gates[(row, neuron % 4)]);
        let output_bias = vec![0.5, -2.0];
        (Network { w1, w2, gates: Some(gates), patches: Some(Arc::new(patches)), output_bias }, images)
    }

    #[test]
    fn the_evidence_of_all_places_is_the_prediction() {
        for (stride, mirrored) in [(1, false), (1, true), (2, true), (4, true)] {
            let (network, images) = network(stride, mirrored);
            let cpu = Cpu::<f64>::new();
            let predicted = network.predict(&cpu, &cpu.upload(&images).unwrap()).unwrap();
            let seen = PatchNetwork::new(&network).unwrap();
            for image in 0..images.cols() {
                let evidence = seen.evidence(images.col(image)).unwrap();
                for c in 0..2 {
                    let sum: f64 = evidence.iter().map(|place| place.outputs[c]).sum();
                    let (found, expected) = (sum + network.output_bias[c], predicted[(image, c)]);
                    // Features are rounded to single precision.
                    assert!((found - expected).abs() < 1e-5 * expected.abs().max(1.0), "{found}, {expected}");
                }
                let corners = [&evidence[0], &evidence[evidence.len() - 1]].map(|place| (place.row, place.region));
                assert_eq!(corners[0], (0, 0));
                assert_eq!(corners[1], ((7 - 3) / stride * stride, 3));
            }
        }
    }

    #[test]
    fn evidence_is_where_the_image_differs() {
        // Gates that are always on and values of 1 alone: every patch adds the weight of its region.
        let (mut network, images) = network(1, false);
        let patches = network.patches.as_deref().unwrap();
        let rows = patches.gate_rows();
        let values = HostMatrix::from_fn(rows, 1, |row, _| f64::from(u8::from(row + 1 == rows)));
        network.gates = Some(HostMatrix::from_fn(rows, 1, |row, _| f64::from(u8::from(row + 1 == rows))));
        network.patches = Some(Arc::new(Patches { values, ..patches.clone() }));
        network.w1 = HostMatrix::from_vec(4, 1, vec![1.0, 2.0, 3.0, 4.0]);
        network.w2 = HostMatrix::from_vec(1, 2, vec![1.0, -1.0]);
        let seen = PatchNetwork::new(&network).unwrap();
        let scale = (4.0 / 35.0f64).sqrt();
        for place in seen.evidence(images.col(0)).unwrap() {
            // 5 x 7 patches: the first three rows and four columns are those of the first regions.
            let region = 2 * usize::from(place.row >= 3) + usize::from(place.column >= 4);
            assert_eq!(place.region, region);
            let expected = scale * (region + 1) as f64;
            assert!((place.outputs[0] - expected).abs() < 1e-12 && (place.outputs[1] + expected).abs() < 1e-12);
        }
    }

    #[test]
    fn gates_are_in_the_order_of_their_neurons_and_filters_have_no_mean() {
        let (network, _) = network(1, true);
        let seen = PatchNetwork::new(&network).unwrap();
        let gates = seen.strongest(10);
        assert_eq!((seen.n_gates(), gates.len(), seen.strongest(3).len()), (4, 4, 3));
        let norm = |values: Vec<f64>| values.iter().map(|x| x * x).sum::<f64>().sqrt();
        let size = |neuron: usize| {
            norm(network.w1.col(neuron).to_vec()) * norm((0..2).map(|c| network.w2[(neuron, c)]).collect())
        };
        let total: f64 = (0..8).map(size).sum();
        for gate in &gates {
            let expected = (size(gate.number) + size(gate.number + 4)) / total;
            assert!((gate.share - expected).abs() < 1e-12);
            assert!(gate.filter.iter().sum::<f64>().abs() < 1e-10);
        }
        assert!(gates.windows(2).all(|pair| pair[0].share >= pair[1].share));
    }

    #[test]
    fn responses_are_the_largest_of_each_image() {
        let (network, images) = network(2, true);
        let seen = PatchNetwork::new(&network).unwrap();
        let (patches, all) = (network.patches.as_deref().unwrap(), network.gates.as_ref().unwrap());
        for (gate, found) in [3, 1].into_iter().zip(seen.responses(&[3, 1], &images, 4).unwrap()) {
            let mut on = 0;
            let mut best = vec![f64::NEG_INFINITY; 6];
            for (image, row, column) in (0..6).flat_map(|a| (0..3).flat_map(move |i| (0..4).map(move |j| (a, i, j)))) {
                let patch = patches.patch(images.col(image), (2 * row, 2 * column), false).unwrap();
                let value: f64 = patch.iter().zip(all.col(gate)).map(|(x, w)| x * w).sum();
                on += usize::from(value >= 0.0);
                best[image] = best[image].max(value);
            }
            assert_eq!(found.on, f64::from(on as u32) / 72.0);
            assert_eq!(found.strongest.len(), 4);
            for response in &found.strongest {
                assert!((response.value - best[response.image]).abs() < 1e-12);
                let patch = patches.patch(images.col(response.image), (response.row, response.column), false).unwrap();
                let value: f64 = patch.iter().zip(all.col(gate)).map(|(x, w)| x * w).sum();
                assert!((response.value - value).abs() < 1e-12);
            }
            best.sort_by(|a, b| b.total_cmp(a));
            for (response, best) in found.strongest.iter().zip(best) {
                assert!((response.value - best).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let (network, images) = network(1, true);
        let seen = PatchNetwork::new(&network).unwrap();
        assert!(seen.evidence(&images.col(0)[1..]).is_err());
        assert!(seen.responses(&[4], &images, 1).is_err());
        assert!(seen.responses(&[0], &HostMatrix::zeros(5, 1), 1).is_err());
        assert!(PatchNetwork::new(&Network { patches: None, ..network }).is_none());
    }
}

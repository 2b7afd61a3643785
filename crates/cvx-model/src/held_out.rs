//! Predictions of blocks on held-out samples.

use crate::activation::Activation;
use crate::error::ModelError;
use crate::patches::PatchFeatures;
use crate::patterns::PatternSet;
use crate::products::{Products, Shared};
use crate::program::{ConvexProgram, ProgramError, name_samples};
use crate::samples::SelectedSamples;
use cvx_linalg::{Backend, BlockLayout, HostMatrix, LinalgError, SampleSource, SampleSums, Samples};
use std::sync::Arc;

/// Predictions of the blocks `v` (d x 2PC) on other samples, for the evaluation of a held-out set during training.
pub struct HeldOut<B: Backend> {
    /// The samples of each shard here, apart: the number of ranks does not show in the bits of their products.
    shards: Vec<Shard<B>>,
    samples: SampleSums,
    n_targets: usize,
}

struct Shard<B: Backend> {
    features: Features<B>,
    prediction: B::Matrix,
}

enum Features<B: Backend> {
    /// Samples that the blocks share.
    Masked {
        samples: Samples<B>,
        /// The patterns of the gates on these samples; `None` for ReLU neurons.
        mask: Option<B::Mask>,
        layout: BlockLayout,
        products: Products<B>,
    },
    /// Features of each block.
    Patches(PatchFeatures<B>),
}

impl<B: Backend> HeldOut<B> {
    /// Puts transformed samples (d x n') on the device, for networks of `program`, whose blocks share their samples.
    ///
    /// # Errors
    /// [`ProgramError::Model`] for samples that overflow the storage precision, [`ProgramError::Linalg`] for other
    /// errors of the device.
    pub fn new(program: &ConvexProgram<B>, source: Arc<dyn SampleSource>) -> Result<Self, ProgramError> {
        HeldOut::over(program, source, SampleSums::all_here())
    }

    /// [`new`](Self::new) of samples that are spread over ranks as `samples` says: `source` has those here.
    ///
    /// # Errors
    /// The same as [`new`](Self::new), with the row among all of them.
    pub fn over(
        program: &ConvexProgram<B>,
        source: Arc<dyn SampleSource>,
        samples: &SampleSums,
    ) -> Result<Self, ProgramError> {
        let (mut shards, mut first) = (Vec::new(), samples.first());
        for source in SelectedSamples::of_shards(&source, samples) {
            let rows = source.n_samples();
            shards.push(Shard::new(program, source).map_err(|error| below(error, first))?);
            first += rows;
        }
        Ok(HeldOut { shards, samples: samples.clone(), n_targets: program.n_targets() })
    }

    /// The features of held-out images, for networks of `program` on patches.
    ///
    /// # Errors
    /// [`ProgramError::Linalg`] if the device has no memory for the predictions.
    pub fn on_patches(program: &ConvexProgram<B>, features: PatchFeatures<B>) -> Result<Self, ProgramError> {
        let prediction = program.backend().zeros(features.n_images(), program.n_targets())?;
        let shards = vec![Shard { features: Features::Patches(features), prediction }];
        Ok(HeldOut { shards, samples: SampleSums::default(), n_targets: program.n_targets() })
    }

    /// Predictions (n' x C) of the blocks `v` (d x 2PC) with this output bias (C): on every rank, those of all samples.
    ///
    /// # Errors
    /// [`LinalgError`] if the back end fails.
    pub fn predict(&mut self, backend: &B, v: &B::Matrix, output_bias: &[f64]) -> Result<HostMatrix, LinalgError> {
        let parts: Vec<HostMatrix> =
            self.shards.iter_mut().map(|shard| shard.predict(backend, v)).collect::<Result<_, _>>()?;
        let mut prediction = self.samples.everywhere(HostMatrix::stacked(self.n_targets, &parts))?;
        for (c, bias) in output_bias.iter().enumerate() {
            prediction.col_mut(c).iter_mut().for_each(|f| *f += bias);
        }
        Ok(prediction)
    }
}

impl<B: Backend> Shard<B> {
    fn new(program: &ConvexProgram<B>, source: Arc<dyn SampleSource>) -> Result<Self, ProgramError> {
        let backend = program.backend();
        let samples = Samples::new(backend, source).map_err(name_samples)?;
        // All of them in storage precision, from here on.
        samples.stored().map_err(name_samples)?;
        let n = samples.n_samples();
        let mask = match program.activation() {
            Activation::Relu => None,
            Activation::Gated => {
                let bits = PatternSet::bits_of(&samples, program.patterns().gates())?;
                Some(backend.upload_mask(&bits)?)
            }
        };
        Ok(Shard {
            features: Features::Masked { samples, mask, layout: program.layout(), products: Products::new(backend) },
            prediction: backend.zeros(n, program.n_targets())?,
        })
    }

    /// Predictions of the blocks without an output bias.
    fn predict(&mut self, backend: &B, v: &B::Matrix) -> Result<HostMatrix, LinalgError> {
        match &mut self.features {
            Features::Masked { samples, mask, layout, products } => {
                let shared = Shared { backend, xt: samples.stored()?, mask: mask.as_ref(), layout: *layout };
                products.predict(&shared, v, &mut self.prediction)?;
            }
            Features::Patches(features) => features.predict(backend, v, &mut self.prediction)?,
        }
        backend.download(&self.prediction)
    }
}

/// An error about a sample of those from number `first` on.
fn below(error: ProgramError, first: usize) -> ProgramError {
    match error {
        ProgramError::Model(ModelError::NonFinite { what, row, column }) => {
            ModelError::NonFinite { what, row: first + row, column }.into()
        }
        error => error,
    }
}

//! Predictions of blocks on held-out samples.

use crate::activation::Activation;
use crate::patches::PatchFeatures;
use crate::patterns::PatternSet;
use crate::products::{Products, Shared};
use crate::program::{ConvexProgram, ProgramError, name_samples};
use cvx_linalg::{Backend, BlockLayout, HostMatrix, LinalgError, SampleSource, Samples};
use std::sync::Arc;

/// Predictions of the blocks `v` (d x 2PC) on other samples, for the evaluation of a held-out set during training.
pub struct HeldOut<B: Backend> {
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
        Ok(HeldOut {
            features: Features::Masked { samples, mask, layout: program.layout(), products: Products::new(backend) },
            prediction: backend.zeros(n, program.n_targets())?,
        })
    }

    /// The features of held-out images, for networks of `program` on patches.
    ///
    /// # Errors
    /// [`ProgramError::Linalg`] if the device has no memory for the predictions.
    pub fn on_patches(program: &ConvexProgram<B>, features: PatchFeatures<B>) -> Result<Self, ProgramError> {
        let prediction = program.backend().zeros(features.n_images(), program.n_targets())?;
        Ok(HeldOut { features: Features::Patches(features), prediction })
    }

    /// Predictions (n' x C) of the blocks `v` (d x 2PC) with this output bias (C).
    ///
    /// # Errors
    /// [`LinalgError`] if the back end fails.
    pub fn predict(&mut self, backend: &B, v: &B::Matrix, output_bias: &[f64]) -> Result<HostMatrix, LinalgError> {
        match &mut self.features {
            Features::Masked { samples, mask, layout, products } => {
                let shared = Shared { backend, xt: samples.stored()?, mask: mask.as_ref(), layout: *layout };
                products.predict(&shared, v, &mut self.prediction)?;
            }
            Features::Patches(features) => features.predict(backend, v, &mut self.prediction)?,
        }
        let mut prediction = backend.download(&self.prediction)?;
        for (c, bias) in output_bias.iter().enumerate() {
            prediction.col_mut(c).iter_mut().for_each(|f| *f += bias);
        }
        Ok(prediction)
    }
}

//! Metadata of an export as JSON. The keys are stable; new keys may be added.

use cvx_artifact::{Model, NamedConstraints, Objective};
use cvx_model::{FeatureKind, Loss, Patches, Recipe};
use serde::Serialize;

/// The key of the metadata in the `metadata_props` of an ONNX file and in the header of a safetensors file. In a NumPy
/// archive, it is the name of an array: a text without axes.
pub const METADATA_KEY: &str = "cvx";

#[derive(Serialize)]
struct Metadata<'a> {
    version: &'a str,
    task: &'static str,
    /// In the order of the scores. Two classes have one score, and the class of negative scores comes first.
    classes: &'a [String],
    /// Index of the class that is predicted if all scores are equal, or if the only score is 0.
    majority: Option<usize>,
    n_features: usize,
    feature_names: Option<&'a [String]>,
    /// How the features are made of the columns of a table, if they are.
    recipe: Option<&'a Recipe>,
    /// The name of the labels, if they have one.
    label_name: Option<&'a str>,
    /// Channels, height and width of images.
    image: Option<[usize; 3]>,
    normalisation: String,
    bias: bool,
    activation: &'static str,
    /// How images become features, if the neurons are on patches.
    patches: Option<Geometry>,
    /// What predictions obey, if they are constrained.
    #[serde(skip_serializing_if = "Option::is_none")]
    constraints: Option<NamedConstraints>,
    /// The interval that predictions are clipped to, if there is one. The tensors are of the network before that.
    #[serde(skip_serializing_if = "Option::is_none")]
    output_range: Option<[f64; 2]>,
    n_neurons: usize,
    certificate: Certificate,
    provenance: Provenance<'a>,
}

#[derive(Serialize)]
struct Geometry {
    side: usize,
    stride: usize,
    regions: usize,
    mirrored: bool,
    contrast: f64,
    /// `single` or `half`: what features are rounded to.
    feature_precision: &'static str,
}

#[derive(Serialize)]
struct Certificate {
    objective: f64,
    dual_bound: f64,
    relative_gap: f64,
    sampled_primal: Option<f64>,
    certify: &'static str,
    beta: f64,
    loss: &'static str,
    huber_delta: Option<f64>,
    is_weighted: bool,
    train_loss: f64,
    train_accuracy: Option<f64>,
    n_samples: usize,
    /// CRC-32 of the transformed training samples and targets.
    fingerprint: u32,
    status: String,
}

#[derive(Serialize)]
struct Provenance<'a> {
    solver: &'a str,
    device: &'a str,
    precision: &'a str,
    seed: u64,
    iterations: u64,
}

/// The metadata of an export of the model, as JSON on one line.
pub fn metadata(model: &Model) -> String {
    metadata_value(model).to_string()
}

/// The metadata of an export of the model, to be extended.
pub fn metadata_value(model: &Model) -> serde_json::Value {
    let (claim, made) = (&model.claim, &model.provenance);
    let Objective { network, sampled_primal, dual_bound, relative_gap } = claim.objective;
    let metadata = Metadata {
        version: &made.version,
        task: model.task.name(),
        classes: model.task.classes(),
        majority: model.task.class_of(&vec![0.0; model.task.n_targets()]),
        n_features: model.transform.n_inputs(),
        feature_names: model.transform.feature_names.as_deref(),
        recipe: model.transform.recipe.as_ref(),
        label_name: model.transform.label_name.as_deref(),
        image: match model.kind {
            FeatureKind::Image { channels, height, width } => Some([channels, height, width]),
            FeatureKind::Table => None,
        },
        normalisation: format!("{:?}", model.normalisation).to_lowercase(),
        bias: model.transform.bias,
        activation: model.network.activation().name(),
        patches: model.network.patches.as_deref().map(|patches| {
            let Patches { side, stride, regions, mirrored, contrast, precision, .. } = *patches;
            Geometry { side, stride, regions, mirrored, contrast, feature_precision: precision.name() }
        }),
        constraints: NamedConstraints::of(model),
        output_range: model.output_range.map(|range| [range.low(), range.high()]),
        n_neurons: model.network.n_neurons(),
        certificate: Certificate {
            objective: network,
            dual_bound,
            relative_gap,
            sampled_primal,
            certify: claim.certify.name(),
            beta: claim.beta,
            loss: claim.loss.name(),
            huber_delta: match claim.loss {
                Loss::Huber { delta } => Some(delta),
                _ => None,
            },
            is_weighted: claim.weights.is_some(),
            train_loss: claim.train_loss,
            train_accuracy: claim.train_accuracy,
            n_samples: claim.n_samples,
            fingerprint: claim.fingerprint,
            status: claim.status.to_string(),
        },
        provenance: Provenance {
            solver: &made.solver,
            device: &made.device,
            precision: &made.precision,
            seed: made.seed,
            iterations: made.iterations,
        },
    };
    serde_json::json!(metadata)
}

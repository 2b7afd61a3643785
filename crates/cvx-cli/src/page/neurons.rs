//! Neurons of a network on images, as images.

use super::colours::weights;
use super::picture::{Picture, of_tiles};
use crate::number::{counted, percent};
use anyhow::Result;
use cvx_admm::Model;
use cvx_figures::{Tile, sheet};
use cvx_model::{FeatureKind, Task};

/// Most neurons that are shown.
const MOST: usize = 48;

/// Neurons in a row of the file.
const COLUMNS: usize = 8;

/// The neurons, the largest ||w1|| ||w2|| first, if they have a weight for each pixel and there is one.
pub fn neurons(model: &Model) -> Result<Option<Picture>> {
    let FeatureKind::Image { channels, width, .. } = model.kind else { return Ok(None) };
    let network = &model.network;
    if network.patches.is_some() {
        return Ok(None);
    }
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let outgoing = |neuron: usize| (0..network.w2.cols()).map(move |target| network.w2[(neuron, target)]);
    let mut order: Vec<(usize, f64)> = (0..network.n_neurons())
        .map(|neuron| (neuron, norm(&mut network.w1.col(neuron).iter().copied()) * norm(&mut outgoing(neuron))))
        .collect();
    let total: f64 = order.iter().map(|(_, size)| size).sum();
    if order.is_empty() || total <= 0.0 {
        return Ok(None);
    }
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    let shown = order.len().min(MOST);
    let mut tiles = Vec::new();
    for &(neuron, size) in &order[..shown] {
        let mut image = weights(&in_pixels(model, network.w1.col(neuron)), channels, width);
        if let Some(gates) = &network.gates {
            image = image.beside(&weights(&in_pixels(model, gates.col(neuron)), channels, width), width.div_ceil(16));
        }
        let strongest = outgoing(neuron).enumerate().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
        let (target, weight) = strongest.unwrap_or_default();
        tiles
            .push(Tile { image, caption: format!("{}\n{}", role(&model.task, target, weight), percent(size / total)) });
    }
    let files = sheet("The largest neurons", &tiles, if network.gates.is_some() { COLUMNS / 2 } else { COLUMNS })?;
    let class = if network.gates.is_some() { "neurons pairs" } else { "neurons" };
    let colours = match channels {
        3 => "Grey is weight 0; a colour raises the neuron where the image has it, its complement lowers it",
        _ => "White is weight 0, orange raises the neuron where the image is bright, blue lowers it",
    };
    let gates = match network.gates {
        Some(_) => " Left the weights, right the gate that switches the neuron on.",
        None => "",
    };
    let caption = format!(
        "{shown} of {}, the largest first: the weights of each, and its share of all ||w1|| ||w2||. {colours}; each \
         image has its own scale.{gates}",
        counted(order.len(), "neuron")
    );
    Ok(Some(Picture { name: "neurons", caption, body: of_tiles(class, &tiles)?, files }))
}

/// What the neuron contributes to, by the sign of its second layer.
fn role(task: &Task, target: usize, weight: f64) -> String {
    match task {
        Task::Binary { classes, .. } => format!("for {}", classes[usize::from(weight > 0.0)]),
        Task::Multiclass { classes, .. } => {
            format!("{} {}", if weight > 0.0 { "for" } else { "against" }, classes[target])
        }
        Task::Regression { columns: 1 } => if weight > 0.0 { "raises" } else { "lowers" }.to_string(),
        Task::Regression { .. } => format!("{} target {target}", if weight > 0.0 { "raises" } else { "lowers" }),
    }
}

/// A vector of transformed features as one of pixels, without the bias.
fn in_pixels(model: &Model, weights: &[f64]) -> Vec<f64> {
    weights.iter().zip(&model.transform.scale).map(|(weight, scale)| weight / scale).collect()
}

//! Neurons of a network on images, as images.

use super::html::escape;
use super::picture::Picture;
use crate::number::{counted, percent};
use anyhow::Result;
use cvx_admm::Model;
use cvx_figures::{Image, Tile, sheet};
use cvx_model::{FeatureKind, Task};

/// Most neurons that are shown.
const MOST: usize = 48;

/// Neurons in a row of the file.
const COLUMNS: usize = 8;

/// Share of the weights that is shown without clipping; the few largest would leave the others grey.
const SHOWN: f64 = 0.995;

/// The neurons, the largest ||w1|| ||w2|| first, if the features are images and there is a neuron.
pub fn neurons(model: &Model) -> Result<Option<Picture>> {
    let FeatureKind::Image { channels, width, .. } = model.kind else { return Ok(None) };
    let network = &model.network;
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
        let mut image = picture(&in_pixels(model, network.w1.col(neuron)), channels, width);
        if let Some(gates) = &network.gates {
            image = image.beside(&picture(&in_pixels(model, gates.col(neuron)), channels, width), width.div_ceil(16));
        }
        let strongest = outgoing(neuron).enumerate().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
        let (target, weight) = strongest.unwrap_or_default();
        tiles
            .push(Tile { image, caption: format!("{}\n{}", role(&model.task, target, weight), percent(size / total)) });
    }
    let files = sheet("The largest neurons", &tiles, if network.gates.is_some() { COLUMNS / 2 } else { COLUMNS })?;
    let mut body = String::new();
    for Tile { image, caption } in &tiles {
        let lines: Vec<String> = caption.lines().map(escape).collect();
        let (address, label) = (image.address()?, lines.join(", "));
        body.push_str(&format!(
            "<figure><img src=\"{address}\" alt=\"{label}\" /><figcaption>{}</figcaption></figure>\n",
            lines.join("<br />")
        ));
    }
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
    Ok(Some(Picture { name: "neurons", caption, body: format!("<div class=\"{class}\">\n{body}</div>\n"), files }))
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

/// Weights, stored channel by channel, as colours; other numbers of channels than three are averaged.
fn picture(weights: &[f64], channels: usize, width: usize) -> Image {
    let plane = weights.len() / channels;
    let mut sizes: Vec<f64> = weights.iter().map(|weight| weight.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    let last = sizes.len().saturating_sub(1);
    let full = sizes.get((SHOWN * last as f64).round() as usize).filter(|&&full| full > 0.0).copied();
    let full = full.or(sizes.last().copied()).filter(|&full| full > 0.0).unwrap_or(1.0);
    let level = |channel: usize, pixel: usize| (weights[channel * plane + pixel] / full).clamp(-1.0, 1.0);
    let pixels = (0..plane).map(|pixel| match channels {
        3 => {
            let [red, green, blue] = [0, 1, 2].map(|channel| (127.5 + 127.5 * level(channel, pixel)).round() as u8);
            [red, green, blue, 255]
        }
        _ => diverging((0..channels).map(|channel| level(channel, pixel)).sum::<f64>() / channels as f64),
    });
    Image { width, pixels: pixels.collect() }
}

/// From blue for -1 by white to orange for 1.
fn diverging(level: f64) -> [u8; 4] {
    let end = if level < 0.0 { [0.0, 114.0, 178.0] } else { [213.0, 94.0, 0.0] };
    let [red, green, blue] = end.map(|end| (255.0 + (end - 255.0) * level.abs()).round() as u8);
    [red, green, blue, 255]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_become_colours_about_grey_or_white() {
        let grey = picture(&[0.0, 2.0, -2.0, 1.0], 1, 2);
        assert_eq!(grey.pixels, [[255, 255, 255, 255], [213, 94, 0, 255], [0, 114, 178, 255], [234, 175, 128, 255]]);
        let colour = picture(&[0.0, 4.0, 0.0, -4.0, 0.0, 0.0], 3, 2);
        assert_eq!(colour.pixels, [[128, 128, 128, 255], [255, 0, 128, 255]]);
        assert_eq!(picture(&[0.0; 4], 1, 2).pixels, [[255; 4]; 4]);
    }
}

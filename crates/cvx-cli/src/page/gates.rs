//! The gates of a network on patches: filters, each beside the patches that it responds to most.

use super::colours::{Brightness, weights};
use super::picture::{Picture, of_tiles};
use super::subject::Subject;
use crate::number::{counted, percent};
use anyhow::Result;
use cvx_admm::insight::{GateResponses, PatchGate, PatchNetwork, Response};
use cvx_figures::{Image, Tile, sheet};
use cvx_model::{Dataset, Patches};

/// Most gates that are shown, and patches for each.
const GATES: usize = 24;
const PATCHES: usize = 6;

/// Most images whose patches are looked at.
const IMAGES: usize = 300;

/// Gates in a row of the file.
const COLUMNS: usize = 3;

/// The strongest gates; `None` for a network without neurons.
pub fn gates(subject: &Subject, network: &PatchNetwork, patches: &Patches) -> Result<Option<Picture>> {
    let found = network.strongest(GATES);
    if found.is_empty() {
        return Ok(None);
    }
    let (whose, data) = subject.shown();
    let n = data.n_samples();
    let images = data.select(&(0..n).step_by(n.div_ceil(IMAGES).max(1)).collect::<Vec<_>>())?;
    let numbers: Vec<usize> = found.iter().map(|gate| gate.number).collect();
    let transformed = subject.solution.model.transform.apply(&images)?;
    let responses = network.responses(&numbers, &transformed, PATCHES)?;
    let brightness = Brightness::of(&images.values());
    let tiles: Vec<Tile> = found
        .iter()
        .zip(&responses)
        .map(|(gate, responses)| tile(patches, gate, responses, &images, brightness))
        .collect();
    let colours = match patches.channels {
        3 => "grey is weight 0, and a colour is what the gate looks for",
        _ => "white is weight 0, orange is where it looks for bright pixels, blue for dark ones",
    };
    let caption = format!(
        "{} of {}, the largest share of all ||w1|| ||w2|| first. Left the filter: {colours}, each on its own scale. Right \
         of it what it responds to most in {}, one patch of an image; below, the share, and how many of \
         all their patches the gate is on for.",
        tiles.len(),
        counted(network.n_gates(), "gate"),
        counted(images.n_samples(), &format!("{whose} image"))
    );
    let files = sheet("The strongest gates", &tiles, COLUMNS)?;
    Ok(Some(Picture { name: "gates", caption, body: of_tiles("neurons filters", &tiles)?, files }))
}

/// A filter with its patches.
fn tile(
    patches: &Patches,
    gate: &PatchGate,
    responses: &GateResponses,
    images: &Dataset,
    brightness: Brightness,
) -> Tile {
    let filter = weights(&gate.filter, patches.channels, patches.side);
    let patch = |response: &Response| {
        let pixels = pixels(patches, &images.row(response.image), response);
        brightness.picture(&pixels, patches.channels, patches.side)
    };
    // The first stands apart from the others.
    let gap = |k: usize| if k == 0 { 2 } else { 1 };
    let beside = |image: Image, (k, response): (usize, &Response)| image.beside(&patch(response), gap(k));
    // So does the last from the next filter.
    let margin = Image { width: 2, pixels: vec![[0; 4]; 2 * patches.side] };
    let image = responses.strongest.iter().enumerate().fold(filter, beside).beside(&margin, 0);
    Tile { image, caption: format!("{} of the weights, on for {}", percent(gate.share), percent(responses.on)) }
}

/// The pixels of a patch as they are, channel by channel.
fn pixels(patches: &Patches, image: &[f64], at: &Response) -> Vec<f64> {
    let Patches { channels, height, width, side, .. } = *patches;
    let line = |k: usize| {
        let first = (k / side * height + at.row + k % side) * width + at.column;
        image[first..first + side].iter().copied()
    };
    (0..channels * side).flat_map(line).collect()
}

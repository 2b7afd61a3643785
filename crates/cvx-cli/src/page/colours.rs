//! Weights and pixels as images. Both are stored channel by channel; other numbers of channels than three are averaged.

use cvx_figures::Image;

/// Share of the weights that is shown without clipping; the few largest would leave the others grey.
const SHOWN: f64 = 0.995;

/// Weights as colours about grey, or from blue by white to orange.
pub fn weights(weights: &[f64], channels: usize, width: usize) -> Image {
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
pub fn diverging(level: f64) -> [u8; 4] {
    let end = if level < 0.0 { [0.0, 114.0, 178.0] } else { [213.0, 94.0, 0.0] };
    let [red, green, blue] = end.map(|end| (255.0 + (end - 255.0) * level.abs().min(1.0)).round() as u8);
    [red, green, blue, 255]
}

/// What is black and what is white of pixels.
#[derive(Clone, Copy)]
pub struct Brightness {
    low: f64,
    high: f64,
}

impl Brightness {
    /// From 0 to 1 or to 255 where pixels are such numbers, else from the smallest to the largest.
    pub fn of(pixels: &[f64]) -> Self {
        let (low, high) =
            pixels.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x)));
        match (low >= 0.0, high) {
            (true, high) if high <= 1.0 => Brightness { low: 0.0, high: 1.0 },
            (true, high) if high <= 255.0 => Brightness { low: 0.0, high: 255.0 },
            _ => Brightness { low, high },
        }
    }

    /// A pixel between 0 and 1.
    fn level(self, pixel: f64) -> f64 {
        if self.high > self.low { ((pixel - self.low) / (self.high - self.low)).clamp(0.0, 1.0) } else { 0.5 }
    }

    /// An image in its own colours.
    pub fn picture(self, pixels: &[f64], channels: usize, width: usize) -> Image {
        let plane = pixels.len() / channels;
        let colour = |pixel: usize| match channels {
            3 => [0, 1, 2].map(|channel| (255.0 * self.level(pixels[channel * plane + pixel])).round() as u8),
            _ => [(255.0 * self.grey(pixels, channels, pixel)).round() as u8; 3],
        };
        let pixels = (0..plane).map(|pixel| {
            let [red, green, blue] = colour(pixel);
            [red, green, blue, 255]
        });
        Image { width, pixels: pixels.collect() }
    }

    /// The mean over the channels, between 0 and 1.
    pub fn grey(self, pixels: &[f64], channels: usize, pixel: usize) -> f64 {
        let plane = pixels.len() / channels;
        (0..channels).map(|channel| self.level(pixels[channel * plane + pixel])).sum::<f64>() / channels as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_become_colours_about_grey_or_white() {
        let grey = weights(&[0.0, 2.0, -2.0, 1.0], 1, 2);
        assert_eq!(grey.pixels, [[255, 255, 255, 255], [213, 94, 0, 255], [0, 114, 178, 255], [234, 175, 128, 255]]);
        let colour = weights(&[0.0, 4.0, 0.0, -4.0, 0.0, 0.0], 3, 2);
        assert_eq!(colour.pixels, [[128, 128, 128, 255], [255, 0, 128, 255]]);
        assert_eq!(weights(&[0.0; 4], 1, 2).pixels, [[255; 4]; 4]);
    }

    #[test]
    fn pixels_of_any_range_are_shown_from_black_to_white() {
        let bytes = Brightness::of(&[0.0, 255.0, 51.0]);
        assert_eq!(bytes.picture(&[255.0, 0.0, 51.0], 3, 1).pixels, [[255, 0, 51, 255]]);
        assert_eq!(Brightness::of(&[0.0, 0.2]).picture(&[0.2, 0.0], 1, 2).pixels, [[51, 51, 51, 255], [0, 0, 0, 255]]);
        assert_eq!(Brightness::of(&[-2.0, 2.0]).picture(&[-2.0, 2.0], 1, 2).pixels[1], [255; 4]);
        assert_eq!(Brightness::of(&[-3.0]).picture(&[-3.0], 1, 1).pixels, [[128, 128, 128, 255]]);
        assert_eq!(bytes.grey(&[255.0, 0.0, 0.0, 0.0], 2, 0), 0.5);
    }
}

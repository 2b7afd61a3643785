//! The legend of a figure.

use crate::axes::{CHARACTER_WIDTH, PANEL, axes};
use crate::paper::Paper;
use crate::style::Style;
use kuva::render::layout::Layout;
use kuva::render::plots::Plot;
use kuva::render::theme::Theme;

/// The legend and its width in pixels. It is a panel of samples: of its axes only the names at the y axis are visible.
pub(crate) fn legend(styles: &[Style]) -> (Vec<Plot>, Layout, f64) {
    const ENTRY_HEIGHT: f64 = 28.0;
    const SAMPLE_WIDTH: f64 = 50.0;
    let mut samples = Vec::new();
    // kuva places the names at heights 1, 2, ..., from the bottom.
    for (below, style) in styles.iter().rev().enumerate() {
        let y = below as f64 + 1.0;
        // Thick lines have round ends, which take room.
        let ends = if style.is_part { [(0.2, y), (0.8, y)] } else { [(0.0, y), (1.0, y)] };
        let sample = style.line(&ends);
        if style.is_part {
            samples.push(sample.with_stroke_width(14.0).into());
        } else if style.is_cloud {
            samples.extend(style.cloud(&[(0.5, y)]));
        } else if style.is_faint {
            samples.push(style.faint(&[(0.0, y), (0.5, y), (1.0, y)]));
        } else {
            samples.push(sample.into());
            samples.extend(style.markers(&[(0.5, y)]));
        }
    }
    let longest = styles.iter().map(|style| style.label.chars().count()).max().unwrap_or(0);
    let (left, right) = (20.0 + CHARACTER_WIDTH * longest as f64, 20.0);
    let free = (PANEL.1 - ENTRY_HEIGHT * styles.len() as f64).max(0.0) / 2.0;
    let hidden = || "none".to_string();
    let paper = styles.first().map_or(Paper::White, |style| style.paper);
    let theme = Theme { axis_color: hidden(), tick_color: hidden(), ..paper.theme() };
    let mut layout = axes((0.0, 1.0), (0.5, styles.len() as f64 + 0.5))
        .with_y_categories(styles.iter().rev().map(|style| style.label.to_string()).collect())
        .with_force_margins(left, right)
        .with_force_margins_y(free, free)
        .with_theme(theme);
    layout.suppress_x_ticks = true;
    (samples, layout, left + SAMPLE_WIDTH + right)
}

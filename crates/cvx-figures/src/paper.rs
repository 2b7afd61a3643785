//! The colours of figures: series, text and background.

use kuva::render::theme::Theme;

/// Wong's palette (Nature Methods 8, 441), safe for the colour-blind, without its yellow, which fades on white.
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

/// CSS variables in place of [`COLOURS`] on a page that has [`STYLE`].
const NAMES: [&str; COLOURS.len()] = [
    "var(--figure-0)",
    "var(--figure-1)",
    "var(--figure-2)",
    "var(--figure-3)",
    "var(--figure-4)",
    "var(--figure-5)",
    "var(--figure-6)",
];

/// Colours for numbers from the smallest to the largest, visible on light and dark backgrounds.
pub(crate) const SHADES: [&str; 7] = ["#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#a0da39", "#fde725"];

/// Number of shades for numbers from small to large.
pub const SHADE_COUNT: usize = SHADES.len();

/// CSS for a page with figures of [`inline`](crate::inline): their colours in light and dark mode.
pub const STYLE: &str = "\
:root { --figure-grid: #e3e3e3; --figure-0: #0072b2; --figure-1: #d55e00; --figure-2: #009e73; --figure-3: #cc79a7;
  --figure-4: #e69f00; --figure-5: #56b4e9; --figure-6: #000000; --figure-faint: #a9b1ba; }
@media (prefers-color-scheme: dark) {
  :root { --figure-grid: #343a42; --figure-0: #56a8f0; --figure-1: #ff8a4c; --figure-2: #3ecf9c; --figure-3: #e39bc5;
    --figure-4: #f5b83d; --figure-5: #9bd8ff; --figure-6: #f0f0f0; --figure-faint: #6d7682; }
}
";

/// What a figure is drawn on.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Paper {
    /// A file with a white background.
    White,
    /// A page in light or dark mode, whose text colour and background are used.
    Page,
}

impl Paper {
    /// Number of colours before they repeat.
    pub const COLOURS: usize = COLOURS.len();

    /// The colour of a label.
    pub fn colour(self, index: usize) -> &'static str {
        match self {
            Paper::White => COLOURS[index % COLOURS.len()],
            Paper::Page => NAMES[index % NAMES.len()],
        }
    }

    /// Faint curves.
    pub fn faint(self) -> &'static str {
        match self {
            Paper::White => "#a9b1ba",
            Paper::Page => "var(--figure-faint)",
        }
    }

    /// Text, axes and outlines.
    pub fn ink(self) -> &'static str {
        match self {
            Paper::White => "black",
            Paper::Page => "currentColor",
        }
    }

    /// Colours of everything except the series.
    pub fn theme(self) -> Theme {
        let (grid, background) = match self {
            Paper::White => ("#e3e3e3", "white"),
            Paper::Page => ("var(--figure-grid)", "none"),
        };
        let ink = || self.ink().to_string();
        Theme {
            background: background.to_string(),
            axis_color: ink(),
            tick_color: ink(),
            text_color: ink(),
            grid_color: grid.to_string(),
            ..Theme::light()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_of_a_page_is_in_its_style_twice_and_those_of_white_paper_are_the_light_ones() {
        for (index, colour) in COLOURS.iter().enumerate() {
            assert_eq!(STYLE.matches(&format!("--figure-{index}: ")).count(), 2);
            assert!(STYLE.contains(&format!("--figure-{index}: {colour}")), "{index}");
            assert_eq!(Paper::Page.colour(index), format!("var(--figure-{index})"));
        }
    }
}

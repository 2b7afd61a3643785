//! How the series of a label are drawn.

use crate::panel::{Panel, Series};
use crate::paper::{Paper, SHADE_COUNT, SHADES};
use kuva::plot::scatter::{MarkerShape, ScatterPlot};
use kuva::plot::{LinePlot, LineStyle};
use kuva::render::plots::Plot;

const MARKERS: [MarkerShape; 5] =
    [MarkerShape::Circle, MarkerShape::Square, MarkerShape::Diamond, MarkerShape::Triangle, MarkerShape::TriangleDown];
/// Patterns that differ, so that two curves of one colour can be told apart, and two levels of nearly the same height.
const DASHES: [&str; 3] = ["10 7", "16 6 4 6", "4 5"];
/// Number of points from which markers and error bars would overlap. Such a curve has no markers, and a band of errors.
pub(crate) const DENSE: usize = 40;

/// How a label is drawn.
pub(crate) struct Style<'a> {
    pub label: &'a str,
    pub colour: &'static str,
    dashes: Option<&'static str>,
    is_level: bool,
    /// Whether it is an area, whose sample in the legend is a thick line.
    pub is_part: bool,
    pub is_cloud: bool,
    pub is_faint: bool,
    /// Whether it is faint and in a panel with bars.
    is_speck: bool,
    pub paper: Paper,
    marker: Option<MarkerShape>,
}

impl Style<'_> {
    pub fn line(&self, points: &[(f64, f64)]) -> LinePlot {
        let line = LinePlot::new().with_data(points.iter().copied()).with_color(self.colour);
        match self.dashes {
            // kuva draws dashes in a PNG with a width of whole pixels only.
            Some(dashes) => line.with_line_style(LineStyle::Custom(dashes.to_string())).with_stroke_width(2.0),
            None if self.is_faint => line.with_stroke_width(1.2),
            None => line.with_stroke_width(2.6),
        }
    }

    pub fn markers(&self, points: &[(f64, f64)]) -> Option<Plot> {
        self.sized_markers(points, self.colour, 5.5)
    }

    /// A faint curve, or small markers in its place.
    pub fn faint(&self, points: &[(f64, f64)]) -> Plot {
        if !self.is_speck {
            return self.line(points).into();
        }
        ScatterPlot::new().with_data(points.iter().copied()).with_color(self.colour).with_size(3.0).into()
    }

    /// Small markers with an outline, which stays visible on a region of the same colour.
    pub fn cloud(&self, points: &[(f64, f64)]) -> impl Iterator<Item = Plot> {
        let outline = self.sized_markers(points, self.paper.ink(), 4.6);
        outline.into_iter().chain(self.sized_markers(points, self.colour, 3.6))
    }

    fn sized_markers(&self, points: &[(f64, f64)], colour: &str, size: f64) -> Option<Plot> {
        let markers = ScatterPlot::new().with_data(points.iter().copied()).with_color(colour).with_size(size);
        self.marker.map(|marker| markers.with_marker(marker).into())
    }
}

/// One style for each label, in order of appearance.
pub(crate) fn styles(panels: &[Panel], paper: Paper) -> Vec<Style<'_>> {
    let mut styles: Vec<Style> = Vec::new();
    for (panel, series) in panels.iter().flat_map(|panel| panel.series.iter().map(move |series| (panel, series))) {
        let label = series.label();
        if styles.iter().any(|style| style.label == label) {
            continue;
        }
        let levels = styles.iter().filter(|style| style.is_level).count();
        let is_faint = matches!(series, Series::Faint { .. });
        let is_speck = is_faint && !panel.bars.is_empty();
        let coloured = styles.iter().filter(|style| !style.is_faint).count();
        let cycle = coloured / Paper::COLOURS;
        let is_level = matches!(series, Series::Level { .. });
        let dashes = match series {
            Series::Level { .. } => Some(DASHES[levels % DASHES.len()]),
            // Dashes distinguish curves when the colours repeat.
            Series::Curve { .. } => cycle.checked_sub(1).map(|cycle| DASHES[cycle % DASHES.len()]),
            _ => None,
        };
        let marker = match series {
            Series::Curve { points, .. } if points.len() >= DENSE => None,
            Series::Level { .. } | Series::Part { .. } | Series::Faint { .. } => None,
            // The shade identifies the region.
            Series::Region { shade: Some(_), .. } => Some(MarkerShape::Circle),
            _ => Some(MARKERS[(coloured - levels) % MARKERS.len()]),
        };
        let colour = match series {
            Series::Region { shade: Some(shade), .. } => SHADES[(*shade).min(SHADE_COUNT - 1)],
            Series::Faint { .. } => paper.faint(),
            _ => paper.colour(coloured),
        };
        let is_part = matches!(series, Series::Part { .. } | Series::Region { .. });
        let is_cloud = matches!(series, Series::Cloud { .. });
        styles.push(Style { label, colour, dashes, is_level, is_part, is_cloud, is_faint, is_speck, paper, marker });
    }
    styles
}

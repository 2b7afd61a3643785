//! A panel as plots of the drawing library.

use crate::axes::{CHARACTER_WIDTH, axes};
use crate::panel::{Panel, Point, Series};
use crate::paper::{Paper, SHADES};
use crate::scale::Scale;
use crate::style::Style;
use kuva::plot::BarPlot;
use kuva::render::layout::Layout;
use kuva::render::plots::Plot;
use kuva::render::theme::Theme;

impl Panel {
    /// The plots of all series but the regions, in drawing order.
    pub(crate) fn plots(&self, styles: &[Style]) -> Vec<Plot> {
        let (left, right) = self.x_range();
        // kuva draws no axes for a cell without plots.
        let mut plots = vec![self.diagonal().unwrap_or_default().into()];
        if !self.bars.is_empty() {
            plots.push(self.stacked(styles).into());
        }
        for series in &self.series {
            let Some(style) = styles.iter().find(|style| style.label == series.label()) else { continue };
            match series {
                Series::Curve { points, .. } => plots.extend(self.curve(points, style)),
                Series::Level { y, .. } if self.y_scale.shows(*y) => {
                    plots.push(style.line(&[(left, *y), (right, *y)]).into());
                }
                Series::Cloud { points, .. } => {
                    if !self.bars.is_empty() {
                        plots.extend(points.iter().filter_map(|point| self.whisker(point, style)));
                    }
                    plots.extend(style.cloud(&self.places(points)));
                }
                Series::Faint { curves, .. } => {
                    let places = curves.iter().map(|points| self.places(points));
                    plots.extend(places.map(|places| style.faint(&places)));
                }
                Series::Level { .. } | Series::Part { .. } | Series::Region { .. } => {}
            }
        }
        plots
    }

    /// Where the points are that the axes can show.
    fn places(&self, points: &[Point]) -> Vec<(f64, f64)> {
        points.iter().filter(|point| self.shows(point)).map(|point| self.place(point)).collect()
    }

    /// The error bar of a point along x.
    fn whisker(&self, point: &Point, style: &Style) -> Option<Plot> {
        let (low, high) = point.error?;
        let (_, y) = self.place(point);
        let shown = self.shows(point) && [low, high].iter().all(|&end| self.x_scale.shows(end));
        shown.then(|| style.line(&[(low, y), (high, y)]).with_stroke_width(1.8).into())
    }

    fn stacked(&self, styles: &[Style]) -> BarPlot {
        let labels = self.series.iter().filter(|series| matches!(series, Series::Part { .. })).map(Series::label);
        let colour =
            |label: &str| styles.iter().find(|style| style.label == label).map_or(SHADES[0], |style| style.colour);
        let colours: Vec<&str> = labels.map(colour).collect();
        // Without a limit, a few bars would fill the panel.
        let width = 0.7 * (self.bars.len() as f64 / 8.0).min(1.0);
        let mut bars = BarPlot::new().with_stacked().with_horizontal(true).with_width(width);
        for (bar, name) in self.bars.iter().enumerate().rev() {
            bars = bars.with_group(name.as_str(), self.parts(bar).zip(colours.iter().copied()));
        }
        bars
    }

    fn curve(&self, points: &[Point], style: &Style) -> Vec<Plot> {
        let (bottom, _) = self.y_range();
        let bar = |point: &Point| {
            let (low, high) = point.error?;
            // An error bar that leaves a log axis ends at the edge of the axis.
            (low <= point.y && point.y <= high && self.y_scale.shows(high)).then_some((low.max(bottom), high))
        };
        let points: Vec<&Point> = points.iter().filter(|point| self.shows(point)).collect();
        let places: Vec<(f64, f64)> = points.iter().map(|point| (point.x, point.y)).collect();
        let line = style.line(&places);
        let Some(markers) = style.markers(&places) else {
            let ends = points.iter().map(|point| bar(point).unwrap_or((point.y, point.y)));
            let (low, high): (Vec<_>, Vec<_>) = ends.unzip();
            return vec![line.with_band(low, high).into()];
        };
        let bars = points.iter().filter_map(|point| {
            let (low, high) = bar(point)?;
            Some(style.line(&[(point.x, low), (point.x, high)]).with_stroke_width(1.8).into())
        });
        bars.chain([line.into(), markers]).collect()
    }

    /// Room for the names of the bars.
    pub(crate) fn left_margin(&self) -> f64 {
        let longest = self.bars.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        20.0 + CHARACTER_WIDTH * longest as f64
    }

    /// The axes with their texts.
    pub(crate) fn layout(&self, paper: Paper) -> Layout {
        let (x, y) = (self.x_range(), self.y_range());
        let mut layout = axes(x, y)
            .with_x_tick_format(self.x_scale.tick_format(x))
            .with_y_tick_format(self.y_scale.tick_format(y))
            .with_title(self.title.as_str())
            .with_subtitle(self.y_label.as_str())
            .with_x_label(self.x_label.as_str())
            .with_title_size(19)
            .with_subtitle_size(16)
            .with_label_size(16)
            .with_theme(Theme { show_grid: self.rectangles().next().is_none(), ..paper.theme() });
        if !self.bars.is_empty() {
            layout = layout
                .with_y_categories(self.bars.iter().rev().cloned().collect())
                .with_force_margins(self.left_margin(), 20.0);
        }
        (layout.log_x, layout.log_y) = (self.x_scale == Scale::Log, self.y_scale == Scale::Log);
        if layout.log_y {
            // kuva reserves room for the labels of this range: five digits, the longest of ours.
            layout.y_range = (1.0, 1e4);
        }
        layout
    }
}

//! Figures of lines, of stacked bars and of regions as SVG and PNG, for files and for pages; and sheets of images.

mod paper;
mod regions;
mod scale;
mod sheet;

pub use paper::STYLE;
pub use regions::Rectangle;
pub use scale::Scale;
pub use sheet::{Image, Tile, sheet};

use anyhow::{Context, Error, Result, ensure};
use kuva::backend::{png::PngBackend, svg::SvgBackend};
use kuva::plot::scatter::{MarkerShape, ScatterPlot};
use kuva::plot::{BarPlot, LinePlot, LineStyle};
use kuva::render::figure::Figure;
use kuva::render::layout::Layout;
use kuva::render::plots::Plot;
use kuva::render::render::{Primitive, Scene};
use kuva::render::theme::Theme;
use paper::{Paper, SHADES};
use regions::replace_diagonals;
use std::path::{Path, PathBuf};

/// The example of README.md, run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The files of a figure.
pub const ENDINGS: [&str; 2] = [".svg", ".png"];

const MARKERS: [MarkerShape; 5] =
    [MarkerShape::Circle, MarkerShape::Square, MarkerShape::Diamond, MarkerShape::Triangle, MarkerShape::TriangleDown];
/// Unlike each other, so that of two curves of one colour both are known, and of two levels that all but coincide both are seen.
const DASHES: [&str; 3] = ["10 7", "16 6 4 6", "4 5"];
/// Points from which markers and error bars run together: such a curve is bare, and its errors are a band.
const DENSE: usize = 40;
/// Width and height of a panel. The drawing has the size of the PNG, as kuva leaves dashes unscaled there.
const PANEL: (f64, f64) = (500.0, 460.0);
/// Width of a panel with bars, whose names take room.
const BARS_WIDTH: f64 = 720.0;

/// kuva keeps its font metrics to itself; this is what most characters stay under.
const CHARACTER_WIDTH: f64 = 9.5;

/// One measured point.
#[derive(Clone, Copy)]
pub struct Point {
    /// Position along the x axis.
    pub x: f64,
    /// Measured value.
    pub y: f64,
    /// Lower and upper end of the error bar, as values of y.
    pub error: Option<(f64, f64)>,
}

/// What a panel shows.
pub enum Series {
    /// Points joined in their order, less those that have no place on the axes.
    Curve {
        /// Name in the legend.
        label: String,
        /// What was measured.
        points: Vec<Point>,
    },
    /// A dashed horizontal line over the whole x axis.
    Level {
        /// Name in the legend.
        label: String,
        /// Its height.
        y: f64,
    },
    /// A part of each horizontal bar, to the right of the parts before it.
    Part {
        /// Name in the legend.
        label: String,
        /// One for each bar of the panel, from the top.
        lengths: Vec<f64>,
    },
    /// Points that are not joined.
    Cloud {
        /// Name in the legend.
        label: String,
        /// Where they are.
        points: Vec<Point>,
    },
    /// A part of the plane behind all else, which the axes then end with. A cloud of the same label has its colour.
    Region {
        /// Name in the legend.
        label: String,
        /// From 0, for small numbers, to [`SHADE_COUNT`] - 1; without it the region has the next colour.
        shade: Option<usize>,
        /// What it is made of.
        rectangles: Vec<Rectangle>,
    },
}

/// Number of shades that tell small from large numbers.
pub const SHADE_COUNT: usize = SHADES.len();

/// One pair of axes.
pub struct Panel {
    /// Heading.
    pub title: String,
    /// Name of the x axis.
    pub x_label: String,
    /// Name of the y axis, written below the heading: upright text is read faster, and kuva's PNGs blot turned text.
    pub y_label: String,
    /// Division of the x axis.
    pub x_scale: Scale,
    /// Division of the y axis.
    pub y_scale: Scale,
    /// Names of the bars from the top, in place of a scale of y; none where there are no bars.
    pub bars: Vec<String>,
    /// Later series cover earlier ones.
    pub series: Vec<Series>,
}

/// Writes `stem.svg` and `stem.png`: what [`render`] draws.
pub fn write(title: &str, panels: &[Panel], columns: usize, stem: &Path) -> Result<()> {
    for (ending, bytes) in render(title, panels, columns)? {
        let path = with_ending(stem, ending);
        std::fs::write(&path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The file of this ending: what stands after a dot in the stem stays.
pub fn with_ending(stem: &Path, ending: &str) -> PathBuf {
    let mut path = stem.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

/// [`ENDINGS`] with the contents of their files: the panels in rows of `columns` under one title, and to the right of the first row one
/// legend, in which each label stands once. A label looks the same in every panel.
pub fn render(title: &str, panels: &[Panel], columns: usize) -> Result<[(&'static str, Vec<u8>); 2]> {
    let scene = draw(Some(title), panels, columns, Paper::White)?;
    let svg = SvgBackend::new().render_scene(&scene).into_bytes();
    let png = PngBackend::new().with_scale(1.0).render_scene(&scene).map_err(Error::msg)?;
    Ok([(ENDINGS[0], svg), (ENDINGS[1], png)])
}

/// The panels as an SVG element for a page that has [`STYLE`]: as wide as there is room, transparent, and in the page's colours.
pub fn inline(panels: &[Panel], columns: usize) -> Result<String> {
    let scene = draw(None, panels, columns, Paper::Page)?;
    let size = format!("<svg viewBox=\"0 0 {} {}\" role=\"img\" ", scene.width, scene.height);
    Ok(SvgBackend::new().render_scene(&scene).replacen("<svg ", &size, 1))
}

fn draw(title: Option<&str>, panels: &[Panel], columns: usize, paper: Paper) -> Result<Scene> {
    ensure!(!panels.is_empty() && columns > 0, "a figure needs a panel");
    let columns = columns.min(panels.len());
    let styles = styles(panels, paper);
    let (samples, legend, legend_width) = legend(&styles);
    let mut cells: Vec<_> = panels.iter().map(|panel| (panel.plots(&styles), panel.layout(paper))).collect();
    cells.insert(columns, (samples, legend));
    let (plots, layouts) = cells.into_iter().unzip();
    let rows = panels.len().div_ceil(columns);
    // The cells of a row; in the last column there is the legend and nothing below it.
    let structure = (0..rows).flat_map(|row| {
        let width = if row == 0 { columns + 1 } else { columns.min(panels.len() - row * columns) };
        (0..width).map(move |column| vec![row * (columns + 1) + column])
    });
    let mut figure = Figure::new(rows, columns + 1)
        .with_structure(structure.collect())
        .with_cell_size(PANEL.0, PANEL.1)
        .with_col_width(columns, legend_width)
        .with_spacing(0.0)
        .with_plots(plots)
        .with_layouts(layouts);
    if let Some(title) = title {
        figure = figure.with_title(title).with_title_size(22);
    }
    for column in 0..columns {
        if panels.iter().skip(column).step_by(columns).any(|panel| !panel.bars.is_empty()) {
            figure = figure.with_col_width(column, BARS_WIDTH);
        }
    }
    let mut scene = figure.render();
    // All values lie within their axes: clipping would only halve the markers on the edge.
    scene.elements.retain(|element| !matches!(element, Primitive::ClipStart { .. } | Primitive::ClipEnd));
    scene.defs.clear();
    scene.elements = replace_diagonals(scene.elements, panels, &styles);
    Ok(scene)
}

/// How a label is drawn.
struct Style<'a> {
    label: &'a str,
    colour: &'static str,
    dashes: Option<&'static str>,
    is_level: bool,
    /// Whether it is an area, in the legend a thick line.
    is_part: bool,
    is_cloud: bool,
    paper: Paper,
    marker: Option<MarkerShape>,
}

impl Style<'_> {
    fn line(&self, points: &[(f64, f64)]) -> LinePlot {
        let line = LinePlot::new().with_data(points.iter().copied()).with_color(self.colour);
        match self.dashes {
            // kuva's PNGs have dashes of whole pixels only.
            Some(dashes) => line.with_line_style(LineStyle::Custom(dashes.to_string())).with_stroke_width(2.0),
            None => line.with_stroke_width(2.6),
        }
    }

    fn markers(&self, points: &[(f64, f64)]) -> Option<Plot> {
        self.sized_markers(points, self.colour, 5.5)
    }

    /// Small markers with an outline, which tells them from a region of their colour.
    fn cloud(&self, points: &[(f64, f64)]) -> impl Iterator<Item = Plot> {
        let outline = self.sized_markers(points, self.paper.ink(), 4.6);
        outline.into_iter().chain(self.sized_markers(points, self.colour, 3.6))
    }

    fn sized_markers(&self, points: &[(f64, f64)], colour: &str, size: f64) -> Option<Plot> {
        let markers = ScatterPlot::new().with_data(points.iter().copied()).with_color(colour).with_size(size);
        self.marker.map(|marker| markers.with_marker(marker).into())
    }
}

/// One style for each label, in order of appearance.
fn styles(panels: &[Panel], paper: Paper) -> Vec<Style<'_>> {
    let mut styles: Vec<Style> = Vec::new();
    for series in panels.iter().flat_map(|panel| &panel.series) {
        let label = series.label();
        if styles.iter().any(|style| style.label == label) {
            continue;
        }
        let levels = styles.iter().filter(|style| style.is_level).count();
        let cycle = styles.len() / Paper::COLOURS;
        let is_level = matches!(series, Series::Level { .. });
        let dashes = match series {
            Series::Level { .. } => Some(DASHES[levels % DASHES.len()]),
            // The colours are used up.
            Series::Curve { .. } => cycle.checked_sub(1).map(|cycle| DASHES[cycle % DASHES.len()]),
            _ => None,
        };
        let marker = match series {
            Series::Curve { points, .. } if points.len() >= DENSE => None,
            Series::Level { .. } | Series::Part { .. } => None,
            // Shades say it all.
            Series::Region { shade: Some(_), .. } => Some(MarkerShape::Circle),
            _ => Some(MARKERS[(styles.len() - levels) % MARKERS.len()]),
        };
        let colour = match series {
            Series::Region { shade: Some(shade), .. } => SHADES[(*shade).min(SHADE_COUNT - 1)],
            _ => paper.colour(styles.len()),
        };
        let is_part = matches!(series, Series::Part { .. } | Series::Region { .. });
        let is_cloud = matches!(series, Series::Cloud { .. });
        styles.push(Style { label, colour, dashes, is_level, is_part, is_cloud, paper, marker });
    }
    styles
}

/// The legend and its width: a panel of samples, of whose axes only the names of the heights are visible.
fn legend(styles: &[Style]) -> (Vec<Plot>, Layout, f64) {
    const ENTRY_HEIGHT: f64 = 28.0;
    const SAMPLE_WIDTH: f64 = 50.0;
    let mut samples = Vec::new();
    // kuva puts the names at heights 1, 2, ..., from below.
    for (below, style) in styles.iter().rev().enumerate() {
        let y = below as f64 + 1.0;
        // Thick lines have round ends.
        let ends = if style.is_part { [(0.2, y), (0.8, y)] } else { [(0.0, y), (1.0, y)] };
        let sample = style.line(&ends);
        if style.is_part {
            samples.push(sample.with_stroke_width(14.0).into());
        } else if style.is_cloud {
            samples.extend(style.cloud(&[(0.5, y)]));
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

/// The smallest interval that holds all of these.
fn hull(intervals: impl Iterator<Item = (f64, f64)>) -> Option<(f64, f64)> {
    intervals.reduce(|all, one| (all.0.min(one.0), all.1.max(one.1)))
}

/// Axes with just these ends.
fn axes(x: (f64, f64), y: (f64, f64)) -> Layout {
    let layout = Layout::new(x, y).with_x_axis_min(x.0).with_x_axis_max(x.1).with_y_axis_min(y.0).with_y_axis_max(y.1);
    layout.with_tick_size(15).with_tick_length(7.0)
}

impl Panel {
    fn x_range(&self) -> (f64, f64) {
        if !self.bars.is_empty() {
            let (_, end) = Scale::Linear.range((0..self.bars.len()).map(|bar| self.parts(bar).sum()));
            return (0.0, end);
        }
        if let Some(range) = hull(self.rectangles().map(|(_, rectangle)| rectangle.x)) {
            return range;
        }
        self.x_scale.range(self.series.iter().flat_map(Series::points).map(|point| point.x))
    }

    /// The lengths of the parts of a bar.
    fn parts(&self, bar: usize) -> impl Iterator<Item = f64> {
        self.series.iter().filter_map(move |series| match series {
            Series::Part { lengths, .. } => Some(lengths.get(bar).copied().unwrap_or(0.0)),
            _ => None,
        })
    }

    fn y_range(&self) -> (f64, f64) {
        if !self.bars.is_empty() {
            // kuva puts the bars at heights 1, 2, ..., from below.
            return (0.4, self.bars.len() as f64 + 0.6);
        }
        if let Some(range) = hull(self.rectangles().map(|(_, rectangle)| rectangle.y)) {
            return range;
        }
        self.y_scale.range(self.series.iter().flat_map(|series| {
            match series {
                Series::Level { y, .. } => vec![*y],
                series => (series.points().iter())
                    .flat_map(|point| point.error.map_or([point.y; 3], |(low, high)| [low, point.y, high]))
                    .collect(),
            }
        }))
    }

    fn plots(&self, styles: &[Style]) -> Vec<Plot> {
        let (left, right) = self.x_range();
        // A cell without plots gets no axes from kuva.
        let mut plots = vec![self.diagonal().unwrap_or_default().into()];
        for series in &self.series {
            let Some(style) = styles.iter().find(|style| style.label == series.label()) else { continue };
            match series {
                Series::Curve { points, .. } => plots.extend(self.curve(points, style)),
                Series::Level { y, .. } if self.y_scale.shows(*y) => {
                    plots.push(style.line(&[(left, *y), (right, *y)]).into());
                }
                Series::Cloud { points, .. } => {
                    let shown = points.iter().filter(|point| self.shows(point));
                    plots.extend(style.cloud(&shown.map(|point| (point.x, point.y)).collect::<Vec<_>>()));
                }
                Series::Level { .. } | Series::Part { .. } | Series::Region { .. } => {}
            }
        }
        if !self.bars.is_empty() {
            plots.push(self.stacked(styles).into());
        }
        plots
    }

    fn stacked(&self, styles: &[Style]) -> BarPlot {
        let labels = self.series.iter().filter(|series| matches!(series, Series::Part { .. })).map(Series::label);
        let colour =
            |label: &str| styles.iter().find(|style| style.label == label).map_or(SHADES[0], |style| style.colour);
        let colours: Vec<&str> = labels.map(colour).collect();
        // Few bars would be as thick as the panel allows.
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
            // A bar that leaves a log axis ends on its edge.
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

    /// Whether a point has a place on the axes.
    fn shows(&self, point: &Point) -> bool {
        self.x_scale.shows(point.x) && self.y_scale.shows(point.y)
    }

    fn layout(&self, paper: Paper) -> Layout {
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
            let longest = self.bars.iter().map(|name| name.chars().count()).max().unwrap_or(0);
            layout = layout
                .with_y_categories(self.bars.iter().rev().cloned().collect())
                .with_force_margins(20.0 + CHARACTER_WIDTH * longest as f64, 20.0);
        }
        (layout.log_x, layout.log_y) = (self.x_scale == Scale::Log, self.y_scale == Scale::Log);
        if layout.log_y {
            // kuva leaves room for the labels that it would itself put on this range: five digits, the most of ours.
            layout.y_range = (1.0, 1e4);
        }
        layout
    }
}

impl Series {
    fn label(&self) -> &str {
        match self {
            Self::Curve { label, .. } | Self::Cloud { label, .. } | Self::Region { label, .. } => label,
            Self::Level { label, .. } | Self::Part { label, .. } => label,
        }
    }

    fn points(&self) -> &[Point] {
        match self {
            Self::Curve { points, .. } | Self::Cloud { points, .. } => points,
            Self::Level { .. } | Self::Part { .. } | Self::Region { .. } => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(label: &str, values: &[f64]) -> Series {
        let point = |(at, &y): (usize, &f64)| Point { x: at as f64, y, error: Some((y / 2.0, y * 2.0)) };
        Series::Curve { label: label.to_string(), points: values.iter().enumerate().map(point).collect() }
    }

    fn panel(scale: Scale, series: Vec<Series>) -> Panel {
        let [title, x_label, y_label] = ["heading", "abscissa", "ordinate"].map(String::from);
        Panel { title, x_label, y_label, x_scale: scale, y_scale: scale, bars: Vec::new(), series }
    }

    /// The SVG, once the PNG is seen to be one.
    fn written(panels: &[Panel]) -> Result<String> {
        let folder = tempfile::tempdir()?;
        write("a title", panels, 2, &folder.path().join("v0.1"))?;
        assert!(std::fs::read(folder.path().join("v0.1.png"))?.starts_with(b"\x89PNG"));
        Ok(std::fs::read_to_string(folder.path().join("v0.1.svg"))?)
    }

    #[test]
    fn every_text_is_in_the_figure_and_a_label_once_in_one_colour() -> Result<()> {
        let level = Series::Level { label: "bound".to_string(), y: 3.0 };
        let left = panel(Scale::Linear, vec![level, curve("first", &[1.0, 2.0])]);
        let right = panel(Scale::Linear, vec![curve("second", &[3.0; DENSE]), curve("first", &[5.0, 4.0])]);
        let svg = written(&[left, right])?;
        for text in ["a title", "heading", "abscissa", "ordinate", "bound", "first", "second"] {
            assert!(svg.contains(&format!(">{text}</text>")), "{text}");
        }
        assert_eq!(svg.matches(">first</text>").count(), 1);
        // Two markers in each panel and one in the legend.
        assert_eq!(svg.matches("<circle").count(), 5);
        assert_eq!(svg.matches(&format!("r=\"5.5\" fill=\"{}\"", Paper::White.colour(1))).count(), 5);
        Ok(())
    }

    #[test]
    fn points_without_a_place_are_left_out() -> Result<()> {
        let odd = [f64::NAN, 10.0, 0.0, -1.0, f64::INFINITY, 20.0, 1e-300, f64::MAX];
        let range = Scale::Log.range(odd.into_iter());
        assert_eq!(range, Scale::Log.range([10.0, 20.0].into_iter()));
        assert!(0.0 < range.0 && range.0 < 10.0 && 20.0 < range.1 && range.1.is_finite());
        let nowhere = Series::Level { label: "nowhere".to_string(), y: 0.0 };
        let svg = written(&[panel(Scale::Log, vec![curve("odd", &odd), nowhere]), panel(Scale::Log, Vec::new())])?;
        // Two of the points and the legend's sample.
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        Ok(())
    }

    #[test]
    fn bars_are_named_and_stacked() -> Result<()> {
        let part = |label: &str, lengths: &[f64]| Series::Part { label: label.to_string(), lengths: lengths.to_vec() };
        let parts = vec![part("u", &[1.0, 2.0]), part("v", &[3.0, 0.5])];
        let mut bars = panel(Scale::Linear, parts);
        bars.bars = ["upper", "lower"].map(String::from).to_vec();
        assert_eq!((bars.x_range().0, bars.parts(0).sum::<f64>()), (0.0, 4.0));
        let svg =
            written(&[bars, panel(Scale::Log, vec![curve("first", &[1.0, 2.0])]), panel(Scale::Log, Vec::new())])?;
        for text in ["upper", "lower", "u", "v", "first"] {
            assert_eq!(svg.matches(&format!(">{text}</text>")).count(), 1, "{text}");
        }
        // Two parts in two bars; the legend's samples are lines.
        let filled = |colour| svg.matches("<rect").count().min(svg.matches(colour).count());
        assert!(filled(Paper::White.colour(0)) >= 2 && filled(Paper::White.colour(1)) >= 2);
        Ok(())
    }
}

//! Figures as files and as elements of a page.

use crate::axes::PANEL;
use crate::endings::{ENDINGS, with_ending};
use crate::legend::legend;
use crate::panel::Panel;
use crate::paper::Paper;
use crate::regions::replace_diagonals;
use crate::style::styles;
use anyhow::{Context, Error, Result, ensure};
use kuva::backend::{png::PngBackend, svg::SvgBackend};
use kuva::render::figure::Figure;
use kuva::render::render::{Primitive, Scene};
use std::path::Path;

/// Width of the axes of a panel with bars. The names of the bars are beside them.
const BARS_WIDTH: f64 = 420.0;

/// Writes the figure of [`render`] to `stem.svg` and `stem.png`.
///
/// # Errors
/// Those of [`render`], and of a file that cannot be written, with its path.
pub fn write(title: &str, panels: &[Panel], columns: usize, stem: &Path) -> Result<()> {
    for (ending, bytes) in render(title, panels, columns)? {
        let path = with_ending(stem, ending);
        std::fs::write(&path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Draws the panels in rows of `columns` under one title, with one legend to the right of the first row.
///
/// Returns each of the [`ENDINGS`] with the content of its file. A label appears once in the legend, and looks the same
/// in every panel.
///
/// # Errors
/// No panel or no column, and errors of the drawing library.
pub fn render(title: &str, panels: &[Panel], columns: usize) -> Result<[(&'static str, Vec<u8>); 2]> {
    let scene = draw(Some(title), panels, columns, Paper::White)?;
    let svg = SvgBackend::new().render_scene(&scene).into_bytes();
    let png = PngBackend::new().with_scale(1.0).render_scene(&scene).map_err(Error::msg)?;
    Ok([(ENDINGS[0], svg), (ENDINGS[1], png)])
}

/// Draws the panels as an SVG element for a page that has [`STYLE`](crate::STYLE). The element fills the available
/// width, is transparent and has the colours of the page.
///
/// # Errors
/// No panel or no column.
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
    // The cells of each row. The last column holds the legend in the first row, and nothing below it.
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
        let bars = panels.iter().skip(column).step_by(columns).filter(|panel| !panel.bars.is_empty());
        if let Some(margin) = bars.map(Panel::left_margin).reduce(f64::max) {
            figure = figure.with_col_width(column, PANEL.0.max(BARS_WIDTH + margin));
        }
    }
    let mut scene = figure.render();
    // All values lie within their axes: clipping would only cut the markers at the edge.
    scene.elements.retain(|element| !matches!(element, Primitive::ClipStart { .. } | Primitive::ClipEnd));
    scene.defs.clear();
    scene.elements = replace_diagonals(scene.elements, panels, &styles);
    Ok(scene)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panel::{Point, Series};
    use crate::scale::Scale;
    use crate::style::DENSE;

    fn curve(label: &str, values: &[f64]) -> Series {
        let point = |(at, &y): (usize, &f64)| Point { x: at as f64, y, error: Some((y / 2.0, y * 2.0)) };
        Series::Curve { label: label.to_string(), points: values.iter().enumerate().map(point).collect() }
    }

    fn panel(scale: Scale, series: Vec<Series>) -> Panel {
        let [title, x_label, y_label] = ["heading", "abscissa", "ordinate"].map(String::from);
        Panel { title, x_label, y_label, x_scale: scale, y_scale: scale, bars: Vec::new(), series }
    }

    /// Writes both files, checks that the PNG is one, and returns the SVG.
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

    #[test]
    fn marks_lie_in_the_rows_of_their_bars_with_their_errors_along_x() -> Result<()> {
        let mark = |row: usize, x: f64| Point { x, y: row as f64, error: Some((x - 1.0, x + 2.0)) };
        let marks = vec![mark(0, -3.0), mark(1, 5.0), Point { x: f64::NAN, ..mark(1, 0.0) }];
        let cloud = Series::Cloud { label: "mark".to_string(), points: marks.clone() };
        let mut only_marks = panel(Scale::Linear, vec![cloud]);
        only_marks.bars = ["upper", "lower"].map(String::from).to_vec();
        let (low, high) = only_marks.x_range();
        assert!((-4.5..-4.0).contains(&low) && (7.0..7.5).contains(&high), "{low} {high}");
        assert_eq!(only_marks.place(&marks[0]), (-3.0, 2.0));
        assert_eq!(only_marks.place(&marks[1]), (5.0, 1.0));
        let svg = written(&[only_marks])?;
        // Marks have an outline; the third is that of the legend.
        assert_eq!(svg.matches("<circle").count(), 2 * 3);
        assert!(!svg.contains("NaN"));

        let part = Series::Part { label: "bar".to_string(), lengths: vec![10.0, 0.0] };
        let mut both = panel(Scale::Linear, vec![part]);
        both.bars = ["upper", "lower"].map(String::from).to_vec();
        assert_eq!(both.x_range().0, 0.0);
        both.series.push(Series::Cloud { label: "mark".to_string(), points: vec![mark(1, -3.0)] });
        assert!(both.x_range().0 < -4.0 && both.x_range().1 > 10.0);
        Ok(())
    }

    #[test]
    fn faint_curves_take_no_colour_and_no_markers() -> Result<()> {
        let point = |x: f64, y: f64| Point { x, y, error: None };
        let curves = || (0..3).map(|k| vec![point(0.0, f64::from(k)), point(9.0, 7.0)]).collect();
        let faint = || Series::Faint { label: "single".to_string(), curves: curves() };
        let svg = written(&[panel(Scale::Linear, vec![faint(), curve("mean", &[1.0, 2.0])])])?;
        // The curves and the sample in the legend.
        assert_eq!(svg.matches(&format!("stroke=\"{}\"", Paper::White.faint())).count(), 4);
        assert!(svg.contains(&format!("fill=\"{}\"", Paper::White.colour(0))));
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(panel(Scale::Linear, vec![faint()]).x_range().1 > 9.0);
        let mut rows = panel(Scale::Linear, vec![faint()]);
        rows.bars = vec!["row".to_string(); 8];
        // In rows they are marks: six, and three in the legend.
        assert_eq!(written(&[rows])?.matches("<circle").count(), 9);
        Ok(())
    }
}

//! Coloured regions behind the other series of a panel.

use crate::panel::{Panel, Rectangle};
use crate::style::Style;
use kuva::plot::LinePlot;
use kuva::render::color::Color;
use kuva::render::render::Primitive;

/// Colour of a placeholder: a line that kuva draws over the diagonal of the axes, and that the regions replace.
const DIAGONAL: (u8, u8, u8) = (1, 2, 3);

impl Panel {
    /// The placeholder of the regions, if there are any.
    pub(crate) fn diagonal(&self) -> Option<LinePlot> {
        self.rectangles().next()?;
        let ((left, right), (bottom, top)) = (self.x_range(), self.y_range());
        let (red, green, blue) = DIAGONAL;
        let colour = format!("#{red:02x}{green:02x}{blue:02x}");
        Some(LinePlot::new().with_data([(left, bottom), (right, top)]).with_color(colour))
    }
}

/// Replaces the diagonals by the rectangles of the panels.
pub(crate) fn replace_diagonals(elements: Vec<Primitive>, panels: &[Panel], styles: &[Style]) -> Vec<Primitive> {
    let mut with_regions = panels.iter().filter(|panel| panel.rectangles().next().is_some());
    let mut replaced = Vec::with_capacity(elements.len());
    for element in elements {
        let corners = match &element {
            Primitive::PolyLine { points, stroke: Color::Rgb(red, green, blue), .. }
                if (*red, *green, *blue) == DIAGONAL && points.len() == 2 =>
            {
                Some((points[0], points[1]))
            }
            _ => None,
        };
        let Some((panel, corners)) = corners.and_then(|corners| Some((with_regions.next()?, corners))) else {
            replaced.push(element);
            continue;
        };
        // No background may show between adjacent rectangles.
        replaced.push(Primitive::GroupStart {
            transform: None,
            title: None,
            extra_attrs: Some("shape-rendering=\"crispEdges\"".to_string()),
        });
        replaced.extend(panel.rectangles().filter_map(|(label, rectangle)| {
            let style = styles.iter().find(|style| style.label == label)?;
            Some(panel.placed(rectangle, style, corners))
        }));
        replaced.push(Primitive::GroupEnd);
    }
    replaced
}

impl Panel {
    /// The rectangle, rounded to whole pixels, on axes that end in `corners`.
    fn placed(&self, rectangle: &Rectangle, style: &Style, corners: ((f64, f64), (f64, f64))) -> Primitive {
        let ((left, right), (bottom, top)) = (self.x_range(), self.y_range());
        let ((x0, y0), (x1, y1)) = corners;
        let at_x = |x: f64| (x0 + (x - left) / (right - left) * (x1 - x0)).round();
        let at_y = |y: f64| (y0 + (y - bottom) / (top - bottom) * (y1 - y0)).round();
        let (x, y) = (at_x(rectangle.x.0), at_y(rectangle.y.1));
        Primitive::Rect {
            x,
            y,
            width: at_x(rectangle.x.1) - x,
            height: at_y(rectangle.y.0) - y,
            fill: style.colour.into(),
            stroke: None,
            stroke_width: None,
            opacity: Some(rectangle.opacity),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{inline, render};
    use crate::panel::{Point, Series};
    use crate::paper::Paper;
    use crate::scale::Scale;

    #[test]
    fn regions_fill_the_axes_and_clouds_have_their_colours() {
        let rectangle = |x, opacity| Rectangle { x, y: (-1.0, 3.0), opacity };
        let region = |label: &str, x| Series::Region {
            label: label.to_string(),
            shade: None,
            rectangles: vec![rectangle(x, 0.5)],
        };
        let point = Point { x: 0.5, y: 0.0, error: None };
        let panel = Panel {
            title: "heading".to_string(),
            x_label: "abscissa".to_string(),
            y_label: "ordinate".to_string(),
            x_scale: Scale::Linear,
            y_scale: Scale::Linear,
            bars: Vec::new(),
            series: vec![
                region("cat", (0.0, 1.0)),
                region("dog", (1.0, 2.0)),
                Series::Cloud { label: "cat".to_string(), points: vec![point; 3] },
            ],
        };
        assert_eq!((panel.x_range(), panel.y_range()), ((0.0, 2.0), (-1.0, 3.0)));
        let svg = String::from_utf8(render("a title", &[panel], 1).unwrap()[0].1.clone()).unwrap();
        let group = svg.split("shape-rendering=\"crispEdges\"").nth(1).unwrap().split("</g>").next().unwrap();
        assert_eq!(group.matches("<rect ").count(), 2, "{group}");
        assert!(group.contains(Paper::White.colour(0)) && group.contains(Paper::White.colour(1)));
        assert!(!svg.contains("#010203"));
    }

    #[test]
    fn a_figure_for_a_page_has_none_of_its_own_colours() {
        let level = Series::Level { label: "bound".to_string(), y: 3.0 };
        let [title, x_label, y_label] = ["heading", "abscissa", "ordinate"].map(String::from);
        let (x_scale, y_scale) = (Scale::Linear, Scale::Log);
        let panel = Panel { title, x_label, y_label, x_scale, y_scale, bars: Vec::new(), series: vec![level] };
        let svg = inline(&[panel], 1).unwrap();
        assert!(svg.starts_with("<svg viewBox=\"0 0 "));
        assert!(svg.contains("var(--figure-0)") && svg.contains("fill=\"currentColor\""));
        assert!(!svg.contains("#0072b2") && !svg.contains("black") && !svg.contains("white"), "{svg}");
    }
}

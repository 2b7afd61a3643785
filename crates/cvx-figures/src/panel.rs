//! The content of a figure: panels, their series and their points.

use crate::scale::Scale;

/// A measured point.
#[derive(Clone, Copy)]
pub struct Point {
    /// Position along the x axis.
    pub x: f64,
    /// Measured value. In a panel with bars, the index of the bar from the top; the value is then x.
    pub y: f64,
    /// Lower and upper end of the error bar, in units of the value.
    pub error: Option<(f64, f64)>,
}

/// A series of a panel.
pub enum Series {
    /// Points joined in their order. Points that the axes cannot show are left out.
    Curve {
        /// Name in the legend.
        label: String,
        /// The points.
        points: Vec<Point>,
    },
    /// A dashed horizontal line over the whole x axis.
    Level {
        /// Name in the legend.
        label: String,
        /// Its value of y.
        y: f64,
    },
    /// One segment of each horizontal bar, to the right of the segments before it.
    Part {
        /// Name in the legend.
        label: String,
        /// Length of the segment in each bar of the panel, from the top.
        lengths: Vec<f64>,
    },
    /// Points that are not joined. Error bars are drawn in a panel with bars only.
    Cloud {
        /// Name in the legend.
        label: String,
        /// The points.
        points: Vec<Point>,
    },
    /// Thin grey curves without markers, behind those of other series; in a panel with bars, small grey markers.
    Faint {
        /// Name in the legend.
        label: String,
        /// The points of each curve.
        curves: Vec<Vec<Point>>,
    },
    /// Coloured rectangles behind all other series. The axes end where the rectangles end. A cloud of the same label
    /// has the same colour.
    Region {
        /// Name in the legend.
        label: String,
        /// Shade from 0, for small numbers, to [`SHADE_COUNT`](crate::SHADE_COUNT) - 1; `None` for the next colour.
        shade: Option<usize>,
        /// The rectangles of the region.
        rectangles: Vec<Rectangle>,
    },
}

/// A rectangle in units of x and y.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Rectangle {
    /// Left and right end.
    pub x: (f64, f64),
    /// Lower and upper end.
    pub y: (f64, f64),
    /// From 0, invisible, to 1, which covers the grid.
    pub opacity: f64,
}

/// One pair of axes.
pub struct Panel {
    /// Heading.
    pub title: String,
    /// Name of the x axis.
    pub x_label: String,
    /// Name of the y axis. It is written below the heading: upright text is easier to read, and kuva's PNGs blur
    /// rotated text.
    pub y_label: String,
    /// Scale of the x axis.
    pub x_scale: Scale,
    /// Scale of the y axis.
    pub y_scale: Scale,
    /// Names of the bars from the top, which replace the scale of y. Empty for a panel without bars.
    pub bars: Vec<String>,
    /// The series. Later ones are drawn over earlier ones.
    pub series: Vec<Series>,
}

/// The smallest interval that contains all of these.
fn hull(intervals: impl Iterator<Item = (f64, f64)>) -> Option<(f64, f64)> {
    intervals.reduce(|all, one| (all.0.min(one.0), all.1.max(one.1)))
}

impl Panel {
    pub(crate) fn x_range(&self) -> (f64, f64) {
        if !self.bars.is_empty() {
            let has_parts = self.series.iter().any(|series| matches!(series, Series::Part { .. }));
            // Bars begin at 0.
            let ends = has_parts.then(|| (0..self.bars.len()).map(|bar| self.parts(bar).sum()).chain([0.0]));
            let marks = self.series.iter().flat_map(Series::points).flat_map(|point| {
                let (low, high) = point.error.unwrap_or((point.x, point.x));
                [low, point.x, high]
            });
            return Scale::Linear.range(ends.into_iter().flatten().chain(marks));
        }
        if let Some(range) = hull(self.rectangles().map(|(_, rectangle)| rectangle.x)) {
            return range;
        }
        self.x_scale.range(self.series.iter().flat_map(Series::points).map(|point| point.x))
    }

    /// The lengths of the segments of a bar.
    pub(crate) fn parts(&self, bar: usize) -> impl Iterator<Item = f64> {
        self.series.iter().filter_map(move |series| match series {
            Series::Part { lengths, .. } => Some(lengths.get(bar).copied().unwrap_or(0.0)),
            _ => None,
        })
    }

    pub(crate) fn y_range(&self) -> (f64, f64) {
        if !self.bars.is_empty() {
            // kuva places the bars at heights 1, 2, ..., from the bottom.
            return (0.4, self.bars.len() as f64 + 0.6);
        }
        if let Some(range) = hull(self.rectangles().map(|(_, rectangle)| rectangle.y)) {
            return range;
        }
        self.y_scale.range(self.series.iter().flat_map(|series| {
            match series {
                Series::Level { y, .. } => vec![*y],
                series => (series.points())
                    .flat_map(|point| point.error.map_or([point.y; 3], |(low, high)| [low, point.y, high]))
                    .collect(),
            }
        }))
    }

    /// Whether the axes can show a point.
    pub(crate) fn shows(&self, point: &Point) -> bool {
        self.x_scale.shows(point.x) && self.y_scale.shows(point.y)
    }

    /// The place of a point on the axes.
    pub(crate) fn place(&self, point: &Point) -> (f64, f64) {
        match self.bars.len() {
            0 => (point.x, point.y),
            bars => (point.x, bars as f64 - point.y),
        }
    }

    /// All rectangles with their labels.
    pub(crate) fn rectangles(&self) -> impl Iterator<Item = (&str, &Rectangle)> {
        self.series.iter().flat_map(|series| {
            let rectangles = match series {
                Series::Region { rectangles, .. } => &rectangles[..],
                _ => &[],
            };
            rectangles.iter().map(|rectangle| (series.label(), rectangle))
        })
    }
}

impl Series {
    pub(crate) fn label(&self) -> &str {
        match self {
            Self::Curve { label, .. } | Self::Cloud { label, .. } | Self::Region { label, .. } => label,
            Self::Level { label, .. } | Self::Part { label, .. } | Self::Faint { label, .. } => label,
        }
    }

    pub(crate) fn points(&self) -> impl Iterator<Item = &Point> {
        let (points, curves): (&[Point], &[Vec<Point>]) = match self {
            Self::Curve { points, .. } | Self::Cloud { points, .. } => (points, &[]),
            Self::Faint { curves, .. } => (&[], curves),
            Self::Level { .. } | Self::Part { .. } | Self::Region { .. } => (&[], &[]),
        };
        points.iter().chain(curves.iter().flatten())
    }
}

//! Axes and their sizes.

use kuva::render::layout::Layout;

/// Width and height of a panel in pixels of the PNG. The drawing has this size too, because kuva does not scale dashes.
pub(crate) const PANEL: (f64, f64) = (500.0, 460.0);

/// Width of most characters is below this number of pixels. kuva does not publish its font metrics.
pub(crate) const CHARACTER_WIDTH: f64 = 9.5;

/// Axes with exactly these ends.
pub(crate) fn axes(x: (f64, f64), y: (f64, f64)) -> Layout {
    let layout = Layout::new(x, y).with_x_axis_min(x.0).with_x_axis_max(x.1).with_y_axis_min(y.0).with_y_axis_max(y.1);
    layout.with_tick_size(15).with_tick_length(7.0)
}

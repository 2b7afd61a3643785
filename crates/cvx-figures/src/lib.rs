//! Figures of curves, stacked bars and regions, and sheets of images, as SVG and PNG.
//!
//! A figure is a grid of [`Panel`]s with one legend. [`write()`] and [`render`] make files of it, [`inline`] an SVG
//! element for a page that has [`STYLE`]. The colours are safe for the colour-blind.

mod axes;
mod endings;
mod figure;
mod legend;
mod panel;
mod paper;
mod plots;
mod regions;
mod scale;
mod sheet;
mod style;

pub use endings::{ENDINGS, with_ending};
pub use figure::{inline, render, write};
pub use panel::{Panel, Point, Rectangle, Series};
pub use paper::{SHADE_COUNT, STYLE};
pub use scale::Scale;
pub use sheet::{Image, Tile, sheet};

/// The example of README.md, compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

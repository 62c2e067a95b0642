//! A plot of a target's history.

use plotters::prelude::*;

mod axis;
mod colors;
mod data;
mod directions;
mod excess;
mod heat;
mod loss;
mod painter;
mod rtt;

use super::query::PlotQuery;
use colors::Colors;
pub(crate) use data::{Known, PlotData, Record, TimedStep};
use painter::{DrawResult, Painter, SCALE};
pub(crate) use painter::{LEFT, RIGHT};

/// Draws the plot as SVG.
pub(crate) fn svg(data: &PlotData, query: &PlotQuery) -> DrawResult<String> {
    let painter = Painter {
        data,
        colors: &Colors::of(query.theme),
        width: i32::try_from(query.width())?,
        has_title: query.title,
    };
    let (width, height) = (painter.width, painter.height());
    let mut svg = String::new();
    let size = (
        u32::try_from(width * SCALE)?,
        u32::try_from(height * SCALE)?,
    );
    let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    painter.draw(&root)?;
    drop(root);
    // The size of the image is in pixels, its view box in drawing units.
    let scaled = format!("width=\"{}\" height=\"{}\"", size.0, size.1);
    let pixels = format!("width=\"{width}\" height=\"{height}\"");
    Ok(svg.replacen(&scaled, &pixels, 1))
}

#[cfg(test)]
mod tests;

//! A plot of a target's history.

use plotters::prelude::*;

mod colors;
mod data;
mod painter;

use super::query::PlotQuery;
use colors::Colors;
pub(crate) use data::PlotData;
use painter::{DrawResult, HEIGHT, Painter, SCALE};

/// Draws the plot as SVG.
pub(crate) fn svg(data: &PlotData, query: &PlotQuery) -> DrawResult<String> {
    let width = i32::try_from(query.width())?;
    let mut svg = String::new();
    let size = (
        u32::try_from(width * SCALE)?,
        u32::try_from(HEIGHT * SCALE)?,
    );
    let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    let painter = Painter {
        data,
        colors: &Colors::of(query.theme),
        width,
    };
    painter.draw(&root)?;
    drop(root);
    // The size of the image is in pixels, its view box in drawing units.
    let scaled = format!("width=\"{}\" height=\"{}\"", size.0, size.1);
    let pixels = format!("width=\"{width}\" height=\"{HEIGHT}\"");
    Ok(svg.replacen(&scaled, &pixels, 1))
}

#[cfg(test)]
mod tests;

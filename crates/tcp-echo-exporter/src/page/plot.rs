//! A target's history as a picture.

use plotters::prelude::*;

mod colors;
mod painter;
mod plotted;

use super::query::Picture;
use colors::Colors;
use painter::{Drawn, FINE, HEIGHT, Painter};
pub(crate) use plotted::Plotted;

/// The picture as SVG.
pub(crate) fn svg(plotted: &Plotted, picture: &Picture) -> Drawn<String> {
    let width = i32::try_from(picture.width())?;
    let mut svg = String::new();
    let size = (u32::try_from(width * FINE)?, u32::try_from(HEIGHT * FINE)?);
    let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    let pens = Painter {
        plotted,
        colors: &Colors::of(picture.theme),
        width,
    };
    pens.all(&root)?;
    drop(root);
    // Seen in pixels.
    let fine = format!("width=\"{}\" height=\"{}\"", size.0, size.1);
    let pixels = format!("width=\"{width}\" height=\"{HEIGHT}\"");
    Ok(svg.replacen(&fine, &pixels, 1))
}

#[cfg(test)]
mod tests;

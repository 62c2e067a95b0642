//! The panel of the delay above the minimum, by part of the round trip.

use plotters::prelude::*;

use super::{
    axis::linear_ticks,
    data::PlotData,
    painter::{Area, DrawResult, Painter},
};
use crate::metrics::layout::PARTS;

/// The top of the axis if there is less, in seconds.
const LEAST_TOP: f64 = 0.001;

/// Returns whether a round trip was split into its parts.
pub(super) fn is_shown(data: &PlotData) -> bool {
    data.known.parts
}

/// Draws the mean excess of the parts of each step, one above the other in the order of the way.
pub(super) fn draw(painter: &Painter<'_>, area: &Area<'_>) -> DrawResult {
    let steps = &painter.data.steps;
    let means = steps.iter().map(|step| step.step.ways.mean_excess());
    let totals = means.clone().flatten().map(|parts| parts.iter().sum());
    let top = 1.08 * totals.fold(LEAST_TOP, f64::max);
    let (caption, texts) = if painter.is_narrow() {
        ("Delay above the minimum", ["host", "there", "peer", "back"])
    } else {
        (
            "Delay above the minimum, by part",
            ["this host", "way there", "peer's host", "way back"],
        )
    };
    let colors = painter.colors.parts;
    let entries: Vec<_> = texts.into_iter().zip(colors).collect();
    let plane = painter.keyed(area, caption, &entries)?;
    let mut chart = painter.chart(&plane, "", (0.0, top), &linear_ticks(top))?;
    // Steps that follow one another become one band.
    let means: Vec<_> = means.enumerate().collect();
    let runs = means.chunk_by(|(_, one), (_, other)| one.is_some() && other.is_some());
    for run in runs {
        let steps = run
            .iter()
            .filter_map(|(index, parts)| Some((*index, (*parts)?)));
        let steps: Vec<_> = steps.collect();
        for (part, color) in (0..PARTS.len()).zip(colors) {
            let outline = |below: usize| {
                steps.iter().flat_map(move |(index, parts)| {
                    let (begin, end) = painter.interval(*index);
                    let height = parts.iter().take(below).sum();
                    [(begin, height), (end, height)]
                })
            };
            let upper: Vec<(f64, f64)> = outline(part + 1).collect();
            let lower = outline(part).collect::<Vec<_>>().into_iter().rev();
            let band: Vec<_> = upper.into_iter().chain(lower).collect();
            if !band.is_empty() {
                chart.draw_series([Polygon::new(band, color)])?;
            }
        }
    }
    Ok(())
}

//! The panel of the loss over time.

use plotters::prelude::*;

use super::painter::{Area, DrawResult, Painter};

/// The height of the smallest part, so that it is still visible.
const MIN_PART: f64 = 0.05;

/// Draws the lost part of each step, and above it the part that this host missed.
pub(super) fn draw(painter: &Painter<'_>, area: &Area<'_>) -> DrawResult {
    let ticks = [(0.0, "0 %".to_owned()), (1.0, "100 %".to_owned())];
    let mut chart = painter.chart(area, "Loss", (0.0, 1.0), &ticks)?;
    let (lost, missed) = (painter.colors.bad, painter.colors.muted);
    for (index, step) in painter.data.steps.iter().enumerate() {
        let (begin, end) = painter.interval(index);
        let mut from = 0.0;
        for (part, color) in [(step.step.loss(), lost), (step.step.missed(), missed)] {
            if let Some(part) = part.filter(|part| *part > 0.0) {
                let to = (from + part.max(MIN_PART)).min(1.0);
                let bar = [(begin, from), (end, to)];
                chart.draw_series([Rectangle::new(bar, color.filled())])?;
                from = to;
            }
        }
    }
    if painter.data.steps.iter().any(|step| step.step.missed > 0) {
        let legend = [("■ lost", lost), ("■ missed by this host", missed)];
        painter.legend(area, &legend)?;
    }
    Ok(())
}

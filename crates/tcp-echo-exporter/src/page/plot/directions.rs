//! The panel of the packet loss by direction over time.

use plotters::prelude::*;
use tcp_echo_prober::Direction;

use super::{
    data::PlotData,
    painter::{Area, DrawResult, Painter},
};

/// The end of the axis is at least the first of these, and is marked by the largest that fits.
const MARKS: [f64; 7] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0];

/// The height of the smallest loss, as a fraction of the axis, so that it is still visible.
const LEAST_BAR: f64 = 0.05;

/// Returns whether packets were lost.
pub(super) fn is_shown(data: &PlotData) -> bool {
    let segments = data.steps.iter().flat_map(|at| at.step.ways.segments);
    segments.into_iter().any(|segments| segments.lost > 0)
}

/// Draws the lost fraction of the packets of each step: of the way there upwards, and of the way
/// back downwards.
pub(super) fn draw(painter: &Painter<'_>, area: &Area<'_>) -> DrawResult {
    let steps = &painter.data.steps;
    let loss = |index: usize, direction| steps[index].step.ways.of(direction).loss();
    let all = Direction::ALL.into_iter();
    let all = all.flat_map(|direction| (0..steps.len()).map(move |index| (index, direction)));
    let losses = all.filter_map(|(index, direction)| loss(index, direction));
    let top = losses.fold(MARKS[0], f64::max);
    let mark = MARKS.into_iter().rfind(|mark| *mark <= top).unwrap_or(top);
    let text = format!("{} %", (mark * 100.0).round());
    let ticks = [(-mark, text.clone()), (0.0, "0 %".to_owned()), (mark, text)];
    let (caption, texts) = if painter.is_narrow() {
        ("Packets lost", ["there ↑", "back ↓"])
    } else {
        (
            "Packets lost, by direction",
            ["way there (up)", "way back (down)"],
        )
    };
    let [_, there, _, back] = painter.colors.parts;
    let entries: Vec<_> = texts.into_iter().zip([there, back]).collect();
    let plane = painter.keyed(area, caption, &entries)?;
    let mut chart = painter.chart(&plane, "", (-1.08 * top, 1.08 * top), &ticks)?;
    for index in 0..steps.len() {
        let (begin, end) = painter.interval(index);
        for (direction, sign, color) in [
            (Direction::Forward, 1.0, there),
            (Direction::Reverse, -1.0, back),
        ] {
            if let Some(part) = loss(index, direction).filter(|part| *part > 0.0) {
                let height = sign * part.max(LEAST_BAR * top);
                let bar = [(begin, 0.0), (end, height)];
                chart.draw_series([Rectangle::new(bar, color.filled())])?;
            }
        }
    }
    Ok(())
}

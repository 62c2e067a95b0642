//! The panel of the RTT over time.

use plotters::prelude::*;

use super::{
    axis::linear_ticks,
    painter::{Area, DrawResult, Painter, SCALE},
};

/// The parts of a step at which changes of its connection are drawn: a connection is lost before
/// the next one.
const LOST_AT: f64 = 0.35;
const CONNECTED_AT: f64 = 0.65;

/// Draws p10 to p90 with the median, and marks where the connection changed.
pub(super) fn draw(painter: &Painter<'_>, area: &Area<'_>) -> DrawResult {
    let steps = &painter.data.steps;
    let tops = steps.iter().filter_map(|step| step.step.quantile(2));
    let top = tops.fold(0.0, f64::max);
    let top = if top > 0.0 { top * 1.08 } else { 0.001 };
    let caption = if painter.is_narrow() {
        "RTT, p10 to p90"
    } else {
        "RTT: median, and p10 to p90"
    };
    let mut chart = painter.chart(area, caption, (0.0, top), &linear_ticks(top))?;
    for run in runs(painter) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            continue;
        };
        // From edge to edge, so that a step is as wide as in the other panels.
        let begin = (*first, painter.interval(*first).0);
        let end = (*last, painter.interval(*last).1);
        let middles = run
            .iter()
            .map(|index| (*index, painter.within(*index, 0.5)));
        let places: Vec<_> = [begin].into_iter().chain(middles).chain([end]).collect();
        let value = |(index, time): &(usize, f64), quantile| {
            let rtt = steps[*index].step.quantile(quantile);
            (*time, rtt.unwrap_or(0.0))
        };
        let upper = places.iter().map(|place| value(place, 2));
        let lower = places.iter().rev().map(|place| value(place, 0));
        let outline: Vec<_> = upper.chain(lower).collect();
        let median: Vec<_> = places.iter().map(|place| value(place, 1)).collect();
        chart.draw_series([Polygon::new(outline, painter.colors.line.mix(0.22))])?;
        let stroke = painter.colors.line.stroke_width(7);
        chart.draw_series([PathElement::new(median, stroke)])?;
    }
    let (good, bad) = (painter.colors.good, painter.colors.bad);
    for (index, step) in steps.iter().enumerate() {
        let line = |x, color: RGBColor| {
            PathElement::new(vec![(x, 0.0), (x, top)], color.mix(0.8).stroke_width(4))
        };
        if step.step.disconnects > 0 {
            let x = painter.within(index, LOST_AT);
            chart.draw_series([line(x, bad)])?;
            let stroke = bad.stroke_width(2 * SCALE.unsigned_abs());
            chart.draw_series([Cross::new((x, top), 4 * SCALE, stroke)])?;
        }
        if step.step.connects > 0 {
            let x = painter.within(index, CONNECTED_AT);
            chart.draw_series([line(x, good)])?;
            chart.draw_series([TriangleMarker::new((x, 0.0), 5 * SCALE, good.filled())])?;
        }
    }
    if painter.data.is_empty() {
        let middle = (-painter.data.span / 2.0, top / 2.0);
        let note = Text::new("no replies in this time", middle, painter.note());
        chart.plotting_area().draw(&note)?;
    }
    let connected = steps.iter().any(|step| step.step.connects > 0);
    let lost = steps.iter().any(|step| step.step.disconnects > 0);
    let legend = [("▲ connected", good), ("✕ lost", bad)];
    match (connected, lost) {
        (true, true) => painter.legend(area, &legend),
        (true, false) => painter.legend(area, &legend[..1]),
        (false, true) => painter.legend(area, &legend[1..]),
        (false, false) => Ok(()),
    }
}

/// Returns the runs of consecutive steps with replies.
fn runs(painter: &Painter<'_>) -> Vec<Vec<usize>> {
    let steps = &painter.data.steps;
    let has_replies = |index: usize| steps[index].step.quantile(1).is_some();
    let indices: Vec<usize> = (0..steps.len()).collect();
    indices
        .chunk_by(|one, other| has_replies(*one) == has_replies(*other))
        .filter(|run| has_replies(run[0]))
        .map(<[usize]>::to_vec)
        .collect()
}

//! The panel of all replies by RTT and time.

use plotters::prelude::*;

use super::{
    axis::log_ticks,
    painter::{Area, DrawResult, Painter},
};
use crate::page::history::step::{HEATMAP_BUCKETS, heatmap_bound};

/// The buckets that are shown around the usual RTT if there are no replies.
const EMPTY: (usize, usize) = (14, 21);

/// Draws the heatmap.
pub(super) fn draw(painter: &Painter<'_>, area: &Area<'_>) -> DrawResult {
    let steps = &painter.data.steps;
    let count = |index: usize, bucket| steps[index].step.heatmap_count(bucket);
    let is_used = |bucket: &usize| (0..steps.len()).any(|index| count(index, *bucket) > 0);
    let used = (0..HEATMAP_BUCKETS).filter(is_used);
    let (first, last) = used.fold((HEATMAP_BUCKETS, 0), |(first, last), bucket| {
        (first.min(bucket), last.max(bucket))
    });
    let (first, last) = if first > last { EMPTY } else { (first, last) };
    // At least a few rows, so that a row is not too high.
    let first = first.saturating_sub(2);
    let last = (last + 2).max(first + 6).min(HEATMAP_BUCKETS - 1);
    let range = (first as f64, last as f64 + 1.0);
    let lowest = heatmap_bound(first) / std::f64::consts::SQRT_2;
    // A row ends at the bound of its bucket, and each is √2 wide.
    let height = |seconds: f64| range.0 + 2.0 * (seconds / lowest).log2();
    let ticks = log_ticks(lowest, heatmap_bound(last)).into_iter();
    let ticks: Vec<_> = ticks.map(|(value, text)| (height(value), text)).collect();
    let caption = if painter.is_narrow() {
        "Replies by RTT (logarithmic)"
    } else {
        "Replies by RTT (logarithmic): the stronger, the more"
    };
    let mut chart = painter.chart(area, caption, range, &ticks)?;
    let counts =
        (0..steps.len()).flat_map(|index| (first..=last).map(move |bucket| count(index, bucket)));
    let max_count = f64::from(counts.max().unwrap_or(0)) + 1.0;
    for bucket in first..=last {
        let row = |begin, end| [(begin, bucket as f64), (end, bucket as f64 + 1.0)];
        // Neighbours of the same colour become one rectangle.
        let mut open: Option<(u32, f64, f64)> = None;
        let ends = (0..steps.len()).map(|index| {
            let (begin, end) = painter.interval(index);
            (count(index, bucket), begin, end)
        });
        for (count, begin, end) in ends.chain([(0, 0.0, 0.0)]) {
            if let Some((_, _, until)) = open.as_mut().filter(|open| open.0 == count) {
                *until = end;
                continue;
            }
            if let Some((count, begin, end)) = open.take() {
                let strength = 0.12 + 0.88 * (f64::from(count) + 1.0).ln() / max_count.ln();
                let fill = painter.colors.heat.mix(strength.min(1.0));
                chart.draw_series([Rectangle::new(row(begin, end), fill.filled())])?;
            }
            open = (count > 0).then_some((count, begin, end));
        }
    }
    Ok(())
}
